//! The keys of a user's records in the assignments and events tables, and deleting those records.
//!
//! Records are listed and deleted in steps of bounded size, so that the memory does not depend on the user. The
//! assignments are deleted in the last step, because they name the experiments of the user.

use super::item::{Backoff, Item};
use super::keys::{self, assignments, events};
use super::user_data::UserData;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, ReturnConsumedCapacity, WriteRequest,
};
use domain::ids::{ExperimentId, UserId};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// Items of one batch: DynamoDB's limit.
const BATCH: usize = 25;
/// Batches under way at once. All items of a user are in one partition, which takes 1,000 writes a second.
const AT_ONCE: usize = 4;
/// Events of a step. One page of a query may go beyond it: a page has at most 4,000 keys of at most 1 KB.
const EVENTS_PER_STEP: usize = 2_000;

/// The keys of a user's records, without the tombstone: all assignments, and the events of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRecordKeys {
    /// Experiments that the user is assigned in.
    pub assignments: BTreeSet<ExperimentId>,
    /// Whether the number of the user's stored events is stored.
    pub event_count: bool,
    /// Sort keys of the events of this step.
    pub events: Vec<String>,
    /// Whether there may be more events after this step.
    pub more: bool,
}

impl UserRecordKeys {
    /// Whether the user has no records.
    pub fn is_empty(&self) -> bool {
        self.assignments.is_empty() && !self.event_count && self.events.is_empty()
    }

    /// The experiments that the user is assigned in or has events of in this step. An event is stored for an experiment
    /// only if the user is assigned in it, so these are all experiments of the user.
    pub fn experiments(&self) -> BTreeSet<ExperimentId> {
        let events = self.events.iter();
        let mut all: BTreeSet<_> = events
            .filter_map(|key| keys::experiment_of(key).flatten())
            .collect();
        all.extend(self.assignments.iter().cloned());
        all
    }
}

impl Store {
    /// The keys of the records that one step deletes, of a user whose assignments have been read.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub(super) async fn record_keys_of(
        &self,
        user: &UserId,
        user_data: UserData,
    ) -> Result<UserRecordKeys, StoreError> {
        let assignments = user_data.assignments.into_iter();
        let (events, more) = self.first_event_keys_of(user, EVENTS_PER_STEP).await?;
        Ok(UserRecordKeys {
            assignments: assignments.map(|one| one.experiment_id).collect(),
            event_count: user_data.event_count.is_some(),
            events,
            more,
        })
    }

    /// Deletes the records of a step until the deadline: its events, and after the last events the assignments. A record
    /// that does not exist is no error.
    ///
    /// # Errors
    /// If the database fails or the time is over.
    pub(super) async fn delete_records(
        &self,
        user: &UserId,
        records: &UserRecordKeys,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let of_user = |name: &str| (name.to_owned(), AttributeValue::S(user.to_string()));
        let named = |name: &str, key: &str| (name.to_owned(), AttributeValue::S(key.to_owned()));
        let events = records.events.iter().map(|key| {
            Item::from([
                of_user(events::USER_ID),
                named(events::EXPERIMENT_EVENT, key),
            ])
        });
        self.delete_items(&self.tables.events, events.collect(), deadline)
            .await?;
        if records.more {
            return Ok(());
        }
        let experiments = records.assignments.iter().map(ExperimentId::as_str);
        let count = records.event_count.then_some(assignments::EVENT_COUNT);
        let assignments = experiments.chain(count).map(|key| {
            Item::from([
                of_user(assignments::USER_ID),
                named(assignments::EXPERIMENT_ID, key),
            ])
        });
        self.delete_items(&self.tables.assignments, assignments.collect(), deadline)
            .await
    }

    /// Deletes the items with these keys.
    async fn delete_items(
        &self,
        table: &str,
        keys: Vec<Item>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let deletions = keys.into_iter().map(delete);
        let deletions = deletions.collect::<Result<Vec<_>, _>>()?;
        let mut writes = Vec::new();
        for batch in deletions.chunks(BATCH) {
            let batch = HashMap::from([(table.to_owned(), batch.to_vec())]);
            writes.push(self.write_batch(batch, deadline));
        }
        stream::iter(writes)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Sends a batch until DynamoDB has processed all of it.
    async fn write_batch(
        &self,
        mut batch: HashMap<String, Vec<WriteRequest>>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let mut backoff = Backoff::new();
        while Instant::now() < deadline {
            let answer = self
                .client
                .batch_write_item()
                .set_request_items(Some(batch))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await?;
            for capacity in answer.consumed_capacity() {
                self.usage.wrote(Some(capacity));
            }
            batch = answer.unprocessed_items.unwrap_or_default();
            if batch.values().all(Vec::is_empty) {
                return Ok(());
            }
            backoff.pause().await;
        }
        let text = "there was no time to delete everything".to_owned();
        Err(StoreError::Throttled(text))
    }
}

fn delete(key: Item) -> Result<WriteRequest, StoreError> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build();
    let delete = delete.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}
