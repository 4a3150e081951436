//! `POST /client-keys`: creates a client key, once per `Idempotency-Key`.

use domain::access::Scope;
use domain::client_key::{ClientKey, ClientKeyText};
use domain::limits::MAX_CLIENT_KEYS;
use domain::prose::grouped;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::input::client_key;
use shared::http::{Problem, Request, Response, body, caller::Caller, idempotency, response};
use shared::store::client_keys::ClientKeyCreation;

/// Creates a client key. A repeat without an `Idempotency-Key` creates another one.
///
/// # Errors
/// 400 for a malformed or repeated `Idempotency-Key`, 409 if it was used with another body or there are too many keys, 422
/// with all faults of the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let text = body::json(&request)?;
    let new = client_key::read_new(text, app.environments())?;
    let bits = idempotency::bits(&request, &caller, b"\0client-key")?;

    let created = ClientKey::new(ClientKeyText::from_bits(bits), new, app.now());
    let digest = body::digest(text);

    match app.store().create_client_key(&created, &digest).await? {
        ClientKeyCreation::Created => Ok(response::json(StatusCode::CREATED, &created)),
        ClientKeyCreation::Existing {
            client_key,
            creation_digest,
        } if creation_digest == digest => Ok(response::json(StatusCode::CREATED, &client_key)),
        ClientKeyCreation::Existing { .. } => Err(idempotency::reused(
            "This `Idempotency-Key` was used with another body. Send a new one for a new client key.",
        )),
        ClientKeyCreation::TooMany => Err(too_many()),
    }
}

fn too_many() -> Problem {
    let detail = format!(
        "There are {} client keys, and there may be no more. Revoke those that are not used.",
        grouped(u64::from(MAX_CLIENT_KEYS))
    );
    Problem::conflict("too_many_client_keys", detail, Vec::new())
}
