//! What a holdout does not allow.

use super::support::{World, ago, expected};
use domain::limits::MAX_HOLDOUTS;
use serde_json::json;

#[tokio::test]
async fn a_holdout_cannot_be_changed_paused_assigned_or_imported() {
    let world = World::start().await;
    let admin = world.admin();
    admin.holdout("h", json!({"percent": 5})).await;
    for (field, value) in [
        (
            "variants",
            json!([{"key": "held_out", "percent": 50}, {"key": "not_held_out", "percent": 50}]),
        ),
        ("traffic_percent", json!(50)),
        ("ramp", json!([])),
        ("layer", json!({"id": "l", "percent": 5})),
        ("targeting", json!({"a": 1})),
        ("overrides", json!([])),
        ("release", json!("not_held_out")),
        ("dimensions", json!(["country"])),
        ("ends_at", json!("2099-01-01T00:00:00Z")),
    ] {
        let answer = admin.change("h", &json!({ field: value })).await;
        answer.code(409);
        let pointer = format!("/{field}");
        assert!(
            answer
                .faults()
                .contains(&(pointer, "is_holdout".to_owned())),
            "{field}"
        );
    }
    assert_eq!(
        admin
            .change("h", &json!({"status": "paused"}))
            .await
            .code(409),
        "is_holdout"
    );
    admin
        .change("h", &json!({"name": "Another name"}))
        .await
        .json(200);
    assert_eq!(
        admin.get("/experiments/h/assignment/u").await.code(409),
        "is_holdout"
    );
    let users = json!({"users": [{"user_id": "u"}]});
    assert_eq!(
        admin
            .post("/experiments/h/assignments:evaluate", &users)
            .await
            .code(409),
        "is_holdout"
    );
    let named = json!({"user_id": "u", "experiments": ["h"]});
    let named = admin.post("/assignments", &named).await;
    assert_eq!(named.faults(), expected([("/experiments/0", "is_holdout")]));
    let row = json!({"assignments": [{"user_id": "u", "variant": "held_out", "assigned_at": ago(9).to_string()}]});
    let import = admin.post("/experiments/h/assignments", &row).await;
    assert_eq!(import.code(409), "is_holdout");
    let copy = admin
        .post("/experiments", &json!({"name": "C", "copy_of": "h"}))
        .await;
    assert!(
        copy.faults()
            .contains(&("/copy_of".to_owned(), "is_holdout".to_owned()))
    );

    // Imported rows of held-out users are rejected.
    admin.experiment("e", json!({})).await;
    let rows: Vec<_> = (0..100).map(|n| json!({"user_id": format!("u{n}"), "variant": "green", "assigned_at": ago(9).to_string()})).collect();
    let outcome = admin.import("e", &rows).await;
    let rejected = outcome["rejected"].as_u64().unwrap();
    assert!((1..20).contains(&rejected), "{rejected}");
    let rows = outcome["assignments"].as_array().unwrap();
    let first = rows.iter().find(|row| row["status"] == "rejected").unwrap();
    assert_eq!(first["errors"][0]["code"], "held_out");
}

#[tokio::test]
async fn wrong_holdouts_are_refused() {
    let world = World::start().await;
    let admin = world.admin();
    for (fields, faults) in [
        (
            json!({"holdout": {}}),
            vec![("/holdout/percent", "required")],
        ),
        (
            json!({"holdout": {"percent": 0.09}}),
            vec![("/holdout/percent", "not_a_percentage")],
        ),
        (
            json!({"holdout": {"percent": 20.1}}),
            vec![("/holdout/percent", "not_a_percentage")],
        ),
        (
            json!({"holdout": {"percent": 5, "layer": "a b", "scope": 1}, "variants": [], "dimensions": ["x"]}),
            vec![
                ("/holdout/layer", "bad_characters"),
                ("/holdout/scope", "unknown_field"),
                ("/variants", "is_holdout"),
                ("/dimensions", "is_holdout"),
            ],
        ),
    ] {
        let mut body = json!({"name": "H"});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = admin.post("/experiments", &body).await;
        assert_eq!(answer.code(422), "invalid", "{body}");
        let faults = faults
            .into_iter()
            .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
        assert_eq!(answer.faults(), faults.collect(), "{body}");
    }
    let unknown = json!({"name": "H", "holdout": {"percent": 5, "layer": "nothing"}});
    let unknown = admin.post("/experiments", &unknown).await;
    assert_eq!(
        unknown.faults(),
        expected([("/holdout/layer", "unknown_layer")])
    );
    for number in 0..MAX_HOLDOUTS {
        admin
            .holdout(&format!("h{number}"), json!({"percent": 0.1}))
            .await;
    }
    let body = json!({"id": "more", "name": "H", "holdout": {"percent": 0.1}});
    let refused = admin.post("/experiments", &body).await;
    assert_eq!(refused.code(409), "too_many_holdouts");
    let mut draft = body.clone();
    draft["status"] = json!("draft");
    admin.post("/experiments", &draft).await.json(201);
    let starts = admin.change("more", &json!({"status": "running"})).await;
    assert_eq!(starts.code(409), "too_many_holdouts");
    admin
        .change("h0", &json!({"status": "stopped"}))
        .await
        .json(200);
    admin
        .change("more", &json!({"status": "running"}))
        .await
        .json(200);
}
