//! `POST /api/eval/{client_key}`: evaluates the feature flags of an environment for GrowthBook's SDKs (remote evaluation).

use shared::app::App;
use shared::http::client_key;
use shared::http::flag_evaluation::{Mode, evaluate};
use shared::http::input::sdk_user;
use shared::http::sdk_payload::SdkPayload;
use shared::http::{Problem, Request, Response, body, response};

/// Evaluates the flags that the client key sees for a user. The SDK gets values, and no rules. The user is assigned in the
/// experiments that decide.
///
/// # Errors
/// 401 if there is no such key, 403 if it may not be used on this page, 422 with all faults of the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let key = client_key::from_path(&app, &request).await?;
    let user = sdk_user::read(body::json(&request)?)?;
    let set = app.flags(&key.environment).await?;

    let seen = set.all_seen(|tags| key.sees_flag(tags));
    let keys: Vec<_> = seen.into_iter().map(|flag| &flag.key).collect();
    let evaluated = evaluate(&app, &set, &keys, &user, Mode::Serve).await?;
    let payload = SdkPayload::evaluated(&evaluated, &user, &set, app.now());
    let response = payload.response()?;
    Ok(response::with_cors(response, &request, &key))
}
