//! `POST /experiments/plan`: how many users it takes to find a change of a given size. Touches no table.

use lambda_http::http::StatusCode;
use shared::domain::access::Scope;
use shared::http::{App, Problem, Request, Response, answer, body, caller::Caller, input};

/// Plans an experiment.
///
/// # Errors
/// 422 with all faults of the body.
pub async fn handle(_app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let question = input::plan::read(body::json(&request)?)?;

    Ok(answer::json(StatusCode::OK, &question.answer()))
}
