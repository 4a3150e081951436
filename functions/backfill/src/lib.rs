//! Builds and deletes generations of aggregates when a definition changes.
//!
//! The stream of the experiments table is the work queue. A changed definition and the work that it causes are written
//! in one transaction, and each page of work causes the next one by storing its position. Some changes of a definition are
//! notified about too.

mod changes;
mod records;

use lambda_runtime::{Diagnostic, LambdaEvent};
use records::Step;
use shared::app::App;
use shared::clock;
use shared::notifications::Notifier;
use shared::store::StoreError;
use shared::store::backfill::Worked;
use std::time::{Duration, Instant};

pub use aws_lambda_events::dynamodb::Event as Batch;

/// Time reserved for the response: a transaction that is under way at the deadline takes at most this long.
const RESERVE: Duration = Duration::from_secs(8);

/// Does the step that each record causes.
///
/// # Errors
/// If a record is invalid or its step failed; a repeat is safe at any time.
pub async fn handle(app: App, notifier: Notifier, event: LambdaEvent<Batch>) -> Result<(), Failed> {
    let deadline = clock::ahead_of(event.context.deadline(), RESERVE);
    for record in &event.payload.records {
        let before = app.store().usage().reading();
        let step = records::read(record).map_err(Failed::Unreadable)?;
        let name = step.name();

        let worked = take(&app, &notifier, step, deadline).await?;

        let used = app.store().usage().reading() - before;
        tracing::info!(
            step = name,
            users = worked.users,
            transactions = worked.transactions,
            done = worked.done,
            store_calls = used.calls,
            read_units = used.read_units,
            write_units = used.write_units,
            "step taken"
        );
    }
    Ok(())
}

async fn take(
    app: &App,
    notifier: &Notifier,
    step: Step,
    deadline: Instant,
) -> Result<Worked, StoreError> {
    let store = app.store();
    match step {
        Step::Definition { before, after } => {
            store.definition_changed(&before, &after).await?;
            changes::notify(app, notifier, &before, &after).await;
        }
        Step::Generations { id, before, after } => {
            store.generations_changed(&id, &before, &after).await?;
        }
        Step::Work(work) => return store.work_on(&work, deadline).await,
        Step::Built { id, generation } => store.build_done(&id, generation).await?,
        Step::Retired { id, generation } => store.retirement_over(&id, generation).await?,
        Step::None => {}
    }
    Ok(Worked::default())
}

/// Why Lambda delivers a record again.
#[derive(Debug)]
pub enum Failed {
    /// The record is invalid.
    Unreadable(String),
    /// The database failed, or a user could not be refreshed.
    Store(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        let (error_type, error_message) = match failed {
            Failed::Unreadable(why) => ("UnreadableRecord", why),
            Failed::Store(error) => ("StepFailed", error.to_string()),
        };
        tracing::error!(error_type, error_message, "a step failed");
        Self {
            error_type: error_type.to_owned(),
            error_message,
        }
    }
}
