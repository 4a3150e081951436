//! Calls a function as Lambda does: with a timeout and a size limit. A panic in the function does not affect the caller.

use super::direct;
use super::function::{Function, FunctionError, RequestHandler, unwritable_response};
use super::payload::too_large;
use futures::FutureExt;
use futures::future::BoxFuture;
use lambda_http::{Body, Request, RequestExt, Response};
use lambda_runtime::{Config, Context};
use serde_json::Value;
use std::any::Any;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// A function of the template with its settings.
#[derive(Clone)]
pub(crate) struct DeployedFunction {
    function: Function,
    arn: String,
    timeout: Duration,
    config: Arc<Config>,
    running: Running,
}

/// Every running call holds a clone, so that a shutdown can wait for the last call.
pub(crate) type Running = mpsc::Sender<()>;

/// What a function that takes requests answers.
pub(super) enum Answer {
    Response(Response<Body>),
    /// As the runtime writes it, if that has to be checked.
    Json(Value),
}

/// Why a function returned no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvokeError {
    #[error("the event of {0} bytes is larger than Lambda accepts")]
    EventTooLarge(usize),
    #[error("the function did not respond within the timeout of its caller")]
    GatewayTimeout,
    #[error("the function failed: {0}")]
    Function(#[from] FunctionError),
}

impl DeployedFunction {
    pub(crate) fn new(
        function: Function,
        binary: &str,
        arn: String,
        timeout: Duration,
        memory_mb: u64,
        running: Running,
    ) -> Self {
        let config = Arc::new(Config {
            function_name: binary.to_owned(),
            memory: i32::try_from(memory_mb).unwrap_or(i32::MAX),
            version: "$LATEST".to_owned(),
            log_stream: String::new(),
            log_group: String::new(),
        });
        Self {
            function,
            arn,
            timeout,
            config,
            running,
        }
    }

    /// Calls the function. A panic ends only this call. The function continues to run if the caller disconnects, and also
    /// after `caller_timeout`, when the gateway stops waiting.
    pub(super) async fn invoke(
        &self,
        event: Value,
        trace: &str,
        caller_timeout: Duration,
    ) -> Result<Value, InvokeError> {
        let request_id = uuid::Uuid::new_v4().to_string();
        self.invoke_as(request_id, event, trace, caller_timeout)
            .await
    }

    /// Like [`Self::invoke`], with a request id that the caller chooses.
    pub(crate) async fn invoke_as(
        &self,
        request_id: String,
        event: Value,
        trace: &str,
        caller_timeout: Duration,
    ) -> Result<Value, InvokeError> {
        if let Some(size) = too_large(&event) {
            return Err(InvokeError::EventTooLarge(size));
        }
        let (function, context) = (self.function.clone(), self.context(request_id, trace));
        let call = async move { function.call(event, context).await };
        let answer = self.run(call, caller_timeout).await?;
        self.checked(answer)
    }

    /// How the function is called without JSON; none if it takes only JSON.
    pub(super) fn request_handler(&self) -> Option<Arc<RequestHandler>> {
        self.function.request_handler()
    }

    /// Like [`Self::invoke`], by the function's [`Self::request_handler`].
    pub(super) async fn answer(
        &self,
        handler: &RequestHandler,
        request: Request,
        trace: &str,
        caller_timeout: Duration,
    ) -> Result<Answer, InvokeError> {
        let context = self.context(uuid::Uuid::new_v4().to_string(), trace);
        let call = handler(request.with_lambda_context(context));
        let answer = self.run(call, caller_timeout).await?;
        if direct::is_plain(&answer) {
            return Ok(Answer::Response(answer));
        }
        let written = direct::written(answer).map_err(unwritable_response)?;
        self.checked(written).map(Answer::Json)
    }

    /// Runs a call. One that waits for something continues in a task of its own; most answers come from memory, and those that
    /// wait for nothing need no task and no timer.
    async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, FunctionError>> + Send + 'static,
        caller_timeout: Duration,
    ) -> Result<T, InvokeError> {
        let mut call = AssertUnwindSafe(call).catch_unwind().boxed();
        let begun = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        let ended = match begun {
            Poll::Ready(ended) => ended,
            Poll::Pending => self.continued(call, caller_timeout).await?,
        };
        let answer = ended
            .map_err(|panic| exited(format!("the function panicked: {}", panic_text(&*panic))))?;
        Ok(answer?)
    }

    /// Runs the rest of a call in a separate task.
    async fn continued<T: Send + 'static>(
        &self,
        call: BoxFuture<'static, T>,
        caller_timeout: Duration,
    ) -> Result<T, InvokeError> {
        let (limit, running) = (self.timeout, self.running.clone());
        let task = tokio::spawn(async move {
            let ended = tokio::time::timeout(limit, call).await;
            drop(running);
            ended
        });
        match tokio::time::timeout(caller_timeout, task).await {
            Err(_) => Err(InvokeError::GatewayTimeout),
            // The call catches its panics, so the runtime has ended the task.
            Ok(Err(cancelled)) => Err(exited(cancelled.to_string()).into()),
            Ok(Ok(Err(_))) => Err(FunctionError::new(
                "Sandbox.Timedout",
                format!("Task timed out after {:.2} seconds", limit.as_secs_f64()),
            )
            .into()),
            Ok(Ok(Ok(ended))) => Ok(ended),
        }
    }

    /// The answer, if Lambda returns one of its size.
    fn checked(&self, answer: Value) -> Result<Value, InvokeError> {
        if let Some(size) = too_large(&answer) {
            let message = format!("the response of {size} bytes is larger than Lambda allows");
            return Err(FunctionError::new("Function.ResponseSizeTooLarge", message).into());
        }
        Ok(answer)
    }

    fn context(&self, request_id: String, trace: &str) -> Context {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let deadline = now.unwrap_or_default() + self.timeout;
        // `Context` is non-exhaustive, so it cannot be built with a struct expression here.
        let mut context = Context::default();
        context.request_id = request_id;
        context.deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        context.invoked_function_arn = self.arn.clone();
        context.xray_trace_id = Some(trace.to_owned());
        context.env_config = self.config.clone();
        context
    }
}

fn exited(why: String) -> FunctionError {
    FunctionError::new("Runtime.ExitError", why)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
