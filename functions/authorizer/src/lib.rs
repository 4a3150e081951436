//! Validates a token or a client key and returns its policy.

use domain::access::Token;
use domain::client_key::ClientKeyText;
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use shared::app::App;
use shared::http::policy::Authorization;
use shared::store::StoreError;

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
    /// The token is missing, malformed, unknown or expired, or the client key unknown or revoked: the caller gets 401.
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

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The policy of a token or a client key. It follows from the token or the key alone.
///
/// # Errors
/// If it is invalid or cannot be checked.
pub async fn handle(app: App, request: TokenRequest) -> Result<Authorization, Refusal> {
    if let Some(key) = ClientKeyText::from_header(&request.authorization_token) {
        let found = app.client_key(key.as_str()).await?;
        let key = found.ok_or(Refusal::Unauthorized)?;
        return Ok(Authorization::of_client_key(&key, &request.method_arn));
    }
    let token = Token::from_header(&request.authorization_token).ok_or(Refusal::Unauthorized)?;
    let grant = app
        .store()
        .grant(&token.sha256())
        .await?
        .filter(|grant| grant.is_valid_at(app.now()))
        .ok_or(Refusal::Unauthorized)?;
    Ok(Authorization::new(&grant, &request.method_arn))
}
