//! Connects the Lambda functions to this process. Only this module maps the name of a binary to its code.
//!
//! Each function has its own state, as each Lambda function has its own process.

use crate::engine;
use crate::environment::{Environment, Environments};
use crate::gateway::{Functions, event_function, http_function};
use crate::notifications::LocalSink;
use domain::access::{Grant, Scope, Token};
use domain::session::{Secret, Session};
use lambda_http::service_fn;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::app::App;
use shared::clock;
use shared::config::Config;
use shared::http::run::{BoxedHandler, answer, boxed};
use shared::http::{Problem, Request, Response};
use shared::notifications::Notifier;
use shared::store::Store;
use std::future::Future;
use std::time::Duration;

/// The functions that read aggregates.
pub const AGGREGATE_READERS: [&str; 4] = ["audit", "dashboard", "get-results", "plan-experiment"];

/// The largest future of a handler of requests, in bytes.
const MAX_HANDLER_BYTES: usize = 16 * 1024;

/// Why a function cannot start in this process.
#[derive(Debug, thiserror::Error)]
#[error("the function {binary} cannot start: {reason}")]
pub struct WiringError {
    /// Name of the binary.
    pub binary: String,
    /// What is wrong, usually with its environment variables.
    pub reason: String,
}

/// What this process does about notifications.
pub struct Notifications {
    /// Sends them.
    pub notifier: Notifier,
    /// How long at least after a look at an experiment the next one follows, if not as long as in Lambda.
    pub interval: Option<Duration>,
}

impl Default for Notifications {
    /// They are logged.
    fn default() -> Self {
        Self {
            notifier: Notifier::new(LocalSink::log()),
            interval: None,
        }
    }
}

/// Returns every function that the template declares, by the name of its binary. Each function gets the environment
/// variables that it has in Lambda.
///
/// # Errors
/// If a variable that a function reads is missing.
pub async fn wire(
    environments: &Environments,
    notifications: &Notifications,
) -> Result<Functions, WiringError> {
    let mut wiring = Wiring::new(environments, notifications);
    wiring.http("assign", assign::handle)?;
    wiring.http("assign-user", assign_user::handle)?;
    wiring.http("assign-users", assign_users::handle)?;
    wiring.http("audit", audit::handle)?;
    wiring.http("change-experiment", change_experiment::handle)?;
    wiring.http("change-flag", change_flag::handle)?;
    wiring.http("change-segment", change_segment::handle)?;
    wiring.http("create-client-key", create_client_key::handle)?;
    wiring.http("create-experiment", create_experiment::handle)?;
    wiring.http("create-flag", create_flag::handle)?;
    wiring.http("create-segment", create_segment::handle)?;
    wiring.http("dashboard", dashboard::handle)?;
    wiring.http("delete-flag", delete_flag::handle)?;
    wiring.http("delete-layer", delete_layer::handle)?;
    wiring.http("delete-segment", delete_segment::handle)?;
    wiring.http("erase-user", erase_user::handle)?;
    wiring.http("evaluate-flag", evaluate_flag::handle)?;
    wiring.http("evaluate-flags", evaluate_flags::handle)?;
    wiring.http("evaluate-sdk-features", evaluate_sdk_features::handle)?;
    wiring.http("explain-flag", explain_flag::handle)?;
    wiring.http("export-user", export_user::handle)?;
    wiring.http("get-experiment", get_experiment::handle)?;
    wiring.http("get-flag", get_flag::handle)?;
    wiring.http("get-flag-history", get_flag_history::handle)?;
    wiring.http("get-history", get_history::handle)?;
    wiring.http("get-layer", get_layer::handle)?;
    wiring.http("get-results", get_results::handle)?;
    wiring.http("get-sdk-features", get_sdk_features::handle)?;
    wiring.http("get-segment", get_segment::handle)?;
    wiring.http("get-segment-history", get_segment_history::handle)?;
    wiring.http("get-sticky-buckets", get_sticky_buckets::handle)?;
    wiring.http("health", health::handle)?;
    wiring.http("import-assignments", import_assignments::handle)?;
    wiring.http("list-client-keys", list_client_keys::handle)?;
    wiring.http("list-experiments", list_experiments::handle)?;
    wiring.http("list-flags", list_flags::handle)?;
    wiring.http("list-layers", list_layers::handle)?;
    wiring.http("list-segments", list_segments::handle)?;
    wiring.http("plan-experiment", plan_experiment::handle)?;
    wiring.http("publish-flag", publish_flag::handle)?;
    wiring.http("put-flag-draft", put_flag_draft::handle)?;
    wiring.http("put-layer", put_layer::handle)?;
    wiring.http("record-events", record_events::handle)?;
    wiring.http("record-sdk-events", record_sdk_events::handle)?;
    wiring.http("record-sticky-buckets", record_sticky_buckets::handle)?;
    wiring.http("revert-flag", revert_flag::handle)?;
    wiring.http("revoke-client-key", revoke_client_key::handle)?;
    wiring.notifying("aggregate", aggregate::handle)?;
    wiring.notifying("audit-sample", audit_sample::handle)?;
    wiring.notifying("backfill", backfill::handle)?;
    wiring.authorizer("authorizer")?;
    Ok(wiring.functions)
}

/// Stores the hash of the development token, with every scope and without an expiry.
///
/// # Errors
/// If the token is malformed or the database fails.
pub async fn store_development_token(
    environments: &Environments,
    token: &str,
) -> Result<(), WiringError> {
    const TOKEN_ID: &str = "development";
    let failed = |reason: String| WiringError {
        binary: "authorizer".to_owned(),
        reason,
    };
    // A template without the authorizer function does not check tokens.
    let Some(environment) = environments.of("authorizer") else {
        return Ok(());
    };
    let (store, _) = connect("authorizer", environment)?;
    let token = Token::parse(token).map_err(|invalid| failed(invalid.to_string()))?;
    let grant = Grant {
        token_id: TOKEN_ID.to_owned(),
        name: "development token".to_owned(),
        scopes: Scope::ALL.into_iter().map(|(_, scope)| scope).collect(),
        created_at: clock::now(),
        expires_at: None,
        events_per_second: None,
        hides_assignments: false,
        environment: None,
    };
    let replace = async {
        // An earlier run may have stored another development token in the same data.
        store.revoke_token(TOKEN_ID).await?;
        store.store_token(&token.sha256(), &grant).await
    };
    replace.await.map_err(|error| failed(error.to_string()))
}

/// Stores a code that signs a browser in once as the bearer of a token, and returns it; none without the dashboard.
///
/// # Errors
/// If the token is malformed, the database fails, or there are no random bits.
pub async fn store_start_code(
    environments: &Environments,
    token: &str,
) -> Result<Option<Secret>, WiringError> {
    let failed = |reason: String| WiringError {
        binary: "dashboard".to_owned(),
        reason,
    };
    let Some(environment) = environments.of("dashboard") else {
        return Ok(None);
    };
    let (store, _) = connect("dashboard", environment)?;
    let token = Token::parse(token).map_err(|invalid| failed(invalid.to_string()))?;
    let bits = clock::random_bits().map_err(|error| failed(error.to_string()))?;
    let code = Secret::from_bits(bits);
    let session = Session::start_code(token.sha256(), clock::now());
    let stored = store.store_start_code(&code, &session).await;
    stored.map_err(|error| failed(error.to_string()))?;
    Ok(Some(code))
}

struct Wiring<'e> {
    environments: &'e Environments,
    notifications: &'e Notifications,
    functions: Functions,
}

impl<'e> Wiring<'e> {
    fn new(environments: &'e Environments, notifications: &'e Notifications) -> Self {
        Self {
            environments,
            notifications,
            functions: Functions::new(),
        }
    }

    /// Adds a handler of API routes.
    fn http<H, F>(&mut self, binary: &str, handler: H) -> Result<(), WiringError>
    where
        H: Fn(App, Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Response, Problem>> + Send + 'static,
    {
        // It is copied for each request. What is large in it, such as a call of the database, belongs in a box.
        const { assert!(size_of::<F>() <= MAX_HANDLER_BYTES) };
        self.boxed_http(binary, boxed(handler))
    }

    /// What wires a handler is compiled once, and not for each of the handlers.
    fn boxed_http(&mut self, binary: &str, handler: BoxedHandler) -> Result<(), WiringError> {
        let Some(app) = self.app(binary)? else {
            return Ok(());
        };
        let service = service_fn(move |request| answer(app.clone(), handler.clone(), request));
        self.functions
            .insert(binary.to_owned(), http_function(service));
        Ok(())
    }

    /// Adds a handler of stream batches or of scheduled events, which notifies.
    fn notifying<H, F, I, O, E>(&mut self, binary: &str, handler: H) -> Result<(), WiringError>
    where
        H: Fn(App, Notifier, LambdaEvent<I>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<O, E>> + Send + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        E: Into<Diagnostic> + Send + 'static,
    {
        if let Some(app) = self.app(binary)? {
            let notifier = self.notifications.notifier.clone();
            let function =
                event_function(move |event| handler(app.clone(), notifier.clone(), event));
            self.functions.insert(binary.to_owned(), function);
        }
        Ok(())
    }

    fn authorizer(&mut self, binary: &str) -> Result<(), WiringError> {
        let Some(app) = self.app(binary)? else {
            return Ok(());
        };
        let function = event_function(move |event: LambdaEvent<authorizer::TokenRequest>| {
            authorizer::handle(app.clone(), event.payload)
        });
        self.functions.insert(binary.to_owned(), function);
        Ok(())
    }

    /// The state of a function, or `None` if the template does not declare it.
    fn app(&self, binary: &str) -> Result<Option<App>, WiringError> {
        let Some(environment) = self.environments.of(binary) else {
            return Ok(None);
        };
        let (store, mut config) = connect(binary, environment)?;
        if let Some(interval) = self.notifications.interval {
            config.notification_interval = interval;
        }
        Ok(Some(App::new(store, &config)))
    }
}

fn connect(binary: &str, environment: &Environment) -> Result<(Store, Config), WiringError> {
    let failed = |reason: String| WiringError {
        binary: binary.to_owned(),
        reason,
    };
    let config = Config::read(|name| environment.get(name).cloned());
    let config = config.map_err(|error| failed(error.to_string()))?;
    let variable = |name: &str| environment.get(name).map_or("", String::as_str);
    let sdk = engine::sdk_config(
        variable("AWS_ENDPOINT_URL_DYNAMODB"),
        variable("AWS_REGION"),
        variable("AWS_ACCESS_KEY_ID"),
    );
    let store = Store::with_config(&sdk, config.tables.clone());
    Ok((store, config))
}
