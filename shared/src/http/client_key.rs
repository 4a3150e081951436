//! Client keys in requests: as a bearer that the authorizer has checked, or in the path or the query.
//!
//! A handler reads the key with [`from_path`] or [`Bearer::of`], and passes its response through [`response::with_cors`] or
//! [`Bearer::with_cors`]. Errors of routes that are open to client keys can be read by pages without a call of the handler.

use super::caller::{Caller, context_text};
use super::params;
use super::policy::CLIENT_KEY;
use super::problem::Problem;
use super::{Request, Response, response};
use crate::app::App;
use crate::event_budget::Spent;
use domain::access::Scope;
use domain::client_key::ClientKey;
use domain::ids::{ClientKeyId, EnvironmentName};
use lambda_http::RequestExt;
use std::sync::Arc;

/// The name of the path parameter and of the query parameter with the key.
const PARAMETER: &str = "client_key";

/// The client key in the path (`{client_key}`), or else in the query (`client_key=`), for routes without an authorizer. The
/// origin of the request is checked.
///
/// # Errors
/// 401 if the key is missing, unknown or revoked, 403 if it may not be used on this page; if the database fails.
pub async fn from_path(app: &App, request: &Request) -> Result<Arc<ClientKey>, Problem> {
    let text = params::path(request, PARAMETER).or_else(|| {
        let query = request.query_string_parameters_ref();
        query.and_then(|query| query.first(PARAMETER).map(str::to_owned))
    });
    usable(app, request, &text.unwrap_or_default()).await
}

/// The caller of a route that is open to tokens and to client keys.
#[derive(Debug, Clone)]
pub enum Bearer {
    /// A token with the scope of the route.
    Token(Caller),
    /// A client key that may be used on this page.
    ClientKey(Arc<ClientKey>),
}

impl Bearer {
    /// The caller of a request: a client key, or a token with this scope. The key is looked up again, because API Gateway
    /// caches the policy of a key that was revoked, and the authorizer does not see the origin.
    ///
    /// # Errors
    /// 401 if the token has expired or the key is revoked, 403 without the scope, or if the key may not be used on this page;
    /// if the database fails.
    pub async fn of(app: &App, request: &Request, scope: Scope) -> Result<Self, Problem> {
        match context_text(request, CLIENT_KEY) {
            Some(text) => {
                let key = Box::pin(usable(app, request, text)).await;
                key.map(Self::ClientKey)
            }
            None => Caller::with_scope(request, scope).map(Self::Token),
        }
    }

    /// The environment of the caller.
    pub fn environment<'a>(&'a self, app: &'a App) -> &'a EnvironmentName {
        match self {
            Self::Token(caller) => caller.environment(app),
            Self::ClientKey(key) => &key.environment,
        }
    }

    /// Whether the caller sees a flag with these tags.
    pub fn sees_flag(&self, tags: &[String]) -> bool {
        match self {
            Self::Token(_) => true,
            Self::ClientKey(key) => key.sees_flag(tags),
        }
    }

    /// The client key, unless the caller has a token.
    pub fn client_key(&self) -> Option<&Arc<ClientKey>> {
        match self {
            Self::Token(_) => None,
            Self::ClientKey(key) => Some(key),
        }
    }

    /// The response, readable for the page of a client key. Pages have no tokens, so a response to a token stays as it is.
    pub fn with_cors(&self, response: Response, request: &Request) -> Response {
        match self {
            Self::Token(_) => response,
            Self::ClientKey(key) => response::with_cors(response, request, key),
        }
    }
}

/// Spends events of the budget of a client key: those that a request sends, or 1 for a request that reads of one user.
///
/// # Errors
/// 429 if the budget is used up; if the database fails.
pub async fn spend(app: &App, key: &ClientKey, events: usize) -> Result<(), Problem> {
    let per_second = key.events_per_second;
    let spent = app.spend_events(key.id.as_str(), per_second, events, app.now());
    match spent.await? {
        Spent::Within => Ok(()),
        Spent::UsedUp { seconds } => Err(Problem::event_budget_exceeded(per_second, seconds)),
    }
}

/// The client key id in the path.
///
/// # Errors
/// 404: a text that is no id names no key.
pub fn id_in_path(request: &Request) -> Result<ClientKeyId, Problem> {
    let text = params::path(request, "id").unwrap_or_default();
    ClientKeyId::parse(&text).map_err(|_| unknown(&text))
}

/// 404 for the id of a client key.
pub fn unknown(id: &str) -> Problem {
    let detail = format!("There is no client key with the id `{id}`.");
    Problem::not_found("client_key_not_found", detail)
}

/// The key with this text, if it may be used on the page of the request.
async fn usable(app: &App, request: &Request, text: &str) -> Result<Arc<ClientKey>, Problem> {
    let found = app.client_key(text).await?;
    let key = found.ok_or_else(|| {
        let detail = "There is no such client key, or it is revoked. Send a key that `GET /client-keys` lists.";
        Problem::unauthorized(detail)
    })?;
    if key.allows_origin(params::origin(request)) {
        return Ok(key);
    }
    let detail = format!(
        "The client key `{}` may not be used here: the `Origin` of the request is not one of its origins.",
        key.id
    );
    Err(Problem::forbidden(detail))
}
