//! Experiments that assign accounts or other units instead of users.

use super::support::{World, ago, expected};
use serde_json::{Value, json};

fn experiment_ids(event: &Value) -> Vec<&str> {
    let counted = event["counts_for"].as_array().unwrap().iter();
    counted
        .map(|one| one["experiment_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_event_counts_in_the_experiments_of_each_of_its_units() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "pay", "kind": "sum", "event_type": "pay"}]);
    admin
        .experiment("users", json!({ "metrics": metrics }))
        .await;
    for unit in ["account", "device"] {
        let created = admin
            .experiment(unit, json!({"unit": unit, "metrics": metrics}))
            .await;
        assert_eq!(created["unit"], unit);
    }
    // The same text is another unit for each kind.
    for experiment in ["users", "account", "device"] {
        let assigned = admin.assign(experiment, "x").await;
        assert_eq!(
            (&assigned["user_id"], &assigned["reason"]),
            (&json!("x"), &json!("new"))
        );
        let unit = if experiment == "users" {
            Value::Null
        } else {
            json!(experiment)
        };
        assert_eq!(assigned["unit"], unit);
        assert_eq!(admin.assign(experiment, "x").await["reason"], "existing");
    }
    let answer = admin
        .track(&[
            json!({"user_id": "x", "units": {"account": "x"}, "type": "pay", "value": 1, "event_id": "both"}),
            json!({"units": {"device": "x", "account": "x"}, "type": "pay", "value": 10, "event_id": "no user"}),
            json!({"user_id": "x", "type": "pay", "value": 100, "event_id": "user"}),
            json!({"user_id": "new", "units": {"session": "s"}, "type": "pay", "value": 1_000, "event_id": "none"}),
            json!({"user_id": "x", "units": {"account": "x"}, "type": "pay", "value": 1, "event_id": "both"}),
        ])
        .await;
    assert_eq!(
        (&answer["stored"], &answer["duplicates"]),
        (&json!(4), &json!(1))
    );
    let events = answer["events"].as_array().unwrap();
    let counted: Vec<_> = events.iter().map(experiment_ids).collect();
    let both = vec!["users", "account"];
    assert_eq!(
        counted,
        [
            both.clone(),
            vec!["account", "device"],
            vec!["users"],
            vec![],
            both
        ]
    );
    assert_eq!(events[3]["reason"], "no_assignment");
    world.platform.settle().await;
    for (experiment, sum) in [("users", "101"), ("account", "11"), ("device", "10")] {
        for source in ["raw", "aggregates"] {
            let results = admin.results(experiment, &format!("source={source}")).await;
            let variants = results["metrics"][0]["variants"].as_array().unwrap();
            let sums: Vec<_> = variants
                .iter()
                .map(|one| one["sum"].as_str().unwrap())
                .collect();
            assert!(sums.contains(&sum), "{experiment} {source}: {sums:?}");
        }
    }
}

#[tokio::test]
async fn all_roads_assign_the_same_variant_to_a_unit() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("users", json!({})).await;
    admin
        .experiment("accounts", json!({"unit": "account"}))
        .await;
    for number in 0..20 {
        let id = format!("a{number}");
        let dry = admin
            .get(&format!(
                "/experiments/accounts/assignment/{id}?enroll=false"
            ))
            .await;
        let dry = dry.json(200);
        assert_eq!(
            (&dry["unit"], &dry["user_id"]),
            (&json!("account"), &json!(id))
        );
        let body = json!({"users": [{"user_id": id}], "enroll": false});
        let several = admin
            .post("/experiments/accounts/assignments:evaluate", &body)
            .await
            .json(200);
        assert_eq!(several["assignments"][0]["variant"], dry["variant"]);
        let body = json!({"user_id": format!("u{number}"), "units": {"account": id}});
        let all = admin.post("/assignments", &body).await.json(200);
        let all = all["assignments"].as_array().unwrap();
        let names: Vec<_> = all
            .iter()
            .map(|one| one["experiment_id"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["accounts", "users"]);
        assert_eq!(all[0]["variant"], dry["variant"]);
        assert_eq!(all[0]["user_id"], id);
        let single = admin.assign("accounts", &id).await;
        assert_eq!(
            (&single["variant"], &single["reason"]),
            (&dry["variant"], &json!("existing"))
        );
    }
    // Without the id of a user, only experiments of accounts are evaluated.
    let body = json!({"units": {"account": "other"}});
    let only = admin.post("/assignments", &body).await.json(200);
    assert_eq!(only["assignments"].as_array().unwrap().len(), 1);
    assert!(only.get("user_id").is_none());
    let body = json!({"user_id": "u", "experiments": ["users", "accounts"]});
    let refused = admin.post("/assignments", &body).await;
    assert_eq!(
        refused.faults(),
        expected([("/experiments/1", "missing_unit")])
    );
}

#[tokio::test]
async fn a_unit_is_imported_exported_and_erased_by_its_kind() {
    let world = World::start().await;
    let admin = world.admin();
    admin
        .experiment("accounts", json!({"unit": "account"}))
        .await;
    admin.experiment("users", json!({})).await;
    let row = json!({"user_id": "a/1%", "variant": "green", "assigned_at": ago(60).to_string()});
    for experiment in ["accounts", "users"] {
        admin.import(experiment, std::slice::from_ref(&row)).await;
    }
    let event = json!({
        "user_id": "a/1%", "units": {"account": "a/1%"}, "type": "pay", "event_id": "p", "properties": {"secret": 1},
    });
    admin.track(&[event]).await;
    world.platform.settle().await;
    let path = "/users/a%2F1%25";
    let of_account = admin.get(&format!("{path}?unit=account")).await.json(200);
    assert_eq!(
        (&of_account["unit"], &of_account["user_id"]),
        (&json!("account"), &json!("a/1%"))
    );
    assert_eq!(of_account["assignments"][0]["experiment_id"], "accounts");
    assert_eq!(of_account["assignments"][0]["user_id"], "a/1%");
    assert_eq!(of_account["events"][0]["experiment_id"], "accounts");
    assert!(of_account["events"][0].get("properties").is_none());
    let of_user = admin.get(path).await.json(200);
    assert!(of_user.get("unit").is_none());
    assert_eq!(of_user["assignments"][0]["experiment_id"], "users");
    assert_eq!(of_user["events"][0]["properties"], json!({"secret": 1}));

    let users = |report: &Value| report["data_quality"]["sample_ratio"]["observed"].clone();
    let erased = admin
        .send("DELETE", &format!("{path}?unit=account"), &[], "")
        .await
        .json(200);
    assert_eq!(
        (&erased["unit"], &erased["events"]),
        (&json!("account"), &json!(1))
    );
    assert_eq!(admin.get(path).await.json(200)["events"], of_user["events"]);
    assert_eq!(users(&admin.results("accounts", "").await), json!([0, 0]));
    assert_eq!(users(&admin.results("users", "").await), json!([0, 1]));
    let answer = admin.track(&[json!({"user_id": "a/1%", "units": {"account": "a/1%"}, "type": "pay", "event_id": "q"})]).await;
    assert_eq!(answer["events"][0]["status"], "stored");
    let answer = admin
        .track(&[json!({"units": {"account": "a/1%"}, "type": "pay", "event_id": "q"})])
        .await;
    assert_eq!(
        answer["events"][0]["errors"][0]["pointer"],
        "/events/0/units/account"
    );
    assert_eq!(admin.assign("accounts", "a/1%").await["reason"], "erased");
}

#[tokio::test]
async fn units_with_faults_are_refused_with_each_place() {
    let world = World::start().await;
    let admin = world.admin();
    let event = |units: Value| json!({"units": units, "type": "pay", "event_id": "e"});
    let kinds: Value = (0..5)
        .map(|kind| (format!("k{kind}"), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for (body, faults) in [
        (
            json!({"type": "pay", "event_id": "e"}),
            vec![("/user_id", "required")],
        ),
        (event(json!({})), vec![("/units", "wrong_number")]),
        (event(kinds), vec![("/units", "wrong_number")]),
        (event(json!([])), vec![("/units", "wrong_type")]),
        (
            event(json!({"Account": "a", "user": "u", "device": "", "a/b": 1})),
            vec![
                ("/units/Account", "bad_characters"),
                ("/units/a~1b", "bad_characters"),
                ("/units/a~1b", "wrong_type"),
                ("/units/device", "empty"),
                ("/units/user", "reserved"),
            ],
        ),
        // No request names a stored id.
        (
            json!({"user_id": "\u{1f}account\u{1f}a", "type": "pay", "event_id": "e"}),
            vec![("/user_id", "control_character")],
        ),
    ] {
        let refused = admin.post("/events", &body).await;
        let found: Vec<_> = refused.faults().into_iter().collect();
        let faults: Vec<_> = faults
            .iter()
            .map(|(at, code)| ((*at).to_owned(), (*code).to_owned()))
            .collect();
        assert_eq!(found, faults, "{body}");
    }
    let refused = admin.get("/experiments/e/assignment/%1Faccount%1Fa").await;
    assert!([400, 404].contains(&refused.status));
    admin.experiment("e", json!({"unit": "account"})).await;
    let refused = admin.get("/experiments/e/assignment/%1Faccount%1Fa").await;
    assert_eq!(
        refused.faults(),
        expected([("{user_id}", "control_character")])
    );
    let refused = admin.get("/users/u?unit=Account").await;
    assert_eq!(refused.faults(), expected([("?unit", "bad_characters")]));
    let refused = admin.change("e", &json!({"unit": "user"})).await;
    assert_eq!(refused.faults(), expected([("/unit", "unknown_field")]));
}
