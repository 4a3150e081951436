//! Results do not depend on the order in which assignments and events are imported.

use super::support::World;
use serde_json::{Value, json};

/// One row for each action, in the order of time. User 4 clicks before the view, user 5 at the same instant.
const ACTIONS: [&str; 11] = [
    "2016-09-24 17:42:27.839496,1,experiment,view",
    "2016-09-24 17:42:28.000001,1,experiment,click",
    "2016-09-24 19:19:03.542569,2,control,view",
    "2016-09-24 19:19:03.542570,2,control,click",
    "2016-09-25 00:00:00.000000,3,experiment,view",
    "2016-09-25 01:00:00,4,control,click",
    "2016-09-25 02:00:00,4,control,view",
    "2016-09-25 03:00:00,5,control,view",
    "2016-09-25 03:00:00,5,control,click",
    "2016-09-26 00:00:00,3,experiment,click",
    "2016-09-26 00:00:00,6,control,view",
];

const USERS: [&str; 10] = [
    "--user",
    "id",
    "--experiment",
    "homepage",
    "--variant",
    "group",
    "--assigned-at",
    "timestamp",
    "--assignments-when",
    "action=view",
];
const CLICKS: [&str; 2] = ["--event", "click,time=timestamp,when=action=click"];

/// Imports the rows in this order and returns the results up to each of three days.
async fn results_of(rows: &[&str], passes: &[&[&str]]) -> Vec<Value> {
    let world = World::start().await;
    let metrics = json!([{"key": "click", "kind": "conversion", "event_type": "click"}]);
    world
        .experiment("homepage", ["control", "experiment"], metrics)
        .await;
    world.file(
        "actions.csv",
        &format!("timestamp,id,group,action\n{}\n", rows.join("\n")),
    );
    for pass in passes {
        world
            .done(&[&["import", "actions.csv"], *pass].concat())
            .await;
    }
    let mut reports = Vec::new();
    for to in ["2016-09-25", "2016-09-26", "2016-09-27"] {
        let results = world
            .done_json(&["results", "homepage", "--json", "--to", to])
            .await;
        reports.push(json!([results["metrics"], results["data_quality"]]));
    }
    reports
}

#[tokio::test]
async fn any_order_of_assignments_and_events_gives_the_same_results() {
    let both = [&USERS[..], &CLICKS[..]].concat();
    let clicks = [&USERS[..2], &CLICKS[..]].concat();
    let expected = results_of(&ACTIONS, &[&both]).await;
    let converted = |results: &Value, variant: usize| {
        let value = &results[0][0]["variants"][variant];
        (
            value["users"].as_u64().unwrap(),
            value["converted"].as_u64().unwrap(),
        )
    };
    assert_eq!(
        (converted(&expected[0], 0), converted(&expected[0], 1)),
        ((1, 1), (1, 1))
    );
    assert_eq!(
        (converted(&expected[1], 0), converted(&expected[1], 1)),
        ((3, 1), (2, 1))
    );
    // A click before the assignment, or at the same instant, does not count.
    assert_eq!(
        (converted(&expected[2], 0), converted(&expected[2], 1)),
        ((4, 1), (2, 2))
    );

    let mut backwards = ACTIONS;
    backwards.reverse();
    assert_eq!(results_of(&backwards, &[&both]).await, expected);
    assert_eq!(results_of(&ACTIONS, &[&clicks, &USERS]).await, expected);
    assert_eq!(
        results_of(&ACTIONS, &[&USERS, &clicks, &both]).await,
        expected
    );
}
