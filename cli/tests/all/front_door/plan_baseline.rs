//! Planning with a baseline: the control of an earlier experiment.

use super::plan::{number, plan};
use super::plan_bodies::faults;
use super::support::{Caller, World, ago};
use serde_json::{Value, json};

/// Users of each variant of the earlier experiment.
const USERS: usize = 40;
/// The first of these users buy.
const BUYERS: usize = 10;

fn metrics() -> Value {
    let orders = json!({"event_type": "buy", "measure": "count"});
    json!([
        {"key": "buys", "kind": "conversion", "event_type": "buy"},
        {"key": "orders", "kind": "count", "event_type": "buy"},
        {"key": "revenue", "kind": "sum", "event_type": "buy", "cap_percentile": 0.9},
        {"key": "per-order", "kind": "ratio", "event_type": "buy", "denominator": orders},
        {"key": "median", "kind": "quantile", "event_type": "buy", "quantile": 0.5},
    ])
}

/// The values of a control user's orders.
fn order_values(user: usize) -> Vec<f64> {
    let orders = if user < BUYERS { 1 + user % 3 } else { 0 };
    (0..orders)
        .map(|order| 2.5 + user as f64 + order as f64 / 4.0)
        .collect()
}

async fn assigned(admin: &Caller, id: &str, variant: &str, users: usize) {
    let at = ago(7_200).to_string();
    let user = |user| {
        let id = format!("{id} {variant} {user}");
        json!({"user_id": id, "variant": variant, "assigned_at": at})
    };
    let rows: Vec<Value> = (0..users).map(user).collect();
    assert_eq!(admin.import(id, &rows).await["stored"], users);
}

async fn buy(admin: &Caller, user: &str, values: &[f64]) {
    let at = ago(3_600).to_string();
    let event = |(order, value): (usize, &f64)| {
        let id = order.to_string();
        json!({"user_id": user, "type": "buy", "event_id": id, "value": value, "timestamp": at})
    };
    let events: Vec<Value> = values.iter().enumerate().map(event).collect();
    admin.track(&events).await;
}

/// Creates a stopped experiment. The events of the green users are not part of any baseline.
async fn earlier(admin: &Caller, fields: Value) {
    admin.experiment("earlier", fields).await;
    for variant in ["control", "green"] {
        assigned(admin, "earlier", variant, USERS).await;
    }
    for user in 0..BUYERS {
        buy(
            admin,
            &format!("earlier control {user}"),
            &order_values(user),
        )
        .await;
    }
    for user in 0..USERS {
        buy(admin, &format!("earlier green {user}"), &[1_000.0]).await;
    }
    let stop = json!({"status": "stopped"});
    admin.change("earlier", &stop).await.json(200);
}

fn plan_request(experiment: &str, metric: &str) -> Value {
    let metric = json!({"experiment_id": experiment, "metric": metric});
    json!({"metric": metric, "minimum_detectable_effect": 0.1, "users_per_day": 500, "traffic_percent": 50})
}

/// Mean and standard deviation of these numbers.
fn moments(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// Mean and standard deviation of a metric in the control, computed per user.
fn expected(metric: &str) -> (f64, f64) {
    let revenue = |user| order_values(user).iter().sum::<f64>();
    let orders = |user| order_values(user).len() as f64;
    let over = |of: &dyn Fn(usize) -> f64| moments(&(0..USERS).map(of).collect::<Vec<_>>());
    match metric {
        "orders" => over(&orders),
        "revenue" => over(&revenue),
        _ => {
            let ratio = over(&revenue).0 / over(&orders).0;
            let distance = |user| (revenue(user) - ratio * orders(user)) / over(&orders).0;
            (ratio, over(&distance).1)
        }
    }
}

#[tokio::test]
async fn a_plan_from_an_earlier_experiment_equals_one_from_the_same_given_numbers() {
    let world = World::start().await;
    let admin = world.admin();
    earlier(&admin, json!({"metrics": metrics()})).await;
    for (metric, kind) in [
        ("buys", "conversion"),
        ("orders", "count"),
        ("revenue", "sum"),
        ("per-order", "ratio"),
    ] {
        let from_experiment = plan_request("earlier", metric);
        let mut answer = plan(&admin, from_experiment.clone()).await;
        let source = answer.as_object_mut().unwrap().remove("baseline").unwrap();
        assert_eq!(
            (
                &source["experiment_id"],
                &source["metric"],
                &source["users"]
            ),
            (&json!("earlier"), &json!(metric), &json!(USERS))
        );
        assert_eq!(answer["plan"]["metric"], metric);
        let mut given = json!({"kind": kind, "key": metric});
        if kind == "conversion" {
            assert_eq!(source["rate"], 0.25);
            given["rate"] = json!(0.25);
        } else {
            let (mean, deviation) = expected(metric);
            for (name, expected) in [("mean", mean), ("standard_deviation", deviation)] {
                let seen = number(&source[name]);
                assert!((seen / expected - 1.0).abs() < 1e-12, "{metric}: {seen}");
                given[name] = source[name].clone();
            }
        }
        let mut from_numbers = from_experiment;
        from_numbers["metric"] = given.clone();
        let from_numbers = plan(&admin, from_numbers).await;
        assert!(from_numbers.get("baseline").is_none());
        assert_eq!(answer, from_numbers);
        assert_eq!(answer["settings"]["metric"], given);
    }
    // The baseline equals the control in the results.
    let report = admin.results("earlier", "metrics=per-order").await;
    let control = &report["metrics"][0]["variants"][0];
    let planned = plan(&admin, plan_request("earlier", "per-order")).await;
    assert_eq!(planned["baseline"]["mean"], control["mean"]);
    let sentence = planned["sentence"].as_str().unwrap();
    assert!(sentence.contains("from a ratio of"), "{sentence}");
}

#[tokio::test]
async fn an_experiment_without_declared_metrics_has_those_of_its_event_types() {
    let world = World::start().await;
    let admin = world.admin();
    earlier(&admin, json!({})).await;
    let answer = plan(&admin, plan_request("earlier", "buy.conversion")).await;
    assert_eq!(answer["baseline"]["rate"], 0.25);
    let refused = admin
        .post("/experiments/plan", &plan_request("earlier", "buy"))
        .await;
    assert_eq!(refused.code(422), "invalid");
    let problem = refused.problem().unwrap();
    assert_eq!(faults(&problem), [("/metric/metric", "unknown_metric")]);
    assert_eq!(
        problem["errors"][0]["detail"],
        "There is no metric `buy` in `earlier`; the metrics are buy.conversion, buy.count."
    );
}

#[tokio::test]
async fn an_earlier_experiment_without_a_usable_baseline_is_refused_with_the_reason() {
    let world = World::start().await;
    let admin = world.admin();
    for (id, users, buys) in [
        ("empty", 0, 0),
        ("idle", 3, 0),
        ("same", 3, 3),
        ("one", 1, 1),
    ] {
        admin.experiment(id, json!({"metrics": metrics()})).await;
        if users > 0 {
            assigned(&admin, id, "control", users).await;
        }
        // Events of the other variant do not help.
        assigned(&admin, id, "green", 5).await;
        buy(&admin, &format!("{id} green 0"), &[7.0, 2.0]).await;
        for user in 0..buys {
            buy(&admin, &format!("{id} control {user}"), &[2.0]).await;
        }
    }
    for (id, metric, pointer, code, detail) in [
        (
            "nowhere",
            "buys",
            "/metric/experiment_id",
            "unknown_experiment",
            "There is no experiment `nowhere`; `GET /experiments` lists all experiments.",
        ),
        (
            "idle",
            "sells",
            "/metric/metric",
            "unknown_metric",
            "There is no metric `sells` in `idle`; the metrics are buys, orders, revenue, per-order, median.",
        ),
        (
            "idle",
            "median",
            "/metric/metric",
            "not_planned",
            "`median` is a quantile, and a plan needs a rate, a mean or a ratio: name a metric of another kind.",
        ),
        (
            "empty",
            "buys",
            "/metric",
            "no_units",
            "No user has been counted yet. ",
        ),
        (
            "empty",
            "revenue",
            "/metric",
            "no_units",
            "No user has been counted yet. ",
        ),
        (
            "empty",
            "per-order",
            "/metric",
            "no_units",
            "No user has been counted yet. ",
        ),
        (
            "idle",
            "buys",
            "/metric",
            "no_conversions",
            "No user has converted yet. ",
        ),
        (
            "idle",
            "orders",
            "/metric",
            "zero_baseline",
            "The control's mean is zero, ",
        ),
        (
            "idle",
            "per-order",
            "/metric",
            "zero_denominator",
            "The ratio's denominator ",
        ),
        (
            "same",
            "buys",
            "/metric",
            "all_users_converted",
            "All users have converted. ",
        ),
        (
            "same",
            "revenue",
            "/metric",
            "zero_variance",
            "Every user has the same value, ",
        ),
        (
            "same",
            "per-order",
            "/metric",
            "zero_variance",
            "Every user has the same value, ",
        ),
        (
            "one",
            "revenue",
            "/metric",
            "too_few_units",
            "Too few users: 1 seen, 2 needed. ",
        ),
    ] {
        let refused = admin
            .post("/experiments/plan", &plan_request(id, metric))
            .await;
        assert_eq!(refused.code(422), "invalid", "{id} {metric}");
        let problem = refused.problem().unwrap();
        assert_eq!(faults(&problem), [(pointer, code)], "{id} {metric}");
        let stated = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(stated.starts_with(detail), "{id} {metric}: {stated}");
    }
}

#[tokio::test]
async fn an_observed_rate_has_the_same_limit_as_a_given_one() {
    let world = World::start().await;
    let admin = world.admin();
    earlier(&admin, json!({"metrics": metrics()})).await;
    let given = json!({"kind": "conversion", "rate": 0.25});
    let seen = json!({"experiment_id": "earlier", "metric": "buys"});
    let mut refusals = Vec::new();
    for metric in [given, seen] {
        let request = json!({"metric": metric, "minimum_detectable_effect": 3});
        let refused = admin.post("/experiments/plan", &request).await;
        assert_eq!(refused.code(422), "invalid");
        refusals.push(refused.problem().unwrap()["errors"].clone());
        let request = json!({"metric": metric, "minimum_detectable_effect": 2.99});
        plan(&admin, request).await;
    }
    assert_eq!(refusals[0][0]["pointer"], "/minimum_detectable_effect");
    assert_eq!(refusals[0], refusals[1]);
}

#[tokio::test]
async fn a_baseline_metric_with_given_numbers_is_refused_with_all_faults() {
    let world = World::start().await;
    for (metric, expected) in [
        (
            json!({"experiment_id": "no such id", "metric": "a b", "kind": "conversion", "rate": 2, "key": "x"}),
            vec![
                ("/alpha", "out_of_range"),
                ("/metric/experiment_id", "bad_characters"),
                ("/metric/key", "unknown_field"),
                ("/metric/kind", "unknown_field"),
                ("/metric/metric", "bad_characters"),
                ("/metric/rate", "unknown_field"),
            ],
        ),
        (
            json!({"experiment_id": "earlier"}),
            vec![("/alpha", "out_of_range"), ("/metric/metric", "required")],
        ),
        (
            json!({"metric": "buys", "mean": 2}),
            vec![
                ("/alpha", "out_of_range"),
                ("/metric/experiment_id", "required"),
                ("/metric/mean", "unknown_field"),
            ],
        ),
        (
            json!({"metric": "buys", "kind": "conversion", "rate": 0.2}),
            vec![
                ("/alpha", "out_of_range"),
                ("/metric/metric", "unknown_field"),
            ],
        ),
        (
            json!({"experiment_id": 7, "metric": ["buys"]}),
            vec![
                ("/alpha", "out_of_range"),
                ("/metric/experiment_id", "wrong_type"),
                ("/metric/metric", "wrong_type"),
            ],
        ),
    ] {
        let request = json!({"metric": metric, "minimum_detectable_effect": 0.1, "alpha": 1});
        let refused = world.admin().post("/experiments/plan", &request).await;
        assert_eq!(refused.code(422), "invalid");
        let problem = refused.problem().unwrap();
        let mut found = faults(&problem);
        found.sort_unstable();
        assert_eq!(found, expected, "{problem}");
    }
}
