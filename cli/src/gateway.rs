//! API Gateway on the local machine: a REST API with a TOKEN authorizer and Lambda proxy integrations. It routes and
//! answers requests as the service does.
//!
//! The modules handle a request in this order: `route`, `authorizer` (with `policy`), `event`, `invoke`, `response`. If one
//! of them refuses the request, `refusal` makes the answer. The local gateway does not implement throttling, quotas
//! and request models, because they do not affect the functions.

mod access_log;
mod authorizer;
mod content_encoding;
mod direct;
mod event;
mod function;
mod invoke;
mod payload;
mod policy;
mod refusal;
mod request;
mod response;
mod route;
mod stage;

pub(crate) use invoke::DeployedFunction;
pub(crate) use payload::{MAX_PAYLOAD_BYTES, json_size};
pub(crate) use request::new_trace;

pub use function::{Function, FunctionError, Functions, event_function, http_function};

use crate::template::{LocalNames, Preflight, Template};
use access_log::AccessLogEntry;
use authorizer::Authorizer;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Response};
use axum::serve::IncomingStream;
use event::RoutedRequest;
use invoke::{Answer, InvokeError};
use lambda_http::service_fn;
use policy::Authorization;
use refusal::{RefusalKind, Refusals};
use request::{BodyError, IncomingRequest};
use route::Router;
use stage::Stage;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How long API Gateway waits for a function.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// How long a shutdown waits for running requests. This is longer than any function may take.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum length of a method ARN that API Gateway checks against a policy.
const MAX_METHOD_ARN_BYTES: usize = 1600;

/// A REST API that is ready to start.
pub struct Gateway {
    api: Arc<RestApi>,
    unwired: Vec<String>,
    finished: mpsc::Receiver<()>,
}

/// Why the gateway cannot start or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The validation expression of an authorizer is not a valid regular expression.
    #[error("the validation expression of {authorizer} is not valid: {source}")]
    ValidationExpression {
        /// Name of the authorizer.
        authorizer: String,
        /// What is wrong with the expression.
        source: regex::Error,
    },
    /// The listener failed.
    #[error("the gateway stopped: {0}")]
    Serve(#[from] std::io::Error),
}

/// The API with its functions and authorizers.
struct RestApi {
    stage: Stage,
    router: Router<Target>,
    authorizers: HashMap<String, Authorizer>,
    refusals: Refusals,
    integration_timeout: Duration,
}

/// What answers the requests of a route.
enum Target {
    Function(FunctionTarget),
    /// The gateway itself.
    Preflight(Preflight),
}

/// The function and the authorizer of a route.
struct FunctionTarget {
    function: Option<DeployedFunction>,
    authorizer: Option<String>,
    resource_id: String,
}

impl Gateway {
    /// Creates the API of a template with these functions.
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
            Some(DeployedFunction::new(
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
            let target = FunctionTarget {
                function: deployed(function),
                authorizer: template.authorizer_of(route).map(str::to_owned),
                resource_id: event::resource_id(&route.path),
            };
            if target.function.is_none() {
                unwired.push(function.binary.clone());
            }
            let target = Target::Function(target);
            routes.push((route.method.clone(), route.path.clone(), target));
        }
        for preflight in &template.api.preflights {
            let (path, target) = (preflight.path.clone(), preflight.clone());
            routes.push(("OPTIONS".to_owned(), path, Target::Preflight(target)));
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

    /// Replaces API Gateway's [`INTEGRATION_TIMEOUT`].
    #[must_use]
    pub fn with_integration_timeout(mut self, timeout: Duration) -> Self {
        if let Some(api) = Arc::get_mut(&mut self.api) {
            api.integration_timeout = timeout;
        }
        self
    }

    /// Binaries that the template names but that are not among the functions. Their routes answer 500.
    pub fn unwired(&self) -> &[String] {
        &self.unwired
    }

    /// Serves until `stop` resolves, then waits for running requests and functions. After [`SHUTDOWN_TIMEOUT`] it returns
    /// even if a client has not finished its request.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), GatewayError> {
        let Self {
            api, mut finished, ..
        } = self;
        // Without axum's router: nothing is left to route, and it allocates for each request.
        let connections = service_fn(move |connection: IncomingStream<'_, TcpListener>| {
            let (api, peer) = (api.clone(), *connection.remote_addr());
            let answer = move |request| {
                let answer = Box::pin(answer(api.clone(), peer, request));
                async { Ok::<_, Infallible>(answer.await) }
            };
            ready(Ok::<_, Infallible>(service_fn(answer)))
        });
        let (stopping, stopped) = oneshot::channel::<()>();
        let stop = async move {
            stop.await;
            drop(stopping);
        };
        let served = async move {
            let server = axum::serve(listener, connections).with_graceful_shutdown(stop);
            server.await?;
            // A function continues to run after its caller has disconnected. The channel closes when the last function
            // has ended; the API's own senders were dropped with the service.
            let _ = finished.recv().await;
            Ok(())
        };
        let patience = async move {
            let _ = stopped.await;
            tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
        };
        tokio::select! {
            outcome = served => outcome,
            () = patience => {
                tracing::warn!("the shutdown timeout has passed: unfinished requests are cancelled");
                Ok(())
            }
        }
    }
}

async fn answer(api: Arc<RestApi>, peer: SocketAddr, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut incoming = IncomingRequest::new(parts, peer);
    let mut log_entry = AccessLogEntry::default();
    let outcome = api.handle(&mut incoming, body, &mut log_entry).await;
    let mut response = outcome.unwrap_or_else(|kind| {
        log_entry.refused = Some(kind.response_type());
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
    access_log::write(&incoming, &log_entry, response.status());
    response
}

impl RestApi {
    async fn handle<'r>(
        &'r self,
        request: &mut IncomingRequest,
        body: Body,
        log_entry: &mut AccessLogEntry<'r>,
    ) -> Result<Response<Body>, RefusalKind> {
        let body = request::read_body(&request.headers, body).await;
        let body = body.and_then(|body| content_encoding::decoded(&request.headers, body));
        let body = body.map_err(|error| match error {
            BodyError::TooLarge => RefusalKind::RequestTooLarge,
            BodyError::Broken(_) => RefusalKind::BadRequest,
            BodyError::NotGzip(_) => RefusalKind::BadRequestBody,
        })?;
        let found = self.router.find(request.method.as_str(), &request.path);
        let found = found.ok_or(RefusalKind::MissingAuthenticationToken)?;
        log_entry.resource = Some(found.resource);
        let target = match found.target {
            Target::Function(target) => target,
            Target::Preflight(preflight) => return Ok(response::preflight_response(preflight)),
        };
        let authorization = self.authorize(target, request, log_entry).await?;
        let function = target
            .function
            .as_ref()
            .ok_or(RefusalKind::ApiConfigurationError)?;
        let routed = RoutedRequest {
            resource: found.resource,
            resource_id: &target.resource_id,
            parameters: &found.parameters,
            authorization: authorization.as_ref(),
        };
        let started = Instant::now();
        let answer = self.call(function, request, body, &routed).await;
        log_entry.integration_ms = u64::try_from(started.elapsed().as_millis()).ok();
        let answer = answer.map_err(|error| {
            tracing::error!(request_id = request.id, resource = found.resource, %error, "the function returned no response");
            match error {
                InvokeError::EventTooLarge(_) => RefusalKind::RequestTooLarge,
                InvokeError::GatewayTimeout => RefusalKind::IntegrationTimeout,
                InvokeError::Function(_) => RefusalKind::BadGateway,
            }
        })?;
        let accept = request.accept();
        let response = match answer {
            Answer::Response(answer) => direct::response(answer, accept, &self.stage),
            Answer::Json(answer) => response::proxy_response(answer, accept, &self.stage),
        };
        response.map_err(|error| {
            tracing::error!(request_id = request.id, resource = found.resource, %error, "the function's response is malformed");
            RefusalKind::BadGateway
        })
    }

    /// Calls a function with JSON only if it takes no request, or if the JSON may be larger than Lambda accepts.
    async fn call(
        &self,
        function: &DeployedFunction,
        request: &mut IncomingRequest,
        body: Vec<u8>,
        routed: &RoutedRequest<'_>,
    ) -> Result<Answer, InvokeError> {
        let timeout = self.integration_timeout;
        let target = request.path.len() + request.query.as_ref().map_or(0, String::len);
        let is_small = direct::is_small(&request.headers, 4 * target + body.len());
        if let Some(handler) = function.request_handler().filter(|_| is_small) {
            let direct = direct::request(request, body, routed, &self.stage);
            let answer = function.answer(&*handler, direct, &request.trace, timeout);
            return answer.await;
        }
        let event = event::proxy_event(request, body, routed, &self.stage);
        let answer = function.invoke(event, &request.trace, timeout).await?;
        Ok(Answer::Json(answer))
    }

    /// Returns the authorization of an allowed request, or `None` if the route has no authorizer.
    async fn authorize(
        &self,
        target: &FunctionTarget,
        request: &IncomingRequest,
        log_entry: &mut AccessLogEntry<'_>,
    ) -> Result<Option<Authorization>, RefusalKind> {
        let Some(name) = &target.authorizer else {
            return Ok(None);
        };
        let authorizer = self.authorizers.get(name);
        let authorizer = authorizer.ok_or(RefusalKind::AuthorizerConfigurationError)?;
        let method_arn = self
            .stage
            .method_arn(request.method.as_str(), &request.path);
        if method_arn.len() > MAX_METHOD_ARN_BYTES {
            return Err(RefusalKind::UriTooLong);
        }
        let token = request.header(authorizer.header());
        let authorization = authorizer
            .authorize(token, &method_arn, &request.trace)
            .await?;
        log_entry.policy = Some(authorization.policy.clone());
        Ok(Some(authorization))
    }
}
