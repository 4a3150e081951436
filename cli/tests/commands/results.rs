//! `assay results`.

use super::support::World;
use serde_json::json;

async fn world() -> World {
    let world = World::start().await;
    let metrics = json!([
        {"key": "revenue", "kind": "sum", "event_type": "purchase"},
        {"key": "purchase", "name": "Purchase rate", "kind": "conversion", "event_type": "purchase", "role": "primary"},
    ]);
    world
        .experiment("checkout", ["control", "green"], metrics)
        .await;
    let mut rows = "user,variant,paid\n".to_owned();
    for user in 0..1000 {
        let variant = ["control", "green"][user % 2];
        let buys = if user % 2 == 0 {
            user % 10 == 0
        } else {
            user % 5 == 1
        };
        let paid = if buys { "10" } else { "" };
        rows.push_str(&format!("{user},{variant},{paid}\n"));
    }
    world.file("users.csv", &rows);
    world
        .done(&[
            "import",
            "users.csv",
            "--user",
            "user",
            "--experiment",
            "checkout",
            "--variant",
            "variant",
            "--assigned-at",
            "2026-01-01",
            "--event",
            "purchase,value=paid",
            "--event-at",
            "2026-01-02",
        ])
        .await;
    world
}

#[tokio::test]
async fn the_table_begins_with_what_decides() {
    let world = world().await;
    let table = world.done(&["results", "checkout"]).await;
    let place = |text: &str| {
        table
            .find(text)
            .unwrap_or_else(|| panic!("{text}\n{table}"))
    };
    assert!(place("The checkout (checkout), running") < place("1,000 users"));
    assert!(place("on `purchase`") < place("Purchase rate"));
    assert!(place("Purchase rate") < place("revenue"));
    assert!(place("Sample ratio: 500 : 500 users, as expected") > place("revenue"));
    assert!(!table.contains('\u{1b}'), "colours belong on terminals");
    // Every line of a table ends where its columns do.
    let lines: Vec<&str> = table.lines().collect();
    let head = lines
        .iter()
        .position(|line| line.starts_with("  variant"))
        .unwrap();
    let column = |line: &str| line.find("100").or(line.find("users")).unwrap() + 3;
    assert!(lines[head + 1].starts_with("  control"));
    assert!(lines[head + 2].starts_with("  green"));
    assert!(column(lines[head]) > 0);
}

#[tokio::test]
async fn json_csv_windows_and_metrics_are_what_the_api_says() {
    let world = world().await;
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
    let csv = world.done(&["results", "checkout", "--csv"]).await;
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.starts_with("metric,kind,"));
}

#[tokio::test]
async fn what_is_missing_is_said_with_its_reason() {
    let world = World::start().await;
    let metrics = json!([{"key": "click", "kind": "conversion", "event_type": "click"}]);
    world.experiment("empty", ["a", "b"], metrics).await;
    let table = world.done(&["results", "empty"]).await;
    assert!(
        table.contains("b: no comparison. Nobody has been counted yet."),
        "{table}"
    );
    assert!(table.contains("too few to tell"), "{table}");

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
