//! Who bears this token, and what it opens.

use domain::access::Token;
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use shared::app::App;
use shared::http::policy::Authorization;

/// What API Gateway asks a token authorizer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRequest {
    /// The `Authorization` header.
    pub authorization_token: String,
    /// The method that is called; only its stage is looked at.
    pub method_arn: String,
}

/// Why there is no policy.
#[derive(Debug)]
pub enum Refusal {
    /// Missing, malformed, unknown or expired: the caller gets 401.
    Unauthorized,
    /// We could not find out: the caller gets 500.
    Failed(String),
}

impl From<Refusal> for Diagnostic {
    fn from(refusal: Refusal) -> Self {
        // API Gateway answers 401 to exactly this message, and 500 to any other.
        let (kind, message) = match refusal {
            Refusal::Unauthorized => ("Unauthorized", "Unauthorized".to_owned()),
            Refusal::Failed(cause) => ("AuthorizerFailed", cause),
        };
        Self {
            error_type: kind.to_owned(),
            error_message: message,
        }
    }
}

/// The policy of a token, a function of the token alone.
///
/// # Errors
/// If the token opens nothing, or we cannot find out.
pub async fn handle(app: App, request: TokenRequest) -> Result<Authorization, Refusal> {
    let token = Token::from_header(&request.authorization_token).ok_or(Refusal::Unauthorized)?;
    let grant = app
        .store()
        .grant(&token.sha256())
        .await
        .map_err(|error| Refusal::Failed(error.to_string()))?;
    let grant = grant
        .filter(|grant| grant.is_valid_at(app.now()))
        .ok_or(Refusal::Unauthorized)?;
    Ok(Authorization::new(&grant, &request.method_arn))
}
