//! `POST /track`: what the tracking plugin of GrowthBook's JavaScript SDK sends.

use super::support::{Answer, World};
use super::web_page::{PAGE, shop};
use domain::limits;
use serde_json::{Value, json};

/// What browsers send without a preflight request.
const PLAIN: (&str, &str) = ("content-type", "text/plain");

/// A page with a client key, on a platform with the experiments `e` and `hidden`. Only the flag of `e` is for the page.
struct Page {
    world: World,
    path: String,
}

impl Page {
    async fn open(key: Value) -> Self {
        let metrics = json!([{"key": "clicks", "kind": "conversion", "event_type": "click"}]);
        let fields = json!({"metrics": metrics, "hash_seed": "sdk"});
        let experiments = [("e", "web", fields.clone()), ("hidden", "internal", fields)];
        let mut with_clicks = json!({"event_types": ["click"]});
        for (name, value) in key.as_object().unwrap() {
            with_clicks[name] = value.clone();
        }
        let (world, key) = shop(&experiments, &with_clicks).await;
        let path = format!("/track?client_key={key}");
        Self { world, path }
    }

    async fn send(&self, body: impl Into<reqwest::Body>) -> Answer {
        let stranger = self.world.authorization(None);
        stranger
            .send("POST", &self.path, &[PLAIN, PAGE], body)
            .await
    }

    async fn track(&self, events: Value) -> Value {
        let answer = self.send(events.to_string()).await;
        assert_eq!(answer.header("access-control-allow-origin"), PAGE.1);
        answer.json(200)
    }

    /// The variant that is stored of a user.
    async fn stored(&self, experiment: &str, user: &str) -> Value {
        let path = format!("/experiments/{experiment}/assignment/{user}?enroll=false");
        let answer = self.world.admin().get(&path).await.json(200);
        if answer["reason"] == "existing" {
            answer["variant"].clone()
        } else {
            Value::Null
        }
    }
}

/// An event as the plugin sends it for a user with the attributes `id` and `plan`.
fn event(name: &str, properties: Value, user: &str) -> Value {
    json!({
        "event_name": name, "properties_json": properties, "user_id": null, "device_id": user, "page_id": null,
        "session_id": null, "sdk_language": "js", "sdk_version": "1.8.0", "url": "https://shop.example/",
        "context_json": {"plan": "free"}, "field_of_a_newer_sdk": [1],
    })
}

fn exposure(experiment: &str, variation: impl Into<Value>, user: &str) -> Value {
    let properties = json!({
        "experimentId": experiment, "variationId": variation.into(), "hashAttribute": "id", "hashValue": user,
    });
    event("Experiment Viewed", properties, user)
}

fn accepted(count: usize, contradicting: usize) -> Value {
    json!({
        "received": count, "accepted": count, "rejected": 0, "contradicting_exposures": contradicting, "events": [],
    })
}

#[tokio::test]
async fn exposures_assign_users_by_the_rules_and_their_later_events_count() {
    let page = Page::open(json!({})).await;
    let admin = page.world.admin();
    let mut variants = Vec::new();
    for number in 0..12 {
        let user = format!("user-{number}");
        // The same claim of all users: the server believes none of them.
        let claim = [json!("green"), json!("1"), json!(1)][number % 3].clone();
        let click = event("click", json!({"button": "buy"}), &user);
        let answer = page
            .track(json!([
                click,
                exposure("e", claim.clone(), &user),
                click,
                click,
                exposure("e", claim, &user),
            ]))
            .await;
        variants.push(page.stored("e", &user).await);
        let contradicting = if variants.last().unwrap() == "green" {
            0
        } else {
            2
        };
        assert_eq!(answer, accepted(5, contradicting));
        let expected = admin.assign("hidden", &user).await;
        assert_eq!(variants.last().unwrap(), &expected["variant"], "one seed");
        let stored = admin.get(&format!("/users/{user}")).await.json(200);
        let events = stored["events"].as_array().unwrap();
        // Two equal clicks are two events, and the first of three came before the exposure.
        let counted = events.iter().filter(|one| one["experiment_id"] == "e");
        assert_eq!(counted.count(), 2, "{stored}");
        assert_eq!(events.len(), 3, "{stored}");
        assert_eq!(events[0]["properties"]["button"], "buy", "{stored}");
    }
    for variant in ["control", "green"] {
        assert!(variants.contains(&json!(variant)), "{variants:?}");
    }
    page.world.platform.settle().await;
    let results = admin.results("e", "").await;
    let users = results["variants"].as_array().unwrap().iter();
    let users: u64 = users.map(|one| one["users"].as_u64().unwrap()).sum();
    assert_eq!(users, 12, "{results}");
}

#[tokio::test]
async fn a_page_changes_no_assignment_and_puts_users_into_no_other_experiment() {
    let page = Page::open(json!({})).await;
    let admin = page.world.admin();
    admin
        .send("DELETE", "/users/erased", &[], "")
        .await
        .json(200);
    let first = admin.assign("e", "ann").await;
    let other = ["control", "green"]
        .into_iter()
        .find(|key| first["variant"] != *key)
        .unwrap();
    let mut by_session = exposure("e", "green", "bob");
    by_session["properties_json"]["hashAttribute"] = json!("session_id");
    let answer = page
        .track(json!([
            exposure("e", other, "ann"),
            exposure("e", "no-such-variant", "carl"),
            by_session,
            exposure("hidden", "green", "ann"),
            exposure("nothing", "green", "ann"),
            exposure("e", "green", "erased"),
            event("click", json!({}), "erased"),
        ]))
        .await;
    assert_eq!(answer, accepted(7, 2));
    assert_eq!(page.stored("e", "ann").await, first["variant"]);
    assert_ne!(page.stored("e", "carl").await, Value::Null);
    for (experiment, user) in [("e", "bob"), ("hidden", "ann"), ("e", "erased")] {
        let stored = page.stored(experiment, user).await;
        assert_eq!(stored, Value::Null, "{experiment} {user}");
    }
}

#[tokio::test]
async fn targeting_sees_the_attributes_of_the_plugin() {
    let page = Page::open(json!({})).await;
    let admin = page.world.admin();
    let targeting =
        json!({"targeting": {"plan": "free", "utmSource": "mail", "id": {"$ne": "dan"}}});
    admin.change("e", &targeting).await.json(200);
    for (user, source, enrolled) in [
        ("ann", "mail", true),
        ("bob", "ad", false),
        ("dan", "mail", false),
    ] {
        let mut one = exposure("e", "green", user);
        one["utm_source"] = json!(source);
        page.track(json!([one])).await;
        assert_eq!(
            page.stored("e", user).await != Value::Null,
            enrolled,
            "{user}"
        );
    }
}

#[tokio::test]
async fn events_with_faults_and_of_other_types_are_rejected_and_the_others_stored() {
    let page = Page::open(json!({})).await;
    let admin = page.world.admin();
    let mut of_user = event("click", json!({}), "device");
    of_user["user_id"] = json!("ann");
    let mut without_user = of_user.clone();
    without_user["user_id"] = json!("");
    without_user["device_id"] = json!(null);
    let long = "x".repeat(limits::MAX_PROPERTIES_BYTES);
    let long = event("click", json!({ "text": long }), "ann");
    let body = json!([
        of_user,
        event("Feature Evaluated", json!({"feature": "f"}), "ann"),
        without_user,
        7,
        event(
            "Experiment Viewed",
            json!({"experimentId": "e", "hashValue": {}}),
            "ann"
        ),
        long,
        exposure("e", "green", "ann"),
        {},
    ]);
    let answer = page.track(body).await;
    let counts = ["received", "accepted", "rejected"].map(|name| answer[name].as_u64().unwrap());
    assert_eq!(counts, [8, 2, 6]);
    let mut faults = Vec::new();
    for one in answer["events"].as_array().unwrap() {
        for fault in one["errors"].as_array().unwrap() {
            let pointer = fault["pointer"].as_str().unwrap();
            assert!(
                pointer.starts_with(&format!("/{}", one["index"])),
                "{answer}"
            );
            faults.push((pointer, fault["code"].as_str().unwrap()));
        }
    }
    assert_eq!(
        faults,
        [
            ("/1/event_name", "event_type_not_allowed"),
            ("/2/user_id", "required"),
            ("/3", "wrong_type"),
            ("/4/properties_json/hashAttribute", "required"),
            ("/4/properties_json/hashValue", "wrong_type"),
            ("/4/properties_json/variationId", "required"),
            ("/5/properties_json", "too_large"),
            ("/7/event_name", "required"),
            ("/7/user_id", "required"),
        ]
    );
    let stored = admin.get("/users/ann").await.json(200);
    assert_eq!(stored["events"].as_array().unwrap().len(), 1, "{stored}");
    assert_eq!(stored["events"][0]["type"], "click", "{stored}");
}

#[tokio::test]
async fn a_key_opens_its_pages_and_has_a_budget() {
    let page = Page::open(json!({"events_per_second": 1})).await;
    let stranger = page.world.authorization(None);
    let body = json!([event("click", json!({}), "ann")]).to_string();
    for (origin, path, status) in [
        ("https://evil.example", page.path.as_str(), 403),
        (PAGE.1, "/track", 401),
        (PAGE.1, "/track?client_key=ck_AAAAAAAAAAAAAAAAAAAAAA", 401),
    ] {
        let headers = [PLAIN, ("origin", origin)];
        let answer = stranger.send("POST", path, &headers, body.clone()).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    let clicks: Vec<Value> = (0..60).map(|_| event("click", json!({}), "ann")).collect();
    let clicks = json!(clicks).to_string();
    // One of them may be at the end of a window.
    let mut refused = None;
    for _ in 0..3 {
        refused = Some(page.send(clicks.clone()).await).filter(|answer| answer.status == 429);
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.code(429), "event_budget_exceeded");
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn bad_bodies_are_refused_and_never_an_error_of_the_service() {
    let page = Page::open(json!({"events_per_second": 1000})).await;
    for (body, status, code) in [
        ("", 400, "body_missing"),
        ("[", 400, "malformed_json"),
        ("{}", 422, "invalid"),
        ("null", 422, "invalid"),
    ] {
        assert_eq!(page.send(body).await.code(status), code, "{body}");
    }
    let many = json!(vec![Value::Null; limits::MAX_EVENTS_PER_REQUEST + 1]);
    assert_eq!(page.send(many.to_string()).await.code(422), "invalid");
    let large = format!("[\"{}\"]", "x".repeat(limits::MAX_BODY_BYTES));
    assert_eq!(page.send(large).await.code(413), "body_too_large");
    let html = [("content-type", "text/html"), PAGE];
    let stranger = page.world.authorization(None);
    let answer = stranger.send("POST", &page.path, &html, "[]").await;
    assert_eq!(answer.code(415), "unsupported_media_type");
    assert_eq!(page.send("[]").await.json(200), accepted(0, 0));

    let values = [
        "null",
        "true",
        "-1",
        "1e400",
        "1e308",
        "\"\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "[]",
        "[[{}]]",
        "{}",
        "{\"a\": {\"b\": [1e999]}}",
        "{\"a\": 1, \"a\": 2}",
        "\"__proto__\"",
        "99999999999999999999999",
    ];
    let texts = [
        exposure("e", "green", "ann"),
        event("click", json!({"a": 1}), "ann"),
    ];
    let mut sent = 0;
    for valid in &texts {
        let fields = valid
            .as_object()
            .unwrap()
            .keys()
            .map(|name| format!("/{name}"));
        let properties = valid["properties_json"].as_object().unwrap().keys();
        let properties = properties.map(|name| format!("/properties_json/{name}"));
        for pointer in fields.chain(properties) {
            for value in values {
                let mut body = valid.clone();
                *body.pointer_mut(&pointer).unwrap() = json!("to be replaced");
                let body = body.to_string().replace("\"to be replaced\"", value);
                let answer = page.send(format!("[{body}]")).await;
                assert!(
                    matches!(answer.status, 200 | 400),
                    "{pointer} {value}: {}",
                    answer.status
                );
                sent += 1;
            }
        }
    }
    assert!(sent >= 200, "{sent}");
}
