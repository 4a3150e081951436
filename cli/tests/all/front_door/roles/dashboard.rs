//! What the function of the pages for browsers may do: what the handlers do that it calls.

use super::super::dashboard::{Browser, new_experiment};
use super::super::support::{World, ago};
use super::an_event;
use domain::access::Scope;
use serde_json::json;

const SCOPES: [Scope; 3] = [Scope::Read, Scope::Manage, Scope::Assign];

/// An experiment and a flag with the list `of-pages`, whose user is erased at the end.
async fn define(world: &World) {
    let admin = world.admin();
    let list = json!({"id": "of-pages", "name": "Of pages", "ids": ["erased", "x"]});
    admin.post("/segments", &list).await.json(201);
    let targeting = json!({"id": {"$inGroup": "of-pages"}});
    let metrics = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy"}]);
    let fields = json!({"targeting": targeting, "metrics": metrics, "status": "draft"});
    admin.experiment("shown", fields).await;
    let started = json!({"status": "running"});
    admin.change("shown", &started).await.json(200);
    let variants = json!([{"key": "on", "value": true}, {"key": "off", "value": false}]);
    let rules = json!([
        {"id": "list", "type": "serve", "condition": {"id": {"$inGroup": "of-pages"}}, "variant": "on"},
        {"id": "test", "type": "experiment", "experiment": "shown", "variants": {"control": "off", "green": "on"}},
    ]);
    let environment =
        json!({"enabled": true, "off_variant": "off", "default_variant": "off", "rules": rules});
    let flag = json!({"key": "shown", "name": "Shown", "value_type": "boolean", "variants": variants,
        "environments": {"production": environment}});
    admin.post("/flags", &flag).await.json(201);
    admin.assign("shown", "erased").await;
    let bought = json!({"user_id": "erased", "type": "buy", "event_id": "erased"});
    admin.track(&[bought]).await;
    // An event that is stored for no experiment, which an erasure deletes in another way.
    let unassigned = an_event("erased", "unassigned");
    let store = world.store();
    store.record_first(&unassigned, None, ago(0)).await.unwrap();
    world.platform.settle().await;
    // A metric without aggregates: its results come from raw records.
    let metrics = json!([{"key": "count", "kind": "count", "event_type": "buy"}]);
    let changed = json!({ "metrics": metrics });
    admin.change("shown", &changed).await.json(200);
}

/// Every page and every form.
pub(super) async fn dashboard(world: &World, record_calls: &mut impl FnMut(&str)) {
    define(world).await;
    let link = world.platform.start_link().await.unwrap().unwrap();
    let token = world.new_token("of-pages", &SCOPES, None).await;
    record_calls("test");
    let mut browser = Browser::new(world);
    let started = browser.get(link.split("/dashboard").nth(1).unwrap()).await;
    started.page(303);
    browser.sign_in(&token).await.page(303);
    for page in [
        "/experiments",
        "/experiments/shown",
        "/experiments/shown/metrics/count?cuped=true",
        "/experiments/shown/history",
        "/flags",
        "/flags/shown?user=erased",
        "/flags/shown/history",
        "/segments",
        "/segments/of-pages",
        "/layers",
        "/layers/l",
        "/holdouts",
        "/operations",
        "/experiments?sort=name",
        "/users?id=erased&experiment=shown",
    ] {
        browser.get(page).await.page(200);
    }
    let new = |act| new_experiment(&[("targeting", r#"{"country": "DE"}"#), ("do", act)]);
    browser
        .send_form("new-experiment", &new("plan"))
        .await
        .page(200);
    browser
        .send_form("experiments/shown/audit", &[])
        .await
        .page(200);
    let send = async |path: &str, fields: &[(&str, &str)]| {
        browser.send_form(path, fields).await.page(303);
    };
    let list = [
        ("name", "A list"),
        ("id", "made"),
        ("kind", "list"),
        ("ids", "a\nb"),
    ];
    send("new-segment", &list).await;
    let ids = [
        ("name", "A list"),
        ("version", "1"),
        ("add", "c"),
        ("remove", "a"),
    ];
    send("segments/made/edit", &ids).await;
    send("segments/made/delete", &[("version", "2")]).await;
    send("new-layer", &[("name", "A layer"), ("id", "made")]).await;
    let texts = [("name", "Other"), ("version", "1")];
    send("layers/made/edit", &texts).await;
    send("layers/made/delete", &[]).await;
    let flag = [
        ("name", "Made"),
        ("key", "made"),
        ("value_type", "boolean"),
        ("variant0", "on"),
        ("value0", "true"),
        ("in_production", "true"),
        ("off_variant", "on"),
        ("default_variant", "on"),
    ];
    send("new-flag", &flag).await;
    let rule = [
        ("do", "add"),
        ("kind", "serve"),
        ("variant", "on"),
        ("rule_id", "r"),
        ("version", "1"),
        ("as", "draft"),
        ("condition", r#"{"id": {"$inGroup": "of-pages"}}"#),
    ];
    send("flags/made/rules/production", &rule).await;
    let draft = world.admin().get("/flags/made").await.json(200)["draft"]["number"].to_string();
    send("flags/made/do/publish", &[("version", &draft)]).await;
    send("flags/made/do/revert-1", &[("version", "2")]).await;
    send("flags/made/do/archive", &[("version", "3")]).await;
    send("flags/made/do/delete", &[("version", "4")]).await;
    let off = [("version", "1"), ("enabled", "false")];
    send("flags/shown/switch/production", &off).await;
    let traffic = [("version", "3"), ("traffic_percent", "50")];
    send("experiments/shown/change/traffic", &traffic).await;
    send("experiments/shown/change/stop", &[("version", "4")]).await;
    send("new-experiment", &new("start")).await;
    let user = [("user_id", "erased"), ("typed", "erased")];
    send("users/erase", &user).await;
    send("sign-out", &[]).await;
    record_calls("dashboard");
}
