//! The preview of an audience: how many recent users match a condition.

use super::super::support::{World, ago};
use super::{Browser, new_experiment};
use domain::access::Scope;
use serde_json::{Value, json};

/// The preview of a condition.
async fn preview(browser: &Browser, condition: &str) -> String {
    let fields = new_experiment(&[("targeting", condition), ("do", "plan")]);
    let shown = browser.submit("new-experiment", &fields).await;
    shown.page(200).to_owned()
}

#[tokio::test]
async fn the_share_of_recent_users_is_that_of_the_stored_dimensions_or_it_is_said_why_there_is_none()
 {
    let world = World::start().await;
    let admin = world.admin();
    let fields = json!({"dimensions": ["country", "age"], "shards": 4});
    admin.experiment("stores", fields).await;
    admin
        .experiment("other", json!({"dimensions": ["plan"]}))
        .await;
    // 40 users: every fourth is in Germany, and every fifth is of age.
    let rows: Vec<Value> = (0..40)
        .map(|user| {
            let country = if user % 4 == 0 { "DE" } else { "FR" };
            let age = if user % 5 == 0 { "30" } else { "12" };
            json!({"user_id": format!("u{user}"), "variant": "green", "assigned_at": ago(60).to_string(),
                "attributes": {"country": country, "age": age}})
        })
        .collect();
    admin.import("stores", &rows).await;
    let browser = Browser::signed_in(&world, "manager", &[Scope::Read, Scope::Manage]).await;
    let of = |matching: usize| {
        format!("<data value=\"{matching}\">{matching}</data> of <data value=\"40\">")
    };
    for (condition, matching) in [
        (r#"{"country": "DE"}"#, 10),
        (r#"{"age": {"$gte": 18}}"#, 8),
        (r#"{"country": "DE", "age": {"$gte": 18}}"#, 2),
        (r#"{"id": {"$in": ["u1", "u2"]}}"#, 2),
        (r#"{"$not": {"country": "DE"}}"#, 30),
    ] {
        let html = preview(&browser, condition).await;
        assert!(html.contains(&of(matching)), "{condition}: {html}");
        assert!(html.contains("<code><bdi>stores</bdi></code>"), "{html}");
    }
    let html = preview(&browser, r#"{"country": "DE", "plan": "free"}"#).await;
    assert!(html.contains("no running experiment stores"), "{html}");
    let html = preview(&browser, r#"{"plan": "free"}"#).await;
    assert!(html.contains("No user was assigned"), "{html}");
    let html = preview(&browser, r#"{"$savedGroups": ["beta"]}"#).await;
    assert!(html.contains("names segments"), "{html}");

    // A condition with a fault is refused beside its field, and a right one is that of the experiment.
    let mut fields = new_experiment(&[
        ("id", "new"),
        ("dimensions", "country, plan"),
        ("do", "draft"),
        ("targeting", r#"{"age": {"$over": 1}}"#),
    ]);
    let shown = browser.submit("new-experiment", &fields).await;
    assert!(shown.page(422).contains(r#"id="targeting-wrong""#));
    *fields.last_mut().unwrap() = ("targeting", r#"{"age": {"$gte": 18}}"#);
    browser.submit("new-experiment", &fields).await.page(303);
    let created = admin.get("/experiments/new").await.json(200);
    assert_eq!(created["targeting"], json!({"age": {"$gte": 18}}));
    assert_eq!(created["dimensions"], json!(["country", "plan"]));
}
