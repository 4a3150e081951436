//! Aggregates after a change of the definition: a backfill of all days, or a refresh of the affected users.

mod pages;

use super::support::{Caller, World, ago, without_definition_cache};
use assay::engine::Engine;
use assay::environment::Environments;
use assay::functions::Notifications;
use assay::gateway::{Function, FunctionError};
use assay::serve::{BUILT_IN_TEMPLATE, Database};
use assay::template::Template;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The analysis, and its source with the reason.
async fn analysis(admin: &Caller, id: &str, query: &str) -> (Value, Value) {
    let mut report = admin.results(id, query).await;
    report["freshness"].take();
    let source = json!([
        report["source"].take(),
        report["source_reason"]["reason"].take()
    ]);
    report.as_object_mut().unwrap().remove("source_reason");
    (report, source)
}

/// Checks that both sources give the same analysis, digit for digit, and that aggregates are the default source.
pub(crate) async fn aggregates_are_exact(admin: &Caller, id: &str) -> Value {
    let (raw, _) = analysis(admin, id, "source=raw&cuped=true").await;
    let (aggregates, source) = analysis(admin, id, "cuped=true").await;
    assert_eq!(source, json!(["aggregates", null]));
    assert_eq!(aggregates, raw);
    aggregates
}

fn metrics() -> Value {
    json!([{"key": "buys", "kind": "conversion", "event_type": "buy", "role": "primary"}])
}

fn more_metrics() -> Value {
    let mut metrics = metrics();
    let revenue = json!({"key": "revenue", "kind": "sum", "event_type": "buy"});
    metrics.as_array_mut().unwrap().push(revenue);
    metrics
}

/// Forty users in three shards, assigned in the last days, with events before and after their assignments.
pub(crate) async fn with_data(admin: &Caller, id: &str, fields: Value) {
    let mut all = json!({"shards": 3, "metrics": metrics(), "dimensions": ["country"]});
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    admin.experiment(id, all).await;
    let user = |i: i64| format!("{id}-{i}");
    let rows: Vec<Value> = (0..40)
        .map(|i| {
            let country = if i % 3 == 0 { "DE" } else { "FR" };
            json!({"user_id": user(i), "variant": if i % 2 == 0 { "control" } else { "green" },
                   "assigned_at": ago(3 * 86_400 - i * 4_000).to_string(),
                   "attributes": {"country": country}})
        })
        .collect();
    let events: Vec<Value> = (0..160)
        .map(|i| {
            let at = ago(4 * 86_400 - i * 2_100).to_string();
            json!({"user_id": user(i % 40), "type": if i % 5 == 0 { "view" } else { "buy" },
                   "value": i % 7, "timestamp": at, "event_id": format!("{i}")})
        })
        .collect();
    assert_eq!(admin.track(&events).await["stored"], 160);
    assert_eq!(admin.import(id, &rows).await["stored"], 40);
}

#[tokio::test]
async fn an_added_metric_is_backfilled_to_the_first_day() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    let before = aggregates_are_exact(&admin, "e").await;
    assert_eq!(before["metrics"].as_array().unwrap().len(), 1);
    let change = json!({"metrics": more_metrics()});
    admin.change("e", &change).await.json(200);
    let after = aggregates_are_exact(&admin, "e").await;
    let revenue = after["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|metric| metric["key"] == "revenue")
        .unwrap();
    assert!(
        revenue["variants"][0]["mean"].as_f64().unwrap() > 0.0,
        "{revenue}"
    );
    assert_eq!(world.platform.dead_letters().len(), 0);
}

#[tokio::test]
async fn an_added_dimension_is_backfilled_to_the_first_day() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    aggregates_are_exact(&admin, "e").await;
    let change = json!({"dimensions": ["country", "plan"]});
    admin.change("e", &change).await.json(200);
    aggregates_are_exact(&admin, "e").await;
}

#[tokio::test]
async fn during_a_backfill_results_come_from_raw_records_and_say_so() {
    let held = Arc::new(AtomicBool::new(true));
    let (world, engine) = wrapped("backfill", Duration::from_millis(300), gate(&held)).await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    let change = json!({"metrics": more_metrics()});
    admin.change("e", &change).await.json(200);
    let (raw, source) = analysis(&admin, "e", "").await;
    assert_eq!(source, json!(["raw", "backfill_running"]));
    held.store(false, Ordering::SeqCst);
    world.platform.settle().await;
    let (aggregates, source) = analysis(&admin, "e", "").await;
    assert_eq!(source, json!(["aggregates", null]));
    assert_eq!(aggregates, raw);
    shut_down(world, engine).await;
}

#[tokio::test]
async fn of_two_backfills_in_a_row_the_first_is_abandoned_and_the_second_is_read() {
    let held = Arc::new(AtomicBool::new(true));
    let (world, engine) = wrapped("backfill", Duration::from_secs(120), gate(&held)).await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    let first = json!({"metrics": more_metrics()});
    admin.change("e", &first).await.json(200);
    let second = json!({"dimensions": ["country", "plan"]});
    admin.change("e", &second).await.json(200);
    held.store(false, Ordering::SeqCst);
    aggregates_are_exact(&admin, "e").await;
    assert_eq!(world.platform.dead_letters().len(), 0);
    shut_down(world, engine).await;
}

#[tokio::test]
async fn a_backfill_can_follow_a_backfill() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    for metrics in [more_metrics(), metrics(), more_metrics()] {
        let change = json!({ "metrics": metrics });
        admin.change("e", &change).await.json(200);
        aggregates_are_exact(&admin, "e").await;
    }
}

#[tokio::test]
async fn a_backfill_that_is_interrupted_repeatedly_gives_the_same_aggregates() {
    let calls = AtomicUsize::new(0);
    let unreliable = move |function: Function| -> Function {
        let calls = Arc::new(calls);
        Function::new(move |event, context| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            let working = function.call(event.clone(), context.clone());
            let second_run = function.call(event, context);
            let failed = || Err(FunctionError::new("Interrupted", "by the test"));
            Box::pin(async move {
                match call % 5 {
                    // Fails before it starts.
                    0 => failed(),
                    // Succeeds, but reports a failure.
                    1 => working.await.and_then(|_| failed()),
                    // Is cancelled in the middle.
                    2 => {
                        let time = Duration::from_millis(5 + 7 * (call as u64 % 4));
                        let done = tokio::time::timeout(time, working).await;
                        done.unwrap_or_else(|_| failed())
                    }
                    // Runs twice concurrently.
                    3 => {
                        let (first, second) = tokio::join!(working, second_run);
                        first.and(second)
                    }
                    _ => working.await,
                }
            })
        })
    };
    let (world, engine) = wrapped("backfill", Duration::from_secs(300), unreliable).await;
    let admin = world.admin();
    // More users than fit on a page, in one shard.
    with_data(&admin, "e", json!({"shards": 1})).await;
    let rows: Vec<Value> = (0..490)
        .map(|i| {
            let at = ago(2 * 86_400 - i).to_string();
            json!({"user_id": format!("more-{i}"), "variant": "green", "assigned_at": at})
        })
        .collect();
    admin.import("e", &rows).await;
    let change = json!({"metrics": more_metrics(), "ends_at": ago(86_400 + 40_000).to_string()});
    admin.change("e", &change).await.json(200);
    let report = aggregates_are_exact(&admin, "e").await;
    let users = report["metrics"][0]["variants"].as_array().unwrap();
    let users: u64 = users.iter().map(|one| one["users"].as_u64().unwrap()).sum();
    assert_eq!(users, 524, "six users were assigned after the end");
    assert_eq!(world.platform.dead_letters().len(), 0);
    shut_down(world, engine).await;
}

#[tokio::test]
async fn moving_the_end_refreshes_the_events_between_the_old_and_the_new_end() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    let mut seen = vec![aggregates_are_exact(&admin, "e").await["metrics"].take()];
    for end in [
        json!(ago(2 * 86_400).to_string()),
        json!(ago(86_400).to_string()),
        json!(ago(86_400 * 5 / 2).to_string()),
        Value::Null,
    ] {
        admin
            .change("e", &json!({ "ends_at": end }))
            .await
            .json(200);
        let metrics = aggregates_are_exact(&admin, "e").await["metrics"].take();
        assert_ne!(seen.last(), Some(&metrics), "{end}");
        seen.push(metrics);
    }
    assert_eq!(seen.first(), seen.last());
}

#[tokio::test]
async fn events_after_a_stop_are_not_counted() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({"metrics": more_metrics()})).await;
    let before = aggregates_are_exact(&admin, "e").await["metrics"].take();
    let stop = json!({"status": "stopped"});
    let end = admin.change("e", &stop).await.json(200)["stopped_at"].take();
    let event = |id: &str, at: &Value| json!({"user_id": "e-1", "type": "buy", "value": 5, "event_id": id, "timestamp": at});
    let late = admin.track(&[event("at-the-end", &end)]).await;
    assert_eq!(late["events"][0]["counts_for"], json!([]));
    let after = aggregates_are_exact(&admin, "e").await["metrics"].take();
    assert_eq!(before, after);
    let before_the_stop = json!(ago(600).to_string());
    admin.track(&[event("before-it", &before_the_stop)]).await;
    let after = aggregates_are_exact(&admin, "e").await["metrics"].take();
    assert_ne!(before, after);
}

#[tokio::test]
async fn aggregates_stay_exact_when_users_are_assigned_after_a_change_of_weights() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    let variants = json!([{"key": "control", "percent": 20}, {"key": "green", "percent": 80}]);
    admin
        .change("e", &json!({ "variants": variants }))
        .await
        .json(200);
    for i in 0..20 {
        admin.assign("e", &format!("new-{i}")).await;
    }
    aggregates_are_exact(&admin, "e").await;
}

#[tokio::test]
async fn an_old_generation_is_deleted_when_it_expires() {
    let world = World::start().await;
    let admin = world.admin();
    with_data(&admin, "e", json!({})).await;
    aggregates_are_exact(&admin, "e").await;
    let first = generations(&world, "e").await;
    assert_eq!(first.len(), 1);
    let change = json!({"metrics": more_metrics()});
    admin.change("e", &change).await.json(200);
    aggregates_are_exact(&admin, "e").await;
    assert_eq!(generations(&world, "e").await.len(), 2);
    expire(&world, "retired#").await;
    aggregates_are_exact(&admin, "e").await;
    let left = generations(&world, "e").await;
    assert_eq!(left.len(), 1);
    assert_ne!(left, first);
}

/// Deletes items as DynamoDB does when they expire.
async fn expire(world: &World, prefix: &str) {
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    for mut item in world.items("ExperimentsTable").await {
        if !item["record"].as_s().unwrap().starts_with(prefix) {
            continue;
        }
        assert!(item.contains_key("expires_at"), "{item:?}");
        let delete = world.platform.dynamodb.delete_item().table_name(table);
        delete
            .key("experiment_id", item.remove("experiment_id").unwrap())
            .key("record", item.remove("record").unwrap())
            .send()
            .await
            .unwrap();
    }
}

/// The generations that have stored items.
async fn generations(world: &World, id: &str) -> BTreeSet<String> {
    let items = world.items("AggregatesTable").await;
    let mut all = BTreeSet::new();
    for item in &items {
        let partition = item["partition"].as_s().unwrap();
        let generation = match partition.split_once('#').unwrap() {
            ("user", _) => item["item"].as_s().unwrap(),
            (_, generation) => generation,
        };
        if generation.starts_with(&format!("{id}#")) {
            all.insert(generation.to_owned());
        }
    }
    all
}

/// Wraps a function so that its calls wait while `held` is true.
pub(crate) fn gate(held: &Arc<AtomicBool>) -> impl FnOnce(Function) -> Function + use<> {
    let held = held.clone();
    move |function| {
        Function::new(move |event, context| {
            let (held, working) = (held.clone(), function.call(event, context));
            Box::pin(async move {
                while held.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                working.await
            })
        })
    }
}

/// A platform with a wrapped function, and the engine if the platform does not start its own.
pub(crate) async fn wrapped(
    binary: &str,
    settle_timeout: Duration,
    wrap: impl FnOnce(Function) -> Function,
) -> (World, Option<Engine>) {
    let mut options = without_definition_cache();
    options.settle_timeout = settle_timeout;
    let (engine, endpoint) = match &options.database {
        Database::Endpoint(endpoint) => (None, endpoint.clone()),
        Database::Embedded(storage) => {
            let engine = Engine::start(storage).unwrap();
            let endpoint = engine.endpoint().to_owned();
            (Some(engine), endpoint)
        }
    };
    let template = Template::parse(BUILT_IN_TEMPLATE, &options.local).unwrap();
    let environments = Environments::new(&template, &options.local, &endpoint);
    let mut functions = assay::functions::wire(&environments, &Notifications::default())
        .await
        .unwrap();
    let function = wrap(functions.remove(binary).unwrap());
    options.database = Database::Endpoint(endpoint);
    let world = World::with(options.with_function(binary, function)).await;
    (world, engine)
}

/// Shuts down the platform, then the engine.
pub(crate) async fn shut_down(world: World, engine: Option<Engine>) {
    world.platform.shutdown().await.unwrap();
    if let Some(engine) = engine {
        engine.shutdown().await.unwrap();
    }
}
