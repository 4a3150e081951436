//! Planning an experiment from given numbers: users, days, power and detectable effects.

use super::support::{Caller, World};
use serde_json::{Value, json};

pub(crate) async fn plan(caller: &Caller, request: Value) -> Value {
    let answer = caller.post("/experiments/plan", &request).await.json(200);
    nothing_is_null(&answer);
    answer
}

fn nothing_is_null(value: &Value) {
    match value {
        Value::Null => panic!("null instead of a missing value with a reason"),
        Value::Array(array) => array.iter().for_each(nothing_is_null),
        Value::Object(object) => object.values().for_each(nothing_is_null),
        _ => {}
    }
}

pub(crate) fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not a number"))
}

/// 165801 as 165,801.
fn grouped(users: &Value) -> String {
    let digits = users.to_string();
    let head = digits.len() - 3;
    format!("{},{}", &digits[..head], &digits[head..])
}

#[tokio::test]
async fn the_planned_numbers_equal_those_in_the_statistics_guide() {
    let world = World::start().await;
    // Day-7 retention of the control of Cookie Cats.
    let rate = 8_502.0 / 44_700.0;
    let request = json!({"metric": {"kind": "conversion", "rate": rate}, "minimum_detectable_effect": -0.02, "users_per_day": 3000});
    let answer = plan(&world.admin(), request).await;
    let once = &answer["fixed"]["variants"][0]["users"];
    let sequential = &answer["sequential"]["variants"][1]["users"];
    assert_eq!((once, sequential), (&json!(165_801), &json!(317_491)));
    assert_eq!(answer["fixed"]["users"], 331_602);
    assert_eq!(answer["plan"]["users"], 634_982);
    assert_eq!(
        (&answer["fixed"]["days"], &answer["sequential"]["days"]),
        (&json!(111), &json!(212))
    );
    assert_eq!(
        answer["sentence"],
        "Detecting a fall of 2% from a rate of 19.02% with 80% power needs 165,801 users per variant with the fixed method \
         and 317,491 with the sequential method: 111 and 212 days at 3,000 users per day."
    );
    let guide = include_str!("../../../../docs/statistics.md");
    let (_, planning) = guide.split_once("\n## Planning\n").unwrap();
    let (planning, _) = planning.split_once("\n## ").unwrap();
    for users in [once, sequential] {
        let users = grouped(users);
        assert!(
            planning.contains(&users),
            "docs/statistics.md lacks {users}"
        );
    }
}

#[tokio::test]
async fn the_plan_of_an_answer_can_be_stored_with_an_experiment_unchanged() {
    let world = World::start().await;
    let admin = world.admin();
    let metric = json!({"kind": "sum", "key": "revenue", "mean": 12.5, "standard_deviation": 80});
    let request =
        json!({"metric": metric, "minimum_detectable_effect": 0.1, "alpha": 0.1, "power": 0.9});
    let planned = plan(&admin, request).await["plan"].clone();
    assert_eq!(planned["metric"], "revenue");
    assert_eq!(
        (
            &planned["minimum_detectable_effect"],
            &planned["alpha"],
            &planned["power"]
        ),
        (&json!(0.1), &json!(0.1), &json!(0.9))
    );
    let metrics = json!([{"key": "revenue", "kind": "sum", "event_type": "purchase"}]);
    let made = admin
        .experiment("e", json!({"metrics": metrics, "plan": planned}))
        .await;
    assert_eq!(made["plan"], planned);
    let renamed = admin.change("e", &json!({"name": "Other"})).await.json(200);
    assert_eq!(renamed["plan"], planned);
    assert_eq!(admin.get("/experiments/e").await.json(200)["plan"], planned);
    let without = admin.experiment("without", json!({})).await;
    assert!(without.get("plan").is_none());
}

#[tokio::test]
async fn the_planned_size_has_the_target_power_and_more_power_for_larger_effects() {
    let world = World::start().await;
    let rate = json!({"kind": "conversion", "rate": 0.1});
    let mean = json!({"kind": "count", "mean": -3, "standard_deviation": 4.5});
    let uneven = json!([{"key": "a", "percent": 70}, {"key": "b", "percent": 20}, {"key": "c", "percent": 10}]);
    for metric in [rate, mean] {
        for lift in [0.05, -0.05, 0.4, -0.4] {
            for variants in [json!(null), uneven.clone()] {
                let request = json!({"metric": metric, "minimum_detectable_effect": lift, "variants": variants});
                let answer = plan(&world.admin(), request).await;
                for method in ["fixed", "sequential"] {
                    let points = answer[method]["power"].as_array().unwrap();
                    let lifts: Vec<f64> = points.iter().map(|at| number(&at["lift"])).collect();
                    for (found, share) in lifts.iter().zip([0.5, 0.75, 1.0, 1.25, 1.5, 2.0]) {
                        assert!((found / lift - share).abs() < 1e-12, "{lifts:?}");
                    }
                    let power: Vec<f64> = points.iter().map(|at| number(&at["power"])).collect();
                    // The users are rounded up, and the power is that of the weakest comparison.
                    assert!(
                        (0.8..0.83).contains(&power[2]),
                        "{metric} {lift}: {power:?}"
                    );
                    assert!(power.is_sorted(), "{metric} {lift}: {power:?}");
                }
                let users = |method: &str| number(&answer[method]["users"]);
                let factor = users("sequential") / users("fixed");
                assert!((1.7..2.0).contains(&factor), "{metric} {lift}: {factor}");
            }
        }
    }
}

#[tokio::test]
async fn the_detectable_effect_of_some_weeks_needs_the_users_of_these_weeks() {
    let world = World::start().await;
    let rate = json!({"kind": "conversion", "rate": 0.3});
    let mean = json!({"kind": "sum", "mean": 12.5, "standard_deviation": 80});
    let variants = json!([{"key": "a", "percent": 50}, {"key": "b", "percent": 30}, {"key": "c", "percent": 20}]);
    for metric in [rate, mean] {
        for direction in [0.1, -0.1] {
            let mut request = json!({"metric": metric, "minimum_detectable_effect": direction, "variants": variants,
                "traffic_percent": 25, "users_per_day": 40_000});
            let answer = plan(&world.admin(), request.clone()).await;
            let rows = answer["detectable"].as_array().unwrap();
            let weeks: Vec<_> = rows.iter().map(|row| row["weeks"].clone()).collect();
            assert_eq!(weeks, [1, 2, 3, 4, 6, 8]);
            for row in rows {
                assert_eq!(number(&row["users"]), 70_000.0 * number(&row["weeks"]));
                for (method, lift) in [("fixed", "fixed_lift"), ("sequential", "sequential_lift")] {
                    assert!(number(&row[lift]) * direction > 0.0);
                    request["minimum_detectable_effect"] = row[lift].clone();
                    let again = plan(&world.admin(), request.clone()).await;
                    let (users, expected) =
                        (number(&again[method]["users"]), number(&row["users"]));
                    // Rounding can differ by one user per variant.
                    assert!((users - expected).abs() <= 3.0, "{row} {method}: {users}");
                    let days = number(&again[method]["days"]) - 7.0 * number(&row["weeks"]);
                    assert!(days == 0.0 || days == 1.0, "{row} {method}: {days}");
                }
            }
        }
    }
}

#[tokio::test]
async fn several_treatments_share_alpha_and_the_smallest_one_determines_the_size() {
    let world = World::start().await;
    let admin = world.admin();
    let metric = json!({"kind": "conversion", "rate": 0.2});
    let two = json!({"metric": metric, "minimum_detectable_effect": 0.1, "alpha": 0.025});
    let two = plan(&admin, two).await;
    let variants = |percents: [f64; 3]| {
        let keys = ["a", "b", "c"].iter().zip(percents);
        let variants = keys.map(|(key, percent)| json!({"key": key, "percent": percent}));
        json!(variants.collect::<Vec<_>>())
    };
    let three = json!({"metric": metric, "minimum_detectable_effect": 0.1, "variants": variants([33.33, 33.33, 33.33])});
    let three = plan(&admin, three).await;
    for method in ["fixed", "sequential"] {
        for index in 0..3 {
            assert_eq!(
                three[method]["variants"][index]["users"],
                two[method]["variants"][0]["users"]
            );
        }
    }
    assert_eq!(three["settings"]["comparisons"], 2);
    assert_eq!(three["settings"]["correction"], "bonferroni");
    assert_eq!(three["settings"]["alpha_per_comparison"], 0.025);
    assert_eq!(two["settings"]["correction"], "none");
    // The stored plan has the level of all comparisons together.
    assert_eq!(three["plan"]["alpha"], 0.05);
    let sentence = three["sentence"].as_str().unwrap();
    assert!(sentence.contains("in each of 2 comparisons with a common error level of 5%"));

    let uneven = json!({"metric": metric, "minimum_detectable_effect": 0.1, "variants": variants([40.0, 40.0, 20.0])});
    let swapped = json!({"metric": metric, "minimum_detectable_effect": 0.1, "variants": variants([40.0, 20.0, 40.0])});
    let (uneven, swapped) = (plan(&admin, uneven).await, plan(&admin, swapped).await);
    assert_eq!(uneven["fixed"]["users"], swapped["fixed"]["users"]);
    assert!(number(&uneven["fixed"]["users"]) > number(&three["fixed"]["users"]));
    let users = |index: usize| number(&uneven["fixed"]["variants"][index]["users"]);
    assert!((users(0) / users(2) - 2.0).abs() < 0.001);
    let sentence = uneven["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("users in all with the fixed method"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_sequential_plan_has_at_least_the_users_that_a_verdict_needs() {
    let world = World::start().await;
    let mean = json!({"kind": "sum", "mean": 100, "standard_deviation": 10});
    let answer = plan(
        &world.admin(),
        json!({"metric": mean, "minimum_detectable_effect": 0.5}),
    )
    .await;
    assert_eq!(answer["fixed"]["users"], 4);
    assert_eq!(answer["sequential"]["users"], 200);
    let rate = json!({"kind": "conversion", "rate": 0.01});
    let answer = plan(
        &world.admin(),
        json!({"metric": rate, "minimum_detectable_effect": 50}),
    )
    .await;
    // 25 conversions at a rate of 1%.
    assert_eq!(answer["sequential"]["variants"][0]["users"], 2_500);
}

#[tokio::test]
async fn a_number_that_cannot_be_computed_is_missing_with_a_reason() {
    let world = World::start().await;
    let admin = world.admin();
    let rate = |rate: f64| json!({"kind": "conversion", "rate": rate});
    let far = json!({"metric": rate(1e-6), "minimum_detectable_effect": -1e-5, "users_per_day": 2});
    let far = plan(&admin, far).await;
    for method in ["fixed", "sequential"] {
        assert_eq!(far[method].as_object().unwrap().len(), 1, "{far}");
        assert_eq!(far[method]["missing"][0]["what"], "users");
        assert_eq!(far[method]["missing"][0]["reason"], "unreachable");
    }
    assert!(far.get("plan").is_none());
    assert_eq!(
        far["sentence"],
        "No allowed number of users is enough to detect a fall of 0.001% from a rate of 0.0001% with 80% power."
    );
    let week = &far["detectable"][0];
    assert_eq!(week["missing"][0]["what"], "fixed_lift");
    assert_eq!(week["missing"][1]["reason"], "too_few_units");
    assert_eq!(week["missing"][1]["needed"], 25_000_000);

    let slow = json!({"metric": rate(0.2), "minimum_detectable_effect": 0.01, "users_per_day": 2});
    let slow = plan(&admin, slow).await;
    assert_eq!(slow["fixed"]["missing"][0]["what"], "days");
    assert!(slow["fixed"]["users"].is_u64() && slow["fixed"].get("days").is_none());

    let high = plan(
        &admin,
        json!({"metric": rate(0.6), "minimum_detectable_effect": 0.5}),
    )
    .await;
    let points = high["fixed"]["power"].as_array().unwrap();
    assert!(points[2]["power"].is_f64());
    assert_eq!(points[5]["missing"]["reason"], "out_of_range");
    assert!(points[5].get("power").is_none());

    let without_traffic = plan(
        &admin,
        json!({"metric": rate(0.2), "minimum_detectable_effect": 0.1}),
    )
    .await;
    assert!(without_traffic.get("detectable").is_none());
    assert!(without_traffic["fixed"].get("missing").is_none());
}

#[tokio::test]
async fn numbers_at_the_limits_of_their_ranges_get_an_answer_or_a_fault() {
    let world = World::start().await;
    let metrics = [
        json!({"kind": "conversion", "rate": 1e-300}),
        json!({"kind": "conversion", "rate": 5e-324}),
        json!({"kind": "conversion", "rate": 0.5}),
        json!({"kind": "conversion", "rate": 0.999_999_9}),
        json!({"kind": "sum", "mean": 1e-12, "standard_deviation": 1e15}),
        json!({"kind": "sum", "mean": -1e15, "standard_deviation": 1e-12}),
    ];
    let tiny = json!([{"key": "a", "percent": 99.9999999}, {"key": "b", "percent": 1e-9}]);
    for metric in &metrics {
        for lift in [-0.999_999, -1e-6, 1e-6, 1000.0] {
            for (alpha, power) in [(1e-6, 0.999_999_999), (0.499, 0.4991), (0.05, 0.8)] {
                for variants in [json!(null), tiny.clone()] {
                    let request = json!({"metric": metric, "minimum_detectable_effect": lift, "alpha": alpha, "power": power,
                        "variants": variants, "traffic_percent": 1e-9, "users_per_day": 1});
                    let answer = world.admin().post("/experiments/plan", &request).await;
                    if answer.status == 422 {
                        let problem = answer.problem().unwrap();
                        assert_eq!(
                            problem["errors"][0]["pointer"], "/minimum_detectable_effect",
                            "{problem}"
                        );
                        continue;
                    }
                    let answer = answer.json(200);
                    nothing_is_null(&answer);
                    let sizes = [&answer["fixed"], &answer["sequential"]];
                    for size in sizes {
                        assert!(size["users"].is_u64() || size["missing"].is_array());
                    }
                    assert_eq!(answer.get("plan").is_some(), sizes[1]["users"].is_u64());
                }
            }
        }
    }
}
