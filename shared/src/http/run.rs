//! From a handler to a Lambda function: state that is created once, a log line per request, and a response to every
//! request.

use super::problem::Problem;
use super::routes::{is_open_to_client_keys, is_page};
use super::{Request, Response, response};
use crate::app::App;
use futures::future::{BoxFuture, LocalBoxFuture};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, Context, LambdaEvent, RequestExt};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// A handler of API routes. All have this type, so that the code that calls them is compiled once.
pub type BoxedHandler =
    Arc<dyn Fn(App, Request) -> BoxFuture<'static, Result<Response, Problem>> + Send + Sync>;

/// Puts a handler into a box.
pub fn boxed<H, F>(handler: H) -> BoxedHandler
where
    H: Fn(App, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    Arc::new(move |app, request| Box::pin(handler(app, request)))
}

/// Runs a handler as a Lambda function until the environment ends.
///
/// # Errors
/// If a setting is missing, or the runtime cannot be reached.
pub async fn run<H, F>(handler: H) -> Result<(), lambda_http::Error>
where
    H: Fn(App, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    run_boxed(boxed(handler)).await
}

/// Runs a handler that is in a box. It is not an `async` function, because each binary would then compile the runtime of Lambda
/// again.
fn run_boxed(handler: BoxedHandler) -> LocalBoxFuture<'static, Result<(), lambda_http::Error>> {
    Box::pin(async move {
        crate::telemetry::init();
        let app = App::from_environment()?;
        let service =
            lambda_http::service_fn(move |request| answer(app.clone(), handler.clone(), request));
        let service = Adapter::from(service).map_request(|event: LambdaEvent<LambdaRequest>| {
            LambdaEvent::new(with_all_headers(event.payload), event.context)
        });
        lambda_http::lambda_runtime::run(service).await
    })
}

/// Keeps all values of a repeated header. An event of API Gateway has all values in one map and the last value in another,
/// and the conversion to a request would replace all values by the last one.
pub fn with_all_headers(event: LambdaRequest) -> LambdaRequest {
    match event {
        LambdaRequest::ApiGatewayV1(mut event) if !event.multi_value_headers.is_empty() => {
            event.headers.clear();
            LambdaRequest::ApiGatewayV1(event)
        }
        other => other,
    }
}

/// Serves one request. A handler's error becomes a response: an error of the invocation would be a bare 502.
///
/// # Errors
/// Never.
pub async fn answer(
    app: App,
    handler: BoxedHandler,
    request: Request,
) -> Result<Response, Infallible> {
    let begun = Instant::now();
    let before = app.store().usage().reading();
    let request_id = request_id(&request);
    let method = request.method().clone();
    let is_for_pages = is_for_pages(&request);
    let outcome = if has_slash_at_the_end(&request) {
        Err(Problem::slash_at_the_end())
    } else {
        handler(app.clone(), request).await
    };
    let response = match outcome {
        Ok(response) => response,
        Err(problem) => {
            if let Some(cause) = problem.cause() {
                tracing::error!(request_id, code = problem.code(), cause, "request failed");
            }
            let response = problem.respond(&request_id);
            // The page of an app must see why a request failed. An error says nothing that the caller did not send.
            match is_for_pages {
                true => response::for_all_pages(response),
                false => response,
            }
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

/// Whether the route of the request is open to client keys, and so to pages of other origins.
fn is_for_pages(request: &Request) -> bool {
    is_open_to_client_keys(request.method().as_str(), resource_path(request))
}

/// API Gateway ignores one slash at the end of a path when it chooses the resource, and leaves the slash in the path that
/// the function gets. Such a path is refused, so that it has one meaning everywhere. Only a page for browsers has it too: there
/// it is typed by hand, and names nothing else.
fn has_slash_at_the_end(request: &Request) -> bool {
    let path = request.raw_http_path();
    path.len() > 1 && path.ends_with('/') && !is_page(resource_path(request))
}

/// The path of the route in the template; empty without a gateway.
fn resource_path(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => {
            context.resource_path.as_deref().unwrap_or_default()
        }
        _ => "",
    }
}

/// The gateway's id of the request, which it also returns to the caller; without a gateway Lambda's id.
fn request_id(request: &Request) -> String {
    let gateway = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.request_id.clone(),
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
