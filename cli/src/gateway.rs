//! API Gateway on this machine: a REST API with a TOKEN authorizer and Lambda proxy integrations, routed and
//! answered as the service does it.
//!
//! A request goes: `route` → `authorizer` (`policy`) → `event` → `invoke` → `response`; where it
//! can go no further, `refusal` answers. Not reproduced: throttling, quotas, request models and CORS
//! preflights, none of which says anything about the functions behind.

mod access_log;
mod authorizer;
mod event;
mod function;
mod invoke;
mod policy;
mod refusal;
mod request;
mod response;
mod route;
mod stage;

pub(crate) use invoke::{Deployed, MAX_PAYLOAD_BYTES, json_size};
pub(crate) use request::new_trace;

pub use function::{Function, FunctionError, Functions, event_function, http_function};

use crate::template::{LocalNames, Template};
use access_log::Trail;
use authorizer::Authorizer;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, Response};
use event::Routed;
use invoke::InvokeError;
use refusal::{Kind, Refusals};
use request::{BodyError, Incoming};
use route::Router;
use serde_json::{Map, Value};
use stage::Stage;
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How long API Gateway waits for a function.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// How long a shutdown waits for requests that run: longer than any function may take.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(30);

/// Longest ARN of a method that an authorizer's policy can be applied to.
const MAX_METHOD_ARN_BYTES: usize = 1600;

/// A REST API ready to be served.
pub struct Gateway {
    api: Arc<RestApi>,
    unwired: Vec<String>,
    finished: mpsc::Receiver<()>,
}

/// Why a gateway could not be made from a template.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The validation expression of an authorizer is no regular expression.
    #[error("the validation expression of {authorizer} is not valid: {source}")]
    ValidationExpression {
        /// Name of the authorizer.
        authorizer: String,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// The listener failed.
    #[error("the gateway stopped: {0}")]
    Serve(#[from] std::io::Error),
}

/// The API and everything that answers for it.
struct RestApi {
    stage: Stage,
    router: Router<Target>,
    authorizers: HashMap<String, Authorizer>,
    refusals: Refusals,
    integration_timeout: Duration,
}

/// Where a route leads.
struct Target {
    function: Option<Deployed>,
    authorizer: Option<String>,
}

impl Gateway {
    /// The API of a template in front of these functions.
    pub fn new(
        template: &Template,
        local: &LocalNames,
        functions: &Functions,
    ) -> Result<Self, GatewayError> {
        let (running, finished) = mpsc::channel(1);
        let deployed = |function: &crate::template::LambdaFunction| {
            let code = functions.get(&function.binary)?.clone();
            let arn = local.function_arn(&function.logical_id);
            let (timeout, memory) = (function.timeout, function.memory_mb);
            Some(Deployed::new(
                code,
                &function.binary,
                arn,
                timeout,
                memory,
                running.clone(),
            ))
        };
        let mut authorizers = HashMap::new();
        let mut unwired = Vec::new();
        for (name, declared) in &template.api.authorizers {
            let function = template.function_with_arn(&declared.function_arn);
            let code = function.and_then(deployed);
            if code.is_none() {
                unwired.extend(function.map(|function| function.binary.clone()));
            }
            let authorizer = Authorizer::new(declared, code).map_err(|source| {
                GatewayError::ValidationExpression {
                    authorizer: name.clone(),
                    source,
                }
            })?;
            authorizers.insert(name.clone(), authorizer);
        }
        let mut routes = Vec::new();
        for (function, route) in template.routes() {
            let target = Target {
                function: deployed(function),
                authorizer: template.authorizer_of(route).map(str::to_owned),
            };
            if target.function.is_none() {
                unwired.push(function.binary.clone());
            }
            routes.push((route.method.clone(), route.path.clone(), target));
        }
        let api = RestApi {
            stage: Stage::new(template, local),
            router: Router::new(routes),
            authorizers,
            refusals: Refusals::new(template.api.gateway_responses.clone()),
            integration_timeout: INTEGRATION_TIMEOUT,
        };
        Ok(Self {
            api: Arc::new(api),
            unwired,
            finished,
        })
    }

    /// Gives up on functions after another time than API Gateway's [`INTEGRATION_TIMEOUT`].
    #[must_use]
    pub fn with_integration_timeout(mut self, timeout: Duration) -> Self {
        if let Some(api) = Arc::get_mut(&mut self.api) {
            api.integration_timeout = timeout;
        }
        self
    }

    /// Binaries that the template calls for and the functions do not hold; their routes answer 500.
    pub fn unwired(&self) -> &[String] {
        &self.unwired
    }

    /// Serves until `stop`, then lets every request and every function that still runs finish. A client that
    /// never finishes its request is left behind after [`SHUTDOWN_PATIENCE`].
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), GatewayError> {
        let Self {
            api, mut finished, ..
        } = self;
        let service = axum::Router::new().fallback(answer).with_state(api);
        let service = service.into_make_service_with_connect_info::<SocketAddr>();
        let (stopping, stopped) = oneshot::channel::<()>();
        let stop = async move {
            stop.await;
            drop(stopping);
        };
        let served = async move {
            let server = axum::serve(listener, service).with_graceful_shutdown(stop);
            server.await?;
            // A function goes on when its caller has left. The channel closes when the last one has ended:
            // the senders of the API itself went with the service.
            let _ = finished.recv().await;
            Ok(())
        };
        let patience = async move {
            let _ = stopped.await;
            tokio::time::sleep(SHUTDOWN_PATIENCE).await;
        };
        tokio::select! {
            outcome = served => outcome,
            () = patience => {
                tracing::warn!("requests that do not end are given up");
                Ok(())
            }
        }
    }
}

async fn answer(
    State(api): State<Arc<RestApi>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let incoming = Incoming::new(&request, peer);
    let mut trail = Trail::default();
    let outcome = api.handle(&incoming, request.into_body(), &mut trail).await;
    let mut response = outcome.unwrap_or_else(|kind| {
        trail.refused = Some(kind.response_type());
        api.refusals.answer(kind, &incoming, &api.stage)
    });
    for (name, value) in [
        ("x-amzn-requestid", &incoming.id),
        ("x-amz-apigw-id", &incoming.extended_id),
        ("x-amzn-trace-id", &incoming.trace),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    access_log::write(&incoming, &trail, response.status());
    response
}

impl RestApi {
    async fn handle(
        &self,
        request: &Incoming,
        body: Body,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Kind> {
        let body = request::read_body(&request.headers, body).await;
        let body = body.map_err(|error| match error {
            BodyError::TooLarge => Kind::RequestTooLarge,
            BodyError::Broken(_) => Kind::BadRequest,
        })?;
        let found = self.router.find(request.method.as_str(), &request.path);
        let found = found.ok_or(Kind::MissingAuthenticationToken)?;
        trail.resource = Some(found.resource.to_owned());
        let authorizer = self.authorize(found.target, request, trail).await?;
        let function = found
            .target
            .function
            .as_ref()
            .ok_or(Kind::ApiConfigurationError)?;
        let routed = Routed {
            resource: found.resource,
            parameters: &found.parameters,
            authorizer: authorizer.as_ref(),
        };
        let event = event::proxy_event(request, body, &routed, &self.stage);
        let started = Instant::now();
        let answer = function
            .invoke(event, &request.trace, self.integration_timeout)
            .await;
        trail.integration_ms = u64::try_from(started.elapsed().as_millis()).ok();
        let answer = answer.map_err(|error| {
            tracing::error!(request_id = request.id, resource = found.resource, %error, "no answer");
            match error {
                InvokeError::EventTooLarge(_) => Kind::RequestTooLarge,
                InvokeError::GatewayTimeout => Kind::IntegrationTimeout,
                InvokeError::Function(_) => Kind::BadGateway,
            }
        })?;
        response::proxy_response(answer, request.header("accept"), &self.stage).map_err(|error| {
            tracing::error!(request_id = request.id, resource = found.resource, %error, "malformed answer");
            Kind::BadGateway
        })
    }

    /// `requestContext.authorizer` of a request that may pass; none on an open route.
    async fn authorize(
        &self,
        target: &Target,
        request: &Incoming,
        trail: &mut Trail,
    ) -> Result<Option<Map<String, Value>>, Kind> {
        let Some(name) = &target.authorizer else {
            return Ok(None);
        };
        let authorizer = self.authorizers.get(name);
        let authorizer = authorizer.ok_or(Kind::AuthorizerConfigurationError)?;
        let method_arn = self
            .stage
            .method_arn(request.method.as_str(), &request.path);
        if method_arn.len() > MAX_METHOD_ARN_BYTES {
            return Err(Kind::UriTooLong);
        }
        let token = request.header(authorizer.header());
        let granted = authorizer
            .authorize(token, &method_arn, &request.trace)
            .await?;
        trail.principal = Some(granted.permit.principal_id.clone());
        Ok(Some(granted.permit.request_context(granted.latency_ms)))
    }
}
