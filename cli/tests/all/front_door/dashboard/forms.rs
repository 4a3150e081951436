//! Forms: what they change, and from whom.

use super::super::support::{Caller, World};
use super::{Browser, new_experiment};
use domain::access::Scope;
use regex::Regex;
use serde_json::{Value, json};

const ALL: [Scope; 3] = [Scope::Read, Scope::Manage, Scope::Assign];

/// The page with a form, where the form is sent, and its fields without the token.
type Form = (
    &'static str,
    &'static str,
    Vec<(&'static str, &'static str)>,
);

/// Every form. The new experiment is the last one.
fn forms() -> Vec<Form> {
    // The form is on the page that it is sent to.
    let at = |page: &'static str, fields: &[(&'static str, &'static str)]| -> Form {
        (page, &page[1..], fields.to_vec())
    };
    let of_version = |page: &'static str, fields: &[(&'static str, &'static str)]| -> Form {
        let mut fields = fields.to_vec();
        fields.extend([("version", "1"), ("reason", "a test")]);
        (page, &page[1..], fields)
    };
    let condition = r#"{"country": "DE"}"#;
    let environments = [
        ("in_production", "true"),
        ("off_variant", "off"),
        ("default_variant", "off"),
    ];
    let mut new_flag = vec![
        ("name", "New"),
        ("key", "new"),
        ("value_type", "boolean"),
        ("variant0", "on"),
        ("value0", "true"),
        ("variant1", "off"),
        ("value1", "false"),
    ];
    new_flag.extend(environments);
    let variants = r#"[{"key": "on", "value": true}, {"key": "off", "value": false}]"#;
    let metric = [
        ("metric", "buy"),
        ("event_type", "buy"),
        ("kind", "conversion"),
    ];
    let mut new_holdout = vec![
        ("name", "New"),
        ("id", "new-holdout"),
        ("percent", "5"),
        ("status", "draft"),
    ];
    new_holdout.extend(metric);
    let new_experiment = new_experiment(&[("id", "new"), ("do", "draft")]);
    vec![
        of_version("/experiments/draft/change/start", &[]),
        of_version("/experiments/running/change/pause", &[]),
        of_version(
            "/experiments/running/change/traffic",
            &[("traffic_percent", "50")],
        ),
        of_version(
            "/experiments/in-layer/change/layer",
            &[("layer", "l"), ("percent", "50")],
        ),
        of_version(
            "/experiments/running/change/stop",
            &[("outcome", "inconclusive")],
        ),
        of_version(
            "/experiments/running/change/release",
            &[("variant", "green")],
        ),
        of_version("/experiments/draft/change/archive", &[]),
        at("/experiments/running/audit", &[]),
        of_version("/flags/f/switch/production", &[("enabled", "false")]),
        of_version(
            "/flags/f/edit",
            &[("name", "Other"), ("variants", variants), ("as", "change")],
        ),
        of_version(
            "/flags/f/rules/production",
            &[("do", "remove"), ("rule", "all")],
        ),
        of_version("/flags/f/do/archive", &[]),
        of_version("/flags/f/do/revert-1", &[]),
        of_version("/flags/drafted/do/publish", &[]),
        of_version("/flags/drafted/do/discard", &[("name", "F")]),
        of_version("/flags/archived/do/delete", &[]),
        of_version("/flags/archived/do/restore", &[]),
        at("/new-flag", &new_flag),
        of_version(
            "/segments/s/edit",
            &[("name", "Other"), ("condition", condition)],
        ),
        of_version("/segments/s/delete", &[]),
        at(
            "/new-segment",
            &[
                ("name", "New"),
                ("id", "new"),
                ("kind", "condition"),
                ("condition", condition),
            ],
        ),
        of_version("/layers/l/edit", &[("name", "Other")]),
        at("/layers/unused/delete", &[]),
        at("/new-layer", &[("name", "New"), ("id", "new")]),
        at("/new-holdout", &new_holdout),
        (
            "/users/erase?id=u",
            "users/erase",
            vec![("user_id", "u"), ("typed", "u")],
        ),
        at("/new-experiment", &new_experiment),
    ]
}

async fn define(admin: &Caller) {
    admin.experiment("running", json!({})).await;
    admin.experiment("draft", json!({"status": "draft"})).await;
    let environment = json!({"enabled": true, "off_variant": "off", "default_variant": "off", "rules": [
        {"id": "all", "type": "serve", "variant": "on"}]});
    let variants = json!([{"key": "on", "value": true}, {"key": "off", "value": false}]);
    let flag = json!({"key": "f", "name": "F", "value_type": "boolean", "variants": variants,
        "environments": {"production": environment}});
    for key in ["f", "drafted", "archived"] {
        let mut flag = flag.clone();
        flag["key"] = json!(key);
        admin.post("/flags", &flag).await.json(201);
    }
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let draft = json!({"name": "Drafted"}).to_string();
    let draft = admin.send("PUT", "/flags/drafted/draft", &headers, draft);
    draft.await.json(200);
    let archived = json!({"archived": true}).to_string();
    let archived = admin.send("PATCH", "/flags/archived", &headers, archived);
    archived.await.json(200);
    let segment = json!({"id": "s", "name": "S", "condition": {"country": "AT"}});
    admin.post("/segments", &segment).await.json(201);
    admin.layer("l").await;
    admin.layer("unused").await;
    let part = json!({"status": "draft", "layer": {"id": "l", "percent": 40}});
    admin.experiment("in-layer", part).await;
    admin.assign("running", "u").await;
}

#[tokio::test]
async fn a_session_that_may_only_read_is_offered_no_form_and_can_change_nothing() {
    let world = World::start().await;
    define(&world.admin()).await;
    let browser = Browser::signed_in(&world, "reader", &[Scope::Read]).await;
    let before = world.contents().await;
    for (page, path, fields) in forms() {
        let shown = browser.get(page).await;
        let forms = shown.page(200).matches("method=\"post\"").count();
        assert_eq!(
            forms, 1,
            "{page} has another form than that for signing out"
        );
        let answer = browser.send_form(path, &fields).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.html);
    }
    // Nor is it offered a link to a form.
    let link = Regex::new(r#" href="([^"]*)""#).unwrap();
    for page in [
        "/experiments",
        "/experiments/running",
        "/experiments/in-layer",
        "/flags",
        "/flags/f",
        "/flags/drafted",
        "/flags/f/history",
        "/segments",
        "/segments/s",
        "/layers",
        "/layers/l",
        "/holdouts",
        "/operations",
    ] {
        let shown = browser.get(page).await;
        let html = shown.page(200);
        for link in link.captures_iter(html) {
            let leads_to = |part: &&str| link[1].contains(part);
            let of_forms = [
                "/change/", "/switch/", "/new-", "./new-", "/edit", "/rules/", "/do/", "/delete",
                "/audit",
            ];
            assert!(!of_forms.iter().any(leads_to), "{page}: {}", &link[1]);
        }
    }
    assert_eq!(browser.get("/users?id=u").await.status, 403);
    assert_eq!(world.contents().await, before);
}

/// `cargo` gives the threads of tests more, but not those of a program that is started without it.
#[test]
fn every_form_fits_on_the_stack_that_a_thread_has_by_default() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(2 * 1024 * 1024)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::start().await;
        define(&world.admin()).await;
        let browser = Browser::signed_in(&world, "manager", &ALL).await;
        for (page, path, fields) in forms() {
            let shown = browser.get(page).await;
            assert!(shown.status < 500, "{page}: {}", shown.html);
            let answer = browser.send_form(path, &fields).await;
            assert!(answer.status < 500, "{path}: {}", answer.html);
        }
    });
}

#[tokio::test]
async fn a_form_from_elsewhere_or_of_another_session_changes_nothing() {
    let world = World::start().await;
    define(&world.admin()).await;
    let browser = Browser::signed_in(&world, "manager", &ALL).await;
    let other = Browser::signed_in(&world, "other", &ALL).await;
    let own = browser.get("/experiments").await.hidden("form_token");
    let foreign = other.get("/experiments").await.hidden("form_token");
    assert_ne!(own, foreign);
    let before = world.contents().await;
    let host = world.platform.url().replace("http://", "");
    let origin = format!("http://{host}");
    for (_, path, fields) in forms() {
        let with = |token: &'static str, value: &str| {
            let mut fields: Vec<(&str, String)> = fields
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect();
            fields.push((token, value.to_owned()));
            fields
        };
        let here: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];
        for (fields, headers) in [
            (
                with("form_token", &own),
                vec![("sec-fetch-site", "cross-site")],
            ),
            (
                with("form_token", &own),
                vec![("sec-fetch-site", "same-site"), ("origin", &*origin)],
            ),
            (with("form_token", &own), vec![("sec-fetch-site", "none")]),
            (
                with("form_token", &own),
                vec![("origin", "https://elsewhere.example")],
            ),
            (with("form_token", &own), vec![("origin", "null")]),
            (with("form_token", &own), vec![]),
            (with("form_token", &foreign), here.to_vec()),
            (with("form_token", ""), here.to_vec()),
            (with("other", ""), here.to_vec()),
        ] {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (*name, &**value))
                .collect();
            let answer = browser.post_with(path, &fields, &headers).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
        }
    }
    assert_eq!(world.contents().await, before);
    // A browser without `Sec-Fetch-Site` sends the origin.
    let fields = [("version", "1"), ("form_token", &*own)];
    let headers = [("origin", &*origin)];
    let answer = browser.post_with("experiments/running/change/pause", &fields, &headers);
    assert_eq!(
        answer.await.header("location"),
        "../../../experiments/running?done=pause"
    );
}

#[tokio::test]
async fn forms_change_what_they_say_and_the_history_names_the_token() {
    let world = World::start().await;
    let admin = world.admin();
    define(&admin).await;
    let browser = Browser::signed_in(&world, "manager", &ALL).await;
    let status = async |id: &str| {
        let path = format!("/experiments/{id}");
        admin.get(&path).await.json(200)
    };
    let change = async |id: &str, change: &str, fields: &[(&str, &str)]| {
        let page = format!("experiments/{id}/change/{change}");
        let shown = browser.get(&format!("/{page}")).await;
        shown.page(200);
        let (version, form_token) = (shown.hidden("version"), shown.hidden("form_token"));
        let mut fields = fields.to_vec();
        fields.extend([("version", &*version), ("form_token", &*form_token)]);
        let answer = browser.post(&page, &fields).await;
        let to = format!("../../../experiments/{id}?done={change}");
        assert_eq!(answer.header("location"), to, "{}", answer.html);
    };
    change("draft", "start", &[("reason", "ready")]).await;
    assert_eq!(status("draft").await["status"], "running");
    change("draft", "pause", &[]).await;
    change("draft", "resume", &[]).await;
    change("draft", "traffic", &[("traffic_percent", "12.5")]).await;
    assert_eq!(status("draft").await["traffic_percent"], 12.5);
    let conclusion = [
        ("outcome", "won"),
        ("variant", "green"),
        ("notes", "4% more"),
    ];
    change("draft", "stop", &conclusion).await;
    let stopped = status("draft").await;
    assert_eq!(stopped["conclusion"]["variant"], "green");
    change("draft", "archive", &[]).await;
    change("running", "release", &[("variant", "green")]).await;
    assert_eq!(status("running").await["release"]["variant"], "green");
    let history = admin.get("/experiments/draft/history").await.json(200);
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries[0]["by"], "manager");
    assert!(entries.iter().any(|entry| entry["reason"] == "ready"));

    let before = admin.get("/flags/f").await.json(200);
    let off = [("version", "1"), ("enabled", "false"), ("reason", "errors")];
    browser
        .send_form("flags/f/switch/production", &off)
        .await
        .page(303);
    let mut expected = before["environments"].clone();
    expected["production"]["enabled"] = Value::Bool(false);
    assert_eq!(
        admin.get("/flags/f").await.json(200)["environments"],
        expected
    );

    let wrong = [("user_id", "u"), ("typed", "v")];
    browser.send_form("users/erase", &wrong).await.page(422);
    let export = admin.get("/users/u").await.json(200);
    assert_eq!(export["assignments"].as_array().unwrap().len(), 1);
    let right = [("user_id", "u"), ("typed", "u")];
    browser.send_form("users/erase", &right).await.page(303);
    let export = admin.get("/users/u").await.json(200);
    assert!(export["assignments"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_form_of_an_outdated_page_changes_nothing() {
    let world = World::start().await;
    let admin = world.admin();
    define(&admin).await;
    let browser = Browser::signed_in(&world, "manager", &ALL).await;
    let name = json!({"name": "Changed by another token"});
    admin.change("running", &name).await.json(200);
    let answer = browser
        .send_form("experiments/running/change/pause", &[("version", "1")])
        .await;
    assert!(answer.page(412).contains("It has changed in the meantime"));
    let running = admin.get("/experiments/running").await.json(200);
    assert_eq!(running["status"], "running");
}

#[tokio::test]
async fn the_form_of_a_new_experiment_shows_the_plan_of_the_api_and_creates_what_it_shows() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &ALL).await;
    let mut fields = forms().pop().unwrap().2;
    fields.retain(|(name, _)| *name != "do");
    fields.extend([
        ("baseline", "10"),
        ("effect", "20"),
        ("users_per_day", "1000"),
        ("do", "plan"),
    ]);
    let plan = admin.post("/experiments/plan", &json!({
        "metric": {"kind": "conversion", "key": "buy", "rate": 0.1}, "minimum_detectable_effect": 0.2,
        "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}], "users_per_day": 1000,
    })).await.json(200);
    let shown = browser.send_form("new-experiment", &fields).await;
    let html = shown.page(200);
    for method in ["sequential", "fixed"] {
        let users = &plan[method]["users"];
        assert!(
            html.contains(&format!("<data value=\"{users}\">")),
            "{users}"
        );
    }
    assert_eq!(admin.get("/experiments/new").await.status, 404);
    let last = fields.len() - 1;
    fields[last] = ("do", "start");
    browser.send_form("new-experiment", &fields).await.page(303);
    let created = admin.get("/experiments/new").await.json(200);
    assert_eq!(created["status"], "running");
    assert_eq!(created["plan"], plan["plan"]);
    // What the API refuses is shown above the form, which keeps what was typed.
    let again = browser.send_form("new-experiment", &fields).await;
    let html = again.page(409);
    assert!(
        html.contains("role=\"alert\"") && html.contains("value=\"New\""),
        "{html}"
    );
}
