//! The caller of a request, from the authorizer's context.

use super::Request;
use super::policy::SCOPES;
use super::problem::Problem;
use domain::access::Scope;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use std::collections::BTreeSet;

/// The caller: the bearer of a valid token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Identifies the token in logs and audit records.
    pub token_id: String,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    /// The caller of a request, if its token has a scope.
    ///
    /// The gateway checks the same by the policy. It is checked again here, because a policy can be cached, misread by
    /// an emulator, or missing for a new route.
    ///
    /// # Errors
    /// 403 without the scope.
    pub fn with_scope(request: &Request, scope: Scope) -> Result<Self, Problem> {
        let fields = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => &context.authorizer.fields,
            _ => {
                return Err(Problem::forbidden(
                    "The request did not come through the authorizer.",
                ));
            }
        };
        let text = |name: &str| {
            fields
                .get(name)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
        };
        let caller = Self {
            token_id: text("principalId").to_owned(),
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
}
