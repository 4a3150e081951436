//! An event and the import of its assignment at the same time, and a misspelt metric.

use super::support::{World, ago};
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::ids::{ExperimentId, UserId, VariantKey};
use serde_json::json;

#[tokio::test]
async fn an_event_that_missed_its_assignment_counts_when_it_is_sent_again_with_its_first_time() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let event = json!({"user_id": "u", "type": "buy", "event_id": "once"});
    let first = admin.track(std::slice::from_ref(&event)).await;
    assert_eq!(first["events"][0]["reason"], "no_assignment");

    // The import read the user's events before the event was stored, and wrote its row after that.
    let assignment = Assignment {
        user_id: UserId::parse("u").unwrap(),
        experiment_id: ExperimentId::parse("e").unwrap(),
        variant: VariantKey::parse("green").unwrap(),
        assigned_at: ago(3600),
        source: AssignmentSource::Import,
        experiment_version: 1,
        layer: None,
        attributes: Attributes::new(),
    };
    world.store().assign_first(&assignment, 8).await.unwrap();

    let again = admin.track(std::slice::from_ref(&event)).await;
    assert_eq!(again["events"][0]["status"], "stored");
    assert_eq!(
        again["events"][0]["counts_for"][0]["variant"], "green",
        "{again}"
    );
    assert_eq!(
        again["events"][0]["counted_at"],
        first["events"][0]["counted_at"]
    );
    let results = admin.results("e", "").await;
    assert_eq!(results["metrics"][1]["variants"][1]["sum"], "1");

    let third = admin.track(&[event]).await;
    assert_eq!(third["events"][0]["status"], "duplicate");
    assert_eq!(
        third["events"][0]["counts_for"],
        again["events"][0]["counts_for"]
    );
}

#[tokio::test]
async fn a_misspelt_metric_is_refused_and_not_shown_as_empty() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy"}]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    assert_eq!(
        admin
            .get("/experiments/e/results?metrics=buyers")
            .await
            .status,
        200
    );
    let refused = admin
        .get("/experiments/e/results?metrics=buyers,byers")
        .await;
    assert_eq!(refused.code(400), "bad_parameters");
    assert!(refused.text.contains("unknown_metric"), "{}", refused.text);
}
