//! Routing of paths, and the path parameters in the event.

use super::support::Setup;
use proptest::prelude::*;
use serde_json::json;

#[tokio::test]
async fn the_function_receives_the_encoded_path() {
    let api = Setup::new().start().await;
    for (id, user) in [
        ("a%2Fb", "%25"),
        ("%F0%9F%98%80", "u+1"),
        ("a%20b", "x%252Fy"),
        ("~tilde", "semi;colon,comma"),
        ("%e2%82%ac", "."),
    ] {
        let path = format!("/open/{id}/of/{user}");
        let event = api.raw_event(&path).await;
        assert_eq!(event["path"], path);
        assert_eq!(event["requestContext"]["path"], format!("/dev{path}"));
        assert_eq!(event["resource"], "/open/{id}/of/{user_id}");
        assert_eq!(
            event["pathParameters"],
            json!({ "id": id, "user_id": user })
        );
    }
}

#[tokio::test]
async fn a_slash_at_the_end_matches_the_same_resource_and_is_kept_in_the_path() {
    let api = Setup::new().start().await;
    let event = api.raw_event("/open/").await;
    assert_eq!(event["path"], "/open/");
    assert_eq!(event["resource"], "/open");
    assert!(event["pathParameters"].is_null());
}

#[tokio::test]
async fn a_greedy_parameter_matches_the_rest_of_the_path() {
    let api = Setup::new().start().await;
    let event = api.raw_event("/files/a/b%2Fc/d").await;
    assert_eq!(event["pathParameters"], json!({ "path": "a/b%2Fc/d" }));
}

#[tokio::test]
async fn an_unknown_route_is_a_missing_authentication_token() {
    let api = Setup::new().start().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/nowhere"),
        ("GET", "/OPEN"),
        ("GET", "//open"),
        ("GET", "/open//of/u"),
        ("GET", "/open/i/of/"),
        ("GET", "/open/i/of/u/more"),
        ("GET", "/files/"),
        ("DELETE", "/open"),
        ("HEAD", "/open"),
        ("OPTIONS", "/open"),
        ("DELETE", "/notes"),
    ] {
        let response = api.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), 404, "{method} {path}");
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "MissingAuthenticationTokenException"
        );
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        if method != "HEAD" {
            let body: serde_json::Value = response.json().await.unwrap();
            let detail = "Missing Authentication Token";
            let expected =
                json!({ "status": 404, "detail": detail, "type": "MISSING_AUTHENTICATION_TOKEN" });
            assert_eq!(body, expected);
        }
    }
}

#[tokio::test]
async fn any_matches_head_and_options_and_a_head_response_has_no_body() {
    let api = Setup::new().start().await;
    let event = api.event(api.request("OPTIONS", "/files/a")).await;
    assert_eq!(event["httpMethod"], "OPTIONS");
    let response = api.request("HEAD", "/files/a").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.unwrap().is_empty());
}

/// A path path_segment that a client may send: characters that need no encoding, and any encoded byte.
fn path_segment() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        "[A-Za-z0-9._~!$&'()*+,;=:@-]",
        any::<u8>().prop_map(|byte| format!("%{byte:02X}")),
        any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
    ];
    prop::collection::vec(character, 1..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_path_segment_is_one_parameter_and_arrives_unchanged(
        id in path_segment(),
        user in path_segment(),
    ) {
        let path = format!("/open/{id}/of/{user}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let event = runtime.block_on(async { Setup::new().start().await.raw_event(&path).await });
        prop_assert_eq!(&event["path"], &json!(path));
        prop_assert_eq!(&event["pathParameters"], &json!({ "id": id, "user_id": user }));
    }
}
