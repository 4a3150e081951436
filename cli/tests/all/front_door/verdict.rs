//! Verdicts: experiments that end in each of them.

use super::support::{Caller, World};
use super::users::{TestUser, crowd, import_users};
use serde_json::{Value, json};

const PRIMARY: &str = "buyers";

fn metrics() -> Value {
    json!([
        {"key": PRIMARY, "kind": "conversion", "event_type": "buy", "role": "primary", "name": "Buyers"},
        {"key": "complaints", "kind": "conversion", "event_type": "complain", "role": "guardrail", "direction": "decrease"},
    ])
}

/// The verdict, its reason, and the summary.
async fn decision(admin: &Caller, id: &str) -> (String, String, Value) {
    let summary = admin.results(id, "view=summary").await;
    let text = |name: &str| summary[name].as_str().unwrap().to_owned();
    (text("verdict"), text("reason"), summary)
}

/// Creates an experiment with these numbers of users and buyers in both variants.
async fn with_users(
    admin: &Caller,
    fields: Value,
    control: [usize; 2],
    green: [usize; 2],
    days: i64,
) {
    admin.experiment("e", fields).await;
    let mut users = crowd("control", control[0], control[1], days);
    users.extend(crowd("green", green[0], green[1], days));
    import_users(admin, "e", &users).await;
}

#[tokio::test]
async fn a_clear_gain_ships_after_a_week_and_keeps_running_before() {
    let world = World::start().await;
    let admin = world.admin();
    let fields =
        json!({"metrics": metrics(), "plan": {"minimum_detectable_effect": 0.1, "users": 1000}});
    with_users(&admin, fields.clone(), [350, 35], [350, 105], 8).await;
    let (verdict, reason, summary) = decision(&admin, "e").await;
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("ship", "primary_better"),
        "{summary}"
    );
    let headline = summary["headline"].as_str().unwrap();
    assert!(
        headline.starts_with("Ship `green`: better on “Buyers”: +200.0% (95% interval +"),
        "{headline}"
    );
    assert_eq!(summary["variant"], "green");

    let world = World::start().await;
    let admin = world.admin();
    with_users(&admin, fields, [350, 35], [350, 105], 2).await;
    let (verdict, reason, summary) = decision(&admin, "e").await;
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("keep_running", "first_week"),
        "{summary}"
    );
    // If the experiment is stopped early, the data decide.
    admin
        .change("e", &json!({"status": "stopped"}))
        .await
        .json(200);
    assert_eq!(decision(&admin, "e").await.0, "ship");
}

#[tokio::test]
async fn a_clear_loss_or_a_worse_guardrail_stops_at_any_time() {
    let world = World::start().await;
    let admin = world.admin();
    let fields = json!({"metrics": metrics()});
    with_users(&admin, fields.clone(), [300, 150], [300, 43], 0).await;
    let (verdict, reason, summary) = decision(&admin, "e").await;
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("stop", "primary_worse"),
        "{summary}"
    );
    assert!(
        summary["headline"]
            .as_str()
            .unwrap()
            .starts_with("Stop, and keep `control`"),
        "{summary}"
    );

    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", fields).await;
    let mut users = crowd("control", 350, 35, 9);
    users.extend(crowd("green", 350, 150, 9));
    for (number, user) in users.iter_mut().enumerate() {
        let often = if user.variant == "green" { 2 } else { 8 };
        if number % often == 0 {
            user.events.push(("complain", 1.5, None));
        }
    }
    import_users(&admin, "e", &users).await;
    let (verdict, reason, summary) = decision(&admin, "e").await;
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("stop", "guardrail_worse"),
        "{summary}"
    );
    let monitoring = admin.results("e", "view=monitoring").await;
    let alarm = &monitoring["alarms"][0];
    assert_eq!(
        (&alarm["code"], &alarm["metric"], &alarm["variant"]),
        (
            &json!("guardrail_worse"),
            &json!("complaints"),
            &json!("green")
        ),
        "{monitoring}"
    );
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn a_guardrail_with_a_margin_must_be_non_inferior_before_a_variant_ships() {
    let verdict_with = async |margin: f64| {
        let world = World::start().await;
        let admin = world.admin();
        let mut metrics = metrics();
        metrics[1] = json!({
            "key": "sessions", "kind": "count", "event_type": "session", "role": "guardrail", "margin": margin,
        });
        let fields =
            json!({"metrics": metrics, "plan": {"minimum_detectable_effect": 0.1, "users": 2000}});
        admin.experiment("e", fields).await;
        let mut users = crowd("control", 600, 60, 9);
        users.extend(crowd("green", 600, 240, 9));
        for (number, user) in users.iter_mut().enumerate() {
            for session in 0..(1 + number % 4) {
                #[expect(clippy::cast_precision_loss, reason = "up to four")]
                user.events
                    .push(("session", 0.1 + session as f64 / 10.0, None));
            }
        }
        import_users(&admin, "e", &users).await;
        let report = admin.results("e", "series=none").await;
        let shown = report["metrics"][1]["comparisons"][0]["non_inferiority"]["shown"].clone();
        (report["decision"]["reason"].clone(), shown)
    };
    assert_eq!(
        verdict_with(0.3).await,
        (json!("primary_better"), json!(true))
    );
    assert_eq!(
        verdict_with(0.01).await,
        (json!("guardrail_undecided"), json!(false))
    );
}

#[tokio::test]
async fn data_with_quality_problems_are_not_trusted() {
    // A variant without users.
    let world = World::start().await;
    let admin = world.admin();
    with_users(&admin, json!({"metrics": metrics()}), [400, 40], [0, 0], 1).await;
    let (verdict, reason, summary) = decision(&admin, "e").await;
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("do_not_trust", "variant_without_users"),
        "{summary}"
    );
    assert!(summary["impact"].is_null(), "{summary}");

    // Weights that change while the experiment runs.
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({"metrics": metrics()})).await;
    let mut users = crowd("control", 100, 10, 3);
    users.extend(crowd("green", 100, 40, 3));
    import_users(&admin, "e", &users).await;
    let weights = json!([{"key": "control", "percent": 50}, {"key": "green", "percent": 50}]);
    admin
        .change("e", &json!({"traffic_percent": 50, "variants": weights}))
        .await
        .json(200);
    assert_ne!(
        decision(&admin, "e").await.1,
        "weights_changed",
        "less traffic with equal weights does not change the weights"
    );
    let weights = json!([{"key": "control", "percent": 10}, {"key": "green", "percent": 90}]);
    admin
        .change("e", &json!({"variants": weights}))
        .await
        .json(200);
    assert_ne!(
        decision(&admin, "e").await.1,
        "weights_changed",
        "no user is assigned with the new weights yet"
    );
    for number in 0..30 {
        admin.assign("e", &format!("late {number}")).await;
    }
    let (verdict, reason, summary) = decision(&admin, "e").await;
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("do_not_trust", "weights_changed"),
        "{summary}"
    );
    let by_phase = admin.results("e", "dimension=phase&series=none").await;
    let dimension = &by_phase["metrics"][0]["dimensions"][0];
    assert_eq!(
        (
            &dimension["by"],
            dimension["values"].as_array().unwrap().len()
        ),
        (&json!("phase"), 2)
    );
}

#[tokio::test]
async fn no_effect_at_the_end_stops_and_a_planned_end_uses_the_hybrid_method() {
    let world = World::start().await;
    let admin = world.admin();
    let in_the_future = shared::clock::now().plus_micros(3_600_000_000).to_string();
    let fields = json!({"metrics": metrics(), "ends_at": in_the_future, "plan": {"minimum_detectable_effect": 0.1, "users": 1400}});
    with_users(&admin, fields, [700, 100], [700, 120], 1).await;
    let report = admin.results("e", "series=none").await;
    assert_eq!(report["analysis_settings"]["deciding_method"], "hybrid");
    let hybrid = &report["metrics"][0]["comparisons"][0]["hybrid"];
    assert_eq!(hybrid["phase"], "running", "{hybrid}");
    let (verdict, reason, summary) = decision(&admin, "e").await;
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("keep_running", "undecided"),
        "{summary}"
    );
    // An experiment that is stopped before its planned end uses the sequential method.
    admin
        .change("e", &json!({"status": "stopped"}))
        .await
        .json(200);
    let report = admin.results("e", "series=none").await;
    assert_eq!(report["analysis_settings"]["deciding_method"], "sequential");
    let (verdict, reason, _) = decision(&admin, "e").await;
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("stop", "no_effect_found")
    );
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn of_several_winning_variants_the_best_one_ships() {
    let world = World::start().await;
    let admin = world.admin();
    let variants = json!([
        {"key": "control", "percent": 25}, {"key": "green", "percent": 25},
        {"key": "blue", "percent": 25}, {"key": "red", "percent": 25},
    ]);
    admin
        .experiment("e", json!({"variants": variants, "metrics": metrics()}))
        .await;
    let mut users: Vec<TestUser> = Vec::new();
    for (variant, buyers) in [("control", 60), ("green", 260), ("blue", 330), ("red", 62)] {
        users.extend(crowd(variant, 600, buyers, 10));
    }
    import_users(&admin, "e", &users).await;
    let (verdict, _, summary) = decision(&admin, "e").await;
    assert_eq!(verdict, "ship", "{summary}");
    assert_eq!(summary["variant"], "blue");
    let each: Vec<(&str, &str)> = summary["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["variant"].as_str().unwrap(),
                one["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        each,
        [("green", "ship"), ("blue", "ship"), ("red", "keep_running")]
    );
}

#[tokio::test]
async fn the_monthly_impact_and_the_days_left_follow_from_the_traffic() {
    let world = World::start().await;
    let admin = world.admin();
    let plan = json!({"minimum_detectable_effect": 0.1, "users": 20_000});
    let fields = json!({"metrics": metrics(), "plan": plan, "traffic_percent": 50});
    admin.experiment("e", fields).await;
    let mut users = Vec::new();
    for days_ago in 1..=10 {
        users.extend(crowd("control", 40, 12, days_ago));
        users.extend(crowd("green", 40, 14, days_ago));
    }
    import_users(&admin, "e", &users).await;
    let report = admin.results("e", "series=none").await;
    let decision = &report["decision"];
    assert_eq!(decision["reason"], "undecided", "{decision}");
    let number = |pointer: &str| report.pointer(pointer).unwrap().as_f64().unwrap();
    // 80 users per day are half of the traffic.
    let users = number("/decision/impact/users_per_month");
    assert!((users - 160.0 * 30.4375).abs() < 1e-9, "{users}");
    for end in ["estimate", "ci_lower", "ci_upper"] {
        let month = number(&format!("/decision/impact/per_month/{end}"));
        let user = number(&format!("/metrics/0/comparisons/0/decisive/absolute/{end}"));
        assert!((month - user * users).abs() < 1e-9, "{end}");
    }
    let additional_users = number("/metrics/0/comparisons/0/power_to_date/additional_users_needed");
    let days = decision["days_left"].as_f64().unwrap();
    assert!(
        additional_users > 0.0 && (days - (additional_users / 80.0).ceil()).abs() < 0.5,
        "{additional_users} {days}"
    );
}
