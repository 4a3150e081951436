//! Experiments and segments that name segments, and users in lists.

use super::super::support::{Caller, World, ago, expected};
use super::{change, create, delete, reason, segment};
use domain::ids::UserId;
use domain::limits;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;

/// A list `beta`, and a segment `europe` with a condition.
async fn beta_and_europe() -> World {
    let world = World::start().await;
    let admin = world.admin();
    create(&admin, "beta", json!({"ids": ["ann", "bob"]}))
        .await
        .json(201);
    let europe = json!({"condition": {"country": {"$in": ["DE", "FR"]}}});
    create(&admin, "europe", europe).await.json(201);
    world
}

#[tokio::test]
async fn targeting_and_overrides_name_segments() {
    let world = beta_and_europe().await;
    let admin = world.admin();
    let nested = json!({"condition": {"$or": [{"$savedGroups": ["europe"]}, {"country": "CH"}]}});
    create(&admin, "nested", nested).await.json(201);
    let company = json!({"attribute": "company.id", "ids": ["c-1"]});
    create(&admin, "customers", company).await.json(201);
    let override_of = json!([{"variant": "green", "condition": {"$savedGroups": ["customers"]}}]);
    let targeting = json!({
        "id": {"$notInGroup": "beta"},
        "$savedGroups": ["nested"],
        "friends": {"$not": {"$elemMatch": {"$inGroup": "beta"}}},
    });
    admin
        .experiment(
            "e",
            json!({"targeting": targeting, "overrides": override_of}),
        )
        .await;
    for (user, attributes, expected) in [
        ("eve", "&attributes.country=DE", "split"),
        ("eve", "&attributes.country=CH", "split"),
        ("eve", "&attributes.country=US", "targeting"),
        ("eve", "", "targeting"),
        ("ann", "&attributes.country=DE", "targeting"),
        (
            "eve",
            "&attributes.country=DE&attributes.friends=%5B%22bob%22%5D",
            "targeting",
        ),
        (
            "eve",
            "&attributes.country=DE&attributes.friends=%5B%22dan%22%5D",
            "split",
        ),
        ("ann", "&attributes.company.id=c-1", "override"),
    ] {
        let seen = reason(&admin, "e", user, attributes).await;
        assert_eq!(seen, expected, "{user} {attributes}");
    }
    // Every route evaluates the same.
    let users = json!({"users": [{"user_id": "eve", "attributes": {"country": "DE"}},
        {"user_id": "ann", "attributes": {"country": "DE"}}], "enroll": false});
    let path = "/experiments/e/assignments:evaluate";
    let answers = admin.post(path, &users).await.json(200);
    assert_eq!(answers["assignments"][0]["reason"], "split");
    assert_eq!(answers["assignments"][1]["reason"], "targeting");
    let user = json!({"user_id": "ann", "attributes": {"company": {"id": "c-1"}}, "enroll": false});
    let answers = admin.post("/assignments", &user).await.json(200);
    assert_eq!(answers["assignments"][0]["reason"], "override");
}

#[tokio::test]
async fn a_segment_that_an_experiment_names_must_exist() {
    let world = beta_and_europe().await;
    let admin = world.admin();
    let fields = json!({
        "id": "e", "name": "E", "traffic_percent": 200,
        "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
        "targeting": {"id": {"$inGroup": "europe"}, "$savedGroups": ["beta", "nothing"]},
        "overrides": [{"variant": "green", "condition": {"$not": {"$savedGroups": ["a b"]}}}],
    });
    let refused = admin.post("/experiments", &fields).await;
    let faults = [
        (
            "/overrides/0/condition/$not/$savedGroups/0",
            "unknown_segment",
        ),
        ("/targeting/$savedGroups/1", "unknown_segment"),
        ("/targeting/id/$inGroup", "not_a_list"),
        ("/traffic_percent", "not_a_percentage"),
    ];
    assert_eq!(refused.faults(), expected(faults));
    admin.experiment("e", json!({})).await;
    let targeting = json!({"targeting": {"id": {"$inGroup": "nothing"}}});
    let refused = admin.change("e", &targeting).await;
    let fault = [("/targeting/id/$inGroup", "unknown_segment")];
    assert_eq!((refused.status, refused.faults()), (422, expected(fault)));

    let names = |most: usize| (0..most).map(|number| format!("list-{number}"));
    for name in names(limits::MAX_NAMED_SEGMENTS + 1) {
        create(&admin, &name, json!({"ids": []})).await.json(201);
    }
    let naming = |most: usize| json!({"$savedGroups": names(most).collect::<Vec<_>>()});
    let most = json!({"targeting": naming(limits::MAX_NAMED_SEGMENTS)});
    admin.change("e", &most).await.json(200);
    let last = format!("list-{}", limits::MAX_NAMED_SEGMENTS);
    let more = json!([{"variant": "green", "condition": {"id": {"$inGroup": last}}}]);
    let refused = admin.change("e", &json!({"overrides": more})).await;
    assert_eq!(
        (refused.status, refused.faults()),
        (422, expected([("", "too_many")]))
    );
    let refused = admin
        .change(
            "e",
            &json!({"targeting": naming(limits::MAX_NAMED_SEGMENTS + 1)}),
        )
        .await;
    assert_eq!(
        (refused.status, refused.faults()),
        (422, expected([("", "too_many")]))
    );
}

#[tokio::test]
async fn segments_of_an_exclusion_are_checked_as_those_of_the_targeting() {
    let world = World::start().await;
    let admin = world.admin();
    let names: Vec<_> = (0..=limits::MAX_NAMED_SEGMENTS)
        .map(|number| format!("list-{number}"))
        .collect();
    for name in &names {
        create(&admin, name, json!({"ids": []})).await.json(201);
    }
    let (last, others) = names.split_last().unwrap();
    let excluded = |name: &str| json!({"condition": {"id": {"$inGroup": name}}});
    let body = |name: &str| {
        json!({
            "id": "e",
            "name": "E",
            "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
            "targeting": {"$savedGroups": others},
            "exclude": excluded(name),
        })
    };
    let refused = admin.post("/experiments", &body(last)).await;
    assert_eq!(
        (refused.status, refused.faults()),
        (422, expected([("", "too_many")]))
    );
    admin.post("/experiments", &body("list-0")).await.json(201);
    admin
        .change("e", &json!({"status": "stopped"}))
        .await
        .json(200);
    delete(&admin, "list-0").await.json(200);

    // A copy needs the segments that it copies.
    let own = json!({"targeting": {}});
    for other in [own.clone(), json!({"holdout": {"percent": 5}})] {
        let mut copy = json!({"name": "Copy", "copy_of": "e"});
        merge(&mut copy, other);
        let refused = admin.post("/experiments", &copy).await;
        let fault = [("/copy_of", "unknown_segment")];
        assert_eq!((refused.status, refused.faults()), (422, expected(fault)));
    }
    let mut copy = json!({"name": "Copy", "copy_of": "e", "exclude": excluded("list-1")});
    merge(&mut copy, own);
    admin.post("/experiments", &copy).await.json(201);
}

/// Sets the fields of an object in another one.
fn merge(object: &mut Value, fields: Value) {
    let fields = fields.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(fields);
}

/// The ids in `used_by`.
async fn users(caller: &Caller, id: &str) -> Vec<Value> {
    let segment = segment(caller, id).await;
    let users = segment["used_by"].as_array().unwrap().clone();
    assert_eq!(segment["used_by_count"], users.len());
    users.into_iter().map(|user| user["id"].clone()).collect()
}

#[tokio::test]
async fn a_used_segment_is_not_deleted_and_a_stopped_experiment_uses_none() {
    let world = beta_and_europe().await;
    let admin = world.admin();
    let nested = json!({"condition": {"$savedGroups": ["beta", "europe"]}});
    create(&admin, "nested", nested).await.json(201);
    let targeting = json!({"targeting": {"id": {"$inGroup": "beta"}}});
    admin.experiment("running", targeting).await;
    let draft = json!({"status": "draft", "targeting": {"$savedGroups": ["beta"]}});
    admin.experiment("draft", draft).await;
    let other =
        json!({"overrides": [{"variant": "green", "condition": {"$savedGroups": ["europe"]}}]});
    admin.experiment("other", other).await;
    assert_eq!(users(&admin, "beta").await, ["draft", "running", "nested"]);
    assert_eq!(users(&admin, "europe").await, ["other", "nested"]);
    let refused = delete(&admin, "beta").await;
    assert_eq!(refused.code(409), "segment_in_use");
    let detail = refused.problem().unwrap()["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    for name in [
        "experiment `draft`",
        "experiment `running`",
        "segment `nested`",
    ] {
        assert!(detail.contains(name), "{detail}");
    }

    admin
        .change("draft", &json!({"targeting": null}))
        .await
        .json(200);
    let new = json!({"condition": {"$savedGroups": ["europe"]}});
    change(&admin, "nested", &new).await.json(200);
    assert_eq!(users(&admin, "beta").await, ["running"]);
    admin
        .change("running", &json!({"status": "paused"}))
        .await
        .json(200);
    assert_eq!(users(&admin, "beta").await, ["running"]);
    admin
        .change("running", &json!({"status": "stopped"}))
        .await
        .json(200);
    assert_eq!(users(&admin, "beta").await.len(), 0);
    delete(&admin, "beta").await.json(200);
    // The definition is kept as it was, also when it is changed; a copy of it needs the segment.
    let archived = admin
        .change("running", &json!({"status": "archived"}))
        .await;
    assert_eq!(
        archived.json(200)["targeting"],
        json!({"id": {"$inGroup": "beta"}})
    );
    let copy = json!({"id": "copy", "name": "Copy", "copy_of": "running"});
    let refused = admin.post("/experiments", &copy).await;
    let fault = [("/copy_of", "unknown_segment")];
    assert_eq!((refused.status, refused.faults()), (422, expected(fault)));
    delete(&admin, "nested").await.json(200);
    assert_eq!(users(&admin, "europe").await, ["other"]);
}

#[tokio::test]
async fn a_refusal_names_the_first_users_and_the_number_of_the_others() {
    let world = beta_and_europe().await;
    let admin = world.admin();
    let most = limits::MAX_USED_BY_SHOWN;
    for number in 0..most + 2 {
        let draft = json!({"status": "draft", "targeting": {"$savedGroups": ["beta"]}});
        admin.experiment(&format!("e-{number:02}"), draft).await;
    }
    let beta = segment(&admin, "beta").await;
    assert_eq!(beta["used_by_count"], most + 2);
    assert_eq!(beta["used_by"].as_array().unwrap().len(), most);
    let refused = delete(&admin, "beta").await;
    let detail = refused.problem().unwrap()["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(detail.contains("`e-19` and 2 more."), "{detail}");
    assert!(!detail.contains("e-20"), "{detail}");
}

#[tokio::test]
async fn an_erasure_removes_the_user_from_lists_and_an_export_names_them() {
    let world = beta_and_europe().await;
    let admin = world.admin();
    let company = json!({"attribute": "company", "ids": ["ann"]});
    create(&admin, "customers", company).await.json(201);
    create(&admin, "testers", json!({"ids": ["ann"]}))
        .await
        .json(201);
    let targeting = json!({"targeting": {"id": {"$inGroup": "beta"}}});
    admin.experiment("e", targeting).await;
    assert_eq!(reason(&admin, "e", "ann", "").await, "split");
    let export = admin.get("/users/ann").await.json(200);
    assert_eq!(export["segments"], json!(["beta", "testers"]));
    assert_eq!(
        admin.get("/users/eve").await.json(200)["segments"],
        json!([])
    );

    let erased = admin.send("DELETE", "/users/ann", &[], "").await.json(200);
    assert_eq!(erased["segments"], json!(["beta", "testers"]));
    assert_eq!(
        admin.get("/users/ann").await.json(200)["segments"],
        json!([])
    );
    assert_eq!(segment(&admin, "beta").await["id_count"], 1);
    assert_eq!(segment(&admin, "testers").await["id_count"], 0);
    // The list of companies is not about users.
    assert_eq!(segment(&admin, "customers").await["id_count"], 1);
    assert_eq!(reason(&admin, "e", "ann", "").await, "targeting");
    assert_eq!(reason(&admin, "e", "bob", "").await, "split");
    let history = admin.get("/segments/beta/history").await.json(200);
    assert_eq!(history["entries"][0]["ids_removed"], 1);
    assert!(!history.to_string().contains("ann"), "{history}");
    let again = admin.send("DELETE", "/users/ann", &[], "").await.json(200);
    assert_eq!(again["segments"], json!([]));
    // An erased user is in no list again.
    let add = json!({"ids": {"add": ["eve", "ann"]}});
    let refused = change(&admin, "beta", &add).await;
    assert_eq!(refused.faults(), expected([("/ids/add/1", "erased")]));
    let refused = create(&admin, "new", json!({"ids": ["ann"]})).await;
    assert_eq!(refused.faults(), expected([("/ids/0", "erased")]));
    change(
        &admin,
        "customers",
        &json!({"ids": {"add": ["eve", "ann"]}}),
    )
    .await
    .json(200);
}

#[tokio::test]
async fn an_erasure_without_time_for_all_lists_says_so_and_repeats_complete_it() {
    let world = World::start().await;
    let admin = world.admin();
    for list in ["a", "b", "c"] {
        let listed = create(&admin, list, json!({"ids": ["ann"]})).await;
        listed.json(201);
    }
    let user = UserId::parse("ann").unwrap();
    let mut found = BTreeSet::new();
    for remaining in [2, 1, 0] {
        let erased = world.store();
        let erased = erased.erase(&user, ago(0), "a test", Instant::now()).await;
        assert!(erased.unwrap_err().is_passing());
        let export = admin.get("/users/ann").await.json(200);
        let segments = export["segments"].as_array().unwrap();
        assert_eq!(segments.len(), remaining);
        found.extend(segments.iter().map(ToString::to_string));
    }
    assert!(found.len() < 3);
    let erased = admin.send("DELETE", "/users/ann", &[], "").await.json(200);
    assert_eq!(erased["segments"], json!([]));
}
