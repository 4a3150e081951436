//! A layer is for experiments with one kind of unit.

use super::super::support::{World, expected};
use super::in_layer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_layer_is_for_experiments_with_one_unit() {
    let world = World::start().await;
    let admin = world.admin();
    let layer = |unit: &str| json!({"name": "A layer", "unit": unit});
    let declared = admin.put_layer("accounts", None, &layer("account")).await;
    assert_eq!(declared.json(201)["unit"], "account");
    let bad = admin.put_layer("bad", None, &layer("Account")).await;
    assert_eq!(bad.faults(), expected([("/unit", "bad_characters")]));
    let open = admin.layer("open").await;
    assert!(open.get("unit").is_none(), "{open}");

    let body = |id: &str, layer: &str, unit: &str, status: &str| {
        json!({
            "id": id, "name": id, "unit": unit, "status": status, "layer": {"id": layer, "percent": 10},
            "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
        })
    };
    let create = async |body: &Value| admin.post("/experiments", body).await;
    let refused = create(&body("u", "accounts", "user", "running")).await;
    assert_eq!(refused.code(422), "invalid");
    assert_eq!(refused.faults(), expected([("/layer/id", "other_unit")]));
    create(&body("a", "accounts", "account", "running"))
        .await
        .json(201);

    // The first experiment sets the unit, and it stays when this experiment is over.
    create(&body("first", "open", "device", "draft"))
        .await
        .json(201);
    assert_eq!(admin.get("/layers/open").await.json(200)["unit"], "device");
    admin
        .change("first", &json!({"status": "archived"}))
        .await
        .json(200);
    let refused = create(&body("u", "open", "user", "draft")).await;
    assert_eq!(refused.faults(), expected([("/layer/id", "other_unit")]));
    let draft = json!({"id": "u", "name": "u", "status": "draft", "copy_of": "a"});
    create(&draft).await.json(201);
    let refused = admin.change("u", &in_layer("open", 5.0)).await;
    assert_eq!(refused.code(422), "invalid");
    assert_eq!(refused.faults(), expected([("/layer/id", "other_unit")]));
    admin
        .change("u", &in_layer("accounts", 5.0))
        .await
        .json(200);

    let other = admin.put_layer("open", Some("*"), &layer("user")).await;
    assert_eq!(other.code(409), "unit_fixed");
    let same = admin.put_layer("open", Some("*"), &layer("device")).await;
    assert_eq!(same.json(200)["unit"], "device");
    let texts = admin
        .put_layer("open", Some("*"), &json!({"name": "Renamed"}))
        .await;
    assert_eq!(texts.json(200)["unit"], "device");

    let holdout = json!({"name": "h", "holdout": {"percent": 5, "layer": "accounts"}});
    let refused = create(&holdout).await;
    assert_eq!(refused.code(422), "invalid");
    assert_eq!(
        refused.faults(),
        expected([("/holdout/layer", "other_unit")])
    );
}
