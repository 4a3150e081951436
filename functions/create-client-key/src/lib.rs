//! `POST /client-keys`: creates a client key, once per `Idempotency-Key`.

use domain::access::Scope;
use domain::client_key::{ClientKey, ClientKeyText, DecryptionKey};
use domain::limits::MAX_CLIENT_KEYS;
use domain::prose::grouped;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::clock;
use shared::http::input::client_key::{self, NewSecrets};
use shared::http::{Problem, Request, Response, body, caller::Caller, idempotency, response};
use shared::store::client_keys::ClientKeyCreation;

/// A client key with the key that decrypts its payload. Only the response to the creation has it.
#[derive(Serialize)]
struct CreatedClientKey<'k> {
    #[serde(flatten)]
    client_key: &'k ClientKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    decryption_key: Option<&'k DecryptionKey>,
}

/// Creates a client key. A repeat without an `Idempotency-Key` creates another one.
///
/// # Errors
/// 400 for a malformed or repeated `Idempotency-Key`, 409 if it was used with another body or there are too many keys, 422
/// with all faults of the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let text = body::json(&request)?;
    let secrets = NewSecrets {
        salt: clock::random_seed()?,
        decryption_key: DecryptionKey::from_bits(clock::random_bits()?),
    };
    let new = client_key::read_new(text, app.environments(), secrets)?;
    let bits = idempotency::bits(&request, &caller, b"\0client-key")?;

    let created = ClientKey::new(ClientKeyText::from_bits(bits), new, app.now());
    let digest = body::digest(text);

    match app.store().create_client_key(&created, &digest).await? {
        ClientKeyCreation::Created => Ok(created_response(&created)),
        ClientKeyCreation::Existing {
            client_key,
            creation_digest,
        } if creation_digest == digest => Ok(created_response(&client_key)),
        ClientKeyCreation::Existing { .. } => Err(idempotency::reused(
            "This `Idempotency-Key` was used with another body. Send a new one for a new client key.",
        )),
        ClientKeyCreation::TooMany => Err(too_many()),
    }
}

fn created_response(client_key: &ClientKey) -> Response {
    let created = CreatedClientKey {
        client_key,
        decryption_key: client_key.decryption_key.as_ref(),
    };
    response::json(StatusCode::CREATED, &created)
}

fn too_many() -> Problem {
    let detail = format!(
        "There are {} client keys, and there may be no more. Revoke those that are not used.",
        grouped(u64::from(MAX_CLIENT_KEYS))
    );
    Problem::conflict("too_many_client_keys", detail, Vec::new())
}
