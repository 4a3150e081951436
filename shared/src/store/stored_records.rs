//! How many records of an experiment are stored, without reading all of them.
//!
//! The aggregates contain the number of records in them. Results compare it with the number that is stored; the difference
//! is pending. For each index shard, a *checkpoint* has the number of records that were stored up to a time, which is in
//! the past far enough that no put is under way and the index is up to date. What was stored later is counted in the index
//! at each look. The aggregator advances checkpoints, so that few records are left to count.
//!
//! An erasure deletes records together with their number in the checkpoint, in one transaction. The index may show them a
//! moment longer, so no checkpoint advances while the last erasure in its shard is recent.
//!
//! The index is ordered by the time of storing: the time of an event or of an imported assignment may be long past.

mod checkpoint;
mod times;

use super::item::{damaged, text};
use super::keys::{aggregates as key, assignments, events};
use super::{Store, StoreError};
use crate::clock;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::experiment::Experiment;
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::HashMap;
use std::time::{Duration, Instant};

pub(super) use checkpoint::Checkpoint;
pub use checkpoint::IndexPlace;
use checkpoint::{Unchanged, checkpoint_of, item_of, key_of};

/// Pages of an index that a request counts in each shard, of 1 MB each. A partition takes 1,000 writes of 1 KB a second, so
/// this is more than two minutes of them, and a checkpoint is at most 100 seconds behind.
const PAGES_PER_SHARD: usize = 120;
/// Pages that a request counts in all index shards together. A request has seconds, and counts 16 shards at once.
const PAGES_PER_LOOK: usize = 2_560;
/// Pages of an index that a step of a checkpoint counts.
const PAGES_PER_STEP: usize = 20;
/// Pages of an index shard that are counted again at once.
const PAGES_PER_RECOUNT: usize = 1_000;
/// The longest time between the time that a record is stored with and the end of its put: longer than the timeout of any
/// request.
const LONGEST_PUT: Duration = Duration::from_secs(30);
/// Queries under way at once.
const AT_ONCE: usize = 16;
/// After all sort keys, which begin with a year.
const LAST: &str = "~";

/// A kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// Assignments.
    Assignments,
    /// Events.
    Events,
}

impl RecordKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Assignments, Self::Events];

    fn name(self) -> &'static str {
        match self {
            Self::Assignments => "assignments",
            Self::Events => "events",
        }
    }
}

/// A number of stored records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredRecords {
    /// The number.
    pub records: u64,
    /// Whether there are more, which one request has no time to count.
    pub count_incomplete: bool,
}

/// The number of records in a range of an index, and the last sort key if counting stopped before the end.
struct Counted {
    records: u64,
    stopped_at: Option<String>,
}

impl Store {
    /// The number of records of an experiment that are stored, or that were stored before a time.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn stored_records(
        &self,
        experiment: &Experiment,
        before: Option<Timestamp>,
    ) -> Result<StoredRecords, StoreError> {
        let checkpoints = self.checkpoints(&experiment.id).await?;
        let until = before.map_or_else(|| LAST.to_owned(), |before| before.to_string());
        let shards =
            (0..experiment.shards).flat_map(|shard| RecordKind::ALL.map(|kind| (kind, shard)));
        let pages = pages_per_shard(experiment.shards);
        let counts = shards.map(|(kind, shard)| {
            let checkpoint = checkpoints.get(&(kind, shard)).cloned();
            let checkpoint = checkpoint.unwrap_or_default();
            let until = &until;
            async move {
                let through = checkpoint.through.as_deref();
                // A checkpoint beyond the time contains records that cannot be told apart any more.
                if through.is_some_and(|through| through >= until.as_str()) {
                    return Ok(StoredRecords {
                        records: checkpoint.records,
                        count_incomplete: false,
                    });
                }
                let counted = self
                    .count_stored(kind, &experiment.id, shard, (through, until), pages)
                    .await?;
                Ok::<_, StoreError>(StoredRecords {
                    records: checkpoint.records + counted.records,
                    count_incomplete: counted.stopped_at.is_some(),
                })
            }
        });
        let counts: Vec<_> = counts.collect();
        let counts: Vec<StoredRecords> = stream::iter(counts)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(StoredRecords {
            records: counts.iter().map(|one| one.records).sum(),
            count_incomplete: counts.iter().any(|one| one.count_incomplete),
        })
    }

    /// The time before which no put is under way that the index does not show yet.
    pub fn settled_before(&self) -> Timestamp {
        let wait = self.index_lag + LONGEST_PUT;
        let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        clock::now().plus_micros(-wait)
    }

    /// Advances the checkpoint of an index shard up to a time, or by as many records as one step counts. Before this time
    /// no put may be under way that the index does not show yet. Returns whether the time is reached.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn advance_checkpoint(
        &self,
        kind: RecordKind,
        experiment: &ExperimentId,
        shard: u16,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let before = self.checkpoint(kind, experiment, shard).await?;
        let target = until.to_string();
        let is_recent = |at: &String| *at >= target;
        if before.through.as_ref().is_some_and(is_recent) {
            return Ok(true);
        }
        if before.erased_at.as_ref().is_some_and(is_recent) {
            return Ok(false);
        }
        let from = before.clone();
        let shard = (kind, experiment, shard);
        self.write_checkpoint(shard, &before, from, &target, PAGES_PER_STEP)
            .await
    }

    /// Counts all records of an index shard again, up to a time, for a checkpoint that may be wrong: if the index was later
    /// than expected. The old checkpoint stays until all of them are counted, and stays after a recent erasure or with more
    /// records than are counted at once. Returns whether it was replaced.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn recount_checkpoint(
        &self,
        kind: RecordKind,
        experiment: &ExperimentId,
        shard: u16,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let before = self.checkpoint(kind, experiment, shard).await?;
        let target = until.to_string();
        if before.erased_at.as_ref().is_some_and(|at| *at >= target) {
            return Ok(false);
        }
        let from = Checkpoint {
            erased_at: before.erased_at.clone(),
            ..Checkpoint::default()
        };
        let shard = (kind, experiment, shard);
        self.write_checkpoint(shard, &before, from, &target, PAGES_PER_RECOUNT)
            .await
    }

    /// Counts all records of an experiment again. No shard is begun after the deadline.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn recount_checkpoints(
        &self,
        experiment: &Experiment,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let until = self.settled_before();
        for shard in 0..experiment.shards {
            for kind in RecordKind::ALL {
                if Instant::now() < deadline {
                    self.recount_checkpoint(kind, &experiment.id, shard, until)
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Counts what was stored after a checkpoint and writes the result in place of another one, unless a concurrent process
    /// has written it. A new count that is not complete is not written. Returns whether the time is reached.
    async fn write_checkpoint(
        &self,
        (kind, experiment, shard): (RecordKind, &ExperimentId, u16),
        before: &Checkpoint,
        from: Checkpoint,
        target: &str,
        pages: usize,
    ) -> Result<bool, StoreError> {
        let range = (from.through.as_deref(), target);
        let counted = self
            .count_stored(kind, experiment, shard, range, pages)
            .await?;
        let is_done = counted.stopped_at.is_none();
        let is_recount = from.through != before.through;
        if is_recount && !is_done {
            return Ok(false);
        }
        let after = Checkpoint {
            through: Some(counted.stopped_at.unwrap_or_else(|| target.to_owned())),
            records: from.records + counted.records,
            erased_at: from.erased_at,
        };
        let unchanged = Unchanged::of(before);
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.aggregates)
            .set_item(Some(item_of(kind, experiment, shard, &after)))
            .condition_expression(unchanged.condition)
            .set_expression_attribute_names(Some(unchanged.names))
            .set_expression_attribute_values(unchanged.values);
        // Another aggregator or an erasure was first: the next batch advances it.
        Ok(self.put(put).await? == super::FirstWrite::Stored && is_done)
    }

    pub(super) async fn checkpoint(
        &self,
        kind: RecordKind,
        experiment: &ExperimentId,
        shard: u16,
    ) -> Result<Checkpoint, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.aggregates)
            .set_key(Some(key_of(kind, experiment, shard)))
            .consistent_read(true);
        let item = self.read(get).await?;
        item.as_ref()
            .map_or_else(|| Ok(Checkpoint::default()), checkpoint_of)
    }

    async fn checkpoints(
        &self,
        experiment: &ExperimentId,
    ) -> Result<HashMap<(RecordKind, u16), Checkpoint>, StoreError> {
        let items = self.aggregate_pages(&key::stored_records(experiment), false);
        let mut checkpoints = HashMap::new();
        for item in items.try_concat().await? {
            let name = text(&item, key::ITEM)?;
            let (kind, shard) = name.split_once('#').ok_or_else(|| damaged(key::ITEM))?;
            let kind = RecordKind::ALL.into_iter().find(|one| one.name() == kind);
            let kind = kind.ok_or_else(|| damaged(key::ITEM))?;
            let shard = shard.parse().map_err(|_| damaged(key::ITEM))?;
            checkpoints.insert((kind, shard), checkpoint_of(&item)?);
        }
        Ok(checkpoints)
    }

    /// The number of records after a sort key and up to another.
    async fn count_stored(
        &self,
        kind: RecordKind,
        experiment: &ExperimentId,
        shard: u16,
        range: (Option<&str>, &str),
        pages: usize,
    ) -> Result<Counted, StoreError> {
        let (query, at) = self.stored_query(kind, experiment, shard, range);
        let query = query.select(Select::Count);
        let mut counted = Counted {
            records: 0,
            stopped_at: None,
        };
        let mut start = None;
        for _ in 0..pages {
            let answer = self
                .page(query.clone().set_exclusive_start_key(start))
                .await?;
            counted.records += u64::try_from(answer.count()).unwrap_or(0);
            let Some(last) = answer.last_evaluated_key else {
                counted.stopped_at = None;
                return Ok(counted);
            };
            counted.stopped_at = Some(text(&last, at)?.to_owned());
            start = Some(last);
        }
        Ok(counted)
    }

    /// The query of the records after a sort key and up to another, and the name of the sort key.
    fn stored_query(
        &self,
        kind: RecordKind,
        experiment: &ExperimentId,
        shard: u16,
        (after, until): (Option<&str>, &str),
    ) -> (QueryFluentBuilder, &'static str) {
        let (table, index, shard_name, at) = match kind {
            RecordKind::Assignments => (
                &self.tables.assignments,
                assignments::BY_EXPERIMENT,
                assignments::EXPERIMENT_SHARD,
                assignments::STORED_AT_HASH,
            ),
            RecordKind::Events => (
                &self.tables.events,
                events::BY_EXPERIMENT,
                events::EXPERIMENT_SHARD,
                events::STORED_AT_EVENT,
            ),
        };
        // The next text after a sort key; ids have no control characters.
        let from = after.map_or_else(|| "0".to_owned(), |after| format!("{after}\u{1}"));
        let partition = super::keys::experiment_shard(experiment, shard);
        let query = self
            .client
            .query()
            .table_name(table)
            .index_name(index)
            .key_condition_expression("#shard = :shard AND #at BETWEEN :from AND :until")
            .expression_attribute_names("#shard", shard_name)
            .expression_attribute_names("#at", at)
            .expression_attribute_values(":shard", AttributeValue::S(partition))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":until", AttributeValue::S(until.to_owned()));
        (query, at)
    }
}

/// The pages of each index shard that a request counts.
fn pages_per_shard(shards: u16) -> usize {
    (PAGES_PER_LOOK / number_of_counts(shards)).clamp(1, PAGES_PER_SHARD)
}

/// The ranges that a request counts: one for each kind in each index shard.
fn number_of_counts(shards: u16) -> usize {
    RecordKind::ALL.len() * usize::from(shards.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::limits::{DEFAULT_SHARDS, MAX_SHARDS};

    #[test]
    fn a_request_counts_a_bounded_number_of_pages_whatever_the_number_of_shards() {
        for shards in 1..=MAX_SHARDS {
            let pages = pages_per_shard(shards);
            assert!(
                pages * 2 * usize::from(shards) <= PAGES_PER_LOOK,
                "{shards}"
            );
            assert!((5..=PAGES_PER_SHARD).contains(&pages), "{shards}");
        }
        assert_eq!(pages_per_shard(DEFAULT_SHARDS), PAGES_PER_SHARD);
    }
}
