//! The keys of a user's records in the assignments and events tables, and deleting those records.
//!
//! Records are listed and deleted in steps of bounded size, so that the memory does not depend on the user. The
//! assignments are deleted in the last step, because they name the experiments of the user.
//!
//! Records in the index of an experiment are deleted together with their number in its checkpoint, see
//! [`super::stored_records`].

use super::item::{Backoff, Item};
use super::keys::{self, assignments, events};
use super::stored_records::{IndexPlace, RecordKind};
use super::transaction::{self, cancelled, is_refused};
use super::user_data::UserData;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, DeleteRequest, ReturnConsumedCapacity, WriteRequest,
};
use domain::ids::{ExperimentId, UserId};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

/// Items of one batch: DynamoDB's limit.
const BATCH: usize = 25;
/// Records that one transaction deletes. DynamoDB allows 100 actions, and one is the checkpoint.
const DELETED_TOGETHER: usize = 90;
/// Batches under way at once. All items of a user are in one partition, which takes 1,000 writes a second.
const AT_ONCE: usize = 4;
/// Events of a step. One page of a query may go beyond it: a page has at most 4,000 keys of at most 1 KB.
const EVENTS_PER_STEP: usize = 2_000;

/// The keys of a user's records, without the tombstone: all assignments, and the events of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRecordKeys {
    /// Experiments that the user is assigned in.
    pub assignments: BTreeMap<ExperimentId, IndexPlace>,
    /// Whether the number of the user's stored events is stored.
    pub event_count: bool,
    /// Sort keys of the events of this step, with their places in the index of their experiment.
    pub events: Vec<(String, Option<IndexPlace>)>,
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
            .filter_map(|(key, _)| keys::experiment_of(key).flatten())
            .collect();
        all.extend(self.assignments.keys().cloned());
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
        let (events, more) = self.first_event_keys_of(user, EVENTS_PER_STEP).await?;
        Ok(UserRecordKeys {
            assignments: user_data.index_places,
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
        let mut in_index = BTreeMap::<_, Vec<IndexedKey>>::new();
        let mut others = Vec::new();
        for (name, place) in &records.events {
            let key = key_of(user, events::USER_ID, (events::EXPERIMENT_EVENT, name));
            match (keys::experiment_of(name).flatten(), place) {
                (Some(experiment), Some(place)) => {
                    let shard = (RecordKind::Events, experiment, place.shard);
                    let position = place.position.clone();
                    in_index.entry(shard).or_default().push((key, position));
                }
                _ => others.push(key),
            }
        }
        self.delete_items(&self.tables.events, others, deadline)
            .await?;
        self.delete_from_index(in_index, deadline).await?;
        if records.more {
            return Ok(());
        }
        let named = |name: &str| {
            key_of(
                user,
                assignments::USER_ID,
                (assignments::EXPERIMENT_ID, name),
            )
        };
        let mut in_index = BTreeMap::new();
        for (experiment, place) in &records.assignments {
            let shard = (RecordKind::Assignments, experiment.clone(), place.shard);
            let key = named(experiment.as_str());
            in_index.insert(shard, vec![(key, place.position.clone())]);
        }
        self.delete_from_index(in_index, deadline).await?;
        if records.event_count {
            let delete = self.client.delete_item();
            let delete = delete
                .table_name(&self.tables.assignments)
                .set_key(Some(named(assignments::EVENT_COUNT)))
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let answer = delete.send().boxed().await?;
            self.usage.wrote(answer.consumed_capacity());
        }
        Ok(())
    }

    /// Deletes records by index shard, each with its number in the checkpoint of the shard.
    async fn delete_from_index(
        &self,
        shards: BTreeMap<(RecordKind, ExperimentId, u16), Vec<IndexedKey>>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        for ((kind, experiment, shard), records) in &shards {
            for together in records.chunks(DELETED_TOGETHER) {
                let shard = (*kind, experiment, *shard);
                self.delete_together(shard, together.to_vec(), deadline)
                    .await?;
            }
        }
        Ok(())
    }

    async fn delete_together(
        &self,
        (kind, experiment, shard): (RecordKind, &ExperimentId, u16),
        mut records: Vec<IndexedKey>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let (table, user_key) = match kind {
            RecordKind::Assignments => (&self.tables.assignments, assignments::USER_ID),
            RecordKind::Events => (&self.tables.events, events::USER_ID),
        };
        let mut backoff = Backoff::new();
        while !records.is_empty() {
            if Instant::now() >= deadline {
                return Err(no_time());
            }
            let checkpoint = self.checkpoint(kind, experiment, shard).await?;
            let positions: Vec<String> = records.iter().map(|(_, at)| at.clone()).collect();
            let shard = (kind, experiment, shard);
            let put = checkpoint.erasing(&self.tables.aggregates, shard, &positions);
            let mut actions = vec![transaction::put(put)?];
            for (key, _) in &records {
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(key.clone()))
                    .condition_expression("attribute_exists(#user)")
                    .expression_attribute_names("#user", user_key);
                actions.push(transaction::delete(delete)?);
            }
            let Some(reasons) = self.send_transaction(actions).await? else {
                return Ok(());
            };
            if !reasons.iter().any(is_refused) && !cancelled(&reasons).is_passing() {
                return Err(cancelled(&reasons));
            }
            // A concurrent erasure has deleted some, or the checkpoint was written.
            let mut deletions = reasons.iter().skip(1);
            records.retain(|_| !deletions.next().is_some_and(is_refused));
            backoff.pause().await;
        }
        Ok(())
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
                .boxed()
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
        Err(no_time())
    }
}

/// The key of a record, and its sort key in the index.
type IndexedKey = (Item, String);

fn key_of(user: &UserId, user_key: &str, (name, key): (&str, &str)) -> Item {
    Item::from([
        (user_key.to_owned(), AttributeValue::S(user.to_string())),
        (name.to_owned(), AttributeValue::S(key.to_owned())),
    ])
}

fn no_time() -> StoreError {
    StoreError::Throttled("there was no time to delete everything".to_owned())
}

fn delete(key: Item) -> Result<WriteRequest, StoreError> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build();
    let delete = delete.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}
