//! Pages that send client keys: in the path, in the query or as a bearer, from one origin or another.

use super::{World, app, create, json, revoke};
use domain::access::Scope;
use domain::client_key::ClientKey;
use domain::ids::EnvironmentName;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request};
use serde_json::Value;
use shared::http::client_key::{Bearer, from_path};
use shared::http::{Response, response};
use std::sync::Arc;

const SHOP: &str = "https://shop.example";

/// A request as API Gateway gives it to a function.
fn request(resource: &str, path: &str, origins: &[&str], context: Value) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query: serde_json::Map<_, _> = query
        .split_once('=')
        .map(|(name, value)| (name.to_owned(), json!([value])))
        .into_iter()
        .collect();
    let event = json!({
        "resource": resource,
        "path": path,
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": { "Origin": origins },
        "multiValueQueryStringParameters": query,
        "requestContext": {
            "resourcePath": resource,
            "path": path,
            "httpMethod": "GET",
            "identity": {},
            "authorizer": context,
        },
        "isBase64Encoded": false,
    });
    lambda_http::request::from_str(&event.to_string()).unwrap()
}

fn in_path(key: &str, origins: &[&str]) -> Request {
    request(
        "/api/features/{client_key}",
        &format!("/api/features/{key}"),
        origins,
        json!({}),
    )
}

fn bearer(context: Value, origins: &[&str]) -> Request {
    request("/evaluate", "/evaluate", origins, context)
}

fn plain() -> Response {
    Response::new(Body::Empty)
}

#[tokio::test]
async fn a_key_in_the_path_or_the_query_is_checked_with_its_origin() {
    let world = World::start().await;
    let open = create(&world.admin(), json!({})).await;
    let shop = create(&world.admin(), json!({"origins": [SHOP]})).await;
    let app = app(&world, "0");
    let text = |key: &Value| key["key"].as_str().unwrap().to_owned();
    let status = async |request: &Request| match from_path(&app, request).await {
        Ok(_) => StatusCode::OK,
        Err(problem) => problem.status(),
    };
    let query = format!("/track?client_key={}", text(&shop));
    let in_query = |origins: &[&str]| request("/track", &query, origins, json!({}));
    for (request, expected) in [
        (in_path(&text(&open), &[]), 200),
        (in_path(&text(&open), &["https://other.example"]), 200),
        (in_path(&text(&shop), &[SHOP]), 200),
        (in_path(&text(&shop), &["https://other.example"]), 403),
        (in_path(&text(&shop), &[]), 403),
        (in_path(&text(&shop), &[SHOP, SHOP]), 403),
        (in_query(&[SHOP]), 200),
        (in_query(&["null"]), 403),
        (in_path("ck_AAAAAAAAAAAAAAAAAAAAAA", &[SHOP]), 401),
        (in_path("nonsense", &[SHOP]), 401),
        (request("/track", "/track", &[SHOP], json!({})), 401),
    ] {
        assert_eq!(status(&request).await, expected, "{}", request.uri());
    }
    revoke(&world.admin(), &shop).await.json(200);
    assert_eq!(status(&in_path(&text(&shop), &[SHOP])).await, 401);
}

#[tokio::test]
async fn a_bearer_is_a_token_or_a_client_key() {
    let world = World::start().await;
    let fields = json!({"origins": [SHOP], "flag_tags": ["web"]});
    let shop = create(&world.admin(), fields).await;
    let app = app(&world, "0");
    let context = json!({"client_key": shop["key"], "environment": "production"});

    let page = bearer(context.clone(), &[SHOP]);
    let caller = Bearer::of(&app, &page, Scope::Assign).await.unwrap();
    assert_eq!(caller.environment(&app).as_str(), "production");
    assert_eq!(caller.client_key().unwrap().id.as_str(), shop["id"]);
    assert!(caller.sees_flag(&["web".to_owned()]) && !caller.sees_flag(&[]));
    let response = caller.with_cors(plain(), &page);
    assert_eq!(response.headers()["access-control-allow-origin"], SHOP);

    let status = async |request: &Request| {
        let found = Bearer::of(&app, request, Scope::Assign).await;
        found.unwrap_err().status().as_u16()
    };
    let other = bearer(context.clone(), &["https://other.example"]);
    assert_eq!(status(&other).await, 403);
    assert_eq!(status(&bearer(json!({"scopes": "read"}), &[])).await, 403);
    // API Gateway may still have its policy.
    revoke(&world.admin(), &shop).await.json(200);
    assert_eq!(status(&page).await, 401);

    let token = |context| bearer(context, &[SHOP]);
    for (context, environment) in [
        (json!({"scopes": "assign"}), "production"),
        (
            json!({"scopes": "assign", "environment": "staging"}),
            "staging",
        ),
    ] {
        let request = token(context);
        let caller = Bearer::of(&app, &request, Scope::Assign).await.unwrap();
        let expected = EnvironmentName::parse(environment).unwrap();
        assert_eq!(caller.environment(&app), &expected);
        assert!(caller.client_key().is_none() && caller.sees_flag(&[]));
        let response = caller.with_cors(plain(), &request);
        assert!(response.headers().is_empty(), "pages have no tokens");
    }
}

#[tokio::test]
async fn pages_read_the_responses_for_their_keys_and_no_other_page_does() {
    let world = World::start().await;
    let key = async |fields| {
        let created = create(&world.admin(), fields).await;
        Arc::new(serde_json::from_value::<ClientKey>(created).unwrap())
    };
    let open = key(json!({})).await;
    let shop = key(json!({"origins": [SHOP, "http://localhost:5173"]})).await;
    for (key, origins, allowed) in [
        (&open, vec![SHOP], Some("*")),
        (&open, vec!["null"], Some("*")),
        (&open, vec![], Some("*")),
        (&shop, vec![SHOP], Some(SHOP)),
        (
            &shop,
            vec!["http://localhost:5173"],
            Some("http://localhost:5173"),
        ),
        (&shop, vec!["https://other.example"], None),
        (&shop, vec![], None),
        (&shop, vec![SHOP, "https://other.example"], None),
    ] {
        let request = in_path(key.key.as_str(), &origins);
        let response = response::with_cors(plain(), &request, key);
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let found = header("access-control-allow-origin");
        assert_eq!(found.as_deref(), allowed, "{origins:?}");
        assert_eq!(header("vary").as_deref(), Some("Origin"));
        let exposed = allowed.map(|_| "ETag, Retry-After".to_owned());
        assert_eq!(header("access-control-expose-headers"), exposed);
        assert_eq!(header("access-control-allow-credentials"), None);
    }
}
