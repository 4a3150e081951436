//! Makes running sums again when a definition changes.
//!
//! The stream of the experiments table is the queue of the work: a definition's change and the work that follows from
//! it are written together or not at all, and each page of the work asks for the next by being noted.

mod records;

use lambda_runtime::{Diagnostic, LambdaEvent};
use records::Step;
use shared::app::App;
use shared::clock;
use shared::store::StoreError;
use shared::store::backfill::Worked;
use std::time::{Duration, Instant};

pub use aws_lambda_events::dynamodb::Event as Batch;

/// Kept back for the answer: a transaction under way when the time is nearly up takes this long at most.
const RESERVE: Duration = Duration::from_secs(8);

/// Does what follows from each record.
///
/// # Errors
/// If a record makes no sense or its step could not be done; a repeat is safe at any time.
pub async fn handle(app: App, event: LambdaEvent<Batch>) -> Result<(), Failed> {
    let deadline = clock::ahead_of(event.context.deadline(), RESERVE);
    for record in &event.payload.records {
        let before = app.store().usage().reading();
        let step = records::read(record).map_err(Failed::Unreadable)?;
        let name = step.name();

        let worked = take(&app, step, deadline).await?;

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

async fn take(app: &App, step: Step, deadline: Instant) -> Result<Worked, StoreError> {
    let store = app.store();
    match step {
        Step::Definition { before, after } => store.definition_changed(&before, &after).await?,
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

/// Why a record comes again.
#[derive(Debug)]
pub enum Failed {
    /// It makes no sense.
    Unreadable(String),
    /// The database failed, or a user could not be counted.
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
        tracing::error!(error_type, error_message, "a step could not be taken");
        Self {
            error_type: error_type.to_owned(),
            error_message,
        }
    }
}
