//! `GET /api/features/{client_key}`: the feature flags of an environment, as GrowthBook's SDKs read them.

use shared::app::App;
use shared::http::client_key;
use shared::http::sdk_payload::{SdkPayload, cached};
use shared::http::{Problem, Request, Response, response};

/// Returns the flags that the client key sees. SDKs evaluate them by themselves, and give a user the same variants as the
/// other routes. Flags that only the server can evaluate are left out, such as those that need the ids of a list, because lists
/// are stored as hashes: `POST /api/eval` has them.
///
/// # Errors
/// 401 if there is no such key, 403 if it may not be used on this page.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let key = client_key::from_path(&app, &request).await?;
    let set = app.flags(&key.environment).await?;

    let payload = SdkPayload::of(&app, &set, &key).await?;
    let response = cached(&request, payload.response()?);
    Ok(response::with_cors(response, &request, &key))
}
