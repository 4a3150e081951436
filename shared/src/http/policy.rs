//! The IAM policy of a token or a client key, for API Gateway.
//!
//! API Gateway caches a policy for minutes and applies it to every method of the stage, whichever was called first. So
//! the policy follows from the grant or the key alone and lists everything that it allows.

use super::routes::{ROUTES, Route};
use domain::access::{Grant, Scope};
use domain::client_key::ClientKey;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The response of a token authorizer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// Identifies the token or the client key in access logs.
    pub principal_id: String,
    /// What it allows.
    pub policy_document: PolicyDocument,
    /// Context for the function. The values are texts, because API Gateway allows no nested values.
    pub context: BTreeMap<&'static str, String>,
}

/// An IAM policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: Vec<&'static str>,
    effect: &'static str,
    resource: Vec<String>,
}

/// Name of the context value that holds the scopes.
pub const SCOPES: &str = "scopes";
/// Name of the context value that holds the token's name.
pub const TOKEN_NAME: &str = "token_name";
/// Name of the context value that holds the expiry of the token; missing if it does not expire.
pub const EXPIRES_AT: &str = "expires_at";
/// Name of the context value that holds the events per second that the token may send; missing for the default.
pub const EVENTS_PER_SECOND: &str = "events_per_second";
/// Name of the context value that exists if outcomes of events say nothing about users.
pub const HIDES_ASSIGNMENTS: &str = "hides_assignments";
/// Name of the context value that holds the environment of the caller; missing for the default of the deployment.
pub const ENVIRONMENT: &str = "environment";
/// Name of the context value that holds the client key; missing for a token.
pub const CLIENT_KEY: &str = "client_key";

impl Authorization {
    /// The policy of a grant in the stage of a method ARN (`arn:aws:execute-api:region:account:api/stage/METHOD/path`).
    /// The rest of the ARN has no influence.
    pub fn new(grant: &Grant, method_arn: &str) -> Self {
        let scopes: Vec<_> = grant.scopes.iter().map(|scope| scope.name()).collect();
        let mut context =
            BTreeMap::from([(SCOPES, scopes.join(" ")), (TOKEN_NAME, grant.name.clone())]);
        if let Some(expires_at) = grant.expires_at {
            context.insert(EXPIRES_AT, expires_at.to_string());
        }
        if let Some(events) = grant.events_per_second {
            context.insert(EVENTS_PER_SECOND, events.to_string());
        }
        if grant.hides_assignments {
            context.insert(HIDES_ASSIGNMENTS, true.to_string());
        }
        if let Some(environment) = &grant.environment {
            context.insert(ENVIRONMENT, environment.to_string());
        }
        let is_open = |route: &Route| is_open(route, &grant.scopes);
        Self {
            principal_id: grant.token_id.clone(),
            policy_document: PolicyDocument::new(method_arn, is_open),
            context,
        }
    }

    /// The policy of a client key in the stage of a method ARN. It has no scopes: it allows only the routes that are open to
    /// client keys.
    pub fn of_client_key(client_key: &ClientKey, method_arn: &str) -> Self {
        let is_open = |route: &Route| route.scope.is_some() && route.client_key;
        Self {
            principal_id: client_key.id.to_string(),
            policy_document: PolicyDocument::new(method_arn, is_open),
            context: BTreeMap::from([
                (CLIENT_KEY, client_key.key.to_string()),
                (ENVIRONMENT, client_key.environment.to_string()),
            ]),
        }
    }
}

impl PolicyDocument {
    fn new(method_arn: &str, is_open: impl Fn(&Route) -> bool) -> Self {
        let stage: String = method_arn
            .splitn(3, '/')
            .take(2)
            .collect::<Vec<_>>()
            .join("/");
        // API Gateway ignores a slash at the end of a path, but compares the whole path with the policy. The functions
        // refuse such a path with the same answer for every route.
        let with_slash = |pattern: &String| match pattern.ends_with('*') {
            true => vec![pattern.clone()],
            false => vec![pattern.clone(), format!("{pattern}/")],
        };
        let arns = |patterns: &[String]| {
            patterns
                .iter()
                .flat_map(with_slash)
                .map(|pattern| format!("{stage}/{pattern}"))
                .collect()
        };
        let statement = |effect, patterns: &[String]| Statement {
            action: vec!["execute-api:Invoke"], // in full: `sam local` knows no wildcard here
            effect,
            resource: arns(patterns),
        };
        let (allowed, others): (Vec<&Route>, Vec<&Route>) =
            ROUTES.iter().partition(|route| is_open(route));
        let allowed: Vec<String> = allowed.into_iter().map(Route::pattern).collect();
        let mut statements = Vec::new();
        if !allowed.is_empty() {
            statements.push(statement("Allow", &allowed));
        }
        // An empty policy would be malformed, and a wildcard in one route's pattern may match another route.
        let denied = if allowed.is_empty() {
            vec!["*".to_owned()]
        } else {
            covered(&allowed, &others)
        };
        if !denied.is_empty() {
            statements.push(statement("Deny", &denied));
        }
        Self {
            version: "2012-10-17",
            statement: statements,
        }
    }
}

/// Patterns of routes that are not allowed, but that a pattern of an allowed route matches: `GET/experiments/*` also matches
/// `GET/experiments/{id}/assignment/{user_id}`.
fn covered(allowed: &[String], others: &[&Route]) -> Vec<String> {
    let is_covered = |pattern: &String| allowed.iter().any(|wider| covers(wider, pattern));
    others
        .iter()
        .filter(|route| route.scope.is_some())
        .map(|route| route.pattern())
        .filter(is_covered)
        .collect()
}

fn is_open(route: &Route, scopes: &BTreeSet<Scope>) -> bool {
    route.scope.is_some_and(|scope| scopes.contains(&scope))
}

/// Whether a pattern with `*` matches a text as in IAM: a star matches any text, including slashes.
fn covers(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| covers(rest, &text[at..]))
        }),
    }
}
