//! The Lambda functions, wired into this process: the one place that knows which code a binary's name stands
//! for.

use crate::engine;
use crate::gateway::{Function, Functions, event_function, http_function};
use crate::serve::Environments;
use lambda_runtime::{Diagnostic, LambdaEvent};
use shared::clock;
use shared::config::Config;
use shared::domain::access::{Grant, Scope, Token};
use shared::http::{App, Problem, Request, Response, run};
use shared::store::Store;
use std::future::Future;

/// Why a function could not be wired.
#[derive(Debug, thiserror::Error)]
#[error("the function {binary} cannot start: {reason}")]
pub struct WiringError {
    /// Its binary.
    pub binary: String,
    /// What is wrong, mostly with its environment.
    pub reason: String,
}

/// Every function by the name of its binary, each with the environment that the template gives it.
pub async fn wire(environments: &Environments) -> Result<Functions, WiringError> {
    let app = |binary| app(environments, binary);
    let authorizer_app = app("authorizer")?;
    let authorize = move |event: LambdaEvent<authorizer::TokenRequest>| {
        let answer = authorizer::handle(authorizer_app.clone(), event.payload);
        async move { answer.await.map_err(Diagnostic::from) }
    };
    let functions: [(&str, Function); 10] = [
        ("authorizer", event_function(authorize)),
        ("health", endpoint(app("health")?, health::handle)),
        (
            "create-experiment",
            endpoint(app("create-experiment")?, create_experiment::handle),
        ),
        (
            "list-experiments",
            endpoint(app("list-experiments")?, list_experiments::handle),
        ),
        (
            "get-experiment",
            endpoint(app("get-experiment")?, get_experiment::handle),
        ),
        (
            "change-experiment",
            endpoint(app("change-experiment")?, change_experiment::handle),
        ),
        ("assign", endpoint(app("assign")?, assign::handle)),
        (
            "import-assignments",
            endpoint(app("import-assignments")?, import_assignments::handle),
        ),
        (
            "record-events",
            endpoint(app("record-events")?, record_events::handle),
        ),
        (
            "get-results",
            endpoint(app("get-results")?, get_results::handle),
        ),
    ];
    Ok(functions
        .map(|(binary, function)| (binary.to_owned(), function))
        .into())
}

/// Stores the hash of the development token, with every scope and without an end.
pub async fn store_development_token(
    environments: &Environments,
    token: &str,
) -> Result<(), WiringError> {
    const TOKEN_ID: &str = "development";
    let failed = |reason: String| WiringError {
        binary: "authorizer".to_owned(),
        reason,
    };
    let token = Token::parse(token).map_err(|invalid| failed(invalid.detail))?;
    let app = app(environments, "authorizer")?;
    let grant = Grant {
        token_id: TOKEN_ID.to_owned(),
        name: "development token".to_owned(),
        scopes: Scope::ALL.map(|(_, scope)| scope).into(),
        created_at: clock::now(),
        expires_at: None,
    };
    let replace = async {
        // Another token may have been used before with the same data.
        app.store().revoke_token(TOKEN_ID).await?;
        app.store().store_token(&token.sha256(), &grant).await
    };
    replace.await.map_err(|error| failed(error.to_string()))
}

/// A function's state, made from its own environment as it would be in Lambda.
pub fn app(environments: &Environments, binary: &str) -> Result<App, WiringError> {
    let environment = environments.of(binary);
    let config =
        Config::read(|name| environment.get(name).cloned()).map_err(|error| WiringError {
            binary: binary.to_owned(),
            reason: error.to_string(),
        })?;
    let variable = |name: &str| {
        environment
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let sdk = engine::sdk_config(
        variable("AWS_ENDPOINT_URL_DYNAMODB"),
        variable("AWS_REGION"),
    );
    Ok(App::new(
        Store::with_config(&sdk, config.tables.clone()),
        &config,
    ))
}

fn endpoint<H, F>(app: App, handler: H) -> Function
where
    H: Fn(App, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    let service = move |request| run::answer(app.clone(), handler.clone(), request);
    http_function(lambda_http::service_fn(service))
}
