//! `POST /experiments/{id}/assignments`: imports assignments of another system.

use domain::Invalid;
use domain::access::Scope;
use domain::assignment::{Assignment, AssignmentSource};
use domain::experiment::{Experiment, Status};
use domain::ids::{UserId, VariantKey};
use domain::running_holdouts::{group, is_active};
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{
    Fault, Problem, Request, Response, body, caller::Caller, input, params, response,
};
use shared::store::{FirstWrite, StoreError};
use std::collections::{BTreeSet, HashMap};
use std::pin::pin;

/// Users whose rows are written at once: enough to hide the latency, few enough for one process.
const AT_ONCE: usize = 32;

/// A row of the request, or its faults.
type ReadRow = Result<Assignment, Vec<Fault>>;

#[derive(Serialize)]
struct ImportAssignmentsResponse {
    received: usize,
    stored: usize,
    existing: usize,
    rejected: usize,
    assignments: Vec<RowOutcome>,
}

/// The outcome of the row with this index in the request.
#[derive(Serialize)]
struct RowOutcome {
    index: usize,
    #[serde(flatten)]
    result: RowResult,
}

/// What was done with a row.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum RowResult {
    /// The assignment is stored.
    Stored(StoredAssignment),
    /// The user has an assignment, and keeps it.
    Existing(StoredAssignment),
    /// The row has faults, or its user was erased.
    Rejected { errors: Vec<Fault> },
}

#[derive(Serialize)]
struct StoredAssignment {
    variant: VariantKey,
    /// Events that the user had before the import and that count for the experiment now.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_counted: Option<usize>,
}

impl ImportAssignmentsResponse {
    fn new(outcomes: Vec<RowOutcome>) -> Self {
        let count = |is: fn(&RowResult) -> bool| {
            let outcomes = outcomes.iter();
            outcomes.filter(|outcome| is(&outcome.result)).count()
        };
        Self {
            received: outcomes.len(),
            stored: count(|result| matches!(result, RowResult::Stored(_))),
            existing: count(|result| matches!(result, RowResult::Existing(_))),
            rejected: count(|result| matches!(result, RowResult::Rejected { .. })),
            assignments: outcomes,
        }
    }
}

/// Stores assignments and returns the outcome of each row. A user's first assignment is permanent. Of several rows of a
/// user, the first in the request is stored.
///
/// # Errors
/// 422 if what is around the rows has faults, 404, and 409 for a draft, for a holdout and for an experiment in a layer.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Manage)?;
    let id = params::experiment_id(&request)?;
    let list = input::assignments::list(body::json(&request)?)?;
    let found = app.experiment(&id).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    if experiment.status == Status::Draft {
        let detail = "A draft takes no assignments, since its variants may still change. Start the experiment first.";
        return Err(Problem::conflict("not_started", detail, Vec::new()));
    }
    if let Some((code, detail)) = takes_no_imports(&experiment) {
        return Err(Problem::conflict(code, detail, Vec::new()));
    }
    let received_at = app.now();
    let rows = input::assignments::read(&list, &experiment, received_at);
    let rows = without_held_out(&app, &experiment, rows, received_at).await?;

    let users = rows.iter().flatten().map(|row| &row.user_id).collect();
    let erased = app.store().erased_among(users).await?;
    let users = by_user(rows)
        .into_iter()
        .map(|rows| in_order(&app, &experiment, &erased, rows));
    let outcomes: Vec<Vec<RowOutcome>> = stream::iter(users)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut outcomes: Vec<RowOutcome> = outcomes.into_iter().flatten().collect();
    outcomes.sort_by_key(|outcome| outcome.index);

    let body = ImportAssignmentsResponse::new(outcomes);
    Ok(response::json(StatusCode::OK, &body))
}

/// Why the experiment takes no imported assignments, if it does not.
fn takes_no_imports(experiment: &Experiment) -> Option<(&'static str, &'static str)> {
    if experiment.allocation.layer.is_some() {
        let detail = "An experiment in a layer takes no imported assignments: their users can be in other experiments of \
                      the layer. Import them into an experiment without a layer.";
        return Some(("in_layer", detail));
    }
    if experiment.allocation.holdout.is_some() {
        let detail =
            "A holdout takes no imported assignments: its users follow from its percentage.";
        return Some(("is_holdout", detail));
    }
    None
}

/// Rejects the rows of users who are held out of the experiment.
async fn without_held_out(
    app: &App,
    experiment: &Experiment,
    rows: Vec<ReadRow>,
    now: Timestamp,
) -> Result<Vec<ReadRow>, StoreError> {
    let holdouts = app.holdouts_of(experiment).await?;
    let keeps_out = |holdout: &Experiment, user: &UserId| {
        is_active(holdout, now) && group(holdout, user, now).1
    };
    let check = |(index, row): (usize, ReadRow)| {
        let row = row?;
        let mut all = holdouts.iter();
        let Some(holdout) = all.find(|holdout| keeps_out(holdout, &row.user_id)) else {
            return Ok(row);
        };
        let detail = format!(
            "The holdout `{}` keeps this user out of the experiment.",
            holdout.id
        );
        let pointer = format!("/assignments/{index}/user_id");
        Err(vec![Fault::at(pointer, Invalid::new("held_out", detail))])
    };
    Ok(rows.into_iter().enumerate().map(check).collect())
}

/// Groups the rows by user. The rows of a user stay in the order of the request. A row with faults is a group of its own.
fn by_user(rows: Vec<ReadRow>) -> Vec<Vec<(usize, ReadRow)>> {
    let mut groups: Vec<Vec<(usize, ReadRow)>> = Vec::new();
    let mut group_of: HashMap<UserId, usize> = HashMap::new();
    for (index, row) in rows.into_iter().enumerate() {
        let next = groups.len();
        let group = match &row {
            Ok(row) => *group_of.entry(row.user_id.clone()).or_insert(next),
            Err(_) => next,
        };
        match groups.get_mut(group) {
            Some(rows) => rows.push((index, row)),
            None => groups.push(vec![(index, row)]),
        }
    }
    groups
}

/// Stores the rows of one user one after another, so that the first of them wins.
async fn in_order(
    app: &App,
    experiment: &Experiment,
    erased: &BTreeSet<UserId>,
    rows: Vec<(usize, ReadRow)>,
) -> Result<Vec<RowOutcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(rows.len());
    for (index, row) in rows {
        outcomes.push(one(app, experiment, erased, index, row).await?);
    }
    Ok(outcomes)
}

async fn one(
    app: &App,
    experiment: &Experiment,
    erased: &BTreeSet<UserId>,
    index: usize,
    row: ReadRow,
) -> Result<RowOutcome, StoreError> {
    let row = match row {
        Err(errors) => return Ok(rejected(index, errors)),
        Ok(row) => row,
    };
    if erased.contains(&row.user_id) {
        let pointer = format!("/assignments/{index}/user_id");
        return Ok(rejected(index, vec![Fault::erased(pointer)]));
    }
    let (is_new, stored) = match app.store().assign_first(&row, experiment.shards).await? {
        FirstWrite::Stored => (true, row),
        FirstWrite::Existing(earlier) => (false, earlier),
    };
    // Also for an earlier import: its request may have failed before it stored the user's events.
    let events_counted = match stored.source {
        AssignmentSource::Import => Some(count_earlier_events(app, experiment, &stored).await?),
        AssignmentSource::Hash => None,
    };
    let stored = StoredAssignment {
        variant: stored.variant,
        events_counted,
    };
    Ok(RowOutcome {
        index,
        result: if is_new {
            RowResult::Stored(stored)
        } else {
            RowResult::Existing(stored)
        },
    })
}

fn rejected(index: usize, errors: Vec<Fault>) -> RowOutcome {
    let result = RowResult::Rejected { errors };
    RowOutcome { index, result }
}

/// Stores the user's earlier events for the experiment, where they happened after the assignment.
async fn count_earlier_events(
    app: &App,
    experiment: &Experiment,
    assignment: &Assignment,
) -> Result<usize, StoreError> {
    let mut counted = 0;
    let destination = Some((&experiment.id, experiment.shards));
    // A page at a time, because a user may have 200,000 events with properties. An event that is stored for several
    // experiments is on several pages; only its first write counts.
    let mut pages = pin!(app.store().stored_events_after(&assignment.user_id, None));
    while let Some(events) = pages.try_next().await? {
        for stored in events {
            let event = &stored.event;
            if stored.experiment.as_ref() == Some(&experiment.id)
                || !experiment.counts(assignment.assigned_at, event.counted_at)
                || !experiment.accepts(stored.received_at)
            {
                continue;
            }
            let store = app.store();
            let write = store.record_first(event, destination, stored.received_at);
            if write.await? == FirstWrite::Stored {
                counted += 1;
            }
        }
    }
    Ok(counted)
}
