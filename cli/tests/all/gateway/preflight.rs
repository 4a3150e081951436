//! Preflight requests of browsers, which the gateway answers itself.

use super::support::{Setup, TEMPLATE, authorizer};
use assay::gateway::FunctionError;
use assay::template::{LocalNames, Template};

#[tokio::test]
async fn a_preflight_request_is_answered_without_a_token_and_without_a_function() {
    // Each call of the authorizer would be a 401.
    let refuse = authorizer(|_| Err(FunctionError::new("Unauthorized", "Unauthorized")));
    let api = Setup::new().with("authorizer", refuse).start().await;
    for path in ["/notes/n%2F1", "/only-preflight", "/notes/1/"] {
        let request = api.request("OPTIONS", path);
        let request = request.header("origin", "https://shop.example");
        let request = request.header("access-control-request-method", "GET");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 204, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(header("access-control-allow-origin"), "*");
        assert_eq!(header("access-control-allow-methods"), "GET,POST");
        assert_eq!(header("access-control-max-age"), "7200");
        assert!(header("access-control-allow-headers").contains("Authorization"));
        assert!(response.bytes().await.unwrap().is_empty());
    }
    let token = |request: reqwest::RequestBuilder| request.bearer_auth("token");
    let answer = token(api.request("GET", "/notes/1")).send().await.unwrap();
    assert_eq!(answer.status(), 401, "other methods need a token");
}

#[tokio::test]
async fn other_paths_have_no_preflight_responses() {
    let api = Setup::new().start().await;
    for path in ["/notes", "/open", "/only-preflight/x"] {
        let response = api.request("OPTIONS", path).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
    let other = api.request("GET", "/only-preflight").send().await.unwrap();
    assert_eq!(other.status(), 404);
}

#[test]
fn the_definition_of_the_api_has_the_preflight_responses() {
    let template = Template::parse(TEMPLATE, &LocalNames::default()).unwrap();
    let paths: Vec<&str> = template
        .api
        .preflights
        .iter()
        .map(|preflight| preflight.path.as_str())
        .collect();
    assert_eq!(paths, ["/notes/{id}", "/only-preflight"]);
}
