//! Late events: the numbers of an experiment that ended long ago no longer change.

use super::support::{Caller, World, ago};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::limits::LATE_EVENT_DAYS;
use serde_json::{Value, json};

const DAY: i64 = 86_400;

fn event(id: &str) -> Value {
    json!({"user_id": "u", "type": "buy", "event_id": id, "timestamp": ago(45 * DAY).to_string()})
}

/// An experiment that ended 40 days ago, with a user and an event.
async fn ended(world: &World) -> Caller {
    let admin = world.admin();
    admin
        .experiment("e", json!({"ends_at": ago(40 * DAY).to_string()}))
        .await;
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": ago(50 * DAY).to_string()});
    admin.import("e", &[row]).await;
    let stored = admin.track(&[event("in time")]).await;
    assert_eq!(stored["events"][0]["counts_for"][0]["experiment_id"], "e");
    world.platform.settle().await;
    admin
}

/// Makes the experiment look as if it had been created this many days ago.
async fn created(world: &World, days: i64) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    let update = world.platform.dynamodb.update_item().table_name(table);
    update
        .key("experiment_id", text("e"))
        .key("record", text("definition"))
        .update_expression("SET #definition.created_at = :at")
        .expression_attribute_names("#definition", "definition")
        .expression_attribute_values(":at", text(&ago(days * DAY).to_string()))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_event_that_is_received_long_after_the_end_is_stored_and_does_not_count() {
    let world = World::start().await;
    let admin = ended(&world).await;
    created(&world, 60).await;
    world.platform.settle().await;
    let queries = ["source=raw", "source=aggregates", "source=raw&cuped=true"];
    let mut before = Vec::new();
    for query in queries {
        before.push(admin.results("e", query).await);
    }
    for status in ["stored", "duplicate"] {
        let answer = admin.track(&[event("late"), event("in time")]).await;
        let outcomes = answer["events"].as_array().unwrap();
        assert_eq!(outcomes[0]["status"], status);
        assert_eq!(outcomes[0]["counts_for"], json!([]));
        assert_eq!(outcomes[0]["reason"], "too_late");
        // An event that was stored in time stays a duplicate that counts.
        assert_eq!(outcomes[1]["status"], "duplicate");
        assert_eq!(outcomes[1]["counts_for"][0]["experiment_id"], "e");
        // Also when the aggregator reads the user again.
        world.platform.settle().await;
        for (query, before) in queries.iter().zip(&before) {
            assert_eq!(&admin.results("e", query).await, before, "{query}");
        }
    }
    // Another experiment of the user counts the event.
    admin.experiment("open", json!({})).await;
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": ago(50 * DAY).to_string()});
    let imported = admin.import("open", &[row]).await;
    assert_eq!(imported["assignments"][0]["events_counted"], 2);
    let answer = admin.track(&[event("later")]).await;
    let counts_for = answer["events"][0]["counts_for"].as_array().unwrap();
    assert_eq!(counts_for.len(), 1);
    assert_eq!(counts_for[0]["experiment_id"], "open");
}

#[tokio::test]
async fn an_experiment_that_is_created_after_its_end_accepts_events_for_as_long() {
    let world = World::start().await;
    let admin = ended(&world).await;
    created(&world, LATE_EVENT_DAYS - 1).await;
    let answer = admin.track(&[event("a")]).await;
    assert_eq!(answer["events"][0]["counts_for"][0]["experiment_id"], "e");
    created(&world, LATE_EVENT_DAYS + 1).await;
    let answer = admin.track(&[event("b")]).await;
    assert_eq!(answer["events"][0]["reason"], "too_late");
}
