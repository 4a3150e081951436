//! The page of the operations: what it shows, and to whom.

use super::super::proxy::Counter;
use super::super::support::{World, ago, grant};
use super::Browser;
use domain::access::{Grant, Scope, Token};
use domain::ids::EnvironmentName;
use serde_json::json;

const SCOPES: [Scope; 2] = [Scope::Read, Scope::Manage];

#[tokio::test]
async fn the_numbers_of_running_experiments_are_those_of_the_api() {
    let world = World::start().await;
    let admin = world.admin();
    for id in ["one", "two"] {
        admin.experiment(id, json!({})).await;
        admin.assign(id, "u").await;
    }
    admin.experiment("draft", json!({"status": "draft"})).await;
    world.platform.settle().await;
    let browser = Browser::signed_in(&world, "reader", &[Scope::Read]).await;
    let shown = browser.get("/operations").await;
    let html = shown.page(200);
    for id in ["one", "two"] {
        let summary = admin.results(id, "view=summary").await;
        let freshness = &summary["freshness"];
        let (_, row) = html.split_once(&format!("experiments/{id}\"")).unwrap();
        let row = row.split("</tr>").next().unwrap();
        for (column, name) in [
            ("Stored records", "stored_records"),
            ("Pending", "pending_records"),
        ] {
            let number = format!(
                "data-label=\"{column}\"><data value=\"{}\">",
                freshness[name]
            );
            assert!(row.contains(&number), "{number}: {row}");
        }
        assert!(row.contains("complete"), "{row}");
    }
    assert!(!html.contains("experiments/draft") && html.contains("up to date"));
    // New metrics need new aggregates. Until they are there, the page says so.
    let metrics = json!([{"key": "m", "kind": "count", "event_type": "m"}]);
    admin
        .change("one", &json!({ "metrics": metrics }))
        .await
        .json(200);
    world.platform.settle().await;
    let shown = browser.get("/operations").await;
    assert_eq!(shown.page(200).matches("complete").count(), 2);
}

#[tokio::test]
async fn tokens_and_client_keys_are_shown_to_managers_and_never_a_token_or_a_hash() {
    let world = World::start().await;
    let partner = Grant {
        name: "Partner".to_owned(),
        environment: EnvironmentName::parse("staging").ok(),
        events_per_second: Some(77),
        ..grant("partner", &[Scope::Track])
    };
    let token = world.granted(partner).await;
    world.new_token("over", &[Scope::Read], Some(ago(1))).await;
    let key = json!({"name": "Shop", "origins": ["https://shop.example"]});
    let key = world.admin().post("/client-keys", &key).await.json(201);
    let manager = Browser::signed_in(&world, "manager", &SCOPES).await;
    let shown = manager.get("/operations").await;
    let html = shown.page(200);
    let (_, row) = html.split_once(">Partner<").unwrap();
    let row = row.split("</tr>").next().unwrap();
    for part in [
        "partner",
        "track",
        "staging",
        "<data value=\"77\">",
        "never",
    ] {
        assert!(row.contains(part), "{part}: {row}");
    }
    assert!(html.contains("Expired") && html.contains("https://shop.example"));
    let hash = Token::parse(&token).unwrap().sha256();
    let secret = manager.cookie.clone().unwrap();
    let secret = secret.split('=').nth(1).unwrap();
    for hidden in [&*token, &*hash, &world.platform.token, secret] {
        assert!(!html.contains(hidden), "{hidden}");
    }
    assert!(!html.contains(key["key"].as_str().unwrap()));

    let reader = Browser::signed_in(&world, "reader", &[Scope::Read]).await;
    let shown = reader.get("/operations").await;
    let html = shown.page(200);
    assert!(!html.contains("Partner") && !html.contains("Shop") && !html.contains("/audit"));
}

#[tokio::test]
async fn an_audit_says_whether_the_numbers_are_those_of_the_records() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.assign("e", "u").await;
    world.platform.settle().await;
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    let audit = admin
        .post("/experiments/e/audit", &json!({}))
        .await
        .json(200);
    let shown = browser.submit("experiments/e/audit", &[]).await;
    let html = shown.page(200);
    for name in ["numbers", "differing_numbers", "users", "records"] {
        let number = format!("<data value=\"{}\">", audit[name]);
        assert!(html.contains(&number), "{name}");
    }
    admin.experiment("draft", json!({"status": "draft"})).await;
    let shown = browser.submit("experiments/draft/audit", &[]).await;
    assert!(shown.page(409).contains("role=\"alert\""));
}

#[tokio::test]
async fn an_asset_costs_no_call_of_the_database_and_a_page_of_operations_a_bounded_number() {
    let (world, counter) = Counter::start().await;
    let admin = world.admin();
    for number in 0..12 {
        admin.experiment(&format!("e{number}"), json!({})).await;
    }
    world.platform.settle().await;
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    let home = browser.get("/experiments").await;
    counter.take();
    let asset = regex::Regex::new(r#"href="\.(/assets/[^"]*)""#).unwrap();
    let assets: Vec<String> = asset
        .captures_iter(home.page(200))
        .map(|found| found[1].to_owned())
        .collect();
    assert_eq!(assets.len(), 2, "{assets:?}");
    for asset in &assets {
        browser.get(asset).await.page(200);
    }
    assert_eq!(counter.take().len(), 0);
    // Two reads of the session, one page of the list, and of each of ten experiments what its results read, and its generations.
    browser.get("/operations").await.page(200);
    let calls = counter.take().len();
    assert!((20..=300).contains(&calls), "{calls} calls");
    counter.shutdown(world).await;
}
