//! Names that users choose appear as text, on every page.

use super::super::support::{World, grant};
use super::Browser;
use domain::access::{Grant, Scope};
use regex::Regex;
use serde_json::{Value, json};

const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}`b`&amp;";

async fn define(world: &World) {
    let admin = world.admin();
    let metric = json!({"key": "m", "name": HOSTILE, "kind": "conversion", "event_type": HOSTILE, "role": "primary"});
    let variants = json!([{"key": "a", "name": HOSTILE, "percent": 50}, {"key": "b", "name": HOSTILE, "percent": 50}]);
    let fields = json!({
        "name": HOSTILE, "owner": HOSTILE, "hypothesis": HOSTILE, "description": HOSTILE, "tags": ["<b>"],
        "variants": variants, "metrics": [metric], "targeting": {"country": {"$ne": HOSTILE}},
    });
    admin.experiment("e", fields).await;
    let change = json!({"name": HOSTILE.to_uppercase(), "reason": HOSTILE});
    admin.change("e", &change).await.json(200);
    let segment =
        json!({"id": "s", "name": HOSTILE, "description": HOSTILE, "condition": {"a": HOSTILE}});
    admin.post("/segments", &segment).await.json(201);
    let rule = json!({"id": "r", "description": HOSTILE, "type": "serve", "variant": "v", "condition": {"a": HOSTILE}});
    let environment =
        json!({"enabled": true, "off_variant": "v", "default_variant": "v", "rules": [rule]});
    let protected = json!({"key": "g", "name": HOSTILE, "value_type": "string", "requires_approval": true,
        "variants": [{"key": "v", "value": HOSTILE}]});
    admin.post("/flags", &protected).await.json(201);
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let draft = json!({"description": HOSTILE, "reason": HOSTILE}).to_string();
    let draft = admin.send("PUT", "/flags/g/draft", &headers, draft);
    draft.await.json(200);
    admin
        .post(
            "/client-keys",
            &json!({"name": HOSTILE, "flag_tags": ["<script>"]}),
        )
        .await
        .json(201);
    let token = Grant {
        name: HOSTILE.to_owned(),
        ..grant("hostile", &[Scope::Track])
    };
    world.granted(token).await;
    let flag = json!({"key": "f", "name": HOSTILE, "description": HOSTILE, "owner": HOSTILE, "value_type": "string",
        "variants": [{"key": "v", "value": HOSTILE}], "environments": {"production": environment}});
    admin.post("/flags", &flag).await.json(201);
    let layer = json!({"name": HOSTILE, "description": HOSTILE}).to_string();
    let headers = [("content-type", "application/json")];
    admin
        .send("PUT", "/layers/l", &headers, layer)
        .await
        .json(201);
    admin.assign("e", HOSTILE).await;
    let event: Value = json!({"user_id": HOSTILE, "type": HOSTILE, "event_id": HOSTILE, "properties": {"p": HOSTILE}});
    admin.track(&[event]).await;
    world.platform.settle().await;
}

#[tokio::test]
async fn hostile_names_are_text_on_every_page_and_every_link_is_relative() {
    let world = World::start().await;
    define(&world).await;
    let scopes = [Scope::Read, Scope::Manage, Scope::Assign];
    let browser = Browser::signed_in(&world, "t", &scopes).await;
    let user: String = form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let (mut names, mut links) = (0, 0);
    let link = Regex::new(r#" (?:href|src|action)="([^"]*)""#).unwrap();
    for page in [
        "/experiments".to_owned(),
        format!("/experiments?text={user}&owner={user}"),
        "/experiments/e".to_owned(),
        "/experiments/e/metrics/m".to_owned(),
        "/experiments/e/history".to_owned(),
        "/experiments/e/change/stop".to_owned(),
        "/flags".to_owned(),
        "/flags/f".to_owned(),
        format!("/flags/f?user={user}&attributes=%7B%22a%22%3A1%7D"),
        format!("/flags/f?user=u&attributes={user}"),
        "/flags/f/history".to_owned(),
        "/flags/f/switch/production".to_owned(),
        "/flags/f/edit".to_owned(),
        "/flags/f/rules/production".to_owned(),
        "/flags/f/do/archive".to_owned(),
        "/flags/g".to_owned(),
        "/flags/g/do/publish".to_owned(),
        "/flags/f/do/revert-1".to_owned(),
        "/segments/s/edit".to_owned(),
        "/segments/s/delete".to_owned(),
        "/layers/l/edit".to_owned(),
        "/layers/l/delete".to_owned(),
        "/experiments/e/audit".to_owned(),
        "/experiments?sort=name".to_owned(),
        "/operations".to_owned(),
        "/segments".to_owned(),
        "/segments/s".to_owned(),
        "/layers".to_owned(),
        "/layers/l".to_owned(),
        format!("/users?id={user}"),
        format!("/users?id={user}&experiment=e"),
        format!("/users/erase?id={user}"),
        format!("/experiments/{user}"),
        format!("/sign-in?to={user}"),
    ] {
        let shown = browser.get(&page).await;
        assert!(
            [200, 404].contains(&shown.status),
            "{page}: {}",
            shown.status
        );
        let html = shown.html.to_lowercase();
        assert!(
            !html.contains("<script") && !html.contains("<img"),
            "{page}: {html}"
        );
        names += html.matches("&lt;script&gt;").count();
        // Links are relative, so that they are right below every stage and base path.
        for link in link.captures_iter(&shown.html) {
            let is_relative = ["./", "../", "#"]
                .iter()
                .any(|start| link[1].starts_with(start));
            assert!(is_relative, "{page}: {}", &link[1]);
            links += 1;
        }
    }
    assert!(names > 60 && links > 400, "{names}, {links}");

    // What was typed is shown again as text, in every kind of field, and also if it is the name of a page.
    for (path, fields) in [
        (
            "new-segment",
            ["name", "id", "condition", "ids", "description"],
        ),
        (
            "new-layer",
            ["name", "id", "unit", "description", "version"],
        ),
        ("new-holdout", ["name", "id", "percent", "layer", "metric"]),
        (
            "new-flag",
            ["name", "key", "value0", "variant0", "off_variant"],
        ),
        (
            "new-experiment",
            ["name", "id", "targeting", "variant0", "metric"],
        ),
        (
            "segments/s/edit",
            ["name", "condition", "version", "reason", "description"],
        ),
        (
            "flags/f/edit",
            ["name", "variants", "schema", "prerequisites", "tags"],
        ),
        (
            "flags/f/rules/production",
            ["rules", "default_variant", "json_reason", "version", "do"],
        ),
    ] {
        let mut sent: Vec<(&str, &str)> = fields.map(|field| (field, HOSTILE)).to_vec();
        if path.ends_with("production") {
            sent[4] = ("do", "json");
        }
        let shown = browser.send_form(path, &sent).await;
        assert!(
            (400..500).contains(&shown.status),
            "{path}: {}",
            shown.status
        );
        let html = shown.html.to_lowercase();
        assert!(
            !html.contains("<script") && !html.contains("<img"),
            "{path}: {html}"
        );
        assert!(html.contains("&lt;script&gt;"), "{path}: {html}");
    }
}
