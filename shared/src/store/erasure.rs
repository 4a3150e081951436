//! Takes a user out of everything.
//!
//! First a tombstone, which keeps whatever comes later away; then the user's part in the sums, by the same
//! [`Store::refresh`] that put it there; the records last, since they say which sums those are: whoever dies on the way
//! leaves behind what a repeat needs. The tombstone's own record in the stream has the aggregator do so as well.

use super::item::{Backoff, Item};
use super::keys::{self, assignments, events};
use super::refresh::DirtyUser;
use super::user_data::Tombstone;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, ReturnConsumedCapacity, WriteRequest,
};
use domain::contribution::UserContribution;
use domain::ids::{ExperimentId, UserId};
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

/// Items of one batch, by DynamoDB's rule.
const BATCH: usize = 25;
/// Batches under way at once. All items of a user lie in one partition, which takes a thousand writes a second.
const AT_ONCE: usize = 4;

/// Which records of a user there are, without the tombstone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Experiments that the user is assigned in.
    pub assignments: BTreeSet<ExperimentId>,
    /// Sort keys of the events.
    pub events: Vec<String>,
}

impl Records {
    /// Whether there are none.
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

/// What an erasure came upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// What is left of the user.
    pub tombstone: Tombstone,
    /// The records that there were.
    pub records: Records,
    /// The experiments that the user had a record or a part of the sums in.
    pub experiments: BTreeSet<ExperimentId>,
}

impl Store {
    /// Takes a user out of everything, or does what an earlier call has left.
    ///
    /// # Errors
    /// If the database fails or the time is over; a repeat goes on from there.
    pub async fn erase(
        &self,
        user: &UserId,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Erased, StoreError> {
        // What there is is counted before the tombstone, since from then on others take it away too.
        let user_data = self.user_data(user).await?;
        let assignments = user_data.assignments.into_iter();
        let records = Records {
            assignments: assignments.map(|one| one.experiment_id).collect(),
            events: self.event_keys_of(user).await?,
        };
        let mut experiments = records.experiments();
        let contributions = self.contributions_of(user).await?.into_iter();
        let counted =
            contributions.filter(|(_, stored)| stored.contribution != UserContribution::default());
        experiments.extend(counted.map(|((experiment, _), _)| experiment));

        let tombstone = self.put_tombstone(user, now).await?;
        // Beside a tombstone a user is looked at in every experiment that anything is left in.
        let dirty = BTreeMap::from([(user.clone(), DirtyUser::default())]);
        let mut refreshed = self.refresh_users(&dirty, deadline).await;
        if let Some(error) = refreshed.failures.remove(user) {
            return Err(error);
        }
        Ok(Erased {
            tombstone,
            records,
            experiments,
        })
    }

    /// Deletes records of a user, as many as there is time for. One that is not there any more does no harm.
    pub(super) async fn take_away(
        &self,
        user: &UserId,
        records: &Records,
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

    /// Sends a batch until all of it is done.
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
