//! Segments: creation, changes, ids, uses and deletion.

use super::support::{Answer, Caller, World, encoded, expected};
use domain::access::Scope;
use domain::limits;
use serde_json::{Value, json};

mod catalog;
mod concurrent;
mod users;

/// Creates a segment.
async fn create(caller: &Caller, id: &str, fields: Value) -> Answer {
    let mut body = json!({"id": id, "name": "A segment"});
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    caller.post("/segments", &body).await
}

/// Changes a segment, whatever its version is.
async fn change(caller: &Caller, id: &str, body: &Value) -> Answer {
    change_if(caller, id, "*", body).await
}

async fn change_if(caller: &Caller, id: &str, version: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("if-match", version)];
    let path = format!("/segments/{id}");
    caller
        .send("PATCH", &path, &headers, body.to_string())
        .await
}

async fn delete(caller: &Caller, id: &str) -> Answer {
    let path = format!("/segments/{id}");
    caller.send("DELETE", &path, &[("if-match", "*")], "").await
}

async fn segment(caller: &Caller, id: &str) -> Value {
    caller.get(&format!("/segments/{id}")).await.json(200)
}

/// The reason for a user with these attributes, without storing anything.
async fn reason(caller: &Caller, experiment: &str, user: &str, attributes: &str) -> String {
    let user = encoded(user);
    let path = format!("/experiments/{experiment}/assignment/{user}?enroll=false{attributes}");
    let answer = caller.get(&path).await.json(200);
    answer["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_segment_is_created_read_listed_changed_and_deleted() {
    let world = World::start().await;
    let admin = world.admin();
    let europe = json!({"description": "EU", "condition": {"country": {"$in": ["DE", "FR"]}}});
    let created = create(&admin, "europe", europe.clone()).await;
    let body = created.json(201);
    assert_eq!(created.header("location"), "/segments/europe");
    assert_eq!(created.header("etag"), "\"1\"");
    for (field, value) in [
        ("id", json!("europe")),
        ("version", json!(1)),
        ("kind", json!("condition")),
        ("description", json!("EU")),
        ("condition", europe["condition"].clone()),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
    // A repeat returns the segment, and another body with its id is refused.
    assert_eq!(create(&admin, "europe", europe).await.json(201), body);
    let other = json!({"condition": {}});
    assert_eq!(create(&admin, "europe", other).await.code(409), "id_taken");

    let list = json!({"attribute": "company", "ids": ["a", "b"]});
    let list = create(&admin, "customers", list).await.json(201);
    assert_eq!(list["kind"], "list");
    assert_eq!(list["attribute"], "company");
    assert_eq!(list["id_count"], 2);
    let page = admin.get("/segments?limit=1").await.json(200);
    assert_eq!(page["segments"], json!([list]));
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = admin
        .get(&format!("/segments?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(page.json(200), json!({ "segments": [body] }));

    let read = admin.get("/segments/europe").await;
    assert_eq!(read.header("etag"), "\"1\"");
    assert_eq!(read.json(200)["used_by_count"], 0);
    let new =
        json!({"name": "Europe", "description": null, "condition": {"eu": true}, "reason": "r"});
    let stale = change_if(&admin, "europe", "\"2\"", &new).await;
    assert_eq!(stale.code(412), "stale_version");
    let detail = stale.problem().unwrap()["detail"].clone();
    assert!(detail.as_str().unwrap().starts_with("The segment "));
    let changed = change_if(&admin, "europe", "\"1\"", &new).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let changed = changed.json(200);
    assert_eq!(changed["name"], "Europe");
    assert_eq!(changed.get("description"), None);
    assert_eq!(changed["condition"], json!({"eu": true}));
    // The same change again changes nothing.
    assert_eq!(change(&admin, "europe", &new).await.json(200), changed);
    let without_version = [("content-type", "application/json")];
    let path = "/segments/europe";
    let refused = admin.send("PATCH", path, &without_version, new.to_string());
    assert_eq!(refused.await.code(428), "if_match_required");
    let refused = admin.send("DELETE", path, &[], "").await;
    assert_eq!(refused.code(428), "if_match_required");

    assert_eq!(delete(&admin, "europe").await.json(200), changed);
    assert_eq!(admin.get(path).await.code(404), "segment_not_found");
    assert_eq!(
        delete(&admin, "europe").await.code(404),
        "segment_not_found"
    );
    let history = admin.get("/segments/europe/history").await.json(200);
    let entries = history["entries"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["deleted", "changed", "created"]);
    assert_eq!(entries[1]["reason"], "r");
    let fields: Vec<_> = entries[1]["changes"].as_array().unwrap().iter().collect();
    let fields: Vec<_> = fields.iter().map(|change| &change["field"]).collect();
    assert_eq!(fields, ["condition", "description", "name"]);

    // A new segment with the id continues the versions, so the history is complete.
    let again = create(&admin, "europe", json!({"ids": []})).await.json(201);
    assert_eq!(again["version"], 4);
    let page = admin
        .get("/segments/europe/history?limit=2")
        .await
        .json(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = format!("/segments/europe/history?limit=2&cursor={cursor}");
    let rest = admin.get(&rest).await.json(200);
    let versions = |page: &Value| -> Vec<Value> {
        let entries = page["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["version"].clone())
            .collect()
    };
    assert_eq!([versions(&page), versions(&rest)].concat(), [4, 3, 2, 1]);
}

#[tokio::test]
async fn all_faults_of_a_segment_are_located() {
    let world = World::start().await;
    let admin = world.admin();
    create(&admin, "beta", json!({"ids": []})).await.json(201);
    let condition = json!({"condition": {"$savedGroups": ["beta"]}});
    create(&admin, "named", condition).await.json(201);
    for (body, faults) in [
        (
            json!({"id": "a b", "condition": {"a": {"$regx": 1}}, "ids": [], "x": 1}),
            expected([
                ("", "condition_or_ids"),
                ("/condition/a/$regx", "unknown_operator"),
                ("/id", "bad_characters"),
                ("/name", "required"),
                ("/x", "unknown_field"),
            ]),
        ),
        (
            json!({"id": "a", "name": "A", "attribute": "$a", "ids": ["x", "", "x", 5]}),
            expected([
                ("/attribute", "bad_characters"),
                ("/ids/1", "empty"),
                ("/ids/2", "duplicate_key"),
                ("/ids/3", "wrong_type"),
            ]),
        ),
        (
            json!({"id": "a".repeat(limits::MAX_SEGMENT_ID_CHARS + 1), "name": "A",
                "attribute": "a".repeat(limits::MAX_ATTRIBUTE_NAME_CHARS + 1),
                "ids": ["é".repeat(limits::MAX_LISTED_ID_BYTES / 2), format!("{}a", "é".repeat(limits::MAX_LISTED_ID_BYTES / 2))]}),
            expected([
                ("/attribute", "too_long"),
                ("/id", "too_long"),
                ("/ids/1", "too_long"),
            ]),
        ),
        (
            json!({"id": "a", "name": "A", "attribute": "id", "condition": {}}),
            expected([("/attribute", "condition_or_ids")]),
        ),
        (
            json!({"id": "a", "name": "A", "condition":
                {"id": {"$inGroup": "named"}, "$savedGroups": ["beta", "nothing", "a"]}}),
            expected([
                ("/condition/$savedGroups/1", "unknown_segment"),
                ("/condition/$savedGroups/2", "segment_circle"),
                ("/condition/$savedGroups/2", "unknown_segment"),
                ("/condition/id/$inGroup", "not_a_list"),
            ]),
        ),
    ] {
        let answer = admin.post("/segments", &body).await;
        assert_eq!((answer.status, answer.faults()), (422, faults), "{body}");
    }
    for (id, body, status, faults) in [
        ("beta", json!({"reason": "none"}), 422, ("", "empty_change")),
        (
            "beta",
            json!({"name": null}),
            422,
            ("/name", "not_removable"),
        ),
        (
            "beta",
            json!({"condition": {}}),
            409,
            ("/condition", "not_a_condition"),
        ),
        (
            "named",
            json!({"ids": {"add": ["a"]}}),
            409,
            ("/ids", "not_a_list"),
        ),
        ("beta", json!({"ids": {}}), 422, ("/ids", "empty")),
        (
            "beta",
            json!({"ids": {"add": ["a", "b"], "remove": ["b"]}}),
            422,
            ("/ids/add/1", "add_and_remove"),
        ),
        (
            "named",
            json!({"condition": {"$not": {"$savedGroups": ["named"]}}}),
            422,
            ("/condition/$not/$savedGroups/0", "segment_circle"),
        ),
    ] {
        let faults = (status, expected([faults]));
        let answer = change(&admin, id, &body).await;
        assert_eq!((answer.status, answer.faults()), faults, "{body}");
    }
    let reader = world.caller(&[Scope::Read]).await;
    assert_eq!(
        create(&reader, "a", json!({"ids": []})).await.code(403),
        "forbidden"
    );
    assert_eq!(delete(&reader, "beta").await.code(403), "forbidden");
}

#[tokio::test]
async fn lists_are_limited_and_ids_are_added_and_removed_once() {
    let world = World::start().await;
    let admin = world.admin();
    let list = json!({"attribute": "account", "ids": ["first"]});
    create(&admin, "beta", list).await.json(201);
    let ids = |from: usize, to: usize| -> Vec<String> {
        (from..to).map(|number| format!("u{number}")).collect()
    };
    let most = limits::MAX_IDS_PER_REQUEST;
    let too_many = json!({"ids": {"add": ids(0, most), "remove": ["x"]}});
    let refused = change(&admin, "beta", &too_many).await;
    assert_eq!(refused.faults(), expected([("/ids", "too_many")]));

    let change_ids = json!({"ids": {"add": ids(0, 9_000), "remove": ["first", "unknown"]}});
    let changed = change(&admin, "beta", &change_ids).await.json(200);
    assert_eq!(
        (&changed["version"], &changed["id_count"]),
        (&json!(2), &json!(9_000))
    );
    // The same request again, and one that changes some of it.
    assert_eq!(change(&admin, "beta", &change_ids).await.json(200), changed);
    let some = json!({"ids": {"add": ids(8_990, 9_010), "remove": ["u0", "x"]}, "name": "Beta"});
    let changed = change(&admin, "beta", &some).await.json(200);
    assert_eq!(
        (&changed["version"], &changed["id_count"]),
        (&json!(3), &json!(9_009))
    );
    assert_eq!(changed["name"], "Beta");
    let history = admin.get("/segments/beta/history").await.json(200);
    let numbers: Vec<_> = history["entries"].as_array().unwrap().iter().collect();
    let numbers = numbers
        .iter()
        .map(|entry| [&entry["ids_added"], &entry["ids_removed"]]);
    assert_eq!(
        json!(numbers.collect::<Vec<_>>()),
        json!([[10, 1], [9_000, 1], [1, 0]])
    );

    for from in (0..limits::MAX_SEGMENT_IDS).step_by(most) {
        let add = json!({"ids": {"add": ids(from, from + most)}});
        change(&admin, "beta", &add).await.json(200);
    }
    let full = segment(&admin, "beta").await;
    assert_eq!(full["id_count"], limits::MAX_SEGMENT_IDS);
    let one_more = change(&admin, "beta", &json!({"ids": {"add": ["one more"]}})).await;
    assert_eq!(one_more.faults(), expected([("/ids/add", "too_many")]));
    let swapped = json!({"ids": {"add": ["one more"], "remove": ["u5"]}});
    let swapped = change(&admin, "beta", &swapped).await.json(200);
    assert_eq!(swapped["id_count"], limits::MAX_SEGMENT_IDS);

    let targeting = json!({"targeting": {"id": {"$inGroup": "beta"}}});
    admin.experiment("e", targeting).await;
    for (user, expected) in [("u6", "split"), ("one more", "split"), ("u5", "targeting")] {
        assert_eq!(reason(&admin, "e", user, "").await, expected, "{user}");
    }
}
