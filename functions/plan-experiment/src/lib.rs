//! `POST /experiments/plan`: how many users it takes to find a change of a given size. Reads a past experiment where the
//! question names one, and nothing otherwise.

use domain::access::Scope;
use domain::fold::Lens;
use lambda_http::http::StatusCode;
use shared::http::input::plan::Asked;
use shared::http::{App, Problem, Request, Response, answer, body, caller::Caller, input};
use shared::store::statistics::Parts;

/// Plans an experiment.
///
/// # Errors
/// 422 with all faults of the body, or if the past experiment says nothing to plan by.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let question = match input::plan::read(body::json(&request)?)? {
        Asked::Given(question) => question,
        Asked::Past(asked) => {
            let found = app.store().experiment(asked.experiment_id(), true).await?;
            let past = asked.past(found)?;
            let (lens, parts) = (Lens::default(), Parts::default());
            let tally = app.store().sums(&past, &lens, parts, None).await?.tally;
            asked.question(&past, &tally)?
        }
    };

    Ok(answer::json(StatusCode::OK, &question.answer()))
}
