//! The caller of a request, from the authorizer's context.

use super::Request;
use super::policy::{ENVIRONMENT, EVENTS_PER_SECOND, EXPIRES_AT, HIDES_ASSIGNMENTS, SCOPES};
use super::problem::Problem;
use crate::app::App;
use crate::clock;
use domain::access::Scope;
use domain::ids::EnvironmentName;
use domain::limits::DEFAULT_EVENTS_PER_SECOND;
use domain::time::Timestamp;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// The caller: the bearer of a valid token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Identifies the token in logs and audit records.
    pub token_id: String,
    /// Events that the token may send per second.
    pub events_per_second: u32,
    /// Whether the outcomes of its events say nothing about users.
    pub hides_assignments: bool,
    /// The environment of the token; none for the default.
    environment: Option<EnvironmentName>,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    /// The caller of a request, if its token has a scope.
    ///
    /// The gateway checks the same by the policy. It is checked again here, because a policy can be cached, misread by
    /// an emulator, or missing for a new route.
    ///
    /// The expiry is checked here as well: a cached policy outlives the token.
    ///
    /// # Errors
    /// 401 if the token has expired, 403 without the scope.
    pub fn with_scope(request: &Request, scope: Scope) -> Result<Self, Problem> {
        let Some(fields) = context(request) else {
            return Err(Problem::forbidden(
                "The request did not come through the authorizer.",
            ));
        };
        let text = |name: &str| context_text(request, name).unwrap_or_default();
        let expires_at = Timestamp::parse(text(EXPIRES_AT)).ok();
        if expires_at.is_some_and(|end| end <= clock::now()) {
            return Err(Problem::expired_token());
        }
        let events_per_second = text(EVENTS_PER_SECOND).parse();
        let caller = Self {
            token_id: text("principalId").to_owned(),
            events_per_second: events_per_second.unwrap_or(DEFAULT_EVENTS_PER_SECOND),
            hides_assignments: fields.contains_key(HIDES_ASSIGNMENTS),
            environment: EnvironmentName::parse(text(ENVIRONMENT)).ok(),
            scopes: Scope::parse_set(text(SCOPES)).unwrap_or_default(),
        };
        if caller.scopes.contains(&scope) {
            return Ok(caller);
        }
        let name = scope.name();
        Err(Problem::forbidden(format!(
            "This needs a token with the scope `{name}`."
        )))
    }
    /// The environment of the caller: that of its token, or else the default of the deployment.
    pub fn environment<'a>(&'a self, app: &'a App) -> &'a EnvironmentName {
        let default = || app.environments().default_name();
        self.environment.as_ref().unwrap_or_else(default)
    }
}

/// The context of the authorizer, if the request came through it.
fn context(request: &Request) -> Option<&HashMap<String, Value>> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => Some(&context.authorizer.fields),
        _ => None,
    }
}

/// A value in the context of the authorizer.
pub(super) fn context_text<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    context(request)?.get(name)?.as_str()
}
