//! Sticky-bucket documents: stored assignments that SDKs read, and assignments that they ask the server to store.

use super::support::{Answer, World, expected};
use super::web_page::{PAGE, shop};
use domain::condition::NoSegments;
use domain::feature::{Evaluator, Feature, FeatureDefinition, FeatureUser, StickyDocuments};
use domain::limits::{MAX_BODY_BYTES, MAX_STICKY_ASSIGNMENTS};
use serde_json::{Value, json};
use std::collections::HashMap;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A page with a client key that sees the flags of the experiments `e` and `accounts`, but not that of `hidden`.
struct Page {
    world: World,
    key: String,
}

impl Page {
    async fn open(key: Value) -> Self {
        let fields = json!({"hash_seed": "sticky"});
        let accounts = json!({"hash_seed": "sticky", "unit": "account"});
        let experiments = [
            ("e", "web", fields.clone()),
            ("accounts", "web", accounts),
            ("hidden", "internal", fields),
        ];
        let (world, key) = shop(&experiments, &key).await;
        Self { world, key }
    }

    async fn read(&self, query: &str) -> Answer {
        let path = format!("/sticky/{}?{query}", self.key);
        let stranger = self.world.authorization(None);
        stranger.send("GET", &path, &[PAGE], "").await
    }

    async fn documents(&self, query: &str) -> Value {
        let answer = self.read(query).await;
        assert_eq!(answer.header("access-control-allow-origin"), PAGE.1);
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.json(200)["documents"].clone()
    }

    async fn send(&self, body: impl Into<reqwest::Body>) -> Answer {
        let path = format!("/sticky/{}", self.key);
        let stranger = self.world.authorization(None);
        stranger.send("POST", &path, &[JSON, PAGE], body).await
    }

    /// The outcomes of the claimed assignments of a user.
    async fn claim(&self, user: &str, assignments: Value) -> Value {
        let body =
            json!({"attributeName": "id", "attributeValue": user, "assignments": assignments});
        let answer = self.send(body.to_string()).await;
        assert_eq!(answer.header("access-control-allow-origin"), PAGE.1);
        answer.json(200)["assignments"].clone()
    }

    /// The variant that is stored, or null; and the one that a first request would store.
    async fn variant(&self, experiment: &str, user: &str) -> (Value, Value) {
        let path = format!("/experiments/{experiment}/assignment/{user}?enroll=false");
        let answer = self.world.admin().get(&path).await.json(200);
        let variant = answer["variant"].clone();
        match answer["reason"].as_str() {
            Some("existing") => (variant.clone(), variant),
            _ => (Value::Null, variant),
        }
    }

    /// The value of the flag of `e`, as an SDK with these documents evaluates it.
    async fn local(&self, user: &str, documents: &Value) -> Value {
        let path = format!("/api/features/{}", self.key);
        let stranger = self.world.authorization(None);
        let payload = stranger.send("GET", &path, &[PAGE], "").await.json(200);
        let definition = payload["features"]["flag-of-e"].clone();
        let definition: FeatureDefinition = serde_json::from_value(definition).unwrap();
        let feature = Feature::new("flag-of-e", &definition);
        let features = HashMap::from([("flag-of-e".to_owned(), feature)]);
        let documents: StickyDocuments = serde_json::from_value(documents.clone()).unwrap();
        let attributes = json!({ "id": user });
        let user = FeatureUser {
            sticky: Some(&documents),
            ..FeatureUser::new(&attributes, &NoSegments)
        };
        Evaluator::new(&features, user)
            .evaluate("flag-of-e")
            .value
            .clone()
    }
}

fn other(variant: &Value) -> &'static str {
    if variant == "green" {
        "control"
    } else {
        "green"
    }
}

#[tokio::test]
async fn an_sdk_with_the_documents_evaluates_as_the_server_does_after_the_weights_changed() {
    let page = Page::open(json!({})).await;
    let admin = page.world.admin();
    let users: Vec<String> = (0..20).map(|number| format!("user-{number}-é")).collect();
    for user in &users {
        admin.assign("e", user).await;
    }
    let weights = json!([{"key": "control", "percent": 0}, {"key": "green", "percent": 100}]);
    let changed = admin.change("e", &json!({ "variants": weights })).await;
    changed.json(200);
    let mut moved = 0;
    for user in &users {
        let (stored, _) = page.variant("e", user).await;
        let query = format!("attributes.id={}", super::support::encoded(user));
        let documents = page.documents(&query).await;
        let document = &documents[format!("id||{user}")];
        assert_eq!(
            document,
            &json!({"attributeName": "id", "attributeValue": user, "assignments": {"e__0": stored}})
        );
        let value = json!(stored == "green");
        assert_eq!(page.local(user, &documents).await, value, "{user}");
        // Without the documents, the weights decide.
        assert_eq!(page.local(user, &json!({})).await, true, "{user}");
        moved += usize::from(stored == "control");
    }
    assert!((1..20).contains(&moved), "{moved}");

    // Users who were assigned keep their variants in a pause, too.
    let paused = admin.change("e", &json!({"status": "paused"})).await;
    paused.json(200);
    for user in &users {
        let (stored, _) = page.variant("e", user).await;
        let query = format!("attributes.id={}", super::support::encoded(user));
        let documents = page.documents(&query).await;
        assert_eq!(page.local(user, &documents).await, stored == "green");
    }
}

#[tokio::test]
async fn only_assignments_of_experiments_of_visible_flags_are_readable_and_reading_stores_nothing()
{
    let page = Page::open(json!({})).await;
    let admin = page.world.admin();
    admin.experiment("without-flag", json!({})).await;
    for experiment in ["e", "hidden", "without-flag"] {
        admin.assign(experiment, "ann").await;
    }
    admin.assign("accounts", "a-1").await;
    let before = page.world.contents().await;
    let all = "attributes.id=ann&attributes.account=a-1&attributes.email=x&attributes.device=";
    let documents = page.documents(all).await;
    let keys: Vec<&String> = documents.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["account||a-1", "id||ann"]);
    let names = |key: &str| {
        let assignments = documents[key]["assignments"].as_object().unwrap();
        assignments.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names("id||ann"), ["e__0"]);
    assert_eq!(names("account||a-1"), ["accounts__0"]);
    // A unit of another kind with the same text, and users without assignments.
    for query in [
        "attributes.account=ann",
        "attributes.id=a-1",
        "attributes.id=without",
        "",
    ] {
        assert_eq!(page.documents(query).await, json!({}), "{query}");
    }
    let is_budget = |item: &&String| item.contains("budget#");
    let after = page.world.contents().await;
    let new: Vec<_> = after
        .difference(&before)
        .filter(|item| !is_budget(item))
        .collect();
    assert!(new.is_empty(), "{new:?}");

    let answer = admin.send("DELETE", "/users/ann", &[], "").await;
    answer.json(200);
    assert_eq!(page.documents("attributes.id=ann").await, json!({}));
}

#[tokio::test]
async fn a_claim_is_stored_if_the_rules_give_the_user_this_variant_and_the_first_one_wins() {
    let page = Page::open(json!({})).await;
    let admin = page.world.admin();
    for number in 0..6 {
        let user = format!("user-{number}");
        let (_, variant) = page.variant("e", &user).await;
        let wrong = page.claim(&user, json!({"e__0": other(&variant)})).await;
        assert_eq!(wrong, json!({"e__0": "contradicting"}));
        assert_eq!(page.variant("e", &user).await.0, Value::Null);
        let right = page.claim(&user, json!({"e__0": variant})).await;
        assert_eq!(right, json!({"e__0": "stored"}));
        assert_eq!(page.variant("e", &user).await.0, variant);
        let again = page.claim(&user, json!({"e__0": variant})).await;
        assert_eq!(again, json!({"e__0": "existing"}));
        // Later claims change nothing, whatever they name.
        for claim in [other(&variant), "no-such-variant", ""] {
            let answer = page.claim(&user, json!({"e__0": claim})).await;
            assert_eq!(answer, json!({"e__0": "contradicting"}), "{claim}");
        }
        assert_eq!(page.variant("e", &user).await.0, variant);
    }
    page.world.platform.settle().await;
    let results = admin.results("e", "").await;
    let users = results["variants"].as_array().unwrap().iter();
    let users: u64 = users.map(|one| one["users"].as_u64().unwrap()).sum();
    assert_eq!(users, 6, "{results}");
}

#[tokio::test]
async fn a_claim_changes_nothing_in_other_experiments_and_for_users_who_do_not_take_part() {
    let page = Page::open(json!({})).await;
    let admin = page.world.admin();
    let targeting = json!({"targeting": {"plan": "pro"}});
    admin.change("e", &targeting).await.json(200);
    let both = async |user: &str, attributes: Value| {
        let mut outcomes = Vec::new();
        for variant in ["control", "green"] {
            let body = json!({
                "attributeName": "id", "attributeValue": user, "assignments": {"e__0": variant},
                "attributes": attributes, "fieldOfANewerSdk": 1,
            });
            let answer = page.send(body.to_string()).await.json(200);
            outcomes.push(answer["assignments"]["e__0"].as_str().unwrap().to_owned());
        }
        outcomes.sort();
        outcomes
    };
    assert_eq!(
        both("ann", json!(null)).await,
        ["not_enrolled", "not_enrolled"]
    );
    assert_eq!(
        both("ann", json!({"plan": "free"})).await,
        ["not_enrolled", "not_enrolled"]
    );
    assert_eq!(
        both("ann", json!({"plan": "pro"})).await,
        ["contradicting", "stored"]
    );
    // The document names the user, whatever the attributes say.
    assert_eq!(
        both("bob", json!({"plan": "pro", "id": "ann"})).await,
        ["contradicting", "stored"]
    );

    let unknown = json!({
        "hidden__0": "green", "accounts__0": "green", "nothing__0": "green", "e__1": "green", "e": "green",
        "e__00": "green", "__0": "green", "": "green",
    });
    let answer = page.claim("carl", unknown.clone()).await;
    let outcomes = answer.as_object().unwrap();
    assert_eq!(outcomes.len(), unknown.as_object().unwrap().len());
    assert!(
        outcomes.values().all(|outcome| outcome == "unknown"),
        "{answer}"
    );
    assert_eq!(page.variant("hidden", "carl").await.0, Value::Null);
    assert_eq!(page.claim("carl", json!({})).await, json!({}));

    let answer = admin.send("DELETE", "/users/erased", &[], "").await;
    answer.json(200);
    assert_eq!(
        both("erased", json!({"plan": "pro"})).await,
        ["not_enrolled", "not_enrolled"]
    );

    let account = json!({
        "attributeName": "account", "attributeValue": "a-1",
        "assignments": {"accounts__0": page.variant("accounts", "a-1").await.1, "e__0": "green"},
    });
    let answer = page.send(account.to_string()).await.json(200);
    assert_eq!(
        answer["assignments"],
        json!({"accounts__0": "stored", "e__0": "unknown"})
    );
}

#[tokio::test]
async fn requests_need_a_key_of_the_page_and_are_within_its_budget() {
    let page = Page::open(json!({"events_per_second": 1})).await;
    let stranger = page.world.authorization(None);
    let unknown = "/sticky/ck_AAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let own = format!("/sticky/{}", page.key);
    let body = json!({"attributeName": "id", "attributeValue": "ann", "assignments": {}});
    for (method, body) in [("GET", String::new()), ("POST", body.to_string())] {
        for (origin, path, status) in [("https://evil.example", &own, 403), (PAGE.1, &unknown, 401)]
        {
            let headers = [JSON, ("origin", origin)];
            let answer = stranger.send(method, path, &headers, body.clone()).await;
            assert_eq!(answer.status, status, "{method} {path}");
        }
    }
    let names = (0..60).map(|number| (format!("x{number}__0"), json!("a")));
    let many: serde_json::Map<String, Value> = names.collect();
    let many = json!({"attributeName": "id", "attributeValue": "ann", "assignments": many});
    // One of them may be at the end of a window.
    let mut refused = None;
    for _ in 0..3 {
        refused = Some(page.send(many.to_string()).await).filter(|answer| answer.status == 429);
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(refused.unwrap().code(429), "event_budget_exceeded");
    // A read spends an event of the same budget.
    let mut refused = false;
    for _ in 0..40 {
        refused = refused || page.read("attributes.id=ann").await.status == 429;
    }
    assert!(refused);
}

#[tokio::test]
async fn bad_requests_are_refused_with_all_faults() {
    let page = Page::open(json!({"events_per_second": 1000})).await;
    let long = "x".repeat(300);
    let answer = page
        .read(&format!(
            "attributes.id={long}&attributes.account=a%0A&user=ann"
        ))
        .await;
    let codes: Vec<_> = answer.faults().into_iter().collect();
    assert_eq!(answer.code(400), "bad_parameters", "{codes:?}");
    assert_eq!(codes.len(), 3, "{codes:?}");
    let repeated = page.read("attributes.id=ann&attributes.id=bob").await;
    assert_eq!(
        repeated.faults(),
        expected([("?attributes.id", "repeated_parameter")])
    );

    for (body, status, code) in [
        ("", 400, "body_missing"),
        ("[", 400, "malformed_json"),
        ("[]", 422, "invalid"),
        ("null", 422, "invalid"),
    ] {
        assert_eq!(page.send(body).await.code(status), code, "{body}");
    }
    let many = (0..=MAX_STICKY_ASSIGNMENTS).map(|number| (format!("x{number}__0"), json!("a")));
    let many: serde_json::Map<String, Value> = many.collect();
    for (body, faults) in [
        (
            json!({}),
            expected([
                ("/attributeName", "required"),
                ("/attributeValue", "required"),
                ("/assignments", "required"),
            ]),
        ),
        (
            json!({"attributeName": "$id", "attributeValue": 7, "assignments": {"e__0": 1}, "attributes": []}),
            expected([
                ("/attributeName", "bad_characters"),
                ("/attributeValue", "wrong_type"),
                ("/assignments/e__0", "wrong_type"),
                ("/attributes", "wrong_type"),
            ]),
        ),
        (
            json!({"attributeName": "id", "attributeValue": "ann", "assignments": many}),
            expected([("/assignments", "too_many")]),
        ),
    ] {
        assert_eq!(page.send(body.to_string()).await.faults(), faults);
    }
    let large = format!("[\"{}\"]", "x".repeat(MAX_BODY_BYTES));
    assert_eq!(page.send(large).await.code(413), "body_too_large");
}
