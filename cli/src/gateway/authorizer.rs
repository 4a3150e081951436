//! A TOKEN authorizer: checks the form of the token, asks the function, and keeps the policy for a while.

use super::invoke::{Deployed, InvokeError};
use super::policy::Permit;
use super::refusal::Kind;
use crate::template::TokenAuthorizer;
use moka::future::Cache;
use regex::Regex;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Policies that are kept at most; beyond it the least used go.
const MAX_CACHED_POLICIES: u64 = 10_000;

/// How long API Gateway waits for an authorizer.
const PATIENCE: Duration = Duration::from_secs(29);

pub(super) struct Authorizer {
    header: String,
    validation: Option<Regex>,
    /// `None` without a function: the template names one that is not there.
    function: Option<Deployed>,
    /// Policies by token. They are for the whole stage: a policy must not depend on the method asked for.
    policies: Option<Cache<String, Arc<Permit>>>,
}

/// A permit, and how long it took to get it.
pub(super) struct Granted {
    pub(super) permit: Arc<Permit>,
    pub(super) latency_ms: u64,
}

impl Authorizer {
    pub(super) fn new(
        declared: &TokenAuthorizer,
        function: Option<Deployed>,
    ) -> Result<Self, regex::Error> {
        let expression = declared.validation_expression.as_deref();
        let validation = expression
            // The whole token has to match, not a part of it.
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

    /// The permit of a token for a method, or how the request is refused.
    pub(super) async fn authorize(
        &self,
        token: Option<&str>,
        method_arn: &str,
        trace: &str,
    ) -> Result<Granted, Kind> {
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or(Kind::Unauthorized)?;
        if let Some(validation) = &self.validation
            && !validation.is_match(token)
        {
            return Err(Kind::Unauthorized);
        }
        let asked = Instant::now();
        let cached = match &self.policies {
            Some(policies) => policies.get(token).await,
            None => None,
        };
        let permit = match cached {
            Some(permit) => permit,
            None => {
                let permit = Arc::new(self.ask(token, method_arn, trace).await?);
                if let Some(policies) = &self.policies {
                    policies.insert(token.to_owned(), permit.clone()).await;
                }
                permit
            }
        };
        if !permit.allows(method_arn) {
            return Err(Kind::AccessDenied);
        }
        let latency_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Granted { permit, latency_ms })
    }

    async fn ask(&self, token: &str, method_arn: &str, trace: &str) -> Result<Permit, Kind> {
        let function = self
            .function
            .as_ref()
            .ok_or(Kind::AuthorizerConfigurationError)?;
        let event = json!({
            "type": "TOKEN",
            "methodArn": method_arn,
            "authorizationToken": token,
        });
        let answer =
            function
                .invoke(event, trace, PATIENCE)
                .await
                .map_err(|error| match error {
                    InvokeError::Function(failure) if failure.message == "Unauthorized" => {
                        Kind::Unauthorized
                    }
                    error => {
                        tracing::error!(%error, "the authorizer failed");
                        Kind::AuthorizerFailure
                    }
                })?;
        Permit::read(answer).map_err(|error| {
            tracing::error!(%error, "the authorizer's policy is malformed");
            Kind::AuthorizerConfigurationError
        })
    }
}
