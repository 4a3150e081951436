//! `DELETE /users/{user_id}`: erases a user, or a unit of another kind.

use domain::access::Scope;
use domain::ids::{ExperimentId, SegmentId, UnitKind, UserId};
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, input, response};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// After this time no new step starts. A running step ends within the function's 25 seconds, and a repeat continues.
const PATIENCE: Duration = Duration::from_secs(15);

/// The data that this request found. An earlier request or the aggregator may have deleted other records.
#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<UnitKind>,
    user_id: UserId,
    /// Stored events: one per experiment that an event counts for.
    events: usize,
    assignments: usize,
    experiments: BTreeSet<ExperimentId>,
    /// The segments whose id list had the user.
    segments: BTreeSet<SegmentId>,
    erased_at: Timestamp,
    /// Until then no data of the user is stored.
    tombstone_until: Timestamp,
}

/// Erases a user, also one without data. A repeat finishes what is left.
///
/// # Errors
/// 400 for an invalid user id; 429 and 503 if the database does not keep up; 503 if there was no time to delete all
/// records. A repeat continues.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let user = input::user::read(&request)?;

    let deadline = Instant::now() + PATIENCE;
    let erased = app
        .store()
        .erase(&user, app.now(), &caller.token_id, deadline)
        .await?;
    if !erased.is_complete {
        return Err(Problem::erasure_unfinished(erased.events));
    }

    let answer = Answer {
        unit: user.other_kind(),
        user_id: user.own(),
        events: erased.events,
        assignments: erased.assignments,
        experiments: erased.experiments,
        segments: erased.segments,
        erased_at: erased.tombstone.erased_at,
        tombstone_until: erased.tombstone.until,
    };
    Ok(response::json(StatusCode::OK, &answer))
}
