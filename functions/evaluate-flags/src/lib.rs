//! `POST /ofrep/v1/evaluate/flags`: evaluates all feature flags, by OpenFeature's protocol.

use domain::access::Scope;
use domain::ids::FlagKey;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::client_key::Bearer;
use shared::http::flag_evaluation::{Mode, evaluate};
use shared::http::flag_user::FlagUser;
use shared::http::ofrep::{self, Failure, FlagResult, lacks_user};
use shared::http::{Problem, Request, Response, response};

#[derive(Serialize)]
struct Answer {
    flags: Vec<FlagResult>,
}

/// Evaluates all flags that the caller sees for the user of the context. The user is assigned in the experiments that decide.
/// The `ETag` is that of the values, so it changes with the flags and with the context.
///
/// # Errors
/// 401 and 403 as on every route. All others have the form of the protocol: 400 if the context is not valid.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Bearer::of(&app, &request, Scope::Assign).await?;
    let response = match answer(&app, &caller, &request).await {
        Ok(answer) => response::if_body_changed(&request, response::json(StatusCode::OK, &answer)),
        Err(failure) => failure.respond(),
    };
    Ok(caller.with_cors(response, &request))
}

async fn answer(app: &App, caller: &Bearer, request: &Request) -> Result<Answer, Failure> {
    let user: FlagUser = ofrep::user(request)?;
    let set = app.flags(caller.environment(app)).await;
    let set = set.map_err(Problem::from)?;

    let seen = set.all_seen(|tags| caller.sees_flag(tags));
    let (lacking, usable): (Vec<_>, Vec<_>) = seen
        .into_iter()
        .partition(|flag| lacks_user(&set, flag, &user));
    let keys: Vec<&FlagKey> = usable.iter().map(|flag| &flag.key).collect();
    let evaluated = evaluate(app, &set, &keys, &user, Mode::Serve).await?;

    let failures = lacking.into_iter().map(|flag| {
        let failure = Failure::targeting_key_missing(flag.key.as_str());
        FlagResult::Failure(failure)
    });
    let successes = evaluated
        .into_iter()
        .map(|flag| FlagResult::Success(Box::new(flag.into())));
    Ok(Answer {
        flags: successes.chain(failures).collect(),
    })
}
