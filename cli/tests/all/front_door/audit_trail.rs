//! The audit trail: every version of an experiment with its author, and no entries for refused changes.

use super::support::{Item, World};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::access::Scope;
use domain::experiment::Experiment;
use domain::launch_check::CheckedExperiment;
use serde_json::json;

fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item[name].as_s().unwrap()
}

#[tokio::test]
async fn every_change_adds_one_entry_with_its_author_and_the_new_definition() {
    let world = World::start().await;
    let token = world
        .new_token("alice", &[Scope::Manage, Scope::Read], None)
        .await;
    let alice = world.bearer(&token);
    let admin = world.admin();
    let mut versions = vec![alice.experiment("e", json!({"status": "draft"})).await];
    for (caller, change) in [
        (&alice, json!({"status": "running"})),
        (&admin, json!({"traffic_percent": 10})),
        (&alice, json!({"status": "stopped"})),
    ] {
        versions.push(caller.change("e", &change).await.json(200));
    }
    // Refused changes add no entry.
    assert_eq!(
        alice
            .change("e", &json!({"status": "running"}))
            .await
            .status,
        409
    );
    assert_eq!(
        alice
            .send("PATCH", "/experiments/e", &[("if-match", "\"1\"")], "{}")
            .await
            .status,
        412
    );
    let mut entries = world.items("ExperimentsTable").await;
    entries.retain(|item| text(item, "record").starts_with("audit#"));
    entries.sort_by_key(|item| text(item, "record").to_owned());
    assert_eq!(entries.len(), 4);
    for ((entry, version), by) in
        entries
            .iter()
            .zip(&versions)
            .zip(["alice", "alice", "development", "alice"])
    {
        assert_eq!(text(entry, "by"), by);
        assert_eq!(text(entry, "at"), version["updated_at"]);
        let AttributeValue::M(definition) = &entry["definition"] else {
            panic!("{entry:?}")
        };
        let definition: Experiment = serde_dynamo::from_item(definition.clone()).unwrap();
        let as_shown = serde_json::to_value(CheckedExperiment::new(&definition)).unwrap();
        assert_eq!(as_shown, *version);
    }
}

#[tokio::test]
async fn every_phase_keeps_its_traffic_and_weights() {
    let world = World::start().await;
    let admin = world.admin();
    admin
        .experiment("e", json!({"status": "draft", "traffic_percent": 50}))
        .await;
    admin
        .change("e", &json!({"traffic_percent": 20}))
        .await
        .json(200);
    admin
        .change("e", &json!({"status": "running"}))
        .await
        .json(200);
    admin
        .change("e", &json!({"name": "Only the name"}))
        .await
        .json(200);
    let variants = json!([{"key": "control", "percent": 10}, {"key": "green", "percent": 90}]);
    let last = admin
        .change("e", &json!({"variants": variants}))
        .await
        .json(200);
    let phases = last["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 2, "{phases:?}");
    assert_eq!(
        (&phases[0]["traffic_percent"], &phases[0]["percents"]),
        (&json!(20.0), &json!([50.0, 50.0]))
    );
    assert_eq!(phases[1]["percents"], json!([10.0, 90.0]));
}
