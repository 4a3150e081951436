//! `POST /client-keys`: creates a client key.

use domain::access::Scope;
use domain::client_key::{ClientKey, ClientKeyText};
use domain::limits::MAX_CLIENT_KEYS;
use domain::prose::grouped;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::clock;
use shared::http::input::client_key;
use shared::http::{Problem, Request, Response, body, caller::Caller, response};
use shared::store::client_keys::ClientKeyCreation;

/// Creates a client key. A repeat creates another one.
///
/// # Errors
/// 409 if there are too many keys, 422 with all faults of the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Manage)?;
    let new = client_key::read_new(body::json(&request)?, app.environments())?;

    let text = ClientKeyText::from_bits(clock::random_bits()?);
    let created = ClientKey::new(text, new, app.now());

    match app.store().create_client_key(&created).await? {
        ClientKeyCreation::Created => Ok(response::json(StatusCode::CREATED, &created)),
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
