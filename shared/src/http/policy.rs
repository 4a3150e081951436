//! The IAM policy of a token, for API Gateway.
//!
//! API Gateway caches a policy for minutes and applies it to every method of the stage, whichever was called first. So
//! the policy follows from the grant alone and lists everything that the grant allows.

use super::routes::{ROUTES, Route};
use domain::access::{Grant, Scope};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The response of a token authorizer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// Identifies the token in access logs.
    pub principal_id: String,
    /// What the token allows.
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

impl Authorization {
    /// The policy of a grant in the stage of a method ARN (`arn:aws:execute-api:region:account:api/stage/METHOD/path`).
    /// The rest of the ARN has no influence.
    pub fn new(grant: &Grant, method_arn: &str) -> Self {
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
        let arns = |patterns: Vec<String>| {
            patterns
                .iter()
                .flat_map(with_slash)
                .map(|pattern| format!("{stage}/{pattern}"))
                .collect()
        };
        let statement = |effect, patterns| Statement {
            action: vec!["execute-api:Invoke"], // in full: `sam local` knows no wildcard here
            effect,
            resource: arns(patterns),
        };
        let allowed = open(&grant.scopes);
        let mut statements = Vec::new();
        if !allowed.is_empty() {
            statements.push(statement("Allow", allowed));
        }
        // An empty policy would be malformed, and a wildcard in one route's pattern may match another route.
        let denied = if grant.scopes.is_empty() {
            vec!["*".to_owned()]
        } else {
            covered(&grant.scopes)
        };
        if !denied.is_empty() {
            statements.push(statement("Deny", denied));
        }
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
        Self {
            principal_id: grant.token_id.clone(),
            policy_document: PolicyDocument {
                version: "2012-10-17",
                statement: statements,
            },
            context,
        }
    }
}

/// Patterns of the routes that the scopes allow.
fn open(scopes: &BTreeSet<Scope>) -> Vec<String> {
    ROUTES
        .iter()
        .filter(|route| is_open(route, scopes))
        .map(Route::pattern)
        .collect()
}

/// Patterns of routes that the scopes do not allow, but that a pattern of an allowed route matches: `GET/experiments/*`
/// also matches `GET/experiments/{id}/assignment/{user_id}`.
fn covered(scopes: &BTreeSet<Scope>) -> Vec<String> {
    let open = open(scopes);
    let is_covered = |pattern: &String| open.iter().any(|wider| covers(wider, pattern));
    ROUTES
        .iter()
        .filter(|route| route.scope.is_some() && !is_open(route, scopes))
        .map(Route::pattern)
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
