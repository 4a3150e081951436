//! A TOKEN authorizer: checks the form of the token, calls the authorizer function, and caches the policy.

use super::invoke::{DeployedFunction, InvokeError};
use super::policy::{Authorization, Policy};
use super::refusal::RefusalKind;
use crate::template::TokenAuthorizer;
use moka::future::Cache;
use regex::Regex;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum number of cached policies. Beyond it the least used ones are removed.
const MAX_CACHED_POLICIES: u64 = 10_000;

/// How long API Gateway waits for an authorizer.
const AUTHORIZER_TIMEOUT: Duration = Duration::from_secs(29);

pub(super) struct Authorizer {
    header: String,
    validation: Option<Regex>,
    /// `None` if the function that the template names does not exist in this process.
    function: Option<DeployedFunction>,
    /// Cached policies by token. A cached policy applies to the whole stage, so it must not depend on the method of the
    /// request.
    policies: Option<Cache<String, Arc<Policy>>>,
}

impl Authorizer {
    pub(super) fn new(
        declared: &TokenAuthorizer,
        function: Option<DeployedFunction>,
    ) -> Result<Self, regex::Error> {
        let expression = declared.validation_expression.as_deref();
        let validation = expression
            // The expression must match the whole token.
            .map(|expression| Regex::new(&format!("^(?:{expression})$")))
            .transpose()?;
        let policies = (!declared.ttl.is_zero()).then(|| {
            Cache::builder()
                .max_capacity(MAX_CACHED_POLICIES)
                .time_to_live(declared.ttl)
                .build()
        });
        Ok(Self {
            header: declared.header.to_lowercase(),
            validation,
            function,
            policies,
        })
    }

    /// Name of the header that holds the token, in lower case.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// Returns the policy of the token if it allows the method, or else the kind of refusal.
    pub(super) async fn authorize(
        &self,
        token: Option<&str>,
        method_arn: &str,
        trace: &str,
    ) -> Result<Authorization, RefusalKind> {
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or(RefusalKind::Unauthorized)?;
        if let Some(validation) = &self.validation
            && !validation.is_match(token)
        {
            return Err(RefusalKind::Unauthorized);
        }
        let asked = Instant::now();
        let cached = match &self.policies {
            Some(policies) => policies.get(token).await,
            None => None,
        };
        let policy = match cached {
            Some(policy) => policy,
            None => {
                let policy = Arc::new(self.ask(token, method_arn, trace).await?);
                if let Some(policies) = &self.policies {
                    policies.insert(token.to_owned(), policy.clone()).await;
                }
                policy
            }
        };
        if !policy.allows(method_arn) {
            return Err(RefusalKind::AccessDenied);
        }
        let latency_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Authorization { policy, latency_ms })
    }

    async fn ask(&self, token: &str, method_arn: &str, trace: &str) -> Result<Policy, RefusalKind> {
        let function = self
            .function
            .as_ref()
            .ok_or(RefusalKind::AuthorizerConfigurationError)?;
        let event = json!({
            "type": "TOKEN",
            "methodArn": method_arn,
            "authorizationToken": token,
        });
        let answer = function
            .invoke(event, trace, AUTHORIZER_TIMEOUT)
            .await
            .map_err(|error| match error {
                InvokeError::Function(failure) if failure.message == "Unauthorized" => {
                    RefusalKind::Unauthorized
                }
                error => {
                    tracing::error!(%error, "the authorizer failed");
                    RefusalKind::AuthorizerFailure
                }
            })?;
        Policy::read(answer).map_err(|error| {
            tracing::error!(%error, "the authorizer's policy is malformed");
            RefusalKind::AuthorizerConfigurationError
        })
    }
}
