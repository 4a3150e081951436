//! Every number on a page is one of the API.

use super::super::support::{World, ago};
use super::Browser;
use domain::access::Scope;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The values of all numbers on a page.
fn numbers(html: &str) -> Vec<String> {
    let number = Regex::new(r#"<data value="([^"]*)">"#).unwrap();
    number
        .captures_iter(html)
        .map(|found| found[1].to_owned())
        .collect()
}

/// All numbers of an answer of the API, as it writes them.
fn all(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Number(number) => {
            found.insert(number.to_string());
        }
        Value::Array(values) => values.iter().for_each(|value| all(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| all(value, found)),
        _ => {}
    }
}

/// An experiment with 300 users. Every third user of the control buys, and every second of the other variant.
async fn measured(world: &World) {
    let admin = world.admin();
    let metrics = json!([
        {"key": "buy", "kind": "conversion", "event_type": "buy", "role": "primary"},
        {"key": "spent", "kind": "sum", "event_type": "buy"},
    ]);
    let plan = json!({"metric": "buy", "minimum_detectable_effect": 0.3, "users": 900});
    let fields =
        json!({"metrics": metrics, "plan": plan, "dimensions": ["country"], "status": "draft"});
    admin.experiment("e", fields).await;
    admin
        .change("e", &json!({"status": "running"}))
        .await
        .json(200);
    let rows: Vec<Value> = (0..300).map(|user| json!({
        "user_id": format!("u{user}"), "variant": if user % 2 == 0 { "control" } else { "green" },
        "assigned_at": ago(3600 + user).to_string(), "attributes": {"country": if user % 5 == 0 { "DE" } else { "FR" }},
    })).collect();
    admin.import("e", &rows).await;
    let events: Vec<Value> = (0..300)
        .filter(|user| if user % 2 == 0 { user % 3 == 0 } else { user % 4 == 1 })
        .map(|user| json!({"user_id": format!("u{user}"), "type": "buy", "value": 1.5, "event_id": format!("e{user}"), "timestamp": ago(600).to_string()}))
        .collect();
    admin.track(&events).await;
    world.platform.settle().await;
}

#[tokio::test]
async fn every_number_of_the_pages_of_an_experiment_is_one_of_the_api() {
    let world = World::start().await;
    measured(&world).await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "reader", &[Scope::Read]).await;
    let mut known = BTreeSet::new();
    for path in [
        "/experiments/e",
        "/experiments/e/results",
        "/experiments/e/results?view=summary",
        "/experiments/e/results?metrics=buy",
        "/experiments/e/results?metrics=buy&method=fixed",
        "/experiments/e/history",
    ] {
        all(&admin.get(path).await.json(200), &mut known);
    }
    let report = admin.get("/experiments/e/results").await.json(200);
    for (page, at_least) in [
        ("/experiments", 4),
        ("/experiments/e", 30),
        ("/experiments/e/metrics/buy", 30),
        ("/experiments/e/metrics/buy?method=fixed", 30),
        ("/experiments/e/history", 2),
    ] {
        let shown = browser.get(page).await;
        let found = numbers(shown.page(200));
        assert!(found.len() >= at_least, "{page}: {}", found.len());
        let foreign: Vec<_> = found
            .iter()
            .filter(|number| !known.contains(*number))
            .collect();
        assert!(foreign.is_empty(), "{page}: {foreign:?}");
        assert!(
            shown.html.len() < 150_000,
            "{page}: {} bytes",
            shown.html.len()
        );
    }
    // The numbers that decide are at their places.
    let shown = browser.get("/experiments/e").await;
    let html = shown.page(200);
    let headline = report["decision"]["headline"].as_str().unwrap();
    for part in headline.split('`') {
        assert!(html.contains(&part.replace('"', "&quot;")), "{part}");
    }
    for metric in report["metrics"].as_array().unwrap() {
        for name in ["estimate", "ci_lower", "ci_upper"] {
            let value = &metric["comparisons"][0]["decisive"]["relative"][name];
            assert!(
                html.contains(&format!("<data value=\"{value}\">")),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_list_has_ten_experiments_on_a_page_and_leads_to_the_next() {
    let world = World::start().await;
    let admin = world.admin();
    for number in 0..11 {
        let status = json!({"status": "draft", "owner": if number == 3 { "Ann" } else { "Bob" }});
        admin.experiment(&format!("e{number}"), status).await;
    }
    let browser = Browser::signed_in(&world, "reader", &[Scope::Read]).await;
    let first = browser.get("/experiments").await;
    let rows = |html: &str| html.matches("data-label=\"Verdict\"").count();
    assert_eq!(rows(first.page(200)), 10);
    let (_, rest) = first.html.split_once("?cursor=").unwrap();
    let next = format!("/experiments?cursor={}", rest.split('"').next().unwrap());
    assert_eq!(rows(browser.get(&next).await.page(200)), 1);
    let found = browser.get("/experiments?owner=ann&status=draft").await;
    assert_eq!(rows(found.page(200)), 1);
    assert!(found.html.contains("experiments/e3"));
    browser.get("/experiments?status=unknown").await.page(400);
}
