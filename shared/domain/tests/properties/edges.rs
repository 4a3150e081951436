//! Reports at the edges: metrics that die or appear, arms without variation, few conversions, and baselines near zero.

mod large_differences;
mod support;

use domain::report::{DecidingMethod, Monitoring};
use serde_json::{Value, json};
use support::{Edge, User, comparison, metric, users};

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
    assert_eq!(comparison(&report)["finding"], "not_measurable");
    let missing = &comparison(&report)["missing"][0];
    assert_eq!(missing["reason"], "no_resolution");
}

#[test]
fn medians_that_differ_are_compared_although_most_users_have_the_same_value() {
    let median = metric("quantile", &json!({"direction": "decrease"}));
    for [control, treatment] in [
        [users(200, 0, 5.0), users(200, 150, 5.0)],
        [users(2_000, 650, 5.0), users(2_000, 1_350, 5.0)],
        [users(2_000, 1_800, 2.0), users(2_000, 1_800, 3.0)],
    ] {
        let report = Edge::new(median.clone(), [control, treatment]).json();
        let compared = comparison(&report);
        assert_eq!(compared["finding"], "worse", "{compared}");
        let lower = compared["absolute"]["ci_lower"].as_f64().unwrap();
        assert!(lower > 0.0, "{compared}");
    }
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

#[test]
fn a_small_arm_with_few_events_has_the_noise_of_both_arms_in_sequential_results() {
    let control: Vec<User> = (0..900)
        .map(|i| (i % 10 == 0).then(|| (1.0 + f64::from(i % 7), 1.0)))
        .collect();
    let arms = [control, users(100, 1, 0.1)];
    let report = Edge::new(metric("sum", &json!({})), arms).json();
    let number = |value: &Value| value.as_f64().unwrap();
    let compared = comparison(&report);
    let welch = number(&compared["absolute"]["standard_error"]);
    // Welch's error hardly contains the noise of the small arm.
    assert!(
        number(&compared["absolute"]["p_value"]) < 1e-6,
        "{compared}"
    );
    let sequence = stats::ConfidenceSequence::new(stats::Alpha::FIVE_PERCENT, 20_000.0).unwrap();
    let sequential = &compared["sequential"]["absolute"];
    let half = 0.5 * (number(&sequential["ci_upper"]) - number(&sequential["ci_lower"]));
    let error = half / sequence.half_width(1.0, 1_000.0).unwrap();
    // The variance of the small arm is 0.0001, and that of all users is 0.9 times that of the control.
    let pooled = welch * (0.9 * (1.0 + 900.0 / 100.0_f64)).sqrt();
    assert!((error / pooled - 1.0).abs() < 0.01, "{error} {pooled}");
    assert_eq!(compared["finding"], "undecided");
}
