//! From a handler to a Lambda function: state that is created once, a log line per request, and a response to every
//! request.

use super::problem::Problem;
use super::{Request, Response};
use crate::app::App;
use lambda_http::{Context, RequestExt};
use std::convert::Infallible;
use std::future::Future;
use std::time::Instant;

/// Runs a handler as a Lambda function until the environment ends.
///
/// # Errors
/// If a setting is missing, or the runtime cannot be reached.
pub async fn run<H, F>(handler: H) -> Result<(), lambda_http::Error>
where
    H: Fn(App, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    crate::telemetry::init();
    let app = App::from_environment()?;
    let service =
        lambda_http::service_fn(move |request| answer(app.clone(), handler.clone(), request));
    lambda_http::run(service).await
}

/// Serves one request. A handler's error becomes a response: an error of the invocation would be a bare 502.
///
/// # Errors
/// Never.
pub async fn answer<H, F>(app: App, handler: H, request: Request) -> Result<Response, Infallible>
where
    H: Fn(App, Request) -> F,
    F: Future<Output = Result<Response, Problem>>,
{
    let begun = Instant::now();
    let before = app.store().usage().reading();
    let request_id = request_id(&request);
    let method = request.method().clone();
    let response = match handler(app.clone(), request).await {
        Ok(response) => response,
        Err(problem) => {
            if let Some(cause) = problem.cause() {
                tracing::error!(request_id, code = problem.code(), cause, "request failed");
            }
            problem.respond(&request_id)
        }
    };
    let used = app.store().usage().reading() - before;
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        request_id,
        %method,
        status = response.status().as_u16(),
        duration_ms,
        store_calls = used.calls,
        read_units = used.read_units,
        write_units = used.write_units,
        "request served"
    );
    Ok(response)
}

/// The gateway's id of the request, which it also returns to the caller; without a gateway Lambda's id.
fn request_id(request: &Request) -> String {
    let gateway = match request.request_context_ref() {
        Some(lambda_http::request::RequestContext::ApiGatewayV1(context)) => {
            context.request_id.clone()
        }
        _ => None,
    };
    gateway
        .or_else(|| {
            request
                .lambda_context_ref()
                .map(|context: &Context| context.request_id.clone())
        })
        .unwrap_or_default()
}
