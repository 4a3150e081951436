//! Start and stop of a platform.

use super::support::{options, slow, status, table};
use assay::client::http_client;
use assay::serve::{Platform, PlatformError, PlatformOptions};
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_real_template_starts_with_all_its_tables_and_functions() {
    let platform = Platform::start(PlatformOptions::for_tests()).await.unwrap();
    assert!(!platform.template.tables.is_empty());
    for table in platform.template.tables.values() {
        let described = platform.dynamodb.describe_table().table_name(&table.name);
        described.send().await.unwrap();
    }
    assert_eq!(platform.unwired, Vec::<String>::new());
    let health = http_client()
        .get(format!("{}/health", platform.url()))
        .send();
    assert_eq!(health.await.unwrap().status(), 200);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_development_token_has_access_to_every_route_and_another_token_to_none() {
    let platform = Platform::start(PlatformOptions::for_tests()).await.unwrap();
    let client = http_client();
    let routes = platform.template.routes();
    // Routes with a client key in the path or the query have no token, and the dashboard has sessions.
    let has_key = |path: &str| {
        path == "/track" || path.contains("{client_key}") || path.starts_with("/dashboard")
    };
    for (_, route) in routes.filter(|(_, route)| !has_key(&route.path)) {
        let path = route.path.replace(['{', '}'], "");
        let ask = |token: &str| {
            let method = route.method.parse().unwrap();
            let request = client.request(method, format!("{}{path}", platform.url()));
            request.bearer_auth(token).send()
        };
        let status = ask(&platform.token).await.unwrap().status();
        assert!(
            ![401, 403, 502].contains(&status.as_u16()),
            "{path}: {status}"
        );
        let unknown = ask("assay_of-another-deployment").await.unwrap().status();
        assert_eq!(unknown, if path == "/health" { 200 } else { 401 }, "{path}");
    }
}

#[tokio::test]
async fn a_missing_token_is_refused_with_a_problem_document() {
    let platform = Platform::start(PlatformOptions::for_tests()).await.unwrap();
    let answer = reqwest::get(format!("{}/experiments", platform.url()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "unauthorized");
}

#[tokio::test]
async fn two_platforms_can_run_at_the_same_time_with_different_tokens() {
    let one = Platform::start(PlatformOptions::for_tests()).await.unwrap();
    let two = Platform::start(PlatformOptions::for_tests()).await.unwrap();
    assert_ne!(one.address, two.address);
    assert_ne!(one.token, two.token);
    assert_eq!(one.token.len(), "assay_".len() + 43);
}

#[tokio::test]
async fn a_function_gets_the_environment_variables_of_the_template() {
    let platform = Platform::start(options()).await.unwrap();
    let environment = platform.environments.of("slow").unwrap();
    assert_eq!(environment["NOTES_TABLE"], table(&platform));
    assert_eq!(
        environment["AWS_ENDPOINT_URL_DYNAMODB"],
        platform.dynamodb_endpoint
    );
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "slow");
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let first = Platform::start(options()).await.unwrap();
    let again = PlatformOptions {
        address: first.address,
        ..options()
    };
    let error = Platform::start(again).await.err().unwrap();
    assert!(matches!(error, PlatformError::PortTaken(_)));
    assert!(error.to_string().contains("--port"), "{error}");
}

#[tokio::test]
async fn a_running_request_is_finished_before_the_platform_stops() {
    let options = options().with_function("slow", slow(Duration::from_millis(500)));
    let platform = Platform::start(options).await.unwrap();
    let request = tokio::spawn(http_client().get(format!("{}/slow", platform.url())).send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopping = Instant::now();
    platform.shutdown().await.unwrap();
    assert!(stopping.elapsed() > Duration::from_millis(200));
    let answer = request.await.unwrap().unwrap();
    assert_eq!(answer.text().await.unwrap(), "done");
}

#[tokio::test]
async fn a_function_without_its_caller_is_finished_before_the_platform_stops() {
    let options = options().with_function("slow", slow(Duration::from_millis(500)));
    let platform = Platform::start(options).await.unwrap();
    let client = http_client();
    let request = client.get(format!("{}/slow", platform.url()));
    let left = request.timeout(Duration::from_millis(100)).send().await;
    assert!(left.is_err());
    let stopping = Instant::now();
    platform.shutdown().await.unwrap();
    assert!(stopping.elapsed() > Duration::from_millis(250));
}

#[tokio::test]
async fn a_route_without_a_function_is_reported_and_answers_500() {
    let platform = Platform::start(options()).await.unwrap();
    assert_eq!(platform.unwired, ["slow"]);
    assert_eq!(status(&platform, "/slow").await, 500);
}
