//! Layers and holdouts: answers of a running platform.

use super::answers::{all_documented, experiment};
use super::api::Api;
use serde_json::json;

#[tokio::test]
async fn layers_and_holdouts_conform_to_the_document() {
    let api = Api::start().await;
    let texts = json!({"name": "Checkout", "description": "D", "reason": null}).to_string();
    for (headers, status) in [
        (vec![], 201),
        (vec![], 428),
        (vec![("if-match", "\"1\"")], 200),
        (vec![("if-match", "\"1\"")], 412),
    ] {
        let answer = api
            .call("put", "/layers/l", &headers, Some(texts.clone()))
            .await;
        assert_eq!(answer.status, status, "{}", answer.text);
        all_documented(&answer);
    }
    let holdout = json!({"id": "h", "name": "H", "holdout": {"percent": 20, "layer": "l"}});
    let holdout = api.post("/experiments", holdout).await;
    assert_eq!(holdout.status, 201, "{}", holdout.text);
    let mut layered = experiment("e");
    layered["layer"] = json!({"id": "l", "percent": 100});
    let created = api.post("/experiments", layered.clone()).await;
    assert_eq!(created.at("/holdouts/0"), "h");
    layered["id"] = json!("f");
    let full = api.post("/experiments", layered).await;
    assert_eq!(full.status, 409);
    all_documented(&full);
    for user in 0..20 {
        let path = format!("/experiments/e/assignment/u{user}");
        for query in ["?enroll=false", ""] {
            let answer = api.get(&format!("{path}{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            all_documented(&answer);
        }
        api.get(&format!("/users/u{user}")).await;
    }
    let refused = api.get("/experiments/h/assignment/u").await;
    assert_eq!(refused.status, 409);
    all_documented(&refused);
    let stop = json!({"status": "stopped"}).to_string();
    let stopped = api
        .call("patch", "/experiments/e", &[("if-match", "*")], Some(stop))
        .await;
    assert_eq!(stopped.status, 200, "{}", stopped.text);
    let read = api.get("/layers/l").await;
    assert!(read.at("/freed_ranges/0/free_from").is_string());
    api.get("/layers?limit=1").await;
    let in_use = api.call("delete", "/layers/l", &[], None).await;
    assert_eq!(in_use.status, 409);
    all_documented(&in_use);
    let texts = json!({"name": "Unused"}).to_string();
    api.call("put", "/layers/unused", &[], Some(texts)).await;
    let deleted = api.call("delete", "/layers/unused", &[], None).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    let missing = api.get("/layers/unused").await;
    assert_eq!(missing.status, 404);
    all_documented(&missing);
}
