//! Segments: answers of a running platform, refusals, and the edges of the rules of bodies.

use super::answers::{all_documented, experiment};
use super::api::Api;
use super::requests::agrees;
use serde_json::{Value, json};

#[tokio::test]
async fn segments_conform_to_the_document() {
    let api = Api::start().await;
    for body in [
        json!({"id": "list", "name": "List", "description": "All of it.", "ids": ["ann", "b/ö"]}),
        json!({"id": "path", "name": "Path", "attribute": "company.id", "ids": [], "condition": null}),
        json!({"id": "condition", "name": "C", "description": null, "condition": {"$savedGroups": ["list"]}}),
    ] {
        let created = api.post("/segments", body).await;
        assert_eq!(created.status, 201, "{}", created.text);
        all_documented(&created);
    }
    let mut named = experiment("e");
    named["targeting"] = json!({"id": {"$inGroup": "list"}});
    api.post("/experiments", named).await;
    for (id, change) in [
        (
            "list",
            json!({"ids": {"add": ["eve"], "remove": ["ann"]}, "reason": "r"}),
        ),
        (
            "list",
            json!({"name": "Other", "description": null, "ids": {"remove": ["eve"], "add": null}}),
        ),
        ("condition", json!({"condition": {}, "description": "D"})),
    ] {
        let path = format!("/segments/{id}");
        let tag = [("if-match", "*")];
        let changed = api
            .call("patch", &path, &tag, Some(change.to_string()))
            .await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        all_documented(&changed);
    }
    let read = api.get("/segments/list").await;
    all_documented(&read);
    assert_eq!(read.at("/used_by/0/id"), "e");
    let page = api.get("/segments?limit=2").await;
    all_documented(&page);
    let cursor = page.at("/next_cursor").as_str().unwrap();
    all_documented(&api.get(&format!("/segments?limit=2&cursor={cursor}")).await);
    let tag = [("if-match", "*")];
    let deleted = api.call("delete", "/segments/condition", &tag, None).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    all_documented(&deleted);
    api.get("/segments/condition/history").await;
    let page = api.get("/segments/list/history?limit=1").await;
    let cursor = page.at("/next_cursor").as_str().unwrap();
    api.get(&format!("/segments/list/history?limit=1&cursor={cursor}"))
        .await;

    for (method, path, body, status) in [
        ("delete", "/segments/list", None, 409),
        ("delete", "/segments/nothing", None, 404),
        (
            "patch",
            "/segments/list",
            Some(json!({"condition": {}})),
            409,
        ),
        (
            "patch",
            "/segments/path",
            Some(json!({"reason": "none"})),
            422,
        ),
        (
            "patch",
            "/segments/path",
            Some(json!({"ids": {"add": ["a"], "remove": ["a"]}})),
            422,
        ),
        (
            "post",
            "/segments",
            Some(json!({"id": "list", "name": "Other", "ids": []})),
            409,
        ),
        (
            "post",
            "/segments",
            Some(
                json!({"id": "new", "name": "N", "condition": {"id": {"$inGroup": "nothing"}, "$savedGroups": ["new"]}}),
            ),
            422,
        ),
        ("get", "/segments?limit=0", None, 400),
        ("get", "/segments/nothing/history", None, 404),
    ] {
        let body = body.map(|body: Value| body.to_string());
        let headers: &[_] = if ["patch", "delete"].contains(&method) {
            &tag
        } else {
            &[]
        };
        let answer = api.call(method, path, headers, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        all_documented(&answer);
    }
}

#[tokio::test]
async fn bodies_of_segments_are_accepted_exactly_as_described() {
    let api = Api::start().await;
    let list = json!({"id": "a", "name": "N", "attribute": "id", "ids": ["x"]});
    let many = |most: usize| json!((0..most).map(|id| id.to_string()).collect::<Vec<_>>());
    for (pointer, values) in [
        (
            "/name",
            vec![
                (json!("x"), true),
                (json!(" "), false),
                (json!(null), false),
            ],
        ),
        (
            "/id",
            vec![
                (json!("b-_1"), true),
                (json!("_b"), false),
                (json!("é"), false),
                (json!(1), false),
            ],
        ),
        (
            "/attribute",
            vec![
                (json!("id"), true),
                (json!("$a"), false),
                (json!(""), false),
                (json!("a\n"), false),
                (json!("x".repeat(129)), false),
                (json!(1), false),
            ],
        ),
        (
            "/ids",
            vec![
                (json!(["x"]), true),
                (json!(["x", "x"]), false),
                (json!([""]), false),
                (json!([1]), false),
                (json!(null), false),
                (many(10_001), false),
            ],
        ),
    ] {
        let values: Vec<(Value, bool)> = values;
        let mut body = list.clone();
        // Each pointer has one accepted value, so each of these ids is used once.
        body["id"] = json!(format!("id-{}", pointer.len()));
        agrees(&api, "/segments", body, pointer, &values).await;
    }
    let both =
        json!({"id": "both", "name": "N", "ids": ["x"], "condition": null, "attribute": null});
    let condition = [(json!(null), true), (json!({}), false), (json!([]), false)];
    agrees(&api, "/segments", both, "/condition", &condition).await;
    let condition = json!({"id": "c", "name": "N", "condition": {"a": 1}, "attribute": null});
    let attribute = [(json!(null), true), (json!("id"), false)];
    agrees(&api, "/segments", condition, "/attribute", &attribute).await;
}
