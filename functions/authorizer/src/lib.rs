//! Validates a token and returns its policy.

use domain::access::Token;
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use shared::app::App;
use shared::http::policy::Authorization;

/// The request of API Gateway to a token authorizer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRequest {
    /// The `Authorization` header.
    pub authorization_token: String,
    /// The called method; only its stage is used.
    pub method_arn: String,
}

/// Why there is no policy.
#[derive(Debug)]
pub enum Refusal {
    /// The token is missing, malformed, unknown or expired: the caller gets 401.
    Unauthorized,
    /// The token could not be checked: the caller gets 500.
    Failed(String),
}

impl From<Refusal> for Diagnostic {
    fn from(refusal: Refusal) -> Self {
        // API Gateway responds 401 to exactly this message, and 500 to any other.
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

/// The policy of a token. It follows from the token alone.
///
/// # Errors
/// If the token is invalid or cannot be checked.
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
