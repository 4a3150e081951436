//! Planning an experiment, and the plan that it keeps.

use super::support::{Caller, World};
use serde_json::{Value, json};
use shared::http::routes::ROUTES;

async fn plan(caller: &Caller, question: Value) -> Value {
    let answer = caller.post("/experiments/plan", &question).await.json(200);
    nothing_is_null(&answer);
    answer
}

fn nothing_is_null(value: &Value) {
    match value {
        Value::Null => panic!("a null stands where a reason should"),
        Value::Array(array) => array.iter().for_each(nothing_is_null),
        Value::Object(object) => object.values().for_each(nothing_is_null),
        _ => {}
    }
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// 165801 as 165,801.
fn grouped(users: &Value) -> String {
    let digits = users.to_string();
    let head = digits.len() - 3;
    format!("{},{}", &digits[..head], &digits[head..])
}

#[tokio::test]
async fn the_numbers_are_those_of_the_statistics_guide() {
    let world = World::start().await;
    // Day-7 retention of the control of Cookie Cats.
    let rate = 8_502.0 / 44_700.0;
    let question = json!({"metric": {"kind": "conversion", "rate": rate}, "minimum_lift": -0.02, "users_per_day": 3000});
    let answer = plan(&world.admin(), question).await;
    let once = &answer["fixed"]["variants"][0]["users"];
    let watched = &answer["sequential"]["variants"][1]["users"];
    assert_eq!((once, watched), (&json!(165_801), &json!(317_491)));
    assert_eq!(answer["fixed"]["users"], 331_602);
    assert_eq!(answer["plan"]["users"], 634_982);
    assert_eq!(
        (&answer["fixed"]["days"], &answer["sequential"]["days"]),
        (&json!(111), &json!(212))
    );
    assert_eq!(
        answer["sentence"],
        "To find a fall of 2 % of a rate of 19.02 % with 80 % power takes 165,801 users a variant for one look, \
         317,491 if watched: 111 and 212 days at 3,000 users a day."
    );
    let guide = include_str!("../../../docs/statistics.md");
    let (_, planning) = guide.split_once("\n## Planning\n").unwrap();
    let (planning, _) = planning.split_once("\n## ").unwrap();
    for users in [once, watched] {
        let users = grouped(users);
        assert!(
            planning.contains(&users),
            "docs/statistics.md lacks {users}"
        );
    }
}

#[tokio::test]
async fn the_plan_of_an_answer_goes_into_an_experiment_as_it_is_and_is_kept() {
    let world = World::start().await;
    let admin = world.admin();
    let metric = json!({"kind": "sum", "key": "revenue", "mean": 12.5, "standard_deviation": 80});
    let question = json!({"metric": metric, "minimum_lift": 0.1, "alpha": 0.1, "power": 0.9});
    let planned = plan(&admin, question).await["plan"].clone();
    assert_eq!(planned["metric"], "revenue");
    assert_eq!(
        (
            &planned["minimum_lift"],
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
async fn the_planned_size_finds_what_it_was_planned_for_and_more_of_what_is_larger() {
    let world = World::start().await;
    let rate = json!({"kind": "conversion", "rate": 0.1});
    let mean = json!({"kind": "count", "mean": -3, "standard_deviation": 4.5});
    let uneven = json!([{"key": "a", "percent": 70}, {"key": "b", "percent": 20}, {"key": "c", "percent": 10}]);
    for metric in [rate, mean] {
        for lift in [0.05, -0.05, 0.4, -0.4] {
            for variants in [json!(null), uneven.clone()] {
                let question =
                    json!({"metric": metric, "minimum_lift": lift, "variants": variants});
                let answer = plan(&world.admin(), question).await;
                for way in ["fixed", "sequential"] {
                    let points = answer[way]["power"].as_array().unwrap();
                    let lifts: Vec<f64> = points.iter().map(|at| number(&at["lift"])).collect();
                    for (found, share) in lifts.iter().zip([0.5, 0.75, 1.0, 1.25, 1.5, 2.0]) {
                        assert!((found / lift - share).abs() < 1e-12, "{lifts:?}");
                    }
                    let power: Vec<f64> = points.iter().map(|at| number(&at["power"])).collect();
                    // The users are rounded up, and power is told for the weakest comparison.
                    assert!(
                        (0.8..0.83).contains(&power[2]),
                        "{metric} {lift}: {power:?}"
                    );
                    assert!(power.is_sorted(), "{metric} {lift}: {power:?}");
                }
                let users = |way: &str| number(&answer[way]["users"]);
                let factor = users("sequential") / users("fixed");
                assert!((1.7..2.0).contains(&factor), "{metric} {lift}: {factor}");
            }
        }
    }
}

#[tokio::test]
async fn what_some_weeks_can_find_takes_the_users_of_these_weeks() {
    let world = World::start().await;
    let rate = json!({"kind": "conversion", "rate": 0.3});
    let mean = json!({"kind": "sum", "mean": 12.5, "standard_deviation": 80});
    let variants = json!([{"key": "a", "percent": 50}, {"key": "b", "percent": 30}, {"key": "c", "percent": 20}]);
    for metric in [rate, mean] {
        for direction in [0.1, -0.1] {
            let mut question = json!({"metric": metric, "minimum_lift": direction, "variants": variants,
                "traffic_percent": 25, "users_per_day": 40_000});
            let answer = plan(&world.admin(), question.clone()).await;
            let rows = answer["detectable"].as_array().unwrap();
            let weeks: Vec<_> = rows.iter().map(|row| row["weeks"].clone()).collect();
            assert_eq!(weeks, [1, 2, 3, 4, 6, 8]);
            for row in rows {
                assert_eq!(number(&row["users"]), 70_000.0 * number(&row["weeks"]));
                for (way, lift) in [("fixed", "fixed_lift"), ("sequential", "sequential_lift")] {
                    assert!(number(&row[lift]) * direction > 0.0);
                    question["minimum_lift"] = row[lift].clone();
                    let again = plan(&world.admin(), question.clone()).await;
                    let (users, expected) = (number(&again[way]["users"]), number(&row["users"]));
                    // Up to the last user of each variant.
                    assert!((users - expected).abs() <= 3.0, "{row} {way}: {users}");
                    let days = number(&again[way]["days"]) - 7.0 * number(&row["weeks"]);
                    assert!(days == 0.0 || days == 1.0, "{row} {way}: {days}");
                }
            }
        }
    }
}

#[tokio::test]
async fn several_treatments_share_alpha_and_the_one_with_the_fewest_users_decides() {
    let world = World::start().await;
    let admin = world.admin();
    let metric = json!({"kind": "conversion", "rate": 0.2});
    let two = json!({"metric": metric, "minimum_lift": 0.1, "alpha": 0.025});
    let two = plan(&admin, two).await;
    let variants = |percents: [f64; 3]| {
        let keys = ["a", "b", "c"].iter().zip(percents);
        let variants = keys.map(|(key, percent)| json!({"key": key, "percent": percent}));
        json!(variants.collect::<Vec<_>>())
    };
    let three =
        json!({"metric": metric, "minimum_lift": 0.1, "variants": variants([33.33, 33.33, 33.33])});
    let three = plan(&admin, three).await;
    for way in ["fixed", "sequential"] {
        for place in 0..3 {
            assert_eq!(
                three[way]["variants"][place]["users"],
                two[way]["variants"][0]["users"]
            );
        }
    }
    assert_eq!(three["settings"]["comparisons"], 2);
    assert_eq!(three["settings"]["correction"], "bonferroni");
    assert_eq!(three["settings"]["alpha_per_comparison"], 0.025);
    assert_eq!(two["settings"]["correction"], "none");
    // What an experiment keeps is the level of all comparisons together.
    assert_eq!(three["plan"]["alpha"], 0.05);
    let sentence = three["sentence"].as_str().unwrap();
    assert!(sentence.contains("in each of 2 comparisons, which share an error of 5 %"));

    let uneven =
        json!({"metric": metric, "minimum_lift": 0.1, "variants": variants([40.0, 40.0, 20.0])});
    let turned =
        json!({"metric": metric, "minimum_lift": 0.1, "variants": variants([40.0, 20.0, 40.0])});
    let (uneven, turned) = (plan(&admin, uneven).await, plan(&admin, turned).await);
    assert_eq!(uneven["fixed"]["users"], turned["fixed"]["users"]);
    assert!(number(&uneven["fixed"]["users"]) > number(&three["fixed"]["users"]));
    let users = |place: usize| number(&uneven["fixed"]["variants"][place]["users"]);
    assert!((users(0) / users(2) - 2.0).abs() < 0.001);
    let sentence = uneven["sentence"].as_str().unwrap();
    assert!(sentence.contains("users in all for one look"), "{sentence}");
}

#[tokio::test]
async fn nothing_is_watched_with_fewer_users_than_a_verdict_needs() {
    let world = World::start().await;
    let mean = json!({"kind": "sum", "mean": 100, "standard_deviation": 10});
    let answer = plan(&world.admin(), json!({"metric": mean, "minimum_lift": 0.5})).await;
    assert_eq!(answer["fixed"]["users"], 4);
    assert_eq!(answer["sequential"]["users"], 200);
    let rate = json!({"kind": "conversion", "rate": 0.01});
    let answer = plan(&world.admin(), json!({"metric": rate, "minimum_lift": 50})).await;
    // 25 conversions at 1 %.
    assert_eq!(answer["sequential"]["variants"][0]["users"], 2_500);
}

#[tokio::test]
async fn what_cannot_be_said_is_missing_with_its_reason() {
    let world = World::start().await;
    let admin = world.admin();
    let rate = |rate: f64| json!({"kind": "conversion", "rate": rate});
    let far = json!({"metric": rate(1e-6), "minimum_lift": -1e-5, "users_per_day": 2});
    let far = plan(&admin, far).await;
    for way in ["fixed", "sequential"] {
        assert_eq!(far[way].as_object().unwrap().len(), 1, "{far}");
        assert_eq!(far[way]["undefined"][0]["what"], "users");
        assert_eq!(far[way]["undefined"][0]["code"], "unreachable");
    }
    assert!(far.get("plan").is_none());
    assert_eq!(
        far["sentence"],
        "No number of users in range is enough to find a fall of 0.001 % of a rate of 0.0001 % with 80 % power."
    );
    let week = &far["detectable"][0];
    assert_eq!(week["undefined"][0]["what"], "fixed_lift");
    assert_eq!(week["undefined"][1]["code"], "too_few_units");
    assert_eq!(week["undefined"][1]["needed"], 25_000_000);

    let slow = json!({"metric": rate(0.2), "minimum_lift": 0.01, "users_per_day": 2});
    let slow = plan(&admin, slow).await;
    assert_eq!(slow["fixed"]["undefined"][0]["what"], "days");
    assert!(slow["fixed"]["users"].is_u64() && slow["fixed"].get("days").is_none());

    let high = plan(&admin, json!({"metric": rate(0.6), "minimum_lift": 0.5})).await;
    let points = high["fixed"]["power"].as_array().unwrap();
    assert!(points[2]["power"].is_f64());
    assert_eq!(points[5]["undefined"]["code"], "out_of_range");
    assert!(points[5].get("power").is_none());

    let without_traffic = plan(&admin, json!({"metric": rate(0.2), "minimum_lift": 0.1})).await;
    assert!(without_traffic.get("detectable").is_none());
    assert!(without_traffic["fixed"].get("undefined").is_none());
}

#[tokio::test]
async fn numbers_at_the_edge_of_what_is_taken_are_answered_like_any_other() {
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
                    let question = json!({"metric": metric, "minimum_lift": lift, "alpha": alpha, "power": power,
                        "variants": variants, "traffic_percent": 1e-9, "users_per_day": 1});
                    let answer = world.admin().post("/experiments/plan", &question).await;
                    if answer.status == 422 {
                        let problem = answer.problem().unwrap();
                        assert_eq!(
                            problem["errors"][0]["pointer"], "/minimum_lift",
                            "{problem}"
                        );
                        continue;
                    }
                    let answer = answer.json(200);
                    nothing_is_null(&answer);
                    let sizes = [&answer["fixed"], &answer["sequential"]];
                    for size in sizes {
                        assert!(size["users"].is_u64() || size["undefined"].is_array());
                    }
                    assert_eq!(answer.get("plan").is_some(), sizes[1]["users"].is_u64());
                }
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Faults as pointers with codes.
fn faults(problem: &Value) -> Vec<(&str, &str)> {
    let faults = problem["errors"].as_array().unwrap().iter();
    faults
        .map(|fault| (text(&fault["pointer"]), text(&fault["code"])))
        .collect()
}

#[tokio::test]
async fn all_faults_of_a_question_are_named_at_once() {
    let world = World::start().await;
    let admin = world.admin();
    let question = json!({
        "metric": {"kind": "conversion", "rate": 19, "mean": 2, "key": "a b"},
        "minimum_lift": 0, "traffic_percent": 0, "users_per_day": 1.5, "alpha": 0.5, "power": 1, "days": 14,
        "variants": [{"key": "a", "percent": 100}, {"key": "b", "percent": 0}],
    });
    let answer = admin.post("/experiments/plan", &question).await;
    assert_eq!(answer.code(422), "invalid");
    let problem = answer.problem().unwrap();
    let mut found = faults(&problem);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("/alpha", "out_of_range"),
            ("/days", "unknown_field"),
            ("/metric/key", "bad_characters"),
            ("/metric/mean", "unknown_field"),
            ("/metric/rate", "out_of_range"),
            ("/minimum_lift", "out_of_range"),
            ("/power", "out_of_range"),
            ("/traffic_percent", "out_of_range"),
            ("/users_per_day", "out_of_range"),
            ("/variants/1/percent", "out_of_range"),
        ]
    );
    let rate = json!({"kind": "conversion", "rate": 0.6});
    for (question, pointer, code) in [
        (json!({}), "/metric", "required"),
        (json!({"metric": rate}), "/minimum_lift", "required"),
        (json!({"metric": {}}), "/metric/kind", "required"),
        (
            json!({"metric": {"kind": "mode"}}),
            "/metric/kind",
            "not_a_choice",
        ),
        (
            json!({"metric": {"mean": 1, "experiment": "past"}}),
            "/metric/experiment",
            "unknown_field",
        ),
        (
            json!({"metric": {"kind": "conversion"}}),
            "/metric/rate",
            "required",
        ),
        (
            json!({"metric": {"kind": "sum", "mean": 1}}),
            "/metric/standard_deviation",
            "required",
        ),
        (
            json!({"metric": {"kind": "sum", "mean": 0}}),
            "/metric/mean",
            "out_of_range",
        ),
        (
            json!({"metric": {"kind": "sum", "mean": 1, "standard_deviation": 0}}),
            "/metric/standard_deviation",
            "out_of_range",
        ),
        (
            json!({"metric": {"kind": "sum", "mean": 1e300, "standard_deviation": 1}}),
            "/metric/mean",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_lift": -1}),
            "/minimum_lift",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_lift": "2 %"}),
            "/minimum_lift",
            "wrong_type",
        ),
        (
            json!({"metric": rate, "minimum_lift": 0.7}),
            "/minimum_lift",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_lift": 0.1, "alpha": 0.4, "power": 0.3}),
            "/power",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_lift": 0.1, "users_per_day": 0}),
            "/users_per_day",
            "out_of_range",
        ),
        (
            json!({"metric": rate, "minimum_lift": 0.1, "variants": []}),
            "/variants",
            "wrong_number",
        ),
    ] {
        let answer = admin.post("/experiments/plan", &question).await;
        assert_eq!(answer.code(422), "invalid", "{question}");
        let problem = answer.problem().unwrap();
        assert!(
            faults(&problem).contains(&(pointer, code)),
            "{question}: {problem}"
        );
    }
}

#[tokio::test]
async fn all_faults_of_a_kept_plan_are_named_at_once() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "buys", "kind": "conversion", "event_type": "buy"}]);
    let body = |plan: Value| {
        json!({"name": "N", "metrics": metrics, "plan": plan,
            "variants": [{"key": "a", "percent": 50}, {"key": "b", "percent": 50}]})
    };
    for (plan, expected) in [
        (
            json!({}),
            vec![
                ("/plan/minimum_lift", "required"),
                ("/plan/users", "required"),
            ],
        ),
        (json!(7), vec![("/plan", "wrong_type")]),
        (
            json!({"metric": "a b", "minimum_lift": -1, "alpha": 0, "power": 1, "users": 1, "size": 2}),
            vec![
                ("/plan/alpha", "out_of_range"),
                ("/plan/metric", "bad_characters"),
                ("/plan/minimum_lift", "out_of_range"),
                ("/plan/power", "out_of_range"),
                ("/plan/size", "unknown_field"),
                ("/plan/users", "out_of_range"),
            ],
        ),
        (
            json!({"metric": "sells", "minimum_lift": 0.1, "alpha": 0.2, "power": 0.2, "users": 2.5}),
            vec![
                ("/plan/power", "out_of_range"),
                ("/plan/users", "out_of_range"),
            ],
        ),
        (
            json!({"metric": "sells", "minimum_lift": 0.1, "users": 2}),
            vec![("/plan/metric", "unknown_metric")],
        ),
    ] {
        let problem = admin.post("/experiments", &body(plan)).await;
        assert_eq!(problem.code(422), "invalid");
        let problem = problem.problem().unwrap();
        let mut found = faults(&problem);
        found.sort_unstable();
        assert_eq!(found, expected);
    }
    assert!(world.items("ExperimentsTable").await.is_empty());
    // Usual levels need not be said.
    let plan = json!({"metric": "buys", "minimum_lift": 0.1, "users": 2});
    let made = admin.post("/experiments", &body(plan)).await.json(201);
    let kept =
        json!({"metric": "buys", "minimum_lift": 0.1, "alpha": 0.05, "power": 0.8, "users": 2});
    assert_eq!(made["plan"], kept);
}

#[tokio::test]
async fn a_plan_changes_while_the_experiment_is_a_draft_and_never_after() {
    let world = World::start().await;
    let admin = world.admin();
    let metric = |key: &str| json!({"key": key, "kind": "conversion", "event_type": "buy"});
    let plan = |users: u64| json!({"metric": "buys", "minimum_lift": 0.1, "alpha": 0.05, "power": 0.8, "users": users});
    let draft = json!({"status": "draft", "metrics": [metric("buys")], "plan": plan(2_000)});
    admin.experiment("e", draft).await;
    let changed = admin.change("e", &json!({"plan": plan(4_000)})).await;
    assert_eq!(changed.json(200)["plan"], plan(4_000));
    let taken_away = admin.change("e", &json!({"plan": null})).await.json(200);
    assert!(taken_away.get("plan").is_none());
    // It is about a metric that is declared once the change is made.
    let unknown = json!({"plan": plan(4_000), "metrics": [metric("sells")]});
    let refused = admin.change("e", &unknown).await;
    assert_eq!(refused.code(409), "unknown_metric");
    let pointer = &refused.problem().unwrap()["errors"][0]["pointer"];
    assert_eq!(pointer, "/plan/metric");
    let both = json!({"plan": plan(6_000), "metrics": [metric("sells"), metric("buys")]});
    assert_eq!(
        admin.change("e", &both).await.json(200)["plan"],
        plan(6_000)
    );

    let start = json!({"status": "running"});
    assert_eq!(
        admin.change("e", &start).await.json(200)["plan"],
        plan(6_000)
    );
    for next in ["running", "paused", "stopped"] {
        admin.change("e", &json!({"status": next})).await.json(200);
        for plan in [plan(6_000), plan(8_000), json!(null)] {
            let refused = admin.change("e", &json!({"plan": plan})).await;
            assert_eq!(refused.code(409), "already_started", "{next}");
            assert_eq!(refused.problem().unwrap()["errors"][0]["pointer"], "/plan");
        }
        // Nor may the metric go that it is about.
        let refused = admin.change("e", &json!({"metrics": []})).await;
        assert_eq!(refused.code(409), "unknown_metric");
        assert_eq!(
            refused.problem().unwrap()["errors"][0]["pointer"],
            "/metrics"
        );
        let kept = json!({"metrics": [metric("buys")]});
        assert_eq!(
            admin.change("e", &kept).await.json(200)["plan"],
            plan(6_000)
        );
    }
}

#[tokio::test]
async fn no_experiment_has_an_id_that_is_a_path_of_its_own() {
    let world = World::start().await;
    let admin = world.admin();
    let taken: Vec<&str> = ROUTES
        .iter()
        .filter_map(|route| route.path.strip_prefix("/experiments/"))
        .filter_map(|rest| rest.split('/').next())
        .filter(|segment| !segment.starts_with('{'))
        .collect();
    assert!(taken.contains(&"plan"));
    for id in taken {
        let body = json!({"id": id, "name": "N", "variants": [{"key": "a", "percent": 50}, {"key": "b", "percent": 50}]});
        let answer = admin.post("/experiments", &body).await;
        assert_eq!(answer.code(422), "invalid");
        assert_eq!(faults(&answer.problem().unwrap()), [("/id", "reserved")]);
        let path = format!("/experiments/{id}");
        assert_eq!(admin.get(&path).await.code(404), "route_not_found");
    }
    // Words that only stand further on in a path are ids like any other.
    for id in ["results", "assignments", "plans", "Plan"] {
        admin.experiment(id, json!({})).await;
        assert_eq!(admin.get(&format!("/experiments/{id}")).await.status, 200);
    }
}
