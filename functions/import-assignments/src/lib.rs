//! `POST /experiments/{id}/assignments`: brings assignments over from the system that a team leaves.

use domain::access::Scope;
use domain::assignment::{Assignment, AssignmentSource};
use domain::experiment::{Experiment, Status};
use domain::ids::VariantKey;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{
    Fault, Problem, Request, Response, body, caller::Caller, input, params, response,
};
use shared::store::{FirstWrite, StoreError};

/// Rows written at once: enough to hide the latency, few enough for one process.
const AT_ONCE: usize = 32;

#[derive(Serialize)]
struct Answer {
    received: usize,
    stored: usize,
    existing: usize,
    rejected: usize,
    assignments: Vec<Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    index: usize,
    status: &'static str,
    /// The stored variant: an earlier one stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<VariantKey>,
    /// Events that the user already had and that count for the experiment now.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_counted: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

/// Stores assignments, the first one of each user for good, with an outcome for each row.
///
/// # Errors
/// 404, 409 for a draft, 422 if the envelope is wrong.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Manage)?;
    let id = params::experiment_id(&request)?;
    let text = body::json(&request)?;
    let found = app.experiment(&id).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    if experiment.status == Status::Draft {
        let detail = "A draft takes no assignments, since its variants may still change. Start the experiment first.";
        return Err(Problem::conflict("not_started", detail, Vec::new()));
    }
    let received_at = app.now();
    let rows = input::assignments::read(text, &experiment, received_at)?;

    let outcomes = rows
        .into_iter()
        .enumerate()
        .map(|(index, row)| one(&app, &experiment, received_at, index, row));
    let mut outcomes: Vec<Outcome> = stream::iter(outcomes)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    outcomes.sort_by_key(|outcome| outcome.index);

    let count = |status| {
        outcomes
            .iter()
            .filter(|outcome| outcome.status == status)
            .count()
    };
    let answer = Answer {
        received: outcomes.len(),
        stored: count("stored"),
        existing: count("existing"),
        rejected: count("rejected"),
        assignments: outcomes,
    };
    Ok(response::json(StatusCode::OK, &answer))
}

async fn one(
    app: &App,
    experiment: &Experiment,
    received_at: Timestamp,
    index: usize,
    row: Result<Assignment, Vec<Fault>>,
) -> Result<Outcome, StoreError> {
    let row = match row {
        Err(errors) => return Ok(rejected(index, errors)),
        Ok(row) => row,
    };
    if app.store().tombstone(&row.user_id).await?.is_some() {
        let pointer = format!("/assignments/{index}/user_id");
        return Ok(rejected(index, vec![Fault::erased(pointer)]));
    }
    let (status, stored) = match app.store().assign_first(&row, experiment.shards).await? {
        FirstWrite::Stored => ("stored", row),
        FirstWrite::Existing(winner) => ("existing", winner),
    };
    // Also for one that was there: the request that brought it may have died before its events were counted.
    let events_counted = match stored.source {
        AssignmentSource::Import => {
            Some(count_earlier_events(app, experiment, &stored, received_at).await?)
        }
        AssignmentSource::Hash => None,
    };
    Ok(Outcome {
        index,
        status,
        variant: Some(stored.variant),
        events_counted,
        errors: Vec::new(),
    })
}

fn rejected(index: usize, errors: Vec<Fault>) -> Outcome {
    Outcome {
        index,
        status: "rejected",
        variant: None,
        events_counted: None,
        errors,
    }
}

/// Events may have been brought in before their user's assignment. Those after it count from now on.
async fn count_earlier_events(
    app: &App,
    experiment: &Experiment,
    assignment: &Assignment,
    received_at: Timestamp,
) -> Result<usize, StoreError> {
    let mut counted = 0;
    for event in app.store().events_of(&assignment.user_id).await? {
        if experiment.counts(assignment.assigned_at, event.counted_at) {
            let destination = Some((&experiment.id, experiment.shards));
            if app
                .store()
                .record_first(&event, destination, received_at)
                .await?
                == FirstWrite::Stored
            {
                counted += 1;
            }
        }
    }
    Ok(counted)
}
