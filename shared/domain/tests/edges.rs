//! Reports at the edges: metrics that die or appear, arms without variation, few conversions, and baselines near zero.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::aggregates::{AggregateCell, ExperimentAggregates, VariantAggregates};
use domain::coverage::Provenance;
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::ids::MetricKey;
use domain::report::{AnalysisRequest, Breakdown, Correction, DecidingMethod, Monitoring, Report};
use domain::sums::{MetricSums, UserMetricValues};
use domain::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

const DAY: i64 = 20_000;
const START: i64 = DAY * 86_400_000_000;

/// A user's value, and the denominator of a ratio. A user without an event has none.
type User = Option<(f64, f64)>;

/// The experiment with one metric, for these users of control and treatment.
struct Edge {
    metric: Value,
    plan: Value,
    arms: [Vec<User>; 2],
    method: Option<DecidingMethod>,
    alpha: Option<f64>,
}

impl Edge {
    fn new(metric: Value, arms: [Vec<User>; 2]) -> Self {
        Self {
            metric,
            plan: Value::Null,
            arms,
            method: None,
            alpha: None,
        }
    }

    fn by(self, method: DecidingMethod) -> Self {
        Self {
            method: Some(method),
            ..self
        }
    }

    fn report(&self) -> (Report, ExperimentAggregates) {
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

    fn json(&self) -> Value {
        serde_json::to_value(self.report().0).unwrap()
    }
}

fn metric(kind: &str, more: &Value) -> Value {
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
fn users(n: usize, with: usize, value: f64) -> Vec<User> {
    (0..n).map(|i| (i < with).then_some((value, 1.0))).collect()
}

fn comparison(report: &Value) -> &Value {
    &report["metrics"][0]["comparisons"][0]
}

const METHODS: [DecidingMethod; 3] = [
    DecidingMethod::Fixed,
    DecidingMethod::Sequential,
    DecidingMethod::Bayesian,
];

#[test]
fn a_guardrail_that_dies_or_appears_stops_the_experiment_by_every_method() {
    let increase = json!({});
    let decrease = json!({"direction": "decrease"});
    for (kind, more, control, treatment) in [
        (
            "conversion",
            &increase,
            users(400, 300, 1.0),
            users(400, 0, 1.0),
        ),
        ("count", &increase, users(400, 300, 1.0), users(400, 0, 1.0)),
        ("sum", &increase, users(400, 300, 7.5), users(400, 0, 1.0)),
        (
            "conversion",
            &decrease,
            users(1_000, 0, 1.0),
            users(1_000, 300, 1.0),
        ),
        (
            "count",
            &decrease,
            users(1_000, 0, 1.0),
            users(1_000, 300, 1.0),
        ),
        (
            "ratio",
            &decrease,
            users(400, 400, 0.0),
            users(400, 400, 2.0),
        ),
        // All users of both variants have the same value, and not the same one.
        ("sum", &increase, users(200, 200, 5.0), users(200, 200, 4.0)),
        (
            "ratio",
            &increase,
            users(200, 200, 21.0),
            users(200, 200, 20.0),
        ),
        ("count", &decrease, users(200, 0, 1.0), users(200, 200, 1.0)),
    ] {
        for method in METHODS {
            let edge = Edge::new(metric(kind, more), [control.clone(), treatment.clone()]);
            let report = edge.by(method).json();
            let decision = &report["decision"];
            assert_eq!(decision["verdict"], "stop", "{method:?} {report}");
            assert_eq!(
                decision["reason"], "guardrail_worse",
                "{method:?} {decision}"
            );
            let compared = comparison(&report);
            assert!(compared["absolute"].is_object(), "{compared}");
            assert!(compared["sequential"].is_object(), "{compared}");
        }
    }
}

#[test]
fn a_new_error_raises_an_alarm_that_states_both_values() {
    let errors = metric("count", &json!({"direction": "decrease"}));
    let edge = Edge::new(errors, [users(1_000, 0, 1.0), users(1_000, 300, 1.0)]);
    let (report, aggregates) = edge.report();
    let alarms = Monitoring::new(&report, &aggregates).alarms;
    let [alarm] = alarms.as_slice() else {
        panic!("{alarms:?}")
    };
    assert_eq!(alarm.code, "guardrail_worse");
    assert!(alarm.message.ends_with("0.3 instead of 0."), "{alarm:?}");
    let report = edge.json();
    let sequential = &comparison(&report)["sequential"];
    assert_eq!(sequential["test"], "exact_rates");
    assert_eq!(sequential.get("absolute"), None);
    assert!(sequential["users_with_event"]["ci_lower"].as_f64().unwrap() > 0.2);
    let missing = comparison(&report)["missing"].to_string();
    assert!(missing.contains("one_arm_constant"), "{missing}");
}

#[test]
fn few_conversions_find_an_effect_or_ask_for_more_data() {
    let rates = metric("conversion", &json!({"direction": "decrease"}));
    for (conversions, finding) in [(7, "worse"), (6, "not_enough_data")] {
        let arms = [users(1_000, 0, 1.0), users(1_000, conversions, 1.0)];
        let report = Edge::new(rates.clone(), arms).json();
        let compared = comparison(&report);
        assert_eq!(compared["finding"], finding, "{compared}");
        let test = &compared["absolute"];
        assert_eq!(test["test"], "fisher_exact");
        assert_eq!(test.get("statistic"), None);
    }
    let few = Edge::new(rates, [users(1_000, 3, 1.0), users(1_000, 5, 1.0)]).json();
    let missing = comparison(&few)["missing"].as_array().unwrap();
    let why = missing.iter().find(|missing| missing["what"] == "finding");
    assert_eq!(why.unwrap()["reason"], "too_few_conversions");
    let lift = &comparison(&few)["sequential"]["relative"];
    assert!(lift["ci_lower"].as_f64().unwrap() < 0.0 && lift["ci_upper"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_value_is_shown_where_only_its_noise_is_unknown() {
    let mean = |metric: Value, arms: [Vec<User>; 2]| {
        let report = Edge::new(metric, arms).json();
        let variants = report["metrics"][0]["variants"].clone();
        (report, variants)
    };
    let ratio = metric("ratio", &json!({}));
    let (_, constant) = mean(ratio.clone(), [users(20, 20, 20.0), users(20, 20, 21.0)]);
    assert_eq!(
        (&constant[0]["mean"], &constant[1]["mean"]),
        (&json!(20.0), &json!(21.0))
    );
    let (_, single) = mean(ratio, [users(1, 1, 2.0), users(1, 1, 3.0)]);
    assert_eq!(single[0]["mean"], 2.0);
    assert_eq!(single[0]["missing"]["reason"], "too_few_units");
    let median = metric("quantile", &json!({}));
    let (report, ties) = mean(median, [users(200, 65, 5.0), users(200, 65, 5.0)]);
    assert_eq!(
        (&ties[0]["mean"], &ties[1]["mean"]),
        (&json!(0.0), &json!(0.0))
    );
    assert_eq!(ties[0]["missing"]["reason"], "no_resolution");
    assert_eq!(comparison(&report)["finding"], "not_measurable");
}

#[test]
fn a_headline_says_not_enough_data_only_where_that_is_the_reason() {
    let headline = |kind: &str, arms: [Vec<User>; 2]| {
        let metric = metric(kind, &json!({"role": "primary"}));
        let report = Edge::new(metric, arms).json();
        report["decision"]["headline"].as_str().unwrap().to_owned()
    };
    let ties = headline("quantile", [users(200, 65, 5.0), users(200, 65, 5.0)]);
    assert!(
        ties.contains("no comparison is possible on `m`: so many users"),
        "{ties}"
    );
    let few = headline("sum", [users(50, 20, 5.0), users(50, 21, 6.0)]);
    assert!(
        few.contains("not enough data yet on `m`: too few users: 50 seen, 100 needed"),
        "{few}"
    );
    let same = headline("sum", [users(200, 200, 5.0), users(200, 200, 5.0)]);
    assert!(same.contains("every user has the same value"), "{same}");
}

#[test]
fn thirty_against_470_of_500_conversions_win_almost_surely() {
    let arms = [users(500, 30, 1.0), users(500, 470, 1.0)];
    let report = Edge::new(metric("conversion", &json!({})), arms).json();
    let bayesian = &comparison(&report)["bayesian"];
    assert!(
        bayesian["chance_to_win"].as_f64().unwrap() > 0.999_999,
        "{bayesian}"
    );
    assert!(
        bayesian["relative"]["ci_lower"].as_f64().unwrap() > 0.0,
        "{bayesian}"
    );
}

#[test]
fn a_lift_is_missing_with_the_reason_while_the_baseline_is_near_zero() {
    // Payments and refunds of nearly the same size.
    let arm = |extra: f64| -> Vec<User> {
        (0..400)
            .map(|i| Some((if i % 2 == 0 { 50.0 } else { -49.0 } + extra, 1.0)))
            .collect()
    };
    let sum = metric("sum", &json!({"role": "primary"}));
    let report = Edge::new(sum, [arm(0.0), arm(60.0)]).json();
    let compared = comparison(&report);
    assert_eq!(compared.get("relative"), None, "{compared}");
    assert_eq!(compared["decisive"].get("relative"), None, "{compared}");
    assert_eq!(compared["finding"], "better");
    let missing = compared["missing"].to_string();
    for what in ["relative", "sequential.relative"] {
        let entry = format!("\"what\":\"{what}\"");
        assert!(missing.contains(&entry), "{missing}");
    }
    assert!(
        missing.contains("baseline_not_distinguishable"),
        "{missing}"
    );
    let headline = report["decision"]["headline"].as_str().unwrap();
    assert!(headline.contains("`m`: +60 (95% interval +"), "{headline}");
}

#[test]
fn lift_and_difference_of_few_users_use_the_quantile_of_t() {
    let arm = |shift: f64| -> Vec<User> {
        [10.0, 11.0, 12.0, 13.0]
            .map(|x| Some((x + shift, 1.0)))
            .to_vec()
    };
    let report = Edge::new(metric("sum", &json!({})), [arm(0.0), arm(2.0)]).json();
    let number = |value: &Value| value.as_f64().unwrap();
    let compared = comparison(&report);
    let (difference, lift) = (&compared["absolute"], &compared["relative"]);
    let t = (number(&difference["ci_upper"]) - number(&difference["estimate"]))
        / number(&difference["standard_error"]);
    assert!(t > 2.4, "{t}");
    // The variance of each arm is 5/3, and the means are 11.5 and 13.5.
    let error = (5.0 / 12.0_f64).sqrt() * (11.5_f64.powi(-2) + 13.5_f64.powi(-2)).sqrt();
    let upper = 13.5 / 11.5 * (t * error).exp() - 1.0;
    assert!(
        (number(&lift["ci_upper"]) - upper).abs() < 1e-9,
        "{lift} {upper}"
    );
}

#[test]
fn a_tiny_lift_is_never_shown_as_zero() {
    let arm = |mean: f64| -> Vec<User> {
        (0..400)
            .map(|i| Some((mean + f64::from(i % 2) * 0.01, 1.0)))
            .collect()
    };
    let sum = metric("sum", &json!({"role": "primary"}));
    let report = Edge::new(sum, [arm(1_000.0), arm(1_000.02)]).json();
    let headline = report["decision"]["headline"].as_str().unwrap();
    assert!(headline.starts_with("Ship `green`"), "{headline}");
    assert!(
        headline.contains("+0.0020%") && !headline.contains("+0.00%"),
        "{headline}"
    );
}

#[test]
fn caps_are_exact_for_equal_values_and_refunds_have_a_lower_cap() {
    let sum = metric("sum", &json!({"cap_percentile": 0.99}));
    let arms = [users(100, 50, 100.0), users(100, 50, 100.0)];
    let mut varied = arms.clone();
    varied[0][60] = Some((90.0, 1.0));
    let report = Edge::new(sum.clone(), varied).json();
    assert_eq!(comparison(&report)["capped"]["cap"], 100.0);
    assert_eq!(comparison(&report)["capped"].get("lower_cap"), None);
    let mut refunds = arms;
    for user in &mut refunds[1][..10] {
        *user = Some((-20.0, 1.0));
    }
    refunds[1][10] = Some((-90_000.0, 1.0));
    let report = Edge::new(sum, refunds).json();
    assert_eq!(comparison(&report)["capped"]["lower_cap"], -20.0);
}

/// Mean, variance and number of the values of an arm; a user without an event has 0.
fn moments(values: &[f64]) -> (f64, f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "hundreds of users")]
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, squares / (n - 1.0), n)
}

/// The difference in standard errors, each taken from all users of both arms or per arm, whichever is larger.
fn standard_errors(control: &[f64], treatment: &[f64]) -> f64 {
    let all: Vec<f64> = control.iter().chain(treatment).copied().collect();
    let ((m_c, v_c, n_c), (m_t, v_t, n_t)) = (moments(control), moments(treatment));
    let pooled = moments(&all).1 * (1.0 / n_c + 1.0 / n_t);
    (m_t - m_c) / pooled.max(v_c / n_c + v_t / n_t).sqrt()
}

/// An arm: the share of users with an event, the size of their values, and how much these vary.
fn an_arm() -> impl Strategy<Value = Vec<User>> {
    let share = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64];
    let spread = prop_oneof![Just(0.0), 0.0..2.0_f64];
    (100_usize..400, share, -3.0..3.0_f64, spread, any::<bool>()).prop_map(
        |(n, share, size, spread, negative)| {
            let sign = if negative { -1.0 } else { 1.0 };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "hundreds of users"
            )]
            let with = (n as f64 * share) as usize;
            let value = |i: usize| {
                let turn = f64::from(u32::try_from(i * 7_919 % 101).unwrap()) / 101.0 - 0.5;
                sign * (size + spread * turn).exp()
            };
            (0..n)
                .map(|i| (i < with).then(|| (value(i), 1.0)))
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_difference_of_ten_standard_errors_is_always_found(
        control in an_arm(),
        treatment in an_arm(),
        kind in prop_oneof![Just("conversion"), Just("count"), Just("sum")],
        decrease in any::<bool>(),
        planned in prop_oneof![Just(None), (2.0..9.0_f64).prop_map(Some)],
        alpha in prop_oneof![Just(0.05), 0.001..0.2_f64],
    ) {
        let number = |user: &User| match (kind, user) {
            (_, None) => 0.0,
            ("conversion", Some(_)) => 1.0,
            ("count", Some((value, _))) => value.abs().ceil(),
            (_, Some((value, _))) => (value * 1e6).round() / 1e6,
        };
        let as_measured = |arm: &[User]| -> Vec<User> {
            arm.iter().map(|user| user.map(|_| (number(user), 1.0))).collect()
        };
        let values = |arm: &[User]| arm.iter().map(number).collect::<Vec<f64>>();
        let z = standard_errors(&values(&control), &values(&treatment));
        prop_assume!(z.abs() > 10.0);
        let direction = if decrease { "decrease" } else { "increase" };
        let mut edge = Edge::new(
            metric(kind, &json!({"direction": direction})),
            [as_measured(&control), as_measured(&treatment)],
        );
        edge.alpha = Some(alpha);
        if let Some(exponent) = planned {
            edge.plan = json!({
                "minimum_detectable_effect": 0.05, "power": 0.8, "alpha": 0.05,
                "users": 10_f64.powf(exponent).round() as u64,
            });
        }
        let report = edge.json();
        let compared = comparison(&report);
        prop_assert!(compared["decisive"].is_object(), "{z} {compared}");
        prop_assert!(compared["absolute"].is_object(), "{z} {compared}");
        let worse = (z < 0.0) != decrease;
        let expected = if worse { "worse" } else { "better" };
        prop_assert_eq!(&compared["finding"], expected, "{} {}", z, compared);
        if worse {
            prop_assert_eq!(&report["decision"]["reason"], "guardrail_worse", "{}", report["decision"].clone());
        }
    }
}
