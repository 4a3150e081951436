//! The cost of API calls: database calls and capacity units, counted by a proxy in front of the engine.

use super::proxy::{Call, Cost, Counter};
use super::support::{World, without_definition_cache};
use assay::serve::PlatformOptions;
use serde_json::json;
use std::collections::BTreeMap;

fn cost(calls: usize, read_units: f64, write_units: f64) -> Cost {
    Cost {
        calls,
        read_units,
        write_units,
    }
}

/// Without the calls that take from the budget of the token: there is one at most every 50 events, when the function
/// instance has spent its share or a new window begins.
fn without_budgets(calls: Vec<Call>) -> Vec<Call> {
    let others = |call: &Call| call.accesses[0].resource != "TokensTable";
    calls.into_iter().filter(others).collect()
}

/// A platform that has cached the definitions and the policy of the token.
async fn warm(experiments: &[&str]) -> (World, Counter) {
    let (world, counter) = Counter::in_front_of(PlatformOptions::for_tests()).await;
    let admin = world.admin();
    for id in experiments {
        admin.experiment(id, json!({})).await;
        admin.assign(id, "another user").await;
    }
    let event = json!({"user_id": "another user", "type": "warm", "event_id": "w"});
    admin.track(&[event]).await;
    counter.take();
    (world, counter)
}

#[tokio::test]
async fn a_returning_user_costs_one_call_and_half_a_read_unit() {
    let (world, counter) = warm(&["e"]).await;
    world.admin().assign("e", "u").await;
    counter.take();
    assert_eq!(world.admin().assign("e", "u").await["reason"], "existing");
    assert_eq!(counter.cost(), cost(1, 0.5, 0.0));
    counter.shutdown(world).await;
}

#[tokio::test]
async fn a_new_user_costs_three_calls_one_read_unit_and_two_write_units() {
    let (world, counter) = warm(&["e"]).await;
    let longest = "ü".repeat(128);
    for user in ["u", &longest] {
        assert_eq!(world.admin().assign("e", user).await["reason"], "new");
        // It reads the assignment and the tombstone, and writes the item and its index entry.
        assert_eq!(counter.cost(), cost(3, 1.0, 2.0), "{user}");
    }
    counter.shutdown(world).await;
}

#[tokio::test]
async fn layers_and_holdouts_cost_a_returning_user_nothing_and_a_new_one_a_write_for_each_holdout()
{
    let (world, counter) = warm(&[]).await;
    let admin = world.admin();
    admin.layer("l").await;
    let holdout = json!({"id": "h", "name": "H", "holdout": {"percent": 20}});
    admin.post("/experiments", &holdout).await.json(201);
    let fields = json!({"layer": {"id": "l", "percent": 100}});
    admin.experiment("e", fields).await;
    let users = super::layers::users(30);
    let mut seen = BTreeMap::new();
    // The first request reads the definitions.
    admin.assign("e", "another user").await;
    counter.take();
    for user in &users {
        let first = admin.assign("e", user).await["reason"].clone();
        let (new, again) = if first == "holdout" {
            (cost(3, 1.5, 2.0), cost(2, 1.5, 0.0))
        } else {
            (cost(4, 1.5, 4.0), cost(1, 0.5, 0.0))
        };
        assert_eq!(counter.cost(), new, "{first}");
        admin.assign("e", user).await;
        assert_eq!(counter.cost(), again, "{first}");
        *seen.entry(first.to_string()).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    counter.shutdown(world).await;
}

#[tokio::test]
async fn all_experiments_of_a_user_cost_one_query_and_one_write_for_each_new_assignment() {
    let (world, counter) = warm(&["a", "b", "c"]).await;
    let admin = world.admin();
    let user = |user: &str| json!({ "user_id": user });
    admin.post("/assignments", &user("warm")).await.json(200);
    counter.take();
    let new = admin.post("/assignments", &user("u")).await.json(200);
    assert_eq!(new["assignments"].as_array().unwrap().len(), 3);
    assert_eq!(counter.cost(), cost(4, 1.0, 6.0));
    let again = admin.post("/assignments", &user("u")).await.json(200);
    assert_eq!(again["assignments"][2]["reason"], "existing");
    assert_eq!(counter.cost(), cost(1, 1.0, 0.0));
    let dry = json!({"user_id": "v", "enroll": false});
    admin.post("/assignments", &dry).await.json(200);
    assert_eq!(counter.cost(), cost(1, 1.0, 0.0));
    counter.shutdown(world).await;
}

#[tokio::test]
async fn a_released_variant_costs_no_call() {
    let (world, counter) = Counter::in_front_of(PlatformOptions::for_tests()).await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin
        .change("e", &json!({"release": "green"}))
        .await
        .json(200);
    admin.assign("e", "u").await;
    counter.take();
    assert_eq!(admin.assign("e", "u").await["reason"], "released");
    assert_eq!(counter.cost(), cost(0, 0.0, 0.0));
    counter.shutdown(world).await;
}

#[tokio::test]
async fn attributes_do_not_change_the_cost_of_an_assignment() {
    let (world, counter) = warm(&[]).await;
    let admin = world.admin();
    let fields = json!({"dimensions": ["country", "platform", "plan", "channel", "language"]});
    admin.experiment("e", fields).await;
    admin.assign("e", "another user").await;
    let attributes = "country=DE&platform=ios&plan=premium&channel=newsletter&language=de-CH";
    let path = format!("/experiments/e/assignment/ann@example.com?{attributes}");
    for expected in [cost(3, 1.0, 2.0), cost(1, 0.5, 0.0)] {
        counter.take();
        let answer = admin.get(&path).await.json(200);
        assert_eq!(answer["attributes"]["language"], "de-CH");
        assert_eq!(counter.cost(), expected);
    }
    counter.shutdown(world).await;
}

#[tokio::test]
async fn a_user_who_is_not_enrolled_costs_no_write() {
    let (world, counter) = Counter::in_front_of(without_definition_cache()).await;
    world
        .admin()
        .experiment("e", json!({"traffic_percent": 0}))
        .await;
    counter.take();
    assert_eq!(world.admin().assign("e", "u").await["reason"], "traffic");
    assert_eq!(counter.cost().write_units, 0.0);
    counter.shutdown(world).await;
}

#[tokio::test]
async fn an_event_costs_one_query_one_update_and_a_put_and_a_read_for_each_place_where_it_may_be() {
    let experiments = ["a", "b", "c"];
    let (world, counter) = warm(&experiments).await;
    let admin = world.admin();
    for k in 0..=3 {
        let user = format!("in {k}");
        for id in &experiments[..k] {
            admin.assign(id, &user).await;
        }
        // The timestamp comes from a client with a correct clock.
        let timestamp = super::support::ago(0).to_string();
        counter.take();
        let event = json!({"user_id": user, "type": "buy", "timestamp": timestamp});
        let answer = admin.post("/events", &event).await.json(200);
        let counts_for = answer["events"][0]["counts_for"].as_array().unwrap();
        assert_eq!(counts_for.len(), k);
        let calls = without_budgets(counter.take());
        let count = |operation: &str| {
            calls
                .iter()
                .filter(|call| call.operation == operation)
                .count()
        };
        assert_eq!(
            (count("Query"), count("PutItem"), count("UpdateItem")),
            (1, k.max(1), 1),
            "{calls:?}"
        );
        // An event that can have one key only is not looked for; the put looks there. One call reads up to 100 keys.
        assert_eq!(count("BatchGetItem"), k.min(1), "{calls:?}");
        assert_eq!(calls.len(), 2 + k.max(1) + k.min(1), "{calls:?}");
        let reads: f64 = calls
            .iter()
            .filter(|call| call.operation == "BatchGetItem")
            .map(|call| call.units)
            .sum();
        assert_eq!(reads, [0.0, 1.0, 3.0, 4.0][k], "{k} experiments");
        let writes: f64 = calls
            .iter()
            .filter(|call| !call.is_read())
            .map(|call| call.units)
            .sum();
        // The item and its index entry, and the number of the user's stored events. An event that counts for no experiment
        // has no index entry.
        let expected = [2.0, 3.0, 5.0, 7.0][k];
        assert_eq!(writes, expected, "{k} experiments");
    }
    counter.shutdown(world).await;
}

#[tokio::test]
async fn a_batch_costs_one_query_and_one_update_for_each_user_and_one_look_for_earlier_events() {
    let (world, counter) = warm(&["e"]).await;
    let admin = world.admin();
    admin.assign("e", "u").await;
    admin.assign("e", "v").await;
    counter.take();
    let timestamp = super::support::ago(0).to_string();
    let event = |user: &str, number: usize| json!({"user_id": user, "type": "buy", "value": number, "timestamp": timestamp});
    let events: Vec<_> = (0..20)
        .flat_map(|n| [event("u", n), event("v", n)])
        .collect();
    assert_eq!(admin.track(&events).await["stored"], 40);
    let calls = without_budgets(counter.take());
    let writes = calls.iter().filter(|call| !call.is_read());
    let writes: f64 = writes.map(|call| call.units).sum();
    assert_eq!((calls.len(), writes), (2 + 1 + 40 + 2, 82.0), "{calls:?}");
    counter.shutdown(world).await;
}

#[tokio::test]
async fn the_definition_and_the_policy_are_read_once() {
    let (world, counter) = Counter::in_front_of(PlatformOptions::for_tests()).await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    counter.take();
    admin.assign("e", "u").await;
    let first = counter.take();
    let reads = |table: &str| {
        let on = |call: &&super::proxy::Call| {
            call.operation == "GetItem" && call.accesses[0].resource == table
        };
        first.iter().filter(on).count()
    };
    // The changes of the catalog, and the definition.
    assert_eq!(reads("ExperimentsTable"), 2, "{first:?}");
    for user in 0..5 {
        admin.assign("e", &format!("user-{user}")).await;
    }
    let later = counter.take();
    assert!(
        later
            .iter()
            .all(|call| call.accesses[0].resource == "AssignmentsTable"),
        "{later:?}"
    );
    counter.shutdown(world).await;
}

#[tokio::test]
async fn creating_an_experiment_writes_its_definition_its_generations_and_one_audit_trail_entry() {
    let (world, counter) = Counter::start().await;
    let admin = world.admin();
    admin.get("/experiments").await.json(200);
    counter.take();
    admin.experiment("e", json!({})).await;
    let calls = counter.take();
    // A start reads the changes of the catalog, which are written with the definition, and the running holdouts, which must
    // still be the same.
    let operations: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    let expected = ["GetItem", "GetItem", "TransactWriteItems"];
    assert_eq!(operations, expected, "{calls:?}");
    assert_eq!(calls[2].accesses.len(), 5);
    assert_eq!(
        admin.change("e", &json!({"name": "Other"})).await.status,
        200
    );
    let calls = counter.take();
    let operations: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, ["GetItem", "GetItem", "TransactWriteItems"]);
    assert_eq!(calls[2].accesses.len(), 3);
    counter.shutdown(world).await;
}

#[tokio::test]
async fn results_from_raw_records_read_only_definition_registry_and_the_two_indexes() {
    let (world, counter) = warm(&["e"]).await;
    counter.take();
    world.admin().results("e", "source=raw").await;
    let mut reads = BTreeMap::<String, usize>::new();
    for call in counter.take() {
        let resource = &call.accesses[0].resource;
        match call.operation.as_str() {
            "GetItem" => *reads.entry(resource.clone()).or_default() += 1,
            "Query" => assert!(resource.ends_with("/index/by-experiment"), "{resource}"),
            other => panic!("{other} on {resource}"),
        }
    }
    // The definition and the generations; the registry.
    let expected = [("ExperimentsTable", 2), ("AggregatesTable", 1)];
    assert_eq!(
        reads,
        expected
            .map(|(table, reads)| (table.to_owned(), reads))
            .into()
    );
    counter.shutdown(world).await;
}

#[tokio::test]
async fn the_cost_of_results_does_not_depend_on_the_number_of_records() {
    let (world, counter) = warm(&["e"]).await;
    let admin = world.admin();
    let mut costs = Vec::new();
    for round in 0..3 {
        for user in 0..round * 20 {
            let user = format!("{round}-{user}");
            admin.assign("e", &user).await;
            let event = json!({"user_id": user, "type": "warm", "value": 1});
            admin.track(&[event.clone(), event]).await;
        }
        world.platform.settle().await;
        counter.take();
        admin.results("e", "view=summary").await;
        let calls = counter.take();
        let on = |table: &str| {
            let on = |call: &&super::proxy::Call| call.accesses[0].resource.starts_with(table);
            calls.iter().filter(on).count()
        };
        // The definition and the generations; the aggregates and the checkpoints; the later records of each shard and kind.
        let counts = ["ExperimentsTable", "AggregatesTable", "EventsTable", ""].map(on);
        assert_eq!(counts, [2, 2, 8, 20], "{calls:?}");
        let read: f64 = calls.iter().map(|call| call.units).sum();
        costs.push(read);
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    counter.shutdown(world).await;
}

#[tokio::test]
async fn pre_exposure_data_cost_one_query_for_each_user_and_only_if_requested() {
    let (world, counter) = warm(&["e"]).await;
    for user in ["u", "v"] {
        world.admin().assign("e", user).await;
    }
    let requests = [
        ("", 0),
        ("cuped=true", 0),
        ("source=raw", 0),
        ("source=raw&cuped=true", 3),
    ];
    for (query, user_queries) in requests {
        counter.take();
        world.admin().results("e", query).await;
        let calls = counter.take();
        let of_users = calls
            .iter()
            .filter(|call| call.accesses[0].resource == "EventsTable");
        assert_eq!(of_users.count(), user_queries, "{query}");
    }
    counter.shutdown(world).await;
}

#[tokio::test]
async fn a_plan_costs_as_much_as_the_results_of_its_baseline_experiment_and_otherwise_nothing() {
    let (world, counter) = warm(&["e"]).await;
    let admin = world.admin();
    counter.take();
    let given =
        json!({"metric": {"kind": "conversion", "rate": 0.1}, "minimum_detectable_effect": 0.1});
    admin.post("/experiments/plan", &given).await.json(200);
    assert_eq!(counter.cost(), cost(0, 0.0, 0.0));
    admin.results("e", "view=summary").await;
    let results = counter.cost();
    let baseline = json!({"experiment_id": "e", "metric": "warm.count"});
    let baseline = json!({"metric": baseline, "minimum_detectable_effect": 0.1});
    // The experiment has one user, in either variant: too few for a baseline.
    assert_eq!(admin.post("/experiments/plan", &baseline).await.status, 422);
    assert_eq!(counter.cost(), results);
    // An undeclared metric is refused after one read, of the definition.
    let metrics = json!([{"key": "buys", "kind": "conversion", "event_type": "buy"}]);
    admin
        .experiment("declared", json!({"metrics": metrics}))
        .await;
    counter.take();
    let baseline = json!({"experiment_id": "declared", "metric": "warm.count"});
    let baseline = json!({"metric": baseline, "minimum_detectable_effect": 0.1});
    assert_eq!(admin.post("/experiments/plan", &baseline).await.status, 422);
    assert_eq!(counter.cost().calls, 1);
    counter.shutdown(world).await;
}
