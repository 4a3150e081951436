//! Brings the running sums up to date with what was written.
//!
//! A record of a stream only says who must be looked at again; what is counted comes from the tables. So it does not
//! matter whether a record comes twice, late, or after others.

mod records;

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::ids::UserId;
use lambda_runtime::{Diagnostic, LambdaEvent};
use records::Read;
use shared::app::App;
use shared::clock;
use std::time::Duration;

pub use aws_lambda_events::dynamodb::Event as Batch;

/// Kept back for the answer: a transaction under way when the time is nearly up takes this long at most.
const RESERVE: Duration = Duration::from_secs(8);

/// Counts the users of a batch.
///
/// What can't be done goes back as the first record that is to be delivered again; all before it is done.
///
/// # Errors
/// If not even the first record could be dealt with. Lambda halves a batch whose call fails, until a record that can
/// never be counted is alone; one that is only reported would take all that follow it into the queue of the lost.
pub async fn handle(
    app: App,
    event: LambdaEvent<Batch>,
) -> Result<DynamoDbEventResponse, FirstFailed> {
    let deadline = clock::ahead_of(event.context.deadline(), RESERVE);
    let before = app.store().usage().reading();
    let read = records::read(&event.payload);

    let counted = app.store().refresh_users(&read.dirty, deadline).await;

    for (user, error) in &counted.failures {
        // The user's id is somebody's; the record leads to it.
        let record = read
            .place_of(user)
            .and_then(|place| read.sequence_number(place));
        tracing::error!(record, %error, "a user could not be counted");
    }
    for (place, why) in &read.unreadable {
        let record = read.sequence_number(*place);
        tracing::error!(record, why, "a record can't be read");
    }
    let used = app.store().usage().reading() - before;
    tracing::info!(
        records = event.payload.records.len(),
        users = counted.users,
        failures = counted.failures.len(),
        transactions = counted.transactions,
        store_calls = used.calls,
        read_units = used.read_units,
        write_units = used.write_units,
        "batch counted"
    );
    answer(&read, counted.failures.keys())
}

/// The first of several records could not be dealt with.
#[derive(Debug)]
pub struct FirstFailed;

impl From<FirstFailed> for Diagnostic {
    fn from(_: FirstFailed) -> Self {
        Self {
            error_type: "FirstRecordFailed".to_owned(),
            error_message: "the first record could not be counted; the log says why".to_owned(),
        }
    }
}

fn answer<'f>(
    read: &Read,
    failures: impl Iterator<Item = &'f UserId>,
) -> Result<DynamoDbEventResponse, FirstFailed> {
    let failed = failures.filter_map(|user| read.place_of(user));
    let unreadable = read.unreadable.iter().map(|(place, _)| *place);
    let mut response = DynamoDbEventResponse::default();
    if let Some(first) = failed.chain(unreadable).min() {
        if first == 0 && read.records() > 1 {
            return Err(FirstFailed);
        }
        let mut failure = DynamoDbBatchItemFailure::default();
        // Without a number the whole batch comes again.
        failure.item_identifier = read.sequence_number(first);
        response.batch_item_failures.push(failure);
    }
    Ok(response)
}
