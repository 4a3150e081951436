//! Large differences between random arms are always found.

use super::support::{Edge, User, comparison, metric};
use proptest::prelude::*;
use serde_json::json;

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
