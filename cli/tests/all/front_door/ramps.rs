//! Ramps: steps of the traffic that take effect at their times, without any request.

use super::support::{World, ago};
use serde_json::{Value, json};
use std::time::Duration;

fn traffic(phases: &Value) -> Vec<(String, f64)> {
    let phases = phases.as_array().unwrap().iter();
    let one = |phase: &Value| {
        let since = phase["since"].as_str().unwrap().to_owned();
        (since, phase["traffic_percent"].as_f64().unwrap())
    };
    phases.map(one).collect()
}

#[tokio::test]
async fn a_step_takes_effect_at_its_time_without_a_change() {
    let world = World::start().await;
    let admin = world.admin();
    let step = ago(-3).to_string();
    let fields = json!({"traffic_percent": 0, "ramp": [{"at": step, "traffic_percent": 100}]});
    let created = admin.experiment("e", fields).await;
    let phases = traffic(&created["phases"]);
    assert_eq!(phases.len(), 2);
    assert_eq!((phases[0].1, phases[1].1), (0.0, 100.0));
    assert_eq!(phases[1].0, step);
    let mut early = 0;
    for user in 0.. {
        let before = ago(0).to_string();
        let answer = admin.assign("e", &format!("u{user}")).await;
        let after = ago(0).to_string();
        if after < step {
            assert_eq!(answer["reason"], "traffic");
            early += 1;
        } else if before >= step {
            assert_eq!(answer["reason"], "new");
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(early > 0);
    // Nothing was written: the definition is the first one.
    let read = admin.get("/experiments/e").await.json(200);
    assert_eq!(read, created);
}

#[tokio::test]
async fn a_change_keeps_the_steps_to_come_and_a_stop_removes_them() {
    let world = World::start().await;
    let admin = world.admin();
    let (past, later, last) = (
        "2026-01-01T00:00:00.000000Z",
        "2099-01-01T00:00:00.000000Z",
        "2099-02-01T00:00:00.000000Z",
    );
    let ramp = json!([
        {"at": past, "traffic_percent": 5.0},
        {"at": later, "traffic_percent": 25.0},
        {"at": last, "traffic_percent": 100.0},
    ]);
    let draft = admin
        .experiment(
            "e",
            json!({"status": "draft", "traffic_percent": 1, "ramp": ramp}),
        )
        .await;
    assert_eq!(draft["ramp"], ramp);
    assert!(draft.get("phases").is_none());
    let started = admin
        .change("e", &json!({"status": "running"}))
        .await
        .json(200);
    let values = |experiment: &Value| -> Vec<f64> {
        traffic(&experiment["phases"])
            .iter()
            .map(|(_, traffic)| *traffic)
            .collect()
    };
    assert_eq!(values(&started), [5.0, 25.0, 100.0]);
    let renamed = admin.change("e", &json!({"name": "F"})).await.json(200);
    assert_eq!(renamed["phases"], started["phases"]);
    assert_eq!(renamed["traffic_percent"], 5.0);
    assert_eq!(renamed["ramp"].as_array().unwrap().len(), 2);

    let by_hand = admin
        .change("e", &json!({"traffic_percent": 10}))
        .await
        .json(200);
    assert_eq!(values(&by_hand), [5.0, 10.0, 25.0, 100.0]);
    let weights =
        json!({"variants": [{"key": "control", "percent": 40}, {"key": "green", "percent": 60}]});
    let weighted = admin.change("e", &weights).await.json(200);
    assert_eq!(values(&weighted), [5.0, 10.0, 10.0, 25.0, 100.0]);
    assert_eq!(weighted["phases"][4]["percents"], json!([40.0, 60.0]));
    let other = json!({"ramp": [{"at": last, "traffic_percent": 50}]});
    let other = admin.change("e", &other).await.json(200);
    assert_eq!(values(&other), [5.0, 10.0, 10.0, 50.0]);
    let paused = admin
        .change("e", &json!({"status": "paused"}))
        .await
        .json(200);
    assert_eq!(paused["phases"], other["phases"]);
    let resumed = admin
        .change("e", &json!({"status": "running"}))
        .await
        .json(200);
    assert_eq!(resumed["phases"], other["phases"]);
    let stopped = admin
        .change("e", &json!({"status": "stopped"}))
        .await
        .json(200);
    assert_eq!(values(&stopped), [5.0, 10.0, 10.0]);
    assert!(stopped.get("ramp").is_none());
    let refused = admin.change("e", &json!({ "ramp": ramp })).await;
    assert_eq!(refused.code(409), "experiment_over");
}

#[tokio::test]
async fn a_removed_ramp_keeps_the_current_traffic() {
    let world = World::start().await;
    let admin = world.admin();
    let ramp = json!([{"at": "2026-01-01T00:00:00Z", "traffic_percent": 5}, {"at": "2099-01-01T00:00:00Z", "traffic_percent": 25}]);
    admin
        .experiment("e", json!({"traffic_percent": 1, "ramp": ramp}))
        .await;
    let changed = admin.change("e", &json!({"ramp": null})).await.json(200);
    assert_eq!(changed["traffic_percent"], 5.0);
    assert!(changed.get("ramp").is_none());
    assert_eq!(changed["phases"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn results_of_a_ramp_count_each_phase_and_ignore_those_to_come() {
    let world = World::start().await;
    let admin = world.admin();
    let ramp = json!([{"at": "2099-01-01T00:00:00Z", "traffic_percent": 100}]);
    admin
        .experiment("e", json!({"traffic_percent": 100, "ramp": ramp}))
        .await;
    admin.experiment("plain", json!({})).await;
    for id in ["e", "plain"] {
        let row = |user: i64| {
            let variant = if user % 2 == 0 { "control" } else { "green" };
            let assigned_at = ago(86_400 * (user % 5) + 60).to_string();
            json!({"user_id": format!("u{user}"), "variant": variant, "assigned_at": assigned_at})
        };
        let rows: Vec<_> = (0..60).map(row).collect();
        admin.import(id, &rows).await;
    }
    world.platform.settle().await;
    let mut reports = Vec::new();
    for id in ["e", "plain"] {
        let report = admin.results(id, "view=analysis").await;
        reports.push((
            report["data_quality"].clone(),
            report["decision"].clone(),
            report["metrics"].clone(),
        ));
    }
    assert!(reports[0].0.is_object());
    assert_eq!(reports[0], reports[1]);
}

#[tokio::test]
async fn a_ramp_with_faults_is_refused_with_each_place() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let step = |at: &str, traffic: f64| json!({"at": at, "traffic_percent": traffic});
    let (first, second) = ("2099-01-01T00:00:00Z", "2099-01-02T00:00:00Z");
    for (ramp, pointer, code) in [
        (
            json!([step(second, 1.0), step(first, 5.0)]),
            "/ramp/1/at",
            "not_in_order",
        ),
        (
            json!([step(first, 1.0), step(first, 5.0)]),
            "/ramp/1/at",
            "not_in_order",
        ),
        (json!([step("soon", 1.0)]), "/ramp/0/at", "not_a_time"),
        (
            json!([step(first, 101.0)]),
            "/ramp/0/traffic_percent",
            "not_a_percentage",
        ),
        (
            json!([{"at": first}]),
            "/ramp/0/traffic_percent",
            "required",
        ),
        (
            json!([{"at": first, "traffic_percent": 1, "x": 1}]),
            "/ramp/0/x",
            "unknown_field",
        ),
        (json!({}), "/ramp", "wrong_type"),
        (json!(vec![step(first, 1.0); 21]), "/ramp", "too_many"),
    ] {
        let answer = admin.change("e", &json!({ "ramp": ramp })).await;
        let problem = answer.problem().unwrap();
        let fault = &problem["errors"][0];
        assert_eq!(
            (&fault["pointer"], &fault["code"]),
            (&json!(pointer), &json!(code)),
            "{problem}"
        );
    }
    let steps: Vec<_> = (1..=20)
        .map(|day| step(&format!("2099-01-{day:02}T00:00:00Z"), f64::from(day)))
        .collect();
    let most = admin.change("e", &json!({ "ramp": steps })).await.json(200);
    assert_eq!(most["phases"].as_array().unwrap().len(), 21);
}
