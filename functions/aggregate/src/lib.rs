//! Refreshes the users of new records.
//!
//! A stream record only names a dirty user; what is counted is read from the tables. So records may arrive twice, late,
//! or in any order.

mod checkpoints;
mod looks;
mod records;

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::ids::UserId;
use futures::{StreamExt, stream};
use lambda_runtime::{Diagnostic, LambdaEvent};
use records::Read;
use shared::app::App;
use shared::clock;
use shared::notifications::Notifier;
use std::time::Duration;

pub use aws_lambda_events::dynamodb::Event as Batch;

/// Tombstones read at once.
const AT_ONCE: usize = 16;
/// Time reserved for the response: a transaction that is under way at the deadline takes at most this long.
const RESERVE: Duration = Duration::from_secs(8);

/// Refreshes the users of a batch.
///
/// Returns the first record that could not be processed, which Lambda delivers again with all later ones.
///
/// # Errors
/// If the first record could not be processed. Lambda halves a batch whose invocation fails, until a record that can
/// never be counted is alone. Only reporting it would send all later records to the dead-letter queue too.
pub async fn handle(
    app: App,
    notifier: Notifier,
    event: LambdaEvent<Batch>,
) -> Result<DynamoDbEventResponse, FirstFailed> {
    let deadline = clock::ahead_of(event.context.deadline(), RESERVE);
    let before = app.store().usage().reading();
    let mut read = records::read(&event.payload);
    for user in erased_meanwhile(&app, &read).await {
        read.dirty.entry(user).or_default();
    }

    let mut counted = app.store().refresh_users(&read.dirty, deadline).await;
    // A refresh deletes the first records of an erased user. An erasure whose caller gave up continues here. Until the
    // contributions are removed, the records name the experiments.
    for user in &read.erased {
        if counted.is_up_to_date(user)
            && let Err(error) = app
                .store()
                .delete_remaining_records(user, app.now(), deadline)
                .await
        {
            counted.failures.insert(user.clone(), error);
        }
    }

    checkpoints::advance(&app, &read.dirty, deadline).await;
    looks::look(&app, &notifier, &read.experiments(), deadline).await;

    for (user, error) in &counted.failures {
        // The user id is personal data; the record leads to it.
        let record = read
            .place_of(user)
            .and_then(|place| read.sequence_number(place));
        tracing::error!(record, %error, "a user could not be refreshed");
    }
    for (place, why) in &read.unreadable {
        let record = read.sequence_number(*place);
        tracing::error!(record, why, "a record is invalid");
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

/// Users who were erased while a request stored their first event. The request added the number of stored events after the
/// erasure had deleted everything, and a refresh deletes this number.
async fn erased_meanwhile(app: &App, read: &Read) -> Vec<UserId> {
    let mut tombstones = Vec::new();
    for user in &read.event_counts {
        if !read.dirty.contains_key(user) {
            tombstones.push(has_tombstone(app, user));
        }
    }
    stream::iter(tombstones)
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// The user, if there is a tombstone, or if that is unknown: then the refresh decides.
async fn has_tombstone(app: &App, user: &UserId) -> Option<UserId> {
    let found = app.store().tombstone(user).await;
    (!matches!(found, Ok(None))).then(|| user.clone())
}

/// The first of several records could not be processed.
#[derive(Debug)]
pub struct FirstFailed;

impl From<FirstFailed> for Diagnostic {
    fn from(_: FirstFailed) -> Self {
        Self {
            error_type: "FirstRecordFailed".to_owned(),
            error_message: "the first record could not be processed; the log has the reason"
                .to_owned(),
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
        // Without a sequence number Lambda delivers the whole batch again.
        failure.item_identifier = read.sequence_number(first);
        response.batch_item_failures.push(failure);
    }
    Ok(response)
}
