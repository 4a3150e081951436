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

async fn assigned(admin: &Caller, id: &str, user: &str, seconds_ago: i64) {
    let row =
        json!({"user_id": user, "variant": "green", "assigned_at": ago(seconds_ago).to_string()});
    admin.import(id, &[row]).await;
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
