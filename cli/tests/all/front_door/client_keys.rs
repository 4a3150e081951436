//! Client keys: creation, lists, revocation, and what they open.

use super::support::{Caller, World, encoded, expected};
use assay::serve::PlatformOptions;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::access::Scope;
use domain::client_key::ClientKeyText;
use domain::limits;
use serde_json::{Value, json};
use shared::app::App;
use shared::config::Config;
use shared::http::routes::ROUTES;

mod pages;

/// Creates a client key.
async fn create(caller: &Caller, fields: Value) -> Value {
    let mut body = json!({"name": "Shop"});
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    caller.post("/client-keys", &body).await.json(201)
}

async fn revoke(caller: &Caller, key: &Value) -> super::support::Answer {
    let path = format!("/client-keys/{}", key["id"].as_str().unwrap());
    caller.send("DELETE", &path, &[], "").await
}

/// The path of a route with values for its parameters.
fn path_of(path: &str, key: &Value) -> String {
    let key = key["key"].as_str().unwrap();
    [
        ("{id}", "e"),
        ("{user_id}", "u"),
        ("{key}", "f"),
        ("{client_key}", key),
    ]
    .iter()
    .fold(path.to_owned(), |path, (name, value)| {
        path.replace(name, value)
    })
}

/// The state of a function of this platform, with its own cache.
fn app(world: &World, cache_seconds: &str) -> App {
    let environment = world.platform.environments.of("authorizer").unwrap();
    let config = Config::read(|name| match name {
        "DEFINITION_CACHE_SECONDS" => Some(cache_seconds.to_owned()),
        name => environment.get(name).cloned(),
    });
    App::new(world.store(), &config.unwrap())
}

#[tokio::test]
async fn a_client_key_is_created_listed_and_revoked() {
    let world = World::start().await;
    let admin = world.admin();
    let least = create(&admin, json!({})).await;
    for (field, value) in [
        ("name", json!("Shop")),
        ("environment", json!("production")),
        ("origins", json!([])),
        ("flag_tags", json!([])),
        ("event_types", json!([])),
        ("events_per_second", json!(100)),
    ] {
        assert_eq!(least[field], value, "{field}");
    }
    assert!(ClientKeyText::parse(least["key"].as_str().unwrap()).is_ok());
    let fields = json!({
        "environment": "production",
        "origins": ["https://shop.example", "http://localhost:5173"],
        "flag_tags": ["web"],
        "event_types": ["page_view", "purchase"],
        "events_per_second": 1000.0,
    });
    let full = create(&admin, fields.clone()).await;
    for (field, value) in fields.as_object().unwrap() {
        let value = if field == "events_per_second" {
            &json!(1000)
        } else {
            value
        };
        assert_eq!(&full[field], value, "{field}");
    }
    assert_ne!(full["key"], least["key"]);

    let listed = admin.get("/client-keys").await.json(200);
    let mut both = [least.clone(), full.clone()];
    both.sort_by_key(|key| key["id"].to_string());
    assert_eq!(listed, json!({"client_keys": both}));

    let revoked = revoke(&admin, &full).await.json(200);
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(revoke(&admin, &full).await.json(200), revoked, "a repeat");
    let listed = admin.get("/client-keys").await.json(200);
    assert!(listed["client_keys"].as_array().unwrap().contains(&revoked));

    for unknown in ["aaaaaaaaaaaaaaaa", "x", least["key"].as_str().unwrap()] {
        let path = format!("/client-keys/{unknown}");
        let answer = admin.send("DELETE", &path, &[], "").await;
        assert_eq!(answer.code(404), "client_key_not_found", "{unknown}");
    }
}

#[tokio::test]
async fn a_repeated_creation_returns_the_key_of_the_first_one() {
    let world = World::start().await;
    let admin = world.admin();
    let send = async |caller: &Caller, name: &str, once: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", once),
        ];
        let body = json!({"name": name}).to_string();
        caller.send("POST", "/client-keys", &headers, body).await
    };
    let first = send(&admin, "Shop", "once").await.json(201);
    assert_eq!(send(&admin, "Shop", "once").await.json(201), first);
    let reused = send(&admin, "Other", "once").await;
    assert_eq!(reused.code(409), "idempotency_key_reused");
    let malformed = send(&admin, "Shop", "").await;
    assert_eq!(malformed.code(400), "bad_idempotency_key");
    let second = send(&admin, "Shop", "twice").await.json(201);
    let other = world.caller(&[Scope::Manage]).await;
    let third = send(&other, "Shop", "once").await.json(201);
    assert!(second["key"] != first["key"] && third["key"] != first["key"]);
    let listed = admin.get("/client-keys").await.json(200);
    assert_eq!(listed["client_keys"].as_array().unwrap().len(), 3);
    // A repeat shows the key as it is now.
    let revoked = revoke(&admin, &first).await.json(200);
    assert_eq!(send(&admin, "Shop", "once").await.json(201), revoked);
}

#[tokio::test]
async fn concurrent_creations_are_all_counted() {
    let world = World::start().await;
    let admin = world.admin();
    let created = futures::future::join_all((0..5).map(|_| create(&admin, json!({})))).await;
    assert_eq!(created.len(), 5);
    let items = world.items("ExperimentsTable").await;
    let text = |name: &str| AttributeValue::S(name.to_owned());
    let count = items.iter().find(|item| item["record"] == text("count"));
    assert_eq!(count.unwrap()["active"], AttributeValue::N("5".to_owned()));
}

#[tokio::test]
async fn all_faults_of_a_client_key_are_reported_at_once() {
    let world = World::start().await;
    let many = |most: usize, text: &dyn Fn(usize) -> String| -> Vec<String> {
        (0..=most).map(text).collect()
    };
    let body = json!({
        "name": " ",
        "environment": "staging",
        "origins": ["https://shop.example/", "https://a.example", "https://a.example"],
        "flag_tags": many(limits::MAX_TAGS, &|number| format!("tag-{number}")),
        "event_types": many(limits::MAX_CLIENT_EVENT_TYPES, &|number| format!("type-{number}")),
        "events_per_second": 1001,
        "secure_attributes": {"names": ["id", "email", "email", "$x"], "salt": "short", "hash": "md5"},
        "encrypted": "yes",
        "scopes": ["manage"],
    });
    let answer = world.admin().post("/client-keys", &body).await;
    let faults = expected([
        ("/name", "empty"),
        ("/environment", "unknown_environment"),
        ("/origins/0", "bad_origin"),
        ("/origins/2", "duplicate_key"),
        ("/flag_tags", "too_many"),
        ("/event_types", "too_many"),
        ("/events_per_second", "out_of_range"),
        ("/secure_attributes/names/0", "hashed_for_variants"),
        ("/secure_attributes/names/2", "duplicate_key"),
        ("/secure_attributes/names/3", "bad_characters"),
        ("/secure_attributes/salt", "bad_salt"),
        ("/secure_attributes/hash", "unknown_field"),
        ("/encrypted", "wrong_type"),
        ("/scopes", "unknown_field"),
    ]);
    assert_eq!(answer.faults(), faults);
    let origins = many(limits::MAX_ORIGINS, &|number| {
        format!("https://{number}.example")
    });
    for (body, fault) in [
        (json!({}), ("/name", "required")),
        (
            json!({"name": "n", "origins": origins}),
            ("/origins", "too_many"),
        ),
        (
            json!({"name": "n", "events_per_second": 0}),
            ("/events_per_second", "out_of_range"),
        ),
        (
            json!({"name": "n", "event_types": ["(other types)"]}),
            ("/event_types/0", "reserved"),
        ),
        (
            json!({"name": "n", "secure_attributes": {}}),
            ("/secure_attributes/names", "required"),
        ),
        (
            json!({"name": "n", "secure_attributes": {"names": []}}),
            ("/secure_attributes/names", "empty"),
        ),
        (
            json!({"name": "n", "secure_attributes": {
                "names": many(limits::MAX_SECURE_ATTRIBUTES, &|number| format!("a{number}")),
            }}),
            ("/secure_attributes/names", "too_many"),
        ),
    ] {
        let answer = world.admin().post("/client-keys", &body).await;
        assert_eq!(answer.faults(), expected([fault]), "{body}");
    }
}

#[tokio::test]
async fn environments_are_those_of_the_deployment() {
    let options = PlatformOptions::for_tests().with_parameter("Environments", "live,staging");
    let world = World::with(options).await;
    let admin = world.admin();
    assert_eq!(create(&admin, json!({})).await["environment"], "live");
    let staging = create(&admin, json!({"environment": "staging"})).await;
    assert_eq!(staging["environment"], "staging");
    let body = json!({"name": "n", "environment": "production"});
    let answer = admin.post("/client-keys", &body).await;
    assert_eq!(
        answer.faults(),
        expected([("/environment", "unknown_environment")])
    );
}

#[tokio::test]
async fn a_client_key_opens_only_routes_that_are_meant_for_it() {
    let world = World::start().await;
    let key = create(&world.admin(), json!({})).await;
    let page = world.bearer(key["key"].as_str().unwrap());
    for route in ROUTES {
        let path = path_of(route.path, &key);
        let json = [("content-type", "application/json")];
        let answer = page.send(route.method, &path, &json, "{}").await;
        let what = format!("{} {path}: {}", route.method, answer.status);
        match route.scope {
            Some(_) if !route.client_key => assert_eq!(answer.code(403), "forbidden", "{what}"),
            _ => assert!(answer.status < 500 && answer.status != 403, "{what}"),
        }
    }
}

#[tokio::test]
async fn a_key_that_is_unknown_or_revoked_is_401() {
    let options = PlatformOptions::for_tests()
        .with_parameter("AuthorizerTtlSeconds", "0")
        .with_parameter("DefinitionCacheSeconds", "0");
    let world = World::with(options).await;
    let key = create(&world.admin(), json!({})).await;
    let page = world.bearer(key["key"].as_str().unwrap());
    assert_eq!(page.get("/experiments").await.code(403), "forbidden");
    let unknown = ClientKeyText::from_bits([9; 16]);
    let stranger = world.bearer(unknown.as_str());
    assert_eq!(stranger.get("/experiments").await.code(401), "unauthorized");
    // Its id is that of a stored key, and its text is another.
    let malformed = format!("{}x", key["key"].as_str().unwrap());
    let malformed = world.bearer(&malformed);
    assert_eq!(
        malformed.get("/experiments").await.code(401),
        "unauthorized"
    );

    revoke(&world.admin(), &key).await.json(200);
    assert_eq!(page.get("/experiments").await.code(401), "unauthorized");
}

#[tokio::test]
async fn pages_can_read_the_errors_of_routes_that_are_meant_for_them_and_of_the_gateway() {
    let world = World::start().await;
    let allowed = |answer: &super::support::Answer| {
        let header = answer.header("access-control-allow-origin");
        header.to_owned()
    };
    let (mut errors, admin) = (0, world.admin());
    for route in ROUTES {
        let path = route.path.replace("{id}", "e").replace("{user_id}", "u");
        let answer = admin.send(route.method, &path, &[], "[").await;
        if answer.status >= 400 {
            let expected = if route.client_key { "*" } else { "" };
            assert_eq!(allowed(&answer), expected, "{} {path}", route.method);
            errors += 1;
        }
    }
    assert!(errors >= 15, "{errors}");
    // The gateway does not know which page asks.
    let key = create(&admin, json!({})).await;
    let page = world.bearer(key["key"].as_str().unwrap());
    let refused = page.get("/experiments").await;
    assert_eq!((refused.status, allowed(&refused).as_str()), (403, "*"));
    let unknown = world.bearer("ck_AAAAAAAAAAAAAAAAAAAAAA");
    let refused = unknown.get("/experiments").await;
    assert_eq!((refused.status, allowed(&refused).as_str()), (401, "*"));
}

#[tokio::test]
async fn only_managers_see_and_change_client_keys() {
    let world = World::start().await;
    let others = [Scope::Assign, Scope::Read, Scope::Track];
    let caller = world.caller(&others).await;
    let created = caller.post("/client-keys", &json!({"name": "n"})).await;
    assert_eq!(created.code(403), "forbidden");
    assert_eq!(caller.get("/client-keys").await.code(403), "forbidden");
    let key = create(&world.admin(), json!({})).await;
    assert_eq!(revoke(&caller, &key).await.code(403), "forbidden");
}

#[tokio::test]
async fn a_page_of_the_list_continues_after_the_last_key() {
    let world = World::start().await;
    let admin = world.admin();
    let mut created = Vec::new();
    for number in 0..5 {
        let name = format!("App {number}");
        created.push(create(&admin, json!({"name": name})).await);
    }
    created.sort_by_key(|key| key["id"].to_string());
    let (mut listed, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = admin.get(&format!("/client-keys?{query}")).await.json(200);
        let keys = page["client_keys"].as_array().unwrap().clone();
        assert!((1..=2).contains(&keys.len()));
        listed.extend(keys);
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("limit=2&cursor={}", encoded(cursor));
    }
    assert_eq!(listed, created);
    let answer = admin.get("/client-keys?limit=0&cursor=x&name=n").await;
    let faults = [
        ("?limit", "out_of_range"),
        ("?cursor", "bad_cursor"),
        ("?name", "unknown_parameter"),
    ];
    assert_eq!(answer.faults(), expected(faults));
}

#[tokio::test]
async fn there_are_at_most_a_thousand_keys_that_are_not_revoked() {
    let world = World::start().await;
    let admin = world.admin();
    let key = create(&admin, json!({})).await;
    let count = |active: u32| {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = world.platform.dynamodb.put_item();
        put.table_name(&world.platform.template.tables["ExperimentsTable"].name)
            .item("experiment_id", text("#client-keys"))
            .item("record", text("count"))
            .item("active", AttributeValue::N(active.to_string()))
            .send()
    };
    count(limits::MAX_CLIENT_KEYS - 1).await.unwrap();
    create(&admin, json!({})).await;
    let refused = admin.post("/client-keys", &json!({"name": "n"})).await;
    assert_eq!(refused.code(409), "too_many_client_keys");
    // Only the first revocation makes room for another key.
    revoke(&admin, &key).await.json(200);
    revoke(&admin, &key).await.json(200);
    create(&admin, json!({})).await;
    let refused = admin.post("/client-keys", &json!({"name": "n"})).await;
    assert_eq!(refused.code(409), "too_many_client_keys");
}

#[tokio::test]
async fn a_look_up_costs_one_read_for_keys_that_exist_and_for_those_that_do_not() {
    let world = World::start().await;
    let key = create(&world.admin(), json!({})).await;
    let text = key["key"].as_str().unwrap();
    let unknown = ClientKeyText::from_bits([9; 16]);
    let app = app(&world, "10");
    let calls = || app.store().usage().reading().calls;
    for (sent, is_known) in [(text, true), (unknown.as_str(), false)] {
        let before = calls();
        for _ in 0..3 {
            let found = app.client_key(sent).await.unwrap();
            assert_eq!(found.is_some(), is_known, "{sent}");
        }
        assert_eq!(calls() - before, 1, "{sent}");
    }
    let before = calls();
    for malformed in ["", "ck_", "ck_short", "#client-keys", &text[..24]] {
        assert_eq!(app.client_key(malformed).await.unwrap(), None);
    }
    assert_eq!(calls(), before);
}
