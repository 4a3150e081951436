//! Feature flags: creation, changes, history, reverting, archiving and deletion.

mod contexts;
mod drafts;
mod evaluation;
mod sizes;
mod usage;

use super::support::{Answer, Caller, World, expected, without_definition_cache};
use domain::limits;
use serde_json::{Value, json};

/// A boolean flag that is on for a team in production.
pub(super) fn checkout(key: &str) -> Value {
    json!({
        "key": key, "name": "New checkout", "value_type": "boolean",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "environments": {"production": {
            "enabled": true, "off_variant": "off", "default_variant": "off",
            "rules": [{"id": "team", "type": "serve", "condition": {"team": "core"}, "variant": "on"}],
        }},
    })
}

pub(super) async fn created(caller: &Caller, flag: Value) -> Value {
    caller.post("/flags", &flag).await.json(201)
}

async fn change_if(caller: &Caller, key: &str, version: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("if-match", version)];
    let path = format!("/flags/{key}");
    caller
        .send("PATCH", &path, &headers, body.to_string())
        .await
}

async fn change(caller: &Caller, key: &str, body: &Value) -> Answer {
    change_if(caller, key, "*", body).await
}

async fn revert(caller: &Caller, key: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let path = format!("/flags/{key}/revert");
    caller.send("POST", &path, &headers, body.to_string()).await
}

async fn delete(caller: &Caller, key: &str) -> Answer {
    let path = format!("/flags/{key}");
    caller.send("DELETE", &path, &[("if-match", "*")], "").await
}

#[tokio::test]
async fn a_flag_is_created_read_changed_reverted_archived_and_deleted() {
    let world = World::start().await;
    let admin = world.admin();
    let first = admin.post("/flags", &checkout("checkout")).await;
    let body = first.json(201);
    assert_eq!(first.header("location"), "/flags/checkout");
    assert_eq!(first.header("etag"), "\"1\"");
    let again = admin.post("/flags", &checkout("checkout")).await.json(201);
    assert_eq!(again, body);
    let mut other = checkout("checkout");
    other["name"] = json!("Other");
    let taken = admin.post("/flags", &other).await.json(409);
    assert_eq!(taken["code"], "key_taken");
    let mut read = admin.get("/flags/checkout").await.json(200);
    assert_eq!(read["stale"].take(), json!([]));
    read.as_object_mut().unwrap().remove("stale");
    assert_eq!(read, body);

    // The kill switch.
    let off = json!({"enabled": false, "off_variant": "off", "default_variant": "off"});
    let change_body = json!({"environments": {"production": off}, "reason": "errors"});
    let outdated = change_if(&admin, "checkout", "\"7\"", &change_body).await;
    assert_eq!(outdated.json(412)["code"], "stale_version");
    let changed = change_if(&admin, "checkout", "\"1\"", &change_body).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(
        changed.json(200)["environments"]["production"]["enabled"],
        false
    );
    // A repeat makes no version.
    assert_eq!(
        change(&admin, "checkout", &change_body).await.json(200)["version"],
        2
    );
    let gone = json!({"environments": {"production": null}});
    assert_eq!(
        change(&admin, "checkout", &gone).await.json(200)["version"],
        3
    );

    let reverted = revert(&admin, "checkout", &json!({"version": 1}))
        .await
        .json(200);
    assert_eq!(reverted["version"], 4);
    assert_eq!(reverted["environments"], body["environments"]);
    let unknown = revert(&admin, "checkout", &json!({"version": 9})).await;
    assert_eq!(
        unknown.faults(),
        expected([("/version", "unknown_version")])
    );

    let history = admin.get("/flags/checkout/history").await.json(200);
    let entry = |index: usize| &history["entries"][index];
    assert_eq!(entry(0)["reason"], "reverted to version 1");
    assert_eq!(entry(2)["reason"], "errors");
    let fields: Vec<&str> = entry(2)["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "environments/production/enabled",
            "environments/production/rules",
        ]
    );
    assert_eq!(entry(3)["action"], "created");

    assert_eq!(
        delete(&admin, "checkout").await.json(409)["code"],
        "not_archived"
    );
    change(&admin, "checkout", &json!({"archived": true}))
        .await
        .json(200);
    assert_eq!(admin.get("/flags").await.json(200)["flags"], json!([]));
    let archived = admin.get("/flags?archived=true").await.json(200);
    assert_eq!(archived["flags"][0]["key"], "checkout");
    delete(&admin, "checkout").await.json(200);
    assert_eq!(
        admin.get("/flags/checkout").await.json(404)["code"],
        "flag_not_found"
    );
    let history = admin.get("/flags/checkout/history?limit=1").await.json(200);
    assert_eq!(
        (
            &history["entries"][0]["action"],
            &history["entries"][0]["version"]
        ),
        (&json!("deleted"), &json!(6))
    );
    // The versions of a flag that is created again go on.
    assert_eq!(created(&admin, checkout("checkout")).await["version"], 7);
}

#[tokio::test]
async fn flags_are_listed_by_tag_owner_and_age() {
    let world = World::start().await;
    let admin = world.admin();
    for (key, owner, tag) in [("a", "Search Team", "q3"), ("b", "checkout", "q3")] {
        let mut flag = checkout(key);
        flag["owner"] = json!(owner);
        flag["tags"] = json!([tag, key]);
        created(&admin, flag).await;
    }
    for (query, expected) in [
        ("owner=search%20team", vec!["a"]),
        ("owner=search", vec![]),
        ("tag=q3", vec!["a", "b"]),
        ("tag=b&owner=CHECKOUT", vec!["b"]),
        ("tag=b&owner=", vec!["b"]),
        ("tag=Q3%01", vec![]),
        ("stale=true", vec![]),
    ] {
        let list = admin.get(&format!("/flags?{query}")).await.json(200);
        let flags = list["flags"].as_array().unwrap().iter();
        let keys: Vec<_> = flags.map(|flag| flag["key"].as_str().unwrap()).collect();
        assert_eq!(keys, expected, "{query}");
    }
}

#[tokio::test]
async fn every_fault_of_a_flag_is_located() {
    let world = World::start().await;
    let admin = world.admin();
    created(&admin, checkout("needed")).await;
    let flag = json!({
        "key": "bad flag", "name": " ", "value_type": "boolean",
        "variants": [{"key": "on", "value": true}],
    });
    let refused = admin.post("/flags", &flag).await;
    assert_eq!(
        refused.faults(),
        expected([("/key", "bad_characters"), ("/name", "empty")])
    );
    let rule = |id: &str, kind: Value| {
        let mut rule = kind;
        rule["id"] = json!(id);
        rule
    };
    let flag = json!({
        "key": "bad", "name": "B", "value_type": "integer",
        "variants": [{"key": "one", "value": 1}, {"key": "two", "value": "2"}],
        "prerequisites": [{"flag": "needed", "variants": ["blue"]}, {"flag": "nothing", "variants": ["on"]}],
        "environments": {"production": {
            "enabled": true, "off_variant": "none", "default_variant": "one",
            "rules": [
                rule("a", json!({"type": "serve", "variant": "three", "condition": {"$inGroup": "x"}})),
                rule("a", json!({"type": "serve", "variant": "one", "condition": {"id": {"$inGroup": "no-list"}}})),
                rule("b", json!({"type": "rollout", "variants": [{"variant": "one", "percent": 50}]})),
                rule("c", json!({"type": "experiment", "experiment": "nothing", "variants": {"control": "one"}})),
            ],
        }},
    });
    let refused = admin.post("/flags", &flag).await;
    let rules = "/environments/production/rules";
    let faults = refused.faults();
    let first = faults.first().unwrap();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(first.0.starts_with(&format!("{rules}/0/condition")));
    let mut flag = flag;
    flag["environments"]["production"]["rules"][0]["condition"] = json!({});
    let refused = admin.post("/flags", &flag).await;
    let at = |place: &str| format!("{rules}{place}");
    let expected_faults = [
        (
            "/environments/production/off_variant".to_owned(),
            "unknown_variant",
        ),
        (at("/0/variant"), "unknown_variant"),
        (at("/1/condition/id/$inGroup"), "unknown_segment"),
        (at("/1/id"), "duplicate_id"),
        (at("/2/variants"), "wrong_sum"),
        (at("/3/experiment"), "unknown_experiment"),
        ("/prerequisites/0/variants".to_owned(), "unknown_variant"),
        ("/prerequisites/1/flag".to_owned(), "unknown_flag"),
        ("/variants/1/value".to_owned(), "wrong_type"),
    ];
    let expected_faults = expected_faults.map(|(pointer, code)| (pointer, code.to_owned()));
    assert_eq!(refused.faults(), expected_faults.into());
    let change = change(&admin, "needed", &json!({"value_type": "string"})).await;
    assert_eq!(
        change.faults(),
        expected([("/value_type", "not_changeable")])
    );
}

#[tokio::test]
async fn flags_that_need_each_other_have_no_circle_and_stay_together() {
    let world = World::start().await;
    let admin = world.admin();
    for (key, needs) in [("a", None), ("b", Some("a")), ("c", Some("b"))] {
        let mut flag = checkout(key);
        if let Some(needs) = needs {
            flag["prerequisites"] = json!([{"flag": needs, "variants": ["on"]}]);
        }
        created(&admin, flag).await;
    }
    let circle = json!({"prerequisites": [{"flag": "c", "variants": ["on"]}]});
    let refused = change(&admin, "a", &circle).await;
    assert_eq!(
        refused.faults(),
        expected([("/prerequisites/0/flag", "prerequisite_circle")])
    );
    let refused = change(&admin, "a", &json!({"archived": true})).await;
    assert_eq!(refused.faults(), expected([("/archived", "in_use")]));
    let mut deep = checkout("d");
    for (key, needs) in [("d", "c"), ("e", "d")] {
        deep = checkout(key);
        deep["prerequisites"] = json!([{"flag": needs, "variants": ["on"]}]);
        created(&admin, deep.clone()).await;
    }
    assert_eq!(limits::MAX_PREREQUISITE_LEVELS, 5);
    deep["key"] = json!("f");
    deep["prerequisites"][0]["flag"] = json!("e");
    let refused = admin.post("/flags", &deep).await;
    assert_eq!(
        refused.faults(),
        expected([("/prerequisites/0/flag", "too_deep")])
    );
}

#[tokio::test]
async fn a_segment_that_a_flag_names_is_not_deleted() {
    let world = World::start().await;
    let admin = world.admin();
    let list = json!({"id": "beta", "name": "Beta", "ids": ["ann"]});
    admin.post("/segments", &list).await.json(201);
    let mut flag = checkout("f");
    let condition = json!({"id": {"$inGroup": "beta"}});
    flag["environments"]["production"]["rules"][0]["condition"] = condition;
    created(&admin, flag).await;
    let read = admin.get("/segments/beta").await.json(200);
    assert_eq!(read["used_by"], json!([{"kind": "flag", "id": "f"}]));
    let remove = || admin.send("DELETE", "/segments/beta", &[("if-match", "*")], "");
    let refused = remove().await.json(409);
    assert!(
        refused["detail"].as_str().unwrap().contains("flag `f`"),
        "{refused}"
    );
    let off = json!({"environments": {"production": null}});
    change(&admin, "f", &off).await.json(200);
    remove().await.json(200);
    // The earlier version names a segment that is no more.
    let refused = revert(&admin, "f", &json!({"version": 1})).await;
    let place = "/environments/production/rules/0/condition/id/$inGroup";
    assert_eq!(refused.faults(), expected([(place, "unknown_segment")]));
}

#[tokio::test]
async fn an_archived_flag_keeps_no_segment_in_use() {
    let world = World::start().await;
    let admin = world.admin();
    let list = json!({"id": "beta", "name": "Beta", "ids": ["ann"]});
    admin.post("/segments", &list).await.json(201);
    let mut flag = checkout("f");
    let condition = json!({"id": {"$inGroup": "beta"}});
    flag["environments"]["production"]["rules"][0]["condition"] = condition;
    created(&admin, flag).await;
    let archived = async |archived: bool| change(&admin, "f", &json!({"archived": archived})).await;
    let used_by = async || admin.get("/segments/beta").await.json(200)["used_by"].clone();
    archived(true).await.json(200);
    assert_eq!(used_by().await, json!([]));
    // A flag that comes back uses its segment again.
    archived(false).await.json(200);
    assert_eq!(used_by().await, json!([{"kind": "flag", "id": "f"}]));

    archived(true).await.json(200);
    let remove = admin.send("DELETE", "/segments/beta", &[("if-match", "*")], "");
    remove.await.json(200);
    // It can be changed without the segment, but does not come back.
    let renamed = change(&admin, "f", &json!({"name": "Other"})).await;
    assert_eq!(renamed.json(200)["name"], "Other");
    let place = "/environments/production/rules/0/condition/id/$inGroup";
    let refused = archived(false).await;
    assert_eq!(refused.faults(), expected([(place, "unknown_segment")]));
    let without = json!({"archived": false, "environments": {"production": null}});
    change(&admin, "f", &without).await.json(200);
}

#[tokio::test]
async fn a_flag_is_switched_off_in_an_environment_that_has_left_the_deployment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    let start = async |environments: &str| {
        let options = without_definition_cache().with_parameter("Environments", environments);
        World::with(options.with_data(&file)).await
    };
    let with_staging = |key: &str| {
        let mut flag = checkout(key);
        flag["environments"]["staging"] = flag["environments"]["production"].clone();
        flag
    };
    let world = start("production,staging").await;
    created(&world.admin(), with_staging("f")).await;
    world.platform.shutdown().await.unwrap();

    let world = start("production").await;
    let admin = world.admin();
    let off = json!({"enabled": false, "off_variant": "off", "default_variant": "off"});
    for environment in ["production", "staging"] {
        let body = json!({"environments": {environment: off}});
        let changed = change(&admin, "f", &body).await.json(200);
        assert_eq!(changed["environments"][environment]["enabled"], false);
    }
    for archived in [true, false] {
        let body = json!({ "archived": archived });
        change(&admin, "f", &body).await.json(200);
    }
    // No flag gets the environment any more.
    let unknown = || expected([("/environments/staging", "unknown_environment")]);
    let new = admin.post("/flags", &with_staging("g")).await;
    assert_eq!(new.faults(), unknown());
    let gone = json!({"environments": {"staging": null}});
    change(&admin, "f", &gone).await.json(200);
    let again = change(&admin, "f", &json!({"environments": {"staging": off}})).await;
    assert_eq!(again.faults(), unknown());
    let earlier = revert(&admin, "f", &json!({"version": 1})).await;
    assert_eq!(earlier.faults(), unknown());
}

#[tokio::test]
async fn changes_at_the_same_moment_follow_one_another() {
    let world = World::start().await;
    let admin = world.admin();
    created(&admin, checkout("f")).await;
    let changes = (0..8).map(|number| {
        let admin = &admin;
        async move {
            let change_body = json!({"name": format!("N{number}")});
            change(admin, "f", &change_body).await.json(200)
        }
    });
    let versions = futures::future::join_all(changes).await;
    let mut versions: Vec<u64> = versions
        .iter()
        .map(|flag| flag["version"].as_u64().unwrap())
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=9).collect::<Vec<_>>());
    let flags = (0..8).map(|number| {
        let admin = &admin;
        async move { created(admin, checkout(&format!("f{number}"))).await }
    });
    futures::future::join_all(flags).await;
    let page = admin.get("/flags?limit=5").await.json(200);
    assert_eq!(page["flags"].as_array().unwrap().len(), 5);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = admin
        .get(&format!("/flags?limit=5&cursor={cursor}"))
        .await
        .json(200);
    let keys: Vec<&str> = rest["flags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| flag["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["f4", "f5", "f6", "f7"]);
    assert_eq!(rest["next_cursor"], Value::Null);
}
