//! Reports of an experiment with one metric, for given users.

use domain::aggregates::{AggregateCell, ExperimentAggregates, VariantAggregates};
use domain::coverage::Provenance;
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::ids::MetricKey;
use domain::report::{AnalysisRequest, Breakdown, Correction, DecidingMethod, Report};
use domain::sums::{MetricSums, UserMetricValues};
use domain::time::Timestamp;
use serde_json::{Value, json};

const DAY: i64 = 20_000;
const START: i64 = DAY * 86_400_000_000;

/// A user's value, and the denominator of a ratio. A user without an event has none.
pub(crate) type User = Option<(f64, f64)>;

/// The experiment with one metric, for these users of control and treatment.
pub(crate) struct Edge {
    metric: Value,
    pub(crate) plan: Value,
    arms: [Vec<User>; 2],
    method: Option<DecidingMethod>,
    pub(crate) alpha: Option<f64>,
}

impl Edge {
    pub(crate) fn new(metric: Value, arms: [Vec<User>; 2]) -> Self {
        Self {
            metric,
            plan: Value::Null,
            arms,
            method: None,
            alpha: None,
        }
    }

    pub(crate) fn by(self, method: DecidingMethod) -> Self {
        Self {
            method: Some(method),
            ..self
        }
    }

    pub(crate) fn report(&self) -> (Report, ExperimentAggregates) {
        let users = self.arms.each_ref().map(Vec::len);
        #[expect(clippy::cast_precision_loss, reason = "hundreds of users")]
        let percent = users.map(|n| 100.0 * n as f64 / (users[0] + users[1]) as f64);
        let start = Timestamp::from_micros(START);
        let mut definition = json!({
            "id": "e", "version": 1, "name": "e", "status": "running", "traffic_percent": 100.0, "hash_seed": "e",
            "hash_version": 2, "phases": [], "shards": 1, "created_at": start, "updated_at": start,
            "variants": [{"key": "control", "percent": percent[0]}, {"key": "green", "percent": percent[1]}],
            "metrics": [self.metric], "started_at": start,
        });
        if !self.plan.is_null() {
            definition["plan"] = self.plan.clone();
        }
        let experiment: Experiment = serde_json::from_value(definition).unwrap();
        let metric = &experiment.analysis.metrics[0];
        let mut aggregates = ExperimentAggregates::default();
        for arm in &self.arms {
            let mut sums = MetricSums::default();
            for (value, denominator) in arm.iter().flatten() {
                #[expect(clippy::cast_possible_truncation, reason = "small values")]
                let micros = |x: f64| (x * 1e6).round() as i128;
                let user = UserMetricValues {
                    converted: true,
                    values: [micros(*value), micros(*denominator), 0, 0],
                };
                sums.apply(&user, true, metric.needs_buckets()).unwrap();
            }
            let mut variant = VariantAggregates::default();
            let cell = AggregateCell {
                users: arm.len() as u64,
                metrics: [(metric.key.clone(), sums)].into(),
            };
            variant.days.insert((DAY, 0), cell);
            aggregates.variants.push(variant);
        }
        let last = Timestamp::from_micros(START + 8 * 86_400_000_000);
        aggregates.data_range.assigned = Some((start, last));
        aggregates.data_range.received_last = Some(last);
        let request = AnalysisRequest {
            filter: RecordFilter::default(),
            as_of: last,
            metrics: std::collections::BTreeSet::<MetricKey>::new(),
            baseline: None,
            method: self.method,
            alpha: self.alpha,
            correction: Correction::None,
            breakdown: Breakdown::None,
            series: false,
        };
        let report = Report::new(&experiment, &aggregates, &request, &Provenance::default());
        (report.unwrap(), aggregates)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::to_value(self.report().0).unwrap()
    }
}

pub(crate) fn metric(kind: &str, more: &Value) -> Value {
    let mut metric = json!({"key": "m", "kind": kind, "event_type": "e", "role": "guardrail"});
    match kind {
        "ratio" => {
            metric["measure"] = json!("sum");
            metric["denominator"] = json!({"event_type": "e", "measure": "count"});
        }
        "quantile" => {
            metric["measure"] = json!("sum");
            metric["quantile"] = json!(0.5);
        }
        _ => {}
    }
    for (name, value) in more.as_object().unwrap() {
        metric[name] = value.clone();
    }
    metric
}

/// `n` users. The first `with` of them have this value.
pub(crate) fn users(n: usize, with: usize, value: f64) -> Vec<User> {
    (0..n).map(|i| (i < with).then_some((value, 1.0))).collect()
}

pub(crate) fn comparison(report: &Value) -> &Value {
    &report["metrics"][0]["comparisons"][0]
}
