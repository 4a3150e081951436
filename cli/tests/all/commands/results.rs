//! `assay results`: the table and the other formats.

use super::support::World;
use crate::shared_world;
use assay::client::http_client;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// A platform with an experiment that has these numbers of users and buyers in each variant. Users are assigned on
/// 1 January, and purchases of 10 follow on 2 January.
async fn world(users: [usize; 2], buyers: [usize; 2]) -> World {
    let world = World::start().await;
    let definition = json!({
        "id": "checkout", "name": "The checkout", "dimensions": ["country"],
        "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
        "metrics": [
            {"key": "revenue", "kind": "sum", "event_type": "purchase"},
            {"key": "purchase", "name": "Purchase rate", "kind": "conversion", "event_type": "purchase", "role": "primary"},
        ],
    });
    world.create(&definition).await;
    let mut rows = "user,variant,country,paid\n".to_owned();
    for (index, variant) in ["control", "green"].iter().enumerate() {
        for user in 0..users[index] {
            let paid = if user < buyers[index] { "10" } else { "" };
            let country = ["DE", "FR"][user % 2];
            rows.push_str(&format!("{variant}-{user},{variant},{country},{paid}\n"));
        }
    }
    world.file("users.csv", &rows);
    let import = "import users.csv --user user --experiment checkout --variant variant --assigned-at 2026-01-01 \
                  --dimension country=country --event purchase,value=paid --event-at 2026-01-02";
    world
        .done(&import.split_whitespace().collect::<Vec<_>>())
        .await;
    world
}

/// A platform whose variants are equal. The tests that use it only read.
fn undecided() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| shared_world::start(world([500, 500], [100, 100])))
}

/// Stops the experiment, so that the present data decide.
async fn stop(world: &World) {
    let request = http_client()
        .patch(format!("{}/experiments/checkout", world.platform.url()))
        .bearer_auth(&world.platform.token)
        .header("if-match", "\"1\"")
        .json(&json!({"status": "stopped"}));
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_table_shows_the_verdict_first_and_the_data_quality_last() {
    let world = undecided();
    let table = world.done(&["results", "checkout"]).await;
    let position = |text: &str| {
        table
            .find(text)
            .unwrap_or_else(|| panic!("{text}\n{table}"))
    };
    assert!(position("The checkout (checkout), running") < position("1,000 users"));
    assert!(position("1,000 users") < position("\nKEEP RUNNING\n"));
    assert!(position("\nKEEP RUNNING\nKeep running: ") < position("\nPurchase rate  primary"));
    assert!(position("\nPurchase rate  primary") < position("\nrevenue  secondary"));
    assert!(position("\nrevenue  secondary") < position("\nData quality"));
    assert!(position("500 : 500 users, as expected") > position("\nData quality"));
    assert!(!table.contains('\u{1b}'), "colours belong on terminals");
    // Numbers are right-aligned with their column header.
    let lines: Vec<&str> = table.lines().collect();
    let header = lines
        .iter()
        .position(|line| line.starts_with("  variant"))
        .unwrap();
    let end = lines[header].find("users").unwrap() + "users".len();
    assert!(lines[header + 1].starts_with("  control") && lines[header + 2].starts_with("  green"));
    assert!(lines[header + 1][..end].ends_with(" 500"), "{table}");
}

#[tokio::test]
async fn the_verdict_equals_the_one_of_the_api() {
    let world = world([500, 500], [60, 150]).await;
    stop(&world).await;
    let report = world.done_json(&["results", "checkout", "--json"]).await;
    let headline = report["decision"]["headline"].as_str().unwrap();
    assert_eq!(report["decision"]["verdict"], "ship");
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let table = world.done(&["results", "checkout"]).await;
    let expected = words(&format!("SHIP {headline}"));
    let shown = words(&table);
    assert!(
        shown.windows(expected.len()).any(|part| part == expected),
        "{table}"
    );
    assert!(table.contains("  better\n"), "{table}");
}

#[tokio::test]
async fn data_with_quality_problems_have_no_winner() {
    let world = world([500, 300], [60, 90]).await;
    stop(&world).await;
    let report = world.done_json(&["results", "checkout", "--json"]).await;
    let finding = &report["metrics"][1]["comparisons"][0]["finding"];
    assert_eq!(finding, "better", "the table must hide this finding");
    let table = world.done(&["results", "checkout"]).await;
    assert!(
        table.contains("\nDO NOT TRUST\nDo not trust these numbers: "),
        "{table}"
    );
    assert!(
        table.contains("500 : 300 users, but 400.0 : 400.0 were expected"),
        "{table}"
    );
    assert!(!table.contains("  better\n"), "{table}");
    assert!(!table.contains("for all users"), "{table}");
}

#[tokio::test]
async fn the_summary_equals_the_top_of_the_table() {
    let world = world([500, 500], [60, 150]).await;
    let whole = world.done(&["results", "checkout"]).await;
    let top = world
        .done(&["results", "checkout", "--view", "summary"])
        .await;
    // The first lines differ, since they contain the time.
    let below = |text: &str| text.split("\n\n").nth(1).unwrap().trim_end().to_owned();
    assert_eq!(below(&top), below(&whole));
    assert_eq!(top.split("\n\n").count(), 2, "{top}");
    assert!(
        top.lines().next().unwrap().ends_with("1,000 users"),
        "{top}"
    );
}

#[tokio::test]
async fn the_monitoring_view_shows_alarms_traffic_and_rates() {
    let sound = world([500, 500], [100, 50]).await;
    stop(&sound).await;
    let view = ["results", "checkout", "--view", "monitoring"];
    let shown = sound.done(&view).await;
    assert!(shown.contains("\nNo alarm.\n"), "{shown}");
    // All users are assigned in the first hour. A day later they buy, half as much in the second variant.
    let line = |start: &[&str]| {
        let found = shown.lines().find(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.starts_with(start)
        });
        found
            .unwrap_or_else(|| panic!("{start:?}\n{shown}"))
            .to_owned()
    };
    let dots = "·".repeat(24);
    assert!(line(&["users", "assigned", "control"]).contains(&format!("█{dots}  ")));
    let bought = line(&["purchase", "control"]);
    assert!(
        bought.contains(&format!("{dots}█  ")) && bought.ends_with("100"),
        "{shown}"
    );
    assert!(shown.contains(&format!("{dots}▄  ")), "{shown}");
    assert!(shown.contains("500 : 500 users, as expected"), "{shown}");
    assert!(
        shown.contains("0.2000") && shown.contains("0.1000"),
        "{shown}"
    );

    let broken = world([500, 0], [100, 0]).await;
    let shown = broken.done(&view).await;
    assert!(
        shown.contains("\nALARM\n  No user is assigned to `green`."),
        "{shown}"
    );
}

#[tokio::test]
async fn json_csv_time_windows_and_metrics_come_from_the_api() {
    let world = undecided();
    let json = world
        .done_json(&["results", "checkout", "--json", "--metrics", "purchase"])
        .await;
    assert_eq!(json["metrics"].as_array().unwrap().len(), 1);
    assert_eq!(json["variants"][0]["users"], 500);
    let before = world
        .done_json(&["results", "checkout", "--json", "--to", "2026-01-02"])
        .await;
    assert_eq!(before["to"], "2026-01-02T00:00:00.000000Z");
    assert_eq!(before["metrics"][0]["variants"][1]["converted"], 0);
    let then = world
        .done_json(&[
            "results",
            "checkout",
            "--json",
            "--as-of",
            "2026-01-01T12:00:00Z",
        ])
        .await;
    assert_eq!(then["as_of"], "2026-01-01T12:00:00.000000Z");
    assert_eq!(then["metrics"][0]["variants"][1]["converted"], 0);
    let csv = world
        .done(&["results", "checkout", "--csv", "--dimension", "none"])
        .await;
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.starts_with("metric,kind,"));
    let summary = world
        .done_json(&["results", "checkout", "--json", "--view", "summary"])
        .await;
    assert_eq!(summary["verdict"], "keep_running");
}

#[tokio::test]
async fn missing_numbers_are_shown_with_their_reason() {
    let world = World::start().await;
    let metrics = json!([{"key": "click", "kind": "conversion", "event_type": "click"}]);
    world.experiment("empty", ["a", "b"], metrics).await;
    let table = world.done(&["results", "empty"]).await;
    assert!(
        table.contains("b: no comparison. No user has been counted yet."),
        "{table}"
    );
    assert!(table.contains("too few to test"), "{table}");
    assert!(table.contains("no user was assigned before"), "{table}");
    world.experiment("bare", ["a", "b"], json!([])).await;
    let table = world.done(&["results", "bare"]).await;
    assert!(
        table.contains("No metric is declared, and no event has been recorded."),
        "{table}"
    );
    let view = ["results", "bare", "--view", "monitoring"];
    let shown = world.done(&view).await;
    assert!(shown.contains("Traffic by hour  no data"), "{shown}");

    let ran = world.run(&["results", "nothing"]).await;
    assert!(
        !ran.ok && ran.stderr.contains("There is no experiment `nothing`"),
        "{}",
        ran.stderr
    );
    let ran = world
        .run(&["results", "empty", "--from", "yesterday"])
        .await;
    assert!(
        !ran.ok && ran.stderr.contains("must be a time"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn many_variants_with_long_names_fit_into_120_columns() {
    let world = World::start().await;
    let keys: Vec<String> = (0..4)
        .map(|number| format!("a-variant-whose-name-says-everything-about-it-{number}"))
        .collect();
    let variants: Vec<Value> = keys
        .iter()
        .map(|key| json!({"key": key, "percent": 25}))
        .collect();
    let definition = json!({
        "id": "wide", "name": "Wide", "variants": variants,
        "metrics": [
            {"key": "m", "kind": "sum", "event_type": "an-event-of-a-rather-long-type", "role": "primary"},
            {"key": "r", "kind": "ratio", "measure": "sum", "event_type": "an-event-of-a-rather-long-type",
             "denominator": {"event_type": "an-event-of-a-rather-long-type", "measure": "count"}},
            {"key": "q", "kind": "quantile", "measure": "sum", "quantile": 0.9, "event_type": "an-event-of-a-rather-long-type"},
        ],
    });
    world.create(&definition).await;
    let mut rows = "user,variant,paid\n".to_owned();
    for user in 0..1200 {
        let paid = 100_000 + 977 * (user % 91) + 40_000 * (user % 4);
        rows.push_str(&format!("{user},{},{paid}\n", keys[user % 4]));
    }
    world.file("users.csv", &rows);
    let import = "import users.csv --user user --experiment wide --variant variant --assigned-at 2026-01-01 \
                  --event an-event-of-a-rather-long-type,value=paid --event-at 2026-01-02";
    world
        .done(&import.split_whitespace().collect::<Vec<_>>())
        .await;
    for view in ["analysis", "summary", "monitoring"] {
        let shown = world.done(&["results", "wide", "--view", view]).await;
        for line in shown.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
        if view == "analysis" {
            assert!(shown.contains("corrected p"), "{shown}");
            for number in 1..4 {
                assert!(shown.contains(&format!("-about-it-{number} ")), "{shown}");
            }
            assert!(
                shown.contains("90% quantile over users of the value of"),
                "{shown}"
            );
        }
    }
}
