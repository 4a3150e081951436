//! `DELETE /users/{user_id}`: takes a user out of everything.

use domain::access::Scope;
use domain::ids::{ExperimentId, UserId};
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, input, response};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// After that no more is begun: what is under way then ends within the function's 25 seconds, and a repeat goes on.
const PATIENCE: Duration = Duration::from_secs(15);

/// What there was when the call came.
#[derive(Serialize)]
struct Answer {
    user_id: UserId,
    /// As they were stored: once for each experiment that they counted for.
    events: usize,
    assignments: usize,
    experiments: BTreeSet<ExperimentId>,
    erased_at: Timestamp,
    /// So long nothing is stored of the user.
    tombstone_until: Timestamp,
}

/// Erases a user, also one whom nobody knows. Sending it again does what is left to be done.
///
/// # Errors
/// 400 for an impossible user id; 429 and 503 when the database does not keep up.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Manage)?;
    let user = input::user::read(&request)?;

    let deadline = Instant::now() + PATIENCE;
    let erased = app.store().erase(&user, app.now(), deadline).await?;

    let answer = Answer {
        user_id: user,
        events: erased.records.events.len(),
        assignments: erased.records.assignments.len(),
        experiments: erased.experiments,
        erased_at: erased.tombstone.erased_at,
        tombstone_until: erased.tombstone.until,
    };
    Ok(response::json(StatusCode::OK, &answer))
}
