//! The keys of a user's records in the assignments and events tables, and deleting those records.

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

/// The keys of a user's records, without the tombstone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRecordKeys {
    /// Experiments that the user is assigned in.
    pub assignments: BTreeSet<ExperimentId>,
    /// Sort keys of the events.
    pub events: Vec<String>,
}

impl UserRecordKeys {
    /// Whether the user has no records.
    pub fn is_empty(&self) -> bool {
        self.assignments.is_empty() && self.events.is_empty()
    }

    /// The experiments that the user is assigned in or has events of.
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
    /// The keys of the records of a user whose assignments have been read.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub(super) async fn record_keys_of(
        &self,
        user: &UserId,
        user_data: UserData,
    ) -> Result<UserRecordKeys, StoreError> {
        let assignments = user_data.assignments.into_iter();
        Ok(UserRecordKeys {
            assignments: assignments.map(|one| one.experiment_id).collect(),
            events: self.event_keys_of(user).await?,
        })
    }

    /// Deletes records of a user until the deadline. A record that does not exist is no error.
    ///
    /// # Errors
    /// If the database fails or the time is over.
    pub(super) async fn delete_records(
        &self,
        user: &UserId,
        records: &UserRecordKeys,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let assignment = |id: &ExperimentId| {
            let user = (assignments::USER_ID.to_owned(), text(user.as_str()));
            let experiment = (assignments::EXPERIMENT_ID.to_owned(), text(id.as_str()));
            delete(Item::from([user, experiment]))
        };
        let event = |key: &String| {
            let user = (events::USER_ID.to_owned(), text(user.as_str()));
            let event = (events::EXPERIMENT_EVENT.to_owned(), text(key));
            delete(Item::from([user, event]))
        };
        let assignments: Vec<_> = records.assignments.iter().map(assignment).collect();
        let events: Vec<_> = records.events.iter().map(event).collect();
        let of = |table: &String, deletions: Vec<Result<WriteRequest, StoreError>>| {
            let deletions = deletions.into_iter().collect::<Result<Vec<_>, _>>()?;
            let batch = |batch: &[WriteRequest]| HashMap::from([(table.clone(), batch.to_vec())]);
            Ok::<Vec<_>, StoreError>(deletions.chunks(BATCH).map(batch).collect())
        };
        let mut batches = of(&self.tables.assignments, assignments)?;
        batches.extend(of(&self.tables.events, events)?);
        let batches = batches
            .into_iter()
            .map(|batch| self.write_batch(batch, deadline));
        stream::iter(batches)
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
