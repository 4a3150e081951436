//! Decisions at the edges: metrics that die or appear, arms without variation, and large differences of any kind.

use super::shop::{comparison, metric, number};
use super::support::{Caller, World};
use super::users::{TestUser, import_users};
use crate::soak::part_of;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

/// `users` users of a variant. The first `with` of them have an event of this type.
fn some(
    variant: &'static str,
    users: usize,
    with: usize,
    event_type: &'static str,
) -> Vec<TestUser> {
    let user = |number| {
        let user = TestUser::new(variant, 0);
        if number < with {
            user.did(event_type, Some(1.0))
        } else {
            user
        }
    };
    (0..users).map(user).collect()
}

#[tokio::test]
async fn a_conversion_that_dies_and_an_error_that_appears_stop_the_experiment_with_alarms() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([
        {"key": "paid", "kind": "conversion", "event_type": "pay", "role": "guardrail"},
        {"key": "errors", "kind": "count", "event_type": "error", "role": "guardrail", "direction": "decrease"},
        {"key": "seconds", "kind": "sum", "event_type": "pay", "role": "secondary"},
    ]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    let mut users = some("control", 60, 45, "pay");
    users.extend(some("green", 60, 30, "error"));
    import_users(&admin, "e", &users).await;
    for method in ["sequential", "fixed"] {
        let report = admin.results("e", &format!("method={method}")).await;
        assert_eq!(report["decision"]["reason"], "guardrail_worse", "{report}");
        for key in ["paid", "errors"] {
            let compared = comparison(&report, key);
            assert_eq!(compared["finding"], "worse", "{method} {compared}");
            for part in ["decisive", "absolute", "sequential", "bayesian"] {
                assert!(compared[part].is_object(), "{part} {compared}");
            }
        }
    }
    let bayesian = admin.results("e", "method=bayesian").await;
    assert_eq!(bayesian["decision"]["verdict"], "stop", "{bayesian}");
    assert_eq!(comparison(&bayesian, "paid")["finding"], "worse");
    let summary = admin.results("e", "view=summary").await;
    assert_eq!(summary["verdict"], "stop", "{summary}");
    let monitoring = admin.results("e", "view=monitoring").await;
    let alarms = monitoring["alarms"].as_array().unwrap();
    let keys: Vec<&Value> = alarms.iter().map(|alarm| &alarm["metric"]).collect();
    assert_eq!(keys, ["paid", "errors"], "{monitoring}");
    assert!(
        alarms[0]["message"]
            .as_str()
            .unwrap()
            .contains("-100.0% (95% interval -100.0% to")
    );
    assert!(
        alarms[1]["message"]
            .as_str()
            .unwrap()
            .contains("0.5 instead of 0")
    );
}

/// The share of simulated experiments with 200 users per variant that are stopped.
async fn stopped(admin: &Caller, name: &str, rates: [f64; 2], metric: &Value, runs: usize) -> f64 {
    let mut stopped = 0.0;
    for run in 0..runs {
        let mut random = Pcg64::seed_from_u64(run as u64);
        let mut arm = |variant, rate: f64| {
            let with = (0..200).filter(|_| random.random_bool(rate)).count();
            some(variant, 200, with, "event")
        };
        let mut users = arm("control", rates[0]);
        users.extend(arm("green", rates[1]));
        let id = format!("{name}-{run}");
        admin.experiment(&id, json!({"metrics": [metric]})).await;
        import_users(admin, &id, &users).await;
        let summary = admin.results(&id, "view=summary").await;
        stopped += f64::from(u8::from(summary["verdict"] == "stop"));
    }
    #[expect(clippy::cast_precision_loss, reason = "tens of runs")]
    let share = stopped / runs as f64;
    share
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn a_conversion_that_drops_to_zero_is_stopped_within_200_users_per_variant() {
    let world = World::start().await;
    let admin = world.admin();
    let paid =
        json!({"key": "m", "kind": "conversion", "event_type": "event", "role": "guardrail"});
    for (name, rate) in [("common", 0.75), ("rare", 0.1)] {
        let share = stopped(&admin, name, [rate, 0.0], &paid, part_of(20)).await;
        assert!(share >= 0.95, "{name}: {share}");
    }
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn an_error_that_appears_at_10_percent_of_users_is_stopped_within_200_users_per_variant() {
    let world = World::start().await;
    let admin = world.admin();
    let errors = json!({
        "key": "m", "kind": "count", "event_type": "event", "role": "guardrail", "direction": "decrease",
    });
    let share = stopped(&admin, "new", [0.0, 0.1], &errors, part_of(20)).await;
    assert!(share >= 0.95, "{share}");
    let share = stopped(&admin, "never", [0.0, 0.0], &errors, 5).await;
    assert!(share < 0.01, "{share}");
}

/// Mean, variance and number of values.
fn moments(values: &[f64]) -> (f64, f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "hundreds of users")]
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, squares / (n - 1.0), n)
}

/// The difference in standard errors, each taken from all users of both arms or per arm, whichever is larger.
fn standard_errors([control, treatment]: &[Vec<f64>; 2]) -> f64 {
    let all: Vec<f64> = control.iter().chain(treatment).copied().collect();
    let ((m_c, v_c, n_c), (m_t, v_t, n_t)) = (moments(control), moments(treatment));
    let pooled = moments(&all).1 * (1.0 / n_c + 1.0 / n_t);
    (m_t - m_c) / pooled.max(v_c / n_c + v_t / n_t).sqrt()
}

/// An experiment with random metrics and users, checked for every difference of ten standard errors. Returns their number.
async fn check_large_differences(admin: &Caller, seed: u64) -> usize {
    const TYPES: [&str; 4] = ["a", "b", "c", "d"];
    let mut random = Pcg64::seed_from_u64(seed);
    let mut metrics = Vec::new();
    for (index, event_type) in TYPES.into_iter().enumerate() {
        let kind = ["conversion", "count", "sum"][random.random_range(0..3)];
        let direction = ["increase", "decrease"][random.random_range(0..2)];
        metrics.push(json!({
            "key": format!("m{index}"), "kind": kind, "event_type": event_type, "role": "guardrail", "direction": direction,
        }));
    }
    let mut fields = json!({"metrics": metrics});
    if random.random_bool(0.5) {
        fields["plan"] = json!({"minimum_detectable_effect": 0.01, "users": 3_000_000});
    }
    let shape: Vec<(f64, f64)> = (0..2 * TYPES.len())
        .map(|_| {
            let share = [0.0, 1.0, random.random_range(0.0..1.0)][random.random_range(0..3)];
            (share, [1.0, 4.0, -4.0][random.random_range(0..3)])
        })
        .collect();
    let mut users = Vec::new();
    let mut values = vec![[Vec::new(), Vec::new()]; TYPES.len()];
    for number in 0..220 {
        let arm = number % 2;
        let mut user = TestUser::new(["control", "green"][arm], 0);
        for (index, event_type) in TYPES.into_iter().enumerate() {
            let (share, value) = shape[2 * index + arm];
            let has = share >= 1.0 || random.random_bool(share);
            if has {
                user = user.did(event_type, Some(value));
            }
            values[index][arm].push(match metrics[index]["kind"].as_str() {
                _ if !has => 0.0,
                Some("sum") => value,
                _ => 1.0,
            });
        }
        users.push(user);
    }
    let id = format!("random-{seed}");
    admin.experiment(&id, fields).await;
    import_users(admin, &id, &users).await;
    let report = admin.results(&id, "series=none").await;
    let (mut large, mut harm) = (0, false);
    for (index, values) in values.iter().enumerate() {
        let z = standard_errors(values);
        // Without any event in both arms, there is no standard error.
        if z.is_nan() || z.abs() <= 10.0 {
            continue;
        }
        large += 1;
        let key = format!("m{index}");
        let compared = comparison(&report, &key);
        assert!(
            compared["decisive"].is_object() && compared["absolute"].is_object(),
            "{z} {compared}"
        );
        assert!(
            number(&compared["decisive"]["p_value"]) <= 0.05,
            "{z} {compared}"
        );
        harm |= (z < 0.0) == (metric(&report, &key)["direction"] == "increase");
    }
    assert!(
        !harm || report["decision"]["verdict"] == "stop",
        "{}",
        report["decision"]
    );
    large
}

#[tokio::test]
async fn a_difference_of_ten_standard_errors_is_never_missing_and_harm_stops_the_experiment() {
    let world = World::start().await;
    let admin = world.admin();
    let mut large = 0;
    for seed in [1, 2] {
        large += check_large_differences(&admin, seed).await;
    }
    assert!(large > 0);
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn a_difference_of_ten_standard_errors_is_never_missing_in_many_random_experiments() {
    let world = World::start().await;
    let admin = world.admin();
    let mut large = 0;
    let seeds = part_of(12);
    for seed in (10..22).take(seeds) {
        large += check_large_differences(&admin, seed).await;
    }
    assert!(12 * large > 5 * seeds, "{large} of {seeds}");
}
