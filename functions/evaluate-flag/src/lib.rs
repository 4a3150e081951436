//! `POST /ofrep/v1/evaluate/flags/{key}`: evaluates one feature flag, by OpenFeature's protocol.

use domain::access::Scope;
use domain::ids::FlagKey;
use futures::future::join;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::app::flag_sets::FlagSet;
use shared::http::client_key::Bearer;
use shared::http::flag_evaluation::{Mode, evaluate};
use shared::http::flag_user::FlagUser;
use shared::http::ofrep::{self, Failure, Success, lacks_user};
use shared::http::{Problem, Request, Response, params, response};

/// Evaluates a flag for the user of the context. The user is assigned in the experiment that decides.
///
/// # Errors
/// 401 and 403 as on every route. All others have the form of the protocol: 400 if the context is not valid, 404 if the
/// caller sees no such flag.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Bearer::of(&app, &request, Scope::Assign).await?;
    let key = params::path(&request, "key").unwrap_or_default();

    let set = app.flags(caller.environment(&app)).await;
    let answer = match (set, ofrep::user(&request)) {
        (Err(error), _) => Err(Problem::from(error).into()),
        (_, Err(failure)) => Err(failure),
        (Ok(set), Ok(user)) => success(&app, &caller, &set, &key, &user).await,
    };
    let response = match answer {
        Ok(success) => response::json(StatusCode::OK, &success),
        Err(failure) => failure.of(&key).respond(),
    };
    Ok(caller.with_cors(response, &request))
}

async fn success(
    app: &App,
    caller: &Bearer,
    set: &FlagSet,
    text: &str,
    user: &FlagUser,
) -> Result<Success, Failure> {
    let key = FlagKey::parse(text).map_err(|_| Failure::flag_not_found(text))?;
    let flag = set.seen(&key, |tags| caller.sees_flag(tags));
    let flag = flag.ok_or_else(|| Failure::flag_not_found(text))?;
    if lacks_user(set, flag, user) {
        return Err(Failure::targeting_key_missing(text));
    }
    let keys = [&key];
    let evaluated = evaluate(app, set, &keys, user, Mode::Serve);
    let noted = app.note_flag_evaluation(caller.environment(app), &key);
    let (evaluated, ()) = join(evaluated, noted).await;
    let evaluated = evaluated?;
    let flag = evaluated.into_iter().next();
    flag.map(Success::from)
        .ok_or_else(|| Failure::flag_not_found(text))
}
