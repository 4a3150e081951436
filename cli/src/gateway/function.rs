//! A Lambda function as the gateway calls it: it takes JSON and returns JSON.

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use futures::future::BoxFuture;
use lambda_http::http::{HeaderValue, header};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, IntoResponse, Request, Response};
use lambda_runtime::tower::{Service, ServiceExt};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::http::run::with_all_headers;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

/// How a function is called with an event.
type EventHandler =
    dyn Fn(Value, Context) -> BoxFuture<'static, Result<Value, FunctionError>> + Send + Sync;

/// How a function is called with a request.
pub(super) type RequestHandler =
    dyn Fn(Request) -> BoxFuture<'static, Result<Response<Body>, FunctionError>> + Send + Sync;

/// A Lambda function.
#[derive(Clone)]
pub struct Function {
    event: Arc<EventHandler>,
    /// Only if it answers HTTP requests.
    request: Option<Arc<RequestHandler>>,
}

impl Function {
    /// A function that takes and returns JSON.
    pub fn new<H>(handler: H) -> Self
    where
        H: Fn(Value, Context) -> BoxFuture<'static, Result<Value, FunctionError>>
            + Send
            + Sync
            + 'static,
    {
        Self {
            event: Arc::new(handler),
            request: None,
        }
    }

    /// Calls the function.
    ///
    /// # Errors
    /// If the function fails.
    pub fn call(
        &self,
        event: Value,
        context: Context,
    ) -> BoxFuture<'static, Result<Value, FunctionError>> {
        (self.event)(event, context)
    }

    /// A function that waits for something before each call.
    #[must_use]
    pub fn after<W>(self, wait: W) -> Self
    where
        W: Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
    {
        let wait = Arc::new(wait);
        let (event, waits) = (self.event, wait.clone());
        let request = self.request.map(|answer| -> Arc<RequestHandler> {
            Arc::new(move |request| {
                let (answer, wait) = (answer.clone(), wait());
                Box::pin(async move {
                    wait.await;
                    answer(request).await
                })
            })
        });
        Self {
            event: Arc::new(move |payload, context| {
                let (event, wait) = (event.clone(), waits());
                Box::pin(async move {
                    wait.await;
                    event(payload, context).await
                })
            }),
            request,
        }
    }

    /// How the function is called without JSON; none if it takes only JSON.
    pub(super) fn request_handler(&self) -> Option<Arc<RequestHandler>> {
        self.request.clone()
    }
}

/// Functions by the name of their binary.
pub type Functions = HashMap<String, Function>;

/// The error of a failed invocation, as the runtime reports it to Lambda.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct FunctionError {
    /// `errorType`.
    pub error_type: String,
    /// `errorMessage`. If an authorizer fails with exactly `Unauthorized`, the gateway answers 401.
    pub message: String,
}

impl FunctionError {
    /// Creates an error with this type and message.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            error_type: error_type.into(),
            message: message.into(),
        }
    }
}

impl From<Diagnostic> for FunctionError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::new(diagnostic.error_type, diagnostic.error_message)
    }
}

/// Turns an HTTP handler into a function, with the same adapter that `shared::http::run` uses in Lambda:
/// `http_function(service_fn(move |request| handle(app.clone(), request)))`.
pub fn http_function<S, E>(service: S) -> Function
where
    S: Service<Request, Response = Response<Body>, Error = E> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    E: Into<Diagnostic> + Send + 'static,
{
    let adapter = Adapter::from(service.clone());
    let function = Function::new(move |event, context| {
        let adapter = adapter.clone();
        Box::pin(async move {
            // The crate's own conversion writes the event as text and parses it again, because it looks for the kind of the
            // event. Here it is known.
            let request: ApiGatewayProxyRequest =
                serde_json::from_value(event).map_err(unreadable_event)?;
            let request = with_all_headers(LambdaRequest::ApiGatewayV1(request));
            let call = LambdaEvent::new(request, context);
            let response = adapter.oneshot(call).await.map_err(reported)?;
            serde_json::to_value(response).map_err(unwritable_response)
        })
    });
    let request = move |request| -> BoxFuture<'static, Result<Response<Body>, FunctionError>> {
        let service = service.clone();
        Box::pin(async move {
            let response = service.oneshot(request).await.map_err(reported)?;
            // The same conversion of the body as in the adapter.
            match is_json_text(&response) {
                true => Ok(response),
                false => Ok(response.into_response().await),
            }
        })
    };
    Function {
        request: Some(Arc::new(request)),
        ..function
    }
}

/// Whether the adapter would make the same body of this one.
fn is_json_text(response: &Response<Body>) -> bool {
    const BYTE_ORDER_MARK: char = '\u{feff}';
    let headers = response.headers();
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = content_type == Some(b"application/json");
    is_json
        && !headers.contains_key(header::CONTENT_ENCODING)
        && matches!(response.body(), Body::Text(text) if !text.starts_with(BYTE_ORDER_MARK))
}

/// Turns any other handler into a function, such as an authorizer or the consumer of a stream:
/// `event_function(move |event: LambdaEvent<TokenRequest>| authorize(app.clone(), event))`.
pub fn event_function<H, F, I, O, E>(handler: H) -> Function
where
    H: Fn(LambdaEvent<I>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<O, E>> + Send + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    E: Into<Diagnostic> + Send + 'static,
{
    Function::new(move |event, context| {
        let handler = handler.clone();
        Box::pin(async move {
            let event = serde_json::from_value(event).map_err(unreadable_event)?;
            let answer = handler(LambdaEvent::new(event, context))
                .await
                .map_err(reported)?;
            serde_json::to_value(answer).map_err(unwritable_response)
        })
    })
}

fn reported(error: impl Into<Diagnostic>) -> FunctionError {
    error.into().into()
}

fn unreadable_event(error: serde_json::Error) -> FunctionError {
    FunctionError::new("Runtime.UnmarshalError", error.to_string())
}

pub(super) fn unwritable_response(error: serde_json::Error) -> FunctionError {
    FunctionError::new("Runtime.MarshalError", error.to_string())
}
