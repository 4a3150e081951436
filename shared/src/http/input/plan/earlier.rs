//! A plan request whose baseline is a metric of an earlier experiment.

use super::MINIMUM_DETECTABLE_EFFECT;
use crate::http::body::{Faults, Node, Object, listed};
use crate::http::problem::{Fault, Problem};
use domain::Invalid;
use domain::aggregates::ExperimentAggregates;
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, MetricKey};
use domain::metric::Metric;
use domain::plan::{Baseline, BaselineSource, Design, PlanRequest, PlannedKind, PlannedMetric};

const METRIC: &str = "/metric";
const EXPERIMENT_ID: &str = "/metric/experiment_id";
const METRIC_KEY: &str = "/metric/metric";

/// A plan request that needs the earlier experiment.
#[derive(Debug)]
pub struct EarlierExperimentRequest {
    pub(super) metric: EarlierMetric,
    pub(super) design: Design,
}

/// A metric of an earlier experiment.
#[derive(Debug)]
pub(super) struct EarlierMetric {
    experiment_id: ExperimentId,
    key: MetricKey,
}

/// Reads the reference to an earlier experiment; `experiment` was taken from the fields before.
pub(super) fn metric(
    experiment: Option<Node<'_>>,
    mut fields: Object<'_>,
    faults: &mut Faults,
) -> Option<EarlierMetric> {
    if experiment.is_none() {
        let detail =
            "`experiment_id` is required: `metric` names a metric of an earlier experiment.";
        faults.push(EXPERIMENT_ID, Invalid::new("required", detail));
    }
    let experiment_id = experiment.and_then(|node| node.text(faults, ExperimentId::parse));
    let key = fields
        .required("metric", faults)
        .and_then(|node| node.text(faults, MetricKey::parse));
    fields.finish(faults, "experiment_id, metric");
    Some(EarlierMetric {
        experiment_id: experiment_id?,
        key: key?,
    })
}

impl EarlierExperimentRequest {
    /// The earlier experiment.
    pub fn experiment_id(&self) -> &ExperimentId {
        &self.metric.experiment_id
    }

    /// The earlier experiment, if it exists and may have the metric. Declared metrics are checked without reading data.
    ///
    /// # Errors
    /// 422 if there is no such experiment, or if it declares other metrics.
    pub fn earlier(&self, found: Option<Experiment>) -> Result<Experiment, Problem> {
        let experiment = found.ok_or_else(|| {
            let id = self.experiment_id();
            let detail =
                format!("There is no experiment `{id}`; `GET /experiments` lists all experiments.");
            refused(EXPERIMENT_ID, "unknown_experiment", detail)
        })?;
        if !experiment.analysis.metrics.is_empty() {
            self.planned(&experiment.analysis.metrics)?;
        }
        Ok(experiment)
    }

    /// The plan request with the metric of the earlier experiment's control as baseline, over all its users so far.
    ///
    /// # Errors
    /// 422 if the experiment has no such metric, or if it is no baseline; 409 if a sum is too large.
    pub fn plan_request(
        self,
        experiment: &Experiment,
        aggregates: &ExperimentAggregates,
    ) -> Result<PlanRequest, Problem> {
        let kind = self.planned(&aggregates.metrics(experiment))?;
        let control = aggregates.variants.first().map(|control| control.total());
        let control = control.transpose()?.unwrap_or_default();
        let sums = control.metrics.get(&self.metric.key).cloned();
        let baseline = Baseline::observed(kind, control.users, &sums.unwrap_or_default());
        let baseline = baseline.map_err(|why| {
            let detail =
                format!("{why} Name another metric or experiment, or state the expected numbers.");
            refused(METRIC, why.code(), detail)
        })?;
        let lift = self.design.minimum_detectable_effect;
        baseline.can_change(lift).map_err(|invalid| {
            Problem::invalid(vec![Fault::at(MINIMUM_DETECTABLE_EFFECT, invalid)])
        })?;
        let EarlierMetric { experiment_id, key } = self.metric;
        let source = BaselineSource {
            experiment_id,
            metric: key.clone(),
            users: control.users,
            baseline,
        };
        Ok(PlanRequest {
            metric: PlannedMetric {
                kind,
                key: Some(key),
                baseline,
                source: Some(source),
            },
            design: self.design,
        })
    }

    /// The planned metric that follows from these metrics.
    fn planned(&self, metrics: &[Metric]) -> Result<PlannedKind, Problem> {
        let key = &self.metric.key;
        let metric = metrics.iter().find(|metric| metric.key == *key);
        let metric = metric.ok_or_else(|| {
            let there = listed(metrics.iter().map(|metric| metric.key.as_str()));
            let id = self.experiment_id();
            let detail = format!("There is no metric `{key}` in `{id}`; the metrics are {there}.");
            refused(METRIC_KEY, "unknown_metric", detail)
        })?;
        PlannedKind::of(&metric.kind).ok_or_else(|| {
            let detail = format!(
                "`{key}` is a quantile, and a plan needs a rate, a mean or a ratio: name a metric of another kind."
            );
            refused(METRIC_KEY, "not_planned", detail)
        })
    }
}

fn refused(pointer: &str, code: &'static str, detail: String) -> Problem {
    Problem::invalid(vec![Fault::at(pointer, Invalid::new(code, detail))])
}
