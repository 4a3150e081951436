//! Ends: events and users on both sides of an end that is moved, removed, or noticed late.

use super::backfill::aggregates_are_exact;
use super::support::{Caller, World, ago};
use assay::serve::PlatformOptions;
use serde_json::{Value, json};

const DAY: i64 = 86_400;

fn metrics() -> Value {
    json!([{"key": "buys", "kind": "conversion", "event_type": "buy"}])
}

/// A platform whose functions keep using the definition that they read first.
async fn with_definition_cache() -> World {
    World::with(PlatformOptions::for_tests().with_parameter("DefinitionCacheSeconds", "300")).await
}

/// An experiment that ended two days ago, with a user from before the end.
async fn ended(admin: &Caller) {
    let fields = json!({"metrics": metrics(), "ends_at": ago(2 * DAY).to_string()});
    admin.experiment("e", fields).await;
    assigned(admin, "e", "u", 5 * DAY).await;
}

async fn assigned(admin: &Caller, id: &str, user: &str, seconds_ago: i64) {
    let row =
        json!({"user_id": user, "variant": "green", "assigned_at": ago(seconds_ago).to_string()});
    admin.import(id, &[row]).await;
}

/// Tracks a purchase. Returns its `counts_for`, or the reason.
async fn bought(admin: &Caller, id: &str, seconds_ago: i64) -> Value {
    let at = ago(seconds_ago).to_string();
    let event = json!({"user_id": "u", "type": "buy", "event_id": id, "timestamp": at});
    let mut outcome = admin.track(&[event]).await["events"][0].take();
    match outcome["reason"].take() {
        Value::Null => outcome["counts_for"][0]["experiment_id"].take(),
        reason => reason,
    }
}

async fn end(admin: &Caller, end: Value) {
    let change = json!({ "ends_at": end });
    admin.change("e", &change).await.json(200);
}

/// The counted purchases and the users, equal in both sources.
async fn counted(admin: &Caller) -> (u64, u64) {
    let report = aggregates_are_exact(admin, "e").await;
    let events = &report["event_accounting"]["buy"]["counted"];
    let variants = report["variants"].as_array().unwrap().iter();
    let users = variants.map(|variant| variant["users"].as_u64().unwrap());
    (events.as_u64().unwrap_or(0), users.sum())
}

#[tokio::test]
async fn events_between_the_old_and_a_later_end_count_once_the_end_has_moved() {
    let world = World::start().await;
    let admin = world.admin();
    ended(&admin).await;
    assert_eq!(bought(&admin, "before", 3 * DAY).await, "e");
    assert_eq!(bought(&admin, "between", DAY).await, "experiment_ended");
    assert_eq!(counted(&admin).await, (1, 1));
    end(&admin, json!(ago(DAY / 2).to_string())).await;
    assert_eq!(counted(&admin).await, (2, 1));
    // The event is stored for the experiment now, so a repeat is a duplicate that counts.
    assert_eq!(bought(&admin, "between", DAY).await, "e");
    let repair = json!({"repair": true});
    let audit = admin.post("/experiments/e/audit", &repair).await.json(200);
    assert_eq!(audit["differing_numbers"], json!(0));
    assert_eq!(counted(&admin).await, (2, 1));
    end(&admin, json!(ago(4 * DAY).to_string())).await;
    assert_eq!(counted(&admin).await, (0, 1));
    end(&admin, Value::Null).await;
    assert_eq!(counted(&admin).await, (2, 1));
}

#[tokio::test]
async fn an_event_that_another_experiment_counted_counts_once_the_end_has_moved() {
    let world = World::start().await;
    let admin = world.admin();
    ended(&admin).await;
    admin
        .experiment("other", json!({"metrics": metrics()}))
        .await;
    assigned(&admin, "other", "u", 5 * DAY).await;
    assert_eq!(bought(&admin, "between", DAY).await, "other");
    assert_eq!(counted(&admin).await, (0, 1));
    end(&admin, Value::Null).await;
    assert_eq!(counted(&admin).await, (1, 1));
}

#[tokio::test]
async fn an_event_that_was_received_too_late_for_an_end_counts_for_a_later_one() {
    let world = World::start().await;
    let admin = world.admin();
    ended(&admin).await;
    // An end long ago. The experiment was created now, so the event is received in time, and only the end excludes it.
    end(&admin, json!(ago(40 * DAY).to_string())).await;
    assigned(&admin, "e", "early", 50 * DAY).await;
    assert_eq!(bought(&admin, "x", 3 * DAY).await, "experiment_ended");
    assert_eq!(
        counted(&admin).await,
        (0, 1),
        "u was assigned after the end"
    );
    end(&admin, Value::Null).await;
    assert_eq!(counted(&admin).await, (1, 2));
}

#[tokio::test]
async fn events_of_the_day_after_the_end_are_in_the_event_accounting_and_count_for_nothing() {
    let world = World::start().await;
    let admin = world.admin();
    let fields = json!({"metrics": metrics(), "ends_at": ago(2 * DAY).to_string()});
    admin.experiment("e", fields).await;
    assigned(&admin, "e", "u", 5 * DAY).await;
    assert_eq!(bought(&admin, "before", 2 * DAY + 60).await, "e");
    for (id, after_the_end) in [("at", 0), ("soon", 60), ("in_time", DAY - 60)] {
        let outcome = bought(&admin, id, 2 * DAY - after_the_end).await;
        assert_eq!(outcome, "experiment_ended", "{id}");
        // A repeat changes nothing.
        bought(&admin, id, 2 * DAY - after_the_end).await;
    }
    assert_eq!(bought(&admin, "later", DAY - 60).await, "experiment_ended");
    assert_eq!(counted(&admin).await, (1, 1));
    for source in ["raw", "aggregates"] {
        let query = format!("view=monitoring&source={source}");
        let accounting = admin.results("e", &query).await["event_accounting"]["buy"].take();
        let expected = json!({"counted": 1, "excluded_by_end": 3, "other_users": 0});
        assert_eq!(accounting, expected, "{source}");
    }
    // All of them count once the end is taken away.
    end(&admin, Value::Null).await;
    assert_eq!(counted(&admin).await, (5, 1));
}

#[tokio::test]
async fn a_function_that_notices_a_later_end_late_loses_no_event() {
    let world = with_definition_cache().await;
    let admin = world.admin();
    ended(&admin).await;
    assert_eq!(bought(&admin, "first", DAY).await, "experiment_ended");
    end(&admin, Value::Null).await;
    assert_eq!(counted(&admin).await, (1, 1));
    assert_eq!(bought(&admin, "second", DAY).await, "experiment_ended");
    assert_eq!(counted(&admin).await, (2, 1));
    // The same for an event that the function stores for another experiment only.
    admin
        .experiment("other", json!({"metrics": metrics()}))
        .await;
    assigned(&admin, "other", "u", 5 * DAY).await;
    assert_eq!(bought(&admin, "third", DAY).await, "other");
    assert_eq!(counted(&admin).await, (3, 1));
}

#[tokio::test]
async fn users_and_events_of_functions_that_notice_a_stop_late_are_left_out() {
    let world = with_definition_cache().await;
    let admin = world.admin();
    admin.experiment("e", json!({"metrics": metrics()})).await;
    assigned(&admin, "e", "u", 5 * DAY).await;
    admin.assign("e", "early").await;
    let event = |id: &str| json!({"user_id": "u", "type": "buy", "event_id": id});
    admin.track(&[event("before")]).await;
    let stop = json!({"status": "stopped"});
    admin.change("e", &stop).await.json(200);
    let late = admin.assign("e", "late").await;
    assert_eq!(
        late["enrolled"], true,
        "the function has not noticed the stop"
    );
    let tracked = admin.track(&[event("after")]).await;
    assert_eq!(tracked["events"][0]["counts_for"][0]["experiment_id"], "e");
    assert_eq!(counted(&admin).await, (1, 2));
    for source in ["raw", "aggregates"] {
        let query = format!("view=monitoring&source={source}");
        let report = admin.results("e", &query).await;
        let observed = &report["data_quality"]["sample_ratio"]["observed"];
        let observed = observed.as_array().unwrap().iter();
        let observed: u64 = observed.map(|users| users.as_u64().unwrap()).sum();
        assert_eq!(observed, 2, "{source}");
        let accounting = &report["event_accounting"]["buy"];
        let expected = json!({"counted": 1, "excluded_by_end": 1, "other_users": 0});
        assert_eq!(accounting, &expected, "{source}");
    }
}
