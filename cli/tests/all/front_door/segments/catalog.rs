//! The calls that the catalog takes, and how changes are noticed.

use super::super::proxy::{Call, Counter};
use super::super::support::{Item, World};
use super::{change, create, reason};
use assay::serve::PlatformOptions;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::limits;
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

/// The reads of the experiments table.
fn catalog_reads(counter: &Counter) -> Vec<String> {
    let of_catalog = |call: &Call| call.accesses[0].resource.starts_with("ExperimentsTable");
    let calls = counter.take().into_iter();
    let reads = calls.filter(Call::is_read).filter(of_catalog);
    reads.map(|call| call.operation).collect()
}

fn sorted(mut reads: Vec<String>) -> Vec<String> {
    reads.sort();
    reads
}

/// A condition as conditions of real experiments are.
fn condition(number: usize) -> Value {
    json!({
        "id": {"$inGroup": format!("list-{}", number % 100)},
        "country": {"$in": ["AT", "CH", "DE", "FR", "IT", "NL", "PL"]},
        "platform": {"$in": ["ios", "android"]},
        "language": {"$regex": "^de"},
        "age": {"$gte": 18, "$lt": 65},
        "plan": {"$nin": ["free", "student"]},
        "version": {"$vgte": "10.2.0"},
        "company.size": {"$gt": 50},
        "$savedGroups": [format!("condition-{}", number % 100)],
        "$not": {"tags": {"$in": ["blocked"]}},
    })
}

/// Stores this number of experiments, and half of this number of lists and of conditions: one of each is created, and the
/// others are copies of its items.
async fn fill(world: &World, experiments: usize, segments: usize) {
    let admin = world.admin();
    let list = json!({"ids": ["u", "v"]});
    create(&admin, "list-0", list).await.json(201);
    let group = json!({"description": "Users of the countries in which the product is sold.",
        "condition": {"country": {"$in": ["DE", "FR"]}, "age": {"$gte": 0}}});
    create(&admin, "condition-0", group).await.json(201);
    let fields = json!({
        "description": "The button is green instead of grey, so that more users find it at first sight.",
        "hypothesis": "More users buy something, because they find the button.",
        "targeting": condition(0),
        "metrics": [
            {"key": "purchase", "kind": "conversion", "event_type": "purchase", "role": "primary"},
            {"key": "revenue", "kind": "sum", "event_type": "purchase"},
            {"key": "refund", "kind": "conversion", "event_type": "refund", "role": "guardrail", "direction": "decrease"},
        ],
    });
    admin.experiment("experiment-0", fields).await;
    let mut copies = Vec::new();
    for item in world.items("ExperimentsTable").await {
        let text = |name: &str| item[name].as_s().unwrap().as_str();
        let numbers = match (text("experiment_id"), text("record")) {
            ("experiment-0", "definition" | "generations") => 1..experiments,
            ("#catalog", record) if record != "changes" => 1..segments / 2,
            ("segment#list-0", record) if record.starts_with("ids#") => 1..segments / 2,
            _ => continue,
        };
        copies.extend(numbers.map(|number| copy(&item, number)));
    }
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    for batch in copies.chunks(25) {
        let write = world.platform.dynamodb.batch_write_item();
        let write = write.request_items(table, batch.to_vec()).send().await;
        let left = write.unwrap().unprocessed_items.unwrap_or_default();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// An item with another number in each name.
fn copy(item: &Item, number: usize) -> WriteRequest {
    let mut item = item.clone();
    let rename = |text: &str| AttributeValue::S(text.replace("-0", &format!("-{number}")));
    for name in ["experiment_id", "record"] {
        let renamed = rename(item[name].as_s().unwrap());
        item.insert(name.to_owned(), renamed);
    }
    if let Some(created_at_id) = item.get("created_at_id") {
        let (created_at, _) = created_at_id.as_s().unwrap().split_once('#').unwrap();
        let renamed = format!("{created_at}#experiment-{number}");
        item.insert("created_at_id".to_owned(), AttributeValue::S(renamed));
    }
    for name in ["definition", "segment"] {
        let Some(definition) = item.get(name) else {
            continue;
        };
        let mut definition: Value = serde_dynamo::from_attribute_value(definition.clone()).unwrap();
        let id = definition["id"]
            .as_str()
            .unwrap()
            .replace("-0", &format!("-{number}"));
        definition["id"] = id.into();
        if name == "definition" {
            definition["targeting"] = condition(number);
        } else if let Some(age) = definition.pointer_mut("/condition/age/$gte") {
            *age = json!(number);
        }
        let definition = serde_dynamo::to_attribute_value(definition).unwrap();
        item.insert(name.to_owned(), definition);
    }
    let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
    WriteRequest::builder().put_request(put).build()
}

#[tokio::test]
async fn the_largest_catalog_is_read_in_three_calls_and_then_only_its_changes() {
    let options = PlatformOptions::for_tests().with_parameter("DefinitionCacheSeconds", "3");
    let (world, counter) = Counter::in_front_of(options).await;
    let admin = world.admin();
    fill(&world, 500, 200).await;
    counter.take();
    let attributes = json!({"country": "DE", "platform": "ios", "language": "de", "age": 60,
        "plan": "team", "version": "11.0.0", "company": {"size": 100}});
    let user = json!({"user_id": "u", "attributes": attributes, "enroll": false});
    let split = |answer: &Value| {
        let all = answer["assignments"].as_array().unwrap().iter();
        all.filter(|one| one["reason"] == "split").count()
    };
    let answer = admin.post("/assignments", &user).await.json(200);
    // The condition of every hundredth segment from 61 on is about older users.
    assert_eq!(split(&answer), 305);
    let reads = catalog_reads(&counter);
    let queries = reads.iter().filter(|operation| *operation == "Query");
    assert!(queries.count() <= 3, "{reads:?}");
    // One call for the ids of the lists. The experiments that have changed in the last minute are one more, because an
    // index may not show them yet.
    let batches = reads
        .iter()
        .filter(|operation| *operation == "BatchGetItem");
    assert_eq!(batches.count(), 2, "{reads:?}");
    assert!(reads.len() <= 5, "{reads:?}");

    // Another user needs other chunks at most; nothing else is read until the next look.
    let again = admin.post("/assignments", &user).await.json(200);
    assert_eq!(again, answer);
    assert!(catalog_reads(&counter).len() <= 1);
    // A look, and the two definitions that have changed. More users match the changed condition, so their list is read too.
    let other = json!({"targeting": null});
    admin.change("experiment-0", &other).await.json(200);
    let older = json!({"condition": {"age": {"$gte": 0}}});
    change(&admin, "condition-99", &older).await.json(200);
    counter.take();
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    let after = admin.post("/assignments", &user).await.json(200);
    assert_eq!(split(&after), 310);
    assert_eq!(
        sorted(catalog_reads(&counter)),
        ["BatchGetItem", "BatchGetItem", "GetItem", "GetItem"]
    );
    // A stop is noticed, and a start.
    admin
        .change("experiment-1", &json!({"status": "stopped"}))
        .await
        .json(200);
    admin.experiment("another", json!({})).await;
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    counter.take();
    let after = admin.post("/assignments", &user).await.json(200);
    let ids: Vec<_> = after["assignments"].as_array().unwrap().iter().collect();
    assert_eq!(ids.len(), 500);
    let has = |id: &str| ids.iter().any(|one| one["experiment_id"] == id);
    assert!(has("another") && !has("experiment-1"));
    assert_eq!(sorted(catalog_reads(&counter)), ["BatchGetItem", "GetItem"]);
    counter.shutdown(world).await;
}

#[tokio::test]
async fn a_change_of_a_segment_is_noticed_within_the_time_of_the_cache() {
    let options = PlatformOptions::for_tests().with_parameter("DefinitionCacheSeconds", "3");
    let (world, counter) = Counter::in_front_of(options).await;
    let admin = world.admin();
    create(&admin, "beta", json!({"ids": ["ann"]}))
        .await
        .json(201);
    let europe = json!({"condition": {"country": "DE"}});
    create(&admin, "europe", europe).await.json(201);
    let both = json!({"targeting": {"id": {"$inGroup": "beta"}, "$savedGroups": ["europe"]}});
    for id in ["e", "f"] {
        admin.experiment(id, both.clone()).await;
    }
    let reasons = async |country: &str| {
        let attribute = format!("&attributes.country={country}");
        let users = ["ann", "bob"].map(|user| reason(&admin, "e", user, &attribute));
        let other = ["ann", "bob"].map(|user| reason(&admin, "f", user, &attribute));
        let all = join_all(users.into_iter().chain(other)).await;
        assert_eq!(all[..2], all[2..]);
        all[..2].to_vec()
    };
    assert_eq!(reasons("DE").await, ["split", "targeting"]);
    counter.take();
    assert_eq!(reasons("DE").await, ["split", "targeting"]);
    change(
        &admin,
        "beta",
        &json!({"ids": {"add": ["bob"], "remove": ["ann"]}}),
    )
    .await
    .json(200);
    change(&admin, "europe", &json!({"condition": {"country": "FR"}}))
        .await
        .json(200);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    counter.take();
    assert_eq!(reasons("FR").await, ["targeting", "split"]);
    // The look, two segments, and a chunk for each request; the experiments are not read again.
    let reads = sorted(catalog_reads(&counter));
    let looks = reads.iter().filter(|operation| *operation == "GetItem");
    assert_eq!(looks.count(), 3, "{reads:?}");
    assert!(reads.len() <= 3 + 4, "{reads:?}");
    assert_eq!(reasons("DE").await, ["targeting", "targeting"]);
    counter.shutdown(world).await;
}

/// An experiment without segments costs what it did, and a returning user one call.
#[tokio::test]
async fn without_segments_nothing_is_read_for_them() {
    let (world, counter) = Counter::in_front_of(PlatformOptions::for_tests()).await;
    let admin = world.admin();
    admin
        .experiment("e", json!({"targeting": {"country": "DE"}}))
        .await;
    reason(&admin, "e", "u", "").await;
    // The changes of the catalog twice, the running holdouts, and the definition.
    assert_eq!(catalog_reads(&counter), ["GetItem"; 4]);
    reason(&admin, "e", "u", "").await;
    assert_eq!(catalog_reads(&counter).len(), 0);
    counter.shutdown(world).await;
}

/// Definitions that were stored before there was a catalog are found.
#[tokio::test]
async fn experiments_from_before_the_catalog_are_found() {
    let world = World::with(PlatformOptions::for_tests()).await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let delete = world.platform.dynamodb.delete_item().table_name(table);
    let delete = delete
        .key("experiment_id", text("#catalog"))
        .key("record", text("changes"));
    delete.send().await.unwrap();
    let answer = admin
        .post("/assignments", &json!({"user_id": "u"}))
        .await
        .json(200);
    assert_eq!(answer["assignments"][0]["experiment_id"], "e");
    assert_eq!(admin.assign("e", "v").await["reason"], "new");
    create(&admin, "beta", json!({"ids": ["u"]}))
        .await
        .json(201);
    admin
        .change("e", &json!({"targeting": {"id": {"$inGroup": "beta"}}}))
        .await
        .json(200);
}

#[tokio::test]
async fn the_number_of_segments_is_limited() {
    let world = World::start().await;
    fill(&world, 1, limits::MAX_SEGMENTS - 2).await;
    let admin = world.admin();
    create(&admin, "last-but-one", json!({"ids": []})).await;
    create(&admin, "last", json!({"ids": []})).await.json(201);
    let more = create(&admin, "more", json!({"ids": []})).await;
    assert_eq!(more.code(409), "too_many_segments");
    // A repeat of the last one still returns it.
    create(&admin, "last", json!({"ids": []})).await.json(201);
}
