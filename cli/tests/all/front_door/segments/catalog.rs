//! The calls that the catalog takes, and how changes are noticed.

use super::super::proxy::{Call, Counter};
use super::super::support::{Caller, World};
use super::{change, create, reason};
use assay::serve::PlatformOptions;
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

async fn fill(admin: &Caller, experiments: usize, segments: usize) {
    for number in 0..segments / 2 {
        let list = json!({"ids": ["u", format!("u{number}")]});
        create(admin, &format!("list-{number}"), list)
            .await
            .json(201);
        let group = json!({"description": "Users of the countries in which the product is sold.",
            "condition": {"country": {"$in": ["DE", "FR"]}, "age": {"$gte": number}}});
        create(admin, &format!("condition-{number}"), group)
            .await
            .json(201);
    }
    for number in 0..experiments {
        let fields = json!({
            "description": "The button is green instead of grey, so that more users find it at first sight.",
            "hypothesis": "More users buy something, because they find the button.",
            "targeting": condition(number),
            "metrics": [
                {"key": "purchase", "kind": "conversion", "event_type": "purchase", "role": "primary"},
                {"key": "revenue", "kind": "value", "event_type": "purchase"},
                {"key": "refund", "kind": "conversion", "event_type": "refund", "role": "guardrail", "better": "lower"},
            ],
        });
        admin
            .experiment(&format!("experiment-{number}"), fields)
            .await;
    }
}

#[tokio::test]
async fn the_largest_catalog_is_read_in_three_calls_and_then_only_its_changes() {
    let options = PlatformOptions::for_tests().with_parameter("DefinitionCacheSeconds", "1");
    let (world, counter) = Counter::in_front_of(options).await;
    let admin = world.admin();
    fill(&admin, 500, 200).await;
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
    // A look, and the two definitions that have changed.
    let other = json!({"targeting": null});
    admin.change("experiment-0", &other).await.json(200);
    let older = json!({"condition": {"age": {"$gte": 0}}});
    change(&admin, "condition-99", &older).await.json(200);
    counter.take();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let after = admin.post("/assignments", &user).await.json(200);
    assert_eq!(split(&after), 310);
    assert_eq!(
        sorted(catalog_reads(&counter)),
        ["BatchGetItem", "GetItem", "GetItem"]
    );
    // A stop is noticed, and a start.
    admin
        .change("experiment-1", &json!({"status": "stopped"}))
        .await
        .json(200);
    admin.experiment("another", json!({})).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
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
    let options = PlatformOptions::for_tests().with_parameter("DefinitionCacheSeconds", "1");
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
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    counter.take();
    assert_eq!(reasons("FR").await, ["targeting", "split"]);
    // The look, two segments, and the chunks of two ids; the experiments are not read again.
    let reads = catalog_reads(&counter);
    assert!(reads.len() <= 5, "{reads:?}");
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
    assert_eq!(catalog_reads(&counter), ["GetItem", "GetItem", "GetItem"]);
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
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
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
