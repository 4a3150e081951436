//! Calls of the handlers of the API, in this process and as the caller of the session.

use crate::session::Signed;
use crate::visit::segment;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequestContext;
use lambda_http::http::header::{CONTENT_TYPE, HeaderValue, IF_MATCH};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt};
use serde_json::{Value, json};
use shared::app::App;
use shared::http::policy::Authorization;
use shared::http::{Problem, Request, Response};
use std::collections::HashMap;

/// The part of a method ARN that policies depend on. The policy itself is not used, only its context.
const ANY_METHOD: &str = "arn:aws:execute-api:local:0:dashboard/stage/GET/";

/// The API, for one session.
#[derive(Clone, Copy)]
pub(crate) struct Api<'a> {
    app: &'a App,
    signed: &'a Signed,
    request_id: &'a str,
}

/// A request to the API.
#[derive(Default)]
pub(crate) struct Call {
    method: &'static str,
    route: &'static str,
    path: String,
    query: HashMap<String, Vec<String>>,
    body: Option<Value>,
    version: Option<u64>,
}

/// What the API said instead of an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The problem document.
    pub(crate) problem: Value,
    /// The status.
    pub(crate) status: u16,
}

impl Call {
    /// A request along a route, with the values of its parameters.
    pub(crate) fn new(method: &'static str, route: &'static str, values: &[&str]) -> Self {
        let mut values = values.iter();
        let parts = route.split('/').map(|part| match part.starts_with('{') {
            true => segment(values.next().copied().unwrap_or_default()),
            false => part.to_owned(),
        });
        Self {
            method,
            route,
            path: parts.collect::<Vec<_>>().join("/"),
            ..Self::default()
        }
    }

    /// With a parameter of the query, if there is a value.
    pub(crate) fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.query.insert(name.to_owned(), vec![value.to_string()]);
        }
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// For this version only.
    pub(crate) fn of_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }
}

impl<'a> Api<'a> {
    pub(crate) fn new(app: &'a App, signed: &'a Signed, request_id: &'a str) -> Self {
        Self {
            app,
            signed,
            request_id,
        }
    }

    /// Calls a handler and returns the JSON of its answer.
    ///
    /// # Errors
    /// What the API says against the request.
    pub(crate) async fn call<H, F>(&self, handler: H, call: Call) -> Result<Value, Failure>
    where
        H: Fn(App, Request) -> F,
        F: Future<Output = Result<Response, Problem>>,
    {
        let request = self.request(call);
        // Each handler is a large value, and a page has many: within the values of their callers, they take more than the
        // stack of a thread in an unoptimised build.
        match Box::pin(handler(self.app.clone(), request)).await {
            Ok(response) => Ok(body_of(&response)),
            Err(problem) => Err(Failure::of(problem, self.request_id)),
        }
    }

    fn request(&self, call: Call) -> Request {
        let authorization = Authorization::new(&self.signed.grant, ANY_METHOD);
        let mut context = ApiGatewayProxyRequestContext::default();
        context.request_id = Some(self.request_id.to_owned());
        context.resource_path = Some(call.route.to_owned());
        let fields = authorization.context.into_iter();
        let fields = fields.map(|(name, value)| (name.to_owned(), Value::String(value)));
        context.authorizer.fields = fields.collect();
        let principal = Value::String(authorization.principal_id);
        let fields = &mut context.authorizer.fields;
        fields.insert("principalId".to_owned(), principal);

        let body = call
            .body
            .map_or(Body::Empty, |body| Body::Text(body.to_string()));
        let mut request = Request::new(body);
        if let Ok(method) = call.method.parse() {
            *request.method_mut() = method;
        }
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let version = call.version.map(|version| format!("\"{version}\""));
        if let Some(Ok(version)) = version.map(HeaderValue::try_from) {
            headers.insert(IF_MATCH, version);
        }
        request
            .with_raw_http_path(call.path)
            .with_query_string_parameters(call.query)
            .with_request_context(RequestContext::ApiGatewayV1(context))
    }
}

impl Failure {
    /// A failure from a problem. The log gets its cause.
    pub(crate) fn of(problem: Problem, request_id: &str) -> Self {
        if let Some(cause) = problem.cause() {
            tracing::error!(request_id, code = problem.code(), cause, "request failed");
        }
        let response = problem.respond(request_id);
        Self {
            status: response.status().as_u16(),
            problem: body_of(&response),
        }
    }

    /// A failure of what was typed, before the API saw it: pointers and sentences.
    pub(crate) fn of_input(faults: &[(String, String)]) -> Self {
        let detail = match faults {
            [(_, only)] => format!("One value is invalid. {only}"),
            several => format!("{} values are invalid; see below.", several.len()),
        };
        let errors = faults.iter();
        let errors: Vec<Value> = errors
            .map(|(pointer, detail)| json!({"pointer": pointer, "detail": detail}))
            .collect();
        Self {
            problem: json!({"detail": detail, "errors": errors}),
            status: 422,
        }
    }

    /// What is wrong, in one sentence.
    pub(crate) fn detail(&self) -> &str {
        self.problem["detail"].as_str().unwrap_or_default()
    }

    /// The sentences of the faults with their positions.
    pub(crate) fn faults(&self) -> Vec<(&str, &str)> {
        let faults = self.problem["errors"].as_array().into_iter().flatten();
        faults
            .map(|fault| {
                (
                    fault["pointer"].as_str().unwrap_or_default(),
                    fault["detail"].as_str().unwrap_or_default(),
                )
            })
            .collect()
    }
}

fn body_of(response: &Response) -> Value {
    match response.body() {
        Body::Text(text) => serde_json::from_str(text).unwrap_or_default(),
        _ => Value::Null,
    }
}
