//! The forms of flags: a new flag, its rules, drafts, reverts and the archive.

use super::super::support::{Caller, World};
use super::Browser;
use domain::access::Scope;
use serde_json::{Value, json};

const SCOPES: [Scope; 2] = [Scope::Read, Scope::Manage];
const RULES: &str = "flags/checkout/rules/production";

/// A flag that the form has made.
async fn created(browser: &Browser) {
    let new = [
        ("name", "Checkout"),
        ("key", "checkout"),
        ("value_type", "boolean"),
        ("variant0", "on"),
        ("value0", "true"),
        ("variant1", "off"),
        ("value1", "false"),
        ("in_production", "true"),
        ("off_variant", "off"),
        ("default_variant", "off"),
        ("owner", "Payments"),
    ];
    browser.submit("new-flag", &new).await.page(303);
}

/// The fields of the form that adds a rule at the end, at once, and others.
fn added<'f>(kind: &'f str, id: &'f str, others: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let mut fields = others.to_vec();
    let usual = [
        ("do", "add"),
        ("kind", kind),
        ("variant", "on"),
        ("rule_id", id),
        ("place", "last"),
        ("as", "change"),
    ];
    for (name, value) in usual {
        if !others.iter().any(|(other, _)| *other == name) {
            fields.push((name, value));
        }
    }
    fields
}

async fn settings(admin: &Caller) -> Value {
    admin.get("/flags/checkout").await.json(200)["environments"]["production"].clone()
}

/// The ids of the rules.
async fn order(admin: &Caller) -> Vec<String> {
    let settings = settings(admin).await;
    let rules = settings["rules"].as_array().cloned().unwrap_or_default();
    let ids = rules.iter().map(|rule| rule["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_flag_is_created_off_with_what_the_form_has() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    created(&browser).await;
    let flag = admin.get("/flags/checkout").await.json(200);
    let variants = json!([{"key": "on", "value": true}, {"key": "off", "value": false}]);
    assert_eq!(flag["variants"], variants);
    assert_eq!(flag["owner"], "Payments");
    let environments = flag["environments"].as_object().unwrap();
    assert_eq!(environments.len(), 1);
    assert_eq!(environments["production"]["enabled"], false);
    // Values are JSON, and texts are as they are. All faults are shown at once.
    let wrong = [
        ("name", ""),
        ("key", "no key"),
        ("value_type", "integer"),
        ("variant0", "a"),
        ("value0", "1.5"),
        ("variant1", "b"),
        ("value1", "{"),
        ("off_variant", "a"),
        ("default_variant", "a"),
    ];
    let shown = browser.submit("new-flag", &wrong).await;
    assert!(shown.page(422).contains(r#"id="value1-wrong""#));
    let wrong = wrong.map(|(name, value)| (name, if name == "value1" { "2" } else { value }));
    let shown = browser.submit("new-flag", &wrong).await;
    let html = shown.page(422);
    for field in ["name", "key"] {
        assert!(
            html.contains(&format!("id=\"{field}-wrong\"")),
            "{field}: {html}"
        );
    }
    let wrong = wrong.map(|(name, value)| match name {
        "name" | "key" => (name, "right"),
        _ => (name, value),
    });
    let shown = browser.submit("new-flag", &wrong).await;
    assert!(
        shown.page(422).contains(r#"id="value0-wrong""#),
        "{}",
        shown.html
    );
    let texts = [
        ("name", "Texts"),
        ("key", "texts"),
        ("value_type", "string"),
        ("variant0", "a"),
        ("value0", "{ not JSON"),
        ("off_variant", "a"),
        ("default_variant", "a"),
    ];
    browser.submit("new-flag", &texts).await.page(303);
    let flag = admin.get("/flags/texts").await.json(200);
    assert_eq!(flag["variants"][0]["value"], "{ not JSON");
}

#[tokio::test]
async fn rules_are_added_moved_and_removed_by_small_forms() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    created(&browser).await;
    let rollout = [("traffic_percent", "5"), ("reason", "a start")];
    let rollout = added("rollout", "first", &rollout);
    browser.submit(RULES, &rollout).await.page(303);
    let serve = [
        ("traffic_percent", "10"),
        ("place", "first"),
        ("condition", r#"{"team": true}"#),
        ("starts_at", "2027-01-15T08:00:00Z"),
    ];
    let serve = added("serve", "team", &serve);
    browser.submit(RULES, &serve).await.page(303);
    assert_eq!(order(&admin).await, ["team", "first"]);
    let now = settings(&admin).await;
    assert_eq!(now["rules"][0]["condition"], json!({"team": true}));
    assert!(
        now["rules"][0]["starts_at"]
            .as_str()
            .unwrap()
            .starts_with("2027-01-15T08:00:00")
    );
    assert_eq!(now["rules"][1]["traffic_percent"], 5.0);
    let history = admin.get("/flags/checkout/history").await.json(200);
    assert_eq!(history["entries"][1]["reason"], "a start");

    // The fault is beside the field of the rule that was not added, at either place.
    for place in ["first", "last"] {
        let wrong = [
            ("traffic_percent", "200"),
            ("place", place),
            ("condition", r#"{"age": {"$over": 1}}"#),
        ];
        let wrong = added("rollout", "third", &wrong);
        let shown = browser.submit(RULES, &wrong).await;
        let html = shown.page(422);
        for field in ["traffic_percent", "condition"] {
            assert!(
                html.contains(&format!("id=\"{field}-wrong\"")),
                "{field}: {html}"
            );
        }
        assert!(html.contains("value=\"third\""), "{html}");
    }

    let small = async |act: &str, rule: &str, fields: &[(&str, &str)]| {
        let mut fields = fields.to_vec();
        fields.extend([("do", act), ("rule", rule)]);
        browser.submit(RULES, &fields).await.status
    };
    assert_eq!(small("down", "team", &[]).await, 303);
    assert_eq!(order(&admin).await, ["first", "team"]);
    assert_eq!(small("up", "team", &[]).await, 303);
    assert_eq!(order(&admin).await, ["team", "first"]);
    assert_eq!(small("up", "team", &[]).await, 422);
    assert_eq!(small("percent", "first", &[("percent", "25")]).await, 303);
    assert_eq!(settings(&admin).await["rules"][1]["traffic_percent"], 25.0);
    assert_eq!(small("percent", "first", &[("percent", "many")]).await, 422);
    assert_eq!(small("remove", "team", &[]).await, 303);
    assert_eq!(small("remove", "team", &[]).await, 422);
    assert_eq!(order(&admin).await, ["first"]);
}

#[tokio::test]
async fn all_rules_are_changed_as_json_with_all_faults_beside_the_field() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    created(&browser).await;
    let sent = |rules: &'static str| {
        [
            ("do", "json"),
            ("rules", rules),
            ("default_variant", "off"),
            ("off_variant", "off"),
            ("as", "change"),
        ]
    };
    let wrong = r#"[{"id": "a", "type": "serve", "variant": "none"}, {"id": "a", "type": "rollout", "variants": []}]"#;
    let shown = browser.submit(RULES, &sent(wrong)).await;
    let html = shown.page(422);
    let (_, beside) = html.split_once(r#"id="rules-wrong""#).unwrap();
    let beside = beside.split("</p>").next().unwrap();
    assert!(
        beside.contains("/0/variant") && beside.contains("/1/"),
        "{beside}"
    );
    let kept = wrong.replace('"', "&quot;");
    assert!(html.contains(&kept), "{html}");
    let shown = browser
        .submit(RULES, &sent(r#"[{"id": "a", "id": "b"}]"#))
        .await;
    assert!(shown.page(422).contains("is repeated"));
    let right =
        r#"[{"id": "all", "type": "serve", "variant": "on", "ends_at": "2030-01-01T00:00:00Z"}]"#;
    browser.submit(RULES, &sent(right)).await.page(303);
    assert_eq!(order(&admin).await, ["all"]);
    // The page has them as they are, and an outdated one changes nothing.
    let shown = browser.get(&format!("/{RULES}")).await;
    assert!(shown.page(200).contains("&quot;id&quot;: &quot;all&quot;"));
    let mut outdated = sent("[]").to_vec();
    outdated.push(("version", "1"));
    let shown = browser.send_form(RULES, &outdated).await;
    assert!(shown.page(412).contains("What you typed is below"));
    assert_eq!(order(&admin).await, ["all"]);
}

#[tokio::test]
async fn another_token_publishes_the_draft_of_a_flag_that_requires_an_approval() {
    let world = World::start().await;
    let admin = world.admin();
    let author = Browser::signed_in(&world, "author", &SCOPES).await;
    let other = Browser::signed_in(&world, "other", &SCOPES).await;
    created(&author).await;
    let variants = r#"[{"key": "on", "value": true}, {"key": "off", "value": false}]"#;
    let protect = [
        ("name", "Checkout"),
        ("variants", variants),
        ("requires_approval", "true"),
        ("tags", "web, shop"),
        ("as", "change"),
    ];
    author
        .submit("flags/checkout/edit", &protect)
        .await
        .page(303);
    let flag = admin.get("/flags/checkout").await.json(200);
    assert_eq!(flag["tags"], json!(["web", "shop"]));
    assert_eq!(flag["requires_approval"], true);
    // The form of the texts has emptied the owner.
    assert_eq!(flag["owner"], Value::Null);
    let shown = author.submit(RULES, &added("serve", "all", &[])).await;
    assert!(shown.page(409).contains("role=\"alert\""));
    let add = added("serve", "all", &[("as", "draft")]);
    author.submit(RULES, &add).await.page(303);
    assert!(order(&admin).await.is_empty());

    let shown = author.submit("flags/checkout/do/publish", &[]).await;
    assert!(shown.page(409).contains("Another token"));
    // A draft that has taken the place of the one that was read is not published.
    let page = other.get("/flags/checkout/do/publish").await;
    assert!(page.page(200).contains("environments/production/rules"));
    let read = page.hidden("version");
    author.submit(RULES, &add).await.page(303);
    let stale = other
        .send_form("flags/checkout/do/publish", &[("version", &*read)])
        .await;
    stale.page(412);
    other
        .submit("flags/checkout/do/publish", &[])
        .await
        .page(303);
    assert_eq!(order(&admin).await, ["all"]);
    let history = admin.get("/flags/checkout/history").await.json(200);
    assert_eq!(history["entries"][0]["by"], "other");

    author
        .submit(RULES, &[("do", "remove"), ("rule", "all"), ("as", "draft")])
        .await
        .page(303);
    let shown = author.get("/flags/checkout").await;
    assert!(shown.page(200).contains("id=\"draft\""));
    author
        .submit("flags/checkout/do/discard", &[("name", "Checkout")])
        .await
        .page(303);
    let flag = admin.get("/flags/checkout").await.json(200);
    assert_eq!(flag["draft"], Value::Null);
    assert_eq!(order(&admin).await, ["all"]);
}

#[tokio::test]
async fn an_earlier_version_is_brought_back_and_a_flag_is_archived_and_deleted() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    created(&browser).await;
    let add = added("serve", "all", &[]);
    browser.submit(RULES, &add).await.page(303);
    let history = browser.get("/flags/checkout/history").await;
    let html = history.page(200);
    assert!(html.contains("../../flags/checkout/do/revert-1"), "{html}");
    assert!(
        !html.contains("do/revert-2"),
        "the last version is the current one"
    );
    let revert = "flags/checkout/do/revert-1";
    browser
        .submit(revert, &[("reason", "errors")])
        .await
        .page(303);
    assert!(order(&admin).await.is_empty());
    let last = admin.get("/flags/checkout/history").await.json(200)["entries"][0].clone();
    assert_eq!(
        (&last["version"], &last["reason"]),
        (&json!(3), &json!("errors"))
    );
    let shown = browser.submit("flags/checkout/do/revert-99", &[]).await;
    assert!(shown.page(422).contains("There is no version 99"));

    browser
        .submit("flags/checkout/do/archive", &[])
        .await
        .page(303);
    browser
        .submit("flags/checkout/do/restore", &[])
        .await
        .page(303);
    assert_eq!(
        admin.get("/flags/checkout").await.json(200)["archived"],
        Value::Null
    );
    browser
        .submit("flags/checkout/do/archive", &[])
        .await
        .page(303);
    let deleted = browser.submit("flags/checkout/do/delete", &[]).await;
    assert_eq!(deleted.header("location"), "../../../flags?done=delete");
    assert_eq!(admin.get("/flags/checkout").await.status, 404);
}
