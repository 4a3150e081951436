//! Each function uses exactly the permissions that its role in the template has.

mod dashboard;
mod flags;
mod sdk_events;

use super::guarded_ramps::{errors, guarded, rows};
use super::proxy::{Access, Counter};
use super::support::{Caller, World, ago};
use assay::functions::{self, Notifications};
use assay::serve::BUILT_IN_TEMPLATE;
use assay::template::{LocalNames, Template};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::event::Event;
use domain::ids::{EventId, EventType, ExperimentId, UserId, VariantKey};
use lambda_runtime::Context;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

type Accesses = BTreeMap<String, BTreeSet<Access>>;

/// The accesses that the template's statements allow, by binary.
fn allowed() -> Accesses {
    let local = LocalNames::default();
    let template = Template::parse(BUILT_IN_TEMPLATE, &local).unwrap();
    let mut allowed = Accesses::new();
    for function in template.functions.values() {
        let accesses = allowed.entry(function.binary.clone()).or_default();
        for statement in &function.statements {
            assert_eq!(statement.effect, "Allow", "{}", function.binary);
            for action in &statement.actions {
                // No table is concerned.
                if action == "events:PutEvents" {
                    continue;
                }
                for resource in &statement.resources {
                    let (_, table) = resource.split_once(":table/").unwrap();
                    let action = action.strip_prefix("dynamodb:").unwrap();
                    let (action, resource) = (action.to_owned(), table.to_owned());
                    accesses.insert(Access { action, resource });
                }
            }
        }
    }
    allowed
}

fn an_event(user: &str, id: &str) -> Event {
    Event {
        id: EventId::parse(id).unwrap(),
        user_id: UserId::parse(user).unwrap(),
        event_type: EventType::parse("buy").unwrap(),
        value: None,
        properties: None,
        timestamp: None,
        counted_at: ago(1),
    }
}

fn an_assignment(user: &str) -> Assignment {
    Assignment {
        user_id: UserId::parse(user).unwrap(),
        experiment_id: ExperimentId::parse("e").unwrap(),
        variant: VariantKey::parse("green").unwrap(),
        assigned_at: ago(60),
        source: AssignmentSource::Hash,
        experiment_version: 1,
        layer: None,
        attributes: Attributes::new(),
    }
}

/// Layers, and a user of an experiment in a layer.
async fn layers(admin: &Caller, record_calls: &mut impl FnMut(&str)) {
    admin.layer("l").await;
    admin.layer("unused").await;
    record_calls("put-layer");
    admin.get("/layers/l").await.json(200);
    record_calls("get-layer");
    admin.get("/layers").await.json(200);
    record_calls("list-layers");
    admin
        .send("DELETE", "/layers/unused", &[], "")
        .await
        .json(200);
    record_calls("delete-layer");
    let fields = json!({"status": "draft", "layer": {"id": "l", "percent": 100}});
    admin.experiment("in-layer", fields).await;
    record_calls("create-experiment");
    let start = json!({"status": "running"});
    admin.change("in-layer", &start).await.json(200);
    record_calls("change-experiment");
    admin.assign("in-layer", "layered-1").await;
    record_calls("assign");
    admin.reasons("in-layer", &["layered-2".to_owned()]).await;
    record_calls("assign-users");
}

#[tokio::test]
async fn every_function_uses_exactly_the_permissions_of_its_role() {
    let (world, counter) = Counter::start().await;
    let admin = world.admin();
    // The development token is stored by the platform, not by a function.
    counter.take();
    let mut seen = Accesses::new();
    let mut record_calls = |binary: &str| {
        for access in counter.take().into_iter().flat_map(|call| call.accesses) {
            // The test itself wrote these items.
            if binary == "test" {
                continue;
            }
            // Only the authorizer and the dashboard read tokens. `POST /events` updates their budgets.
            let reads_token = access.resource == "TokensTable" && access.action == "GetItem";
            let binary = if reads_token && binary != "dashboard" {
                "authorizer"
            } else {
                binary
            };
            seen.entry(binary.to_owned()).or_default().insert(access);
        }
    };
    admin.get("/health").await.json(200);
    record_calls("health");
    admin.experiment("e", json!({})).await;
    let buyers = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy"}]);
    admin.experiment("f", json!({ "metrics": buyers })).await;
    admin
        .post(
            "/experiments",
            &json!({"id": "e", "name": "Taken", "variants": [
        {"key": "a", "percent": 50}, {"key": "b", "percent": 50}]}),
        )
        .await
        .code(409);
    let copy = json!({"id": "g", "name": "Copy", "copy_of": "e"});
    admin.post("/experiments", &copy).await.json(201);
    admin.experiment("guarded", guarded()).await;
    record_calls("create-experiment");
    layers(&admin, &mut record_calls).await;
    let list = json!({"id": "beta", "name": "Beta", "ids": ["u", "x"]});
    admin.post("/segments", &list).await.json(201);
    let other = json!({"id": "other", "name": "Other", "condition": {"$savedGroups": ["beta"]}});
    admin.post("/segments", &other).await.json(201);
    record_calls("create-segment");
    let named =
        json!({"overrides": [{"variant": "green", "condition": {"id": {"$inGroup": "beta"}}}]});
    let named = json!({"id": "h", "name": "H", "status": "draft", "overrides": named["overrides"], "copy_of": "e"});
    admin.post("/experiments", &named).await.json(201);
    record_calls("create-experiment");
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    for (id, change) in [
        ("beta", json!({"ids": {"add": ["y"], "remove": ["x"]}})),
        ("other", json!({"condition": {}})),
    ] {
        let path = format!("/segments/{id}");
        let changed = admin.send("PATCH", &path, &headers, change.to_string());
        changed.await.json(200);
    }
    record_calls("change-segment");
    admin.get("/segments").await.json(200);
    record_calls("list-segments");
    admin.get("/segments/beta").await.json(200);
    record_calls("get-segment");
    admin.get("/segments/beta/history").await.json(200);
    record_calls("get-segment-history");
    let deleted = admin.send("DELETE", "/segments/other", &headers, "").await;
    deleted.json(200);
    record_calls("delete-segment");
    flags::flags(&world, &mut record_calls).await;
    sdk_events::sdk_events(&world, &mut record_calls).await;
    let created = admin.post("/client-keys", &json!({"name": "Shop"})).await;
    let created = created.json(201);
    record_calls("create-client-key");
    admin.get("/client-keys").await.json(200);
    record_calls("list-client-keys");
    let page = world.bearer(created["key"].as_str().unwrap());
    page.get("/experiments").await.code(403);
    record_calls("authorizer");
    let path = format!("/client-keys/{}", created["id"].as_str().unwrap());
    admin.send("DELETE", &path, &[], "").await.json(200);
    record_calls("revoke-client-key");
    let targeting = json!({"targeting": {"id": {"$inGroup": "beta"}}});
    admin.change("h", &targeting).await.json(200);
    admin
        .change("h", &json!({"targeting": null, "overrides": []}))
        .await
        .json(200);
    // The users of these tests are not in the list, so each route looks for them in it.
    let targeting = json!({"targeting": {"id": {"$notInGroup": "beta"}}});
    admin.change("g", &targeting).await.json(200);
    record_calls("change-experiment");
    admin.get("/experiments").await.json(200);
    admin
        .get("/experiments?status=running&limit=1")
        .await
        .json(200);
    record_calls("list-experiments");
    admin.get("/experiments/e").await.json(200);
    record_calls("get-experiment");
    admin.get("/experiments/e/history").await.json(200);
    record_calls("get-history");
    assert_eq!(
        admin.change("e", &json!({"name": "Other"})).await.status,
        200
    );
    record_calls("change-experiment");
    admin.assign("e", "u").await;
    admin.assign("e", "u").await;
    admin.assign("g", "u").await;
    record_calls("assign");
    let user = json!({"user_id": "u"});
    admin.post("/assignments", &user).await.json(200);
    let named = json!({"user_id": "batch-2", "experiments": ["e"]});
    admin.post("/assignments", &named).await.json(200);
    record_calls("assign-user");
    let users = json!({"users": [{"user_id": "batch-3"}]});
    let path = "/experiments/e/assignments:evaluate";
    admin.post(path, &users).await.json(200);
    let users = json!({"users": [{"user_id": "u"}]});
    let path = "/experiments/g/assignments:evaluate";
    admin.post(path, &users).await.json(200);
    record_calls("assign-users");
    // The event arrives before its user is assigned. It is sent again after that, and the function looks it up.
    let early = json!({"user_id": "v", "type": "buy", "event_id": "early"});
    admin
        .track(&[
            early.clone(),
            json!({"user_id": "u", "type": "buy", "event_id": "e"}),
            // The aggregator checks whether the user of a new number of events was erased.
            json!({"user_id": "never assigned", "type": "buy", "event_id": "e"}),
        ])
        .await;
    record_calls("record-events");
    admin
        .import(
            "e",
            &[json!({"user_id": "v", "variant": "green", "assigned_at": ago(60).to_string()})],
        )
        .await;
    admin.import("guarded", &rows("guarded", 200)).await;
    record_calls("import-assignments");
    admin.track(&errors("guarded", 200)).await;
    admin.track(&[early]).await;
    record_calls("record-events");
    // Two concurrent requests wrote the event and the assignment. The aggregator lets the event count.
    let early = an_event("w", "early");
    world
        .store()
        .record_first(&early, None, ago(0))
        .await
        .unwrap();
    world
        .store()
        .assign_first(&an_assignment("w"), 8)
        .await
        .unwrap();
    world.platform.settle().await;
    // The next refresh of a quarantined user that succeeds ends the quarantine.
    for user in ["u", "w"] {
        quarantined(&world, user).await;
    }
    record_calls("test");
    let after = json!({"user_id": "w", "type": "buy", "event_id": "after the quarantine"});
    // The aggregator finds that a guardrail is worse.
    let last = json!({"user_id": "guarded1", "type": "buy", "event_id": "last"});
    admin.track(&[after, last]).await;
    record_calls("record-events");
    world.platform.settle().await;
    admin.results("e", "cuped=true").await;
    record_calls("get-results");
    admin.get("/users/u").await.json(200);
    record_calls("export-user");
    // An event that is stored for no experiment, which an erasure deletes in another way.
    let store = world.store();
    let unassigned = an_event("u", "unassigned");
    store.record_first(&unassigned, None, ago(0)).await.unwrap();
    record_calls("test");
    admin.send("DELETE", "/users/u", &[], "").await.json(200);
    record_calls("erase-user");
    // Records of an erased user that are written late. The aggregator deletes them.
    let late = an_event("u", "late");
    let experiment = ExperimentId::parse("e").unwrap();
    for destination in [None, Some((&experiment, 8))] {
        let store = world.store();
        let stored = store.record_first(&late, destination, ago(0));
        stored.await.unwrap();
    }
    world
        .store()
        .assign_first(&an_assignment("u"), 8)
        .await
        .unwrap();
    world.platform.settle().await;
    record_calls("test");
    // Planning reads the baseline experiment, even if it then refuses the baseline.
    let baseline = json!({"experiment_id": "e", "metric": "buy.conversion"});
    let request = json!({"metric": baseline, "minimum_detectable_effect": 0.1});
    admin.post("/experiments/plan", &request).await;
    record_calls("plan-experiment");
    // Without aggregates, planning reads the raw records.
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let delete = world.platform.dynamodb.delete_item().table_name(table);
    let delete = delete
        .key("experiment_id", key("f"))
        .key("record", key("generations"));
    delete.send().await.unwrap();
    // The daily audit looks at an experiment that nothing was said about.
    let delete = world.platform.dynamodb.delete_item().table_name(table);
    let delete = delete
        .key("experiment_id", key("e"))
        .key("record", key("notifications"));
    delete.send().await.unwrap();
    record_calls("test");
    let baseline = json!({"experiment_id": "f", "metric": "buyers"});
    let request = json!({"metric": baseline, "minimum_detectable_effect": 0.1});
    admin.post("/experiments/plan", &request).await;
    record_calls("plan-experiment");
    let audit = admin
        .post("/experiments/e/audit", &json!({"repair": true}))
        .await;
    audit.json(200);
    record_calls("audit");
    world.platform.settle().await;
    let functions = functions::wire(&world.platform.environments, &Notifications::default())
        .await
        .unwrap();
    let mut context = Context::default();
    let now = shared::clock::now().micros() / 1_000;
    context.deadline = u64::try_from(now).unwrap() + 900_000;
    functions["audit-sample"]
        .call(json!({}), context)
        .await
        .unwrap();
    record_calls("audit-sample");
    // New metrics have no aggregates yet. Their results come from raw records.
    let metrics = json!([{"key": "buy.conversion", "kind": "conversion", "event_type": "buy"}]);
    let changed = admin.change("e", &json!({ "metrics": metrics })).await;
    assert_eq!(changed.status, 200);
    record_calls("change-experiment");
    admin.results("e", "source=raw&cuped=true").await;
    record_calls("get-results");
    // Another end or other weights cause a refresh of the affected users.
    let weights = json!([{"key": "control", "percent": 10}, {"key": "green", "percent": 90}]);
    for change in [
        json!({"variants": weights}),
        json!({"ends_at": ago(30).to_string()}),
    ] {
        assert_eq!(admin.change("e", &change).await.status, 200);
    }
    world.platform.settle().await;
    record_calls("change-experiment");
    dashboard::dashboard(&world, &mut record_calls).await;
    seen.entry("health".to_owned()).or_default();
    for (function, calls) in counter.take_stream_calls() {
        let accesses = calls.into_iter().flat_map(|call| call.accesses);
        seen.entry(function.to_owned())
            .or_default()
            .extend(accesses);
    }
    for (binary, mut allowed) in allowed() {
        let seen = &seen[&binary];
        // These accesses are rare. A backfill deletes old aggregates an hour later. It deletes records of an erased
        // user, or stores an event for an experiment, only if they arrive while it runs. An audit queries the
        // experiments table only if numbers seem to differ. Planning reads the registry only if it reads raw records of
        // an experiment that has aggregates.
        let rare = |access: &Access| match binary.as_str() {
            "backfill" => {
                ["DeleteItem", "BatchWriteItem"].contains(&access.action.as_str())
                    || ["GetItem", "PutItem"].contains(&access.action.as_str())
                        && access.resource == "EventsTable"
                    || access.action == "GetItem" && access.resource == "AssignmentsTable"
            }
            // The record of a quarantined user is deleted, and a quarantine ends with the next refresh.
            "dashboard" => access.action == "DeleteItem" && access.resource == "AggregatesTable",
            // A user that the database refuses to remove from the aggregates is quarantined.
            "erase-user" => access.action == "GetItem" && access.resource == "AssignmentsTable",
            "plan-experiment" => access.action == "GetItem" && access.resource == "AggregatesTable",
            "audit" => access.action == "Query" && access.resource == "ExperimentsTable",
            // A repair too, if records are missing in the aggregates.
            "audit-sample" => {
                ["Query", "ConditionCheckItem", "UpdateItem"].contains(&access.action.as_str())
                    && access.resource == "ExperimentsTable"
            }
            _ => false,
        };
        allowed.retain(|access| !rare(access) || seen.contains(access));
        let forbidden: Vec<_> = seen.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{binary} also does {forbidden:?}");
        let unused: Vec<_> = allowed.difference(seen).collect();
        assert!(unused.is_empty(), "{binary} never does {unused:?}");
    }
    counter.shutdown(world).await;
}

/// Marks a user as one that could not be counted.
async fn quarantined(world: &World, user: &str) {
    let table = &world.platform.template.tables["AggregatesTable"].name;
    let partition = AttributeValue::S(format!("user#{user}"));
    let items = world.items("AggregatesTable").await;
    let contributions = items.iter().filter(|item| item["partition"] == partition);
    for contribution in contributions {
        let update = world.platform.dynamodb.update_item().table_name(table);
        update
            .key("partition", partition.clone())
            .key("item", contribution["item"].clone())
            .update_expression("SET quarantined = :reason")
            .expression_attribute_values(":reason", AttributeValue::S("a test".to_owned()))
            .send()
            .await
            .unwrap();
    }
}
