//! When the stored records were stored, to say how long the pending ones have been waiting.

use super::checkpoint::Checkpoint;
use super::{AT_ONCE, LAST, RecordKind, number_of_counts, pages_per_shard};
use crate::store::item::{Item, damaged, text};
use crate::store::{Store, StoreError};
use domain::experiment::Experiment;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;

/// Pages whose sort keys a request reads in all index shards together. A page has some thousands of them, and each is parsed;
/// what is beyond is only counted.
const PAGES_WITH_TIMES: usize = 64;

/// The stored records of an experiment by the time of storing: those in checkpoints together, later ones by the second.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredTimes {
    /// Records in checkpoints.
    in_checkpoints: u64,
    /// The latest time of a checkpoint.
    checkpoints_until: Option<Timestamp>,
    /// The number of records by the second since 1970, with the latest time.
    by_second: BTreeMap<i64, (u64, Timestamp)>,
    /// Records that were stored before the time that was asked for, without those in checkpoints.
    before: u64,
    /// That time.
    asked_for: Option<Timestamp>,
}

impl StoredTimes {
    /// The number of records that were stored before the time that was asked for.
    pub(crate) fn before(&self) -> u64 {
        self.before + self.in_checkpoints
    }

    /// A time since which at least one record has been pending, if so many of the stored ones are counted. The oldest
    /// pending record was stored at this time or earlier: newer records may be counted before it.
    pub(crate) fn pending_since(&self, counted: u64) -> Option<Timestamp> {
        if counted < self.in_checkpoints {
            return self.checkpoints_until;
        }
        let mut stored = self.in_checkpoints;
        let mut seconds = self.by_second.values();
        let read = seconds.find(|(number, _)| {
            stored += number;
            counted < stored
        });
        // With many records, the times of some were not read, and those before the time that was asked for were counted.
        let asked_for = self.asked_for.filter(|_| counted < self.before());
        let read = read.map(|(_, latest)| *latest);
        read.into_iter().chain(asked_for).min()
    }

    fn add_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        self.in_checkpoints += checkpoint.records;
        if let Some(through) = checkpoint
            .through
            .as_deref()
            .filter(|_| checkpoint.records > 0)
        {
            self.checkpoints_until = self.checkpoints_until.max(Some(stored_at(through)?));
        }
        Ok(())
    }

    fn add(&mut self, sort_key: &str, before: &str) -> Result<(), StoreError> {
        let at = stored_at(sort_key)?;
        let second = self.by_second.entry(at.micros().div_euclid(1_000_000));
        let (number, latest) = second.or_insert((0, at));
        *number += 1;
        *latest = at.max(*latest);
        self.before += u64::from(sort_key < before);
        Ok(())
    }

    fn merge(&mut self, other: &Self) {
        self.before += other.before;
        for (second, (number, latest)) in &other.by_second {
            let (sum, last) = self.by_second.entry(*second).or_insert((0, *latest));
            *sum += number;
            *last = *latest.max(last);
        }
    }
}

impl Store {
    /// When the records of an experiment were stored, and how many before a time.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub(crate) async fn stored_times(
        &self,
        experiment: &Experiment,
        before: Timestamp,
    ) -> Result<StoredTimes, StoreError> {
        let checkpoints = self.checkpoints(&experiment.id).await?;
        let mut times = StoredTimes {
            asked_for: Some(before),
            ..StoredTimes::default()
        };
        for checkpoint in checkpoints.values() {
            times.add_checkpoint(checkpoint)?;
        }
        let before = before.to_string();
        let shards =
            (0..experiment.shards).flat_map(|shard| RecordKind::ALL.map(|kind| (kind, shard)));
        let shards = shards.map(|(kind, shard)| {
            let after = checkpoints.get(&(kind, shard));
            let after = after.and_then(|checkpoint| checkpoint.through.as_deref());
            let shard = (kind, experiment, shard);
            self.times_of_shard(shard, after, &before)
        });
        // A future of its own for each shard; a few of them are polled at once.
        let shards: Vec<_> = shards.collect();
        let mut shards = stream::iter(shards).buffer_unordered(AT_ONCE);
        while let Some(shard) = shards.try_next().await? {
            times.merge(&shard);
        }
        Ok(times)
    }

    async fn times_of_shard(
        &self,
        (kind, experiment, shard): (RecordKind, &Experiment, u16),
        after: Option<&str>,
        before: &str,
    ) -> Result<StoredTimes, StoreError> {
        let (query, at) = self.stored_query(kind, &experiment.id, shard, (after, LAST));
        let query = query.projection_expression("#at");
        let mut times = StoredTimes::default();
        let mut start: Option<Item> = None;
        for _ in 0..pages_with_times(experiment.shards) {
            let answer = self
                .page(query.clone().set_exclusive_start_key(start))
                .await?;
            for item in answer.items() {
                times.add(text(item, at)?, before)?;
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(times);
            }
        }
        let last = start.as_ref().map(|last| text(last, at)).transpose()?;
        if last.is_some_and(|last| last < before) {
            let pages = pages_per_shard(experiment.shards);
            let counted = self.count_stored(kind, &experiment.id, shard, (last, before), pages);
            times.before += counted.await?.records;
        }
        Ok(times)
    }
}

/// The pages of each index shard whose sort keys a request reads.
fn pages_with_times(shards: u16) -> usize {
    (PAGES_WITH_TIMES / number_of_counts(shards)).max(1)
}

/// The time in a sort key of the index: before the `#`, if there is one.
fn stored_at(sort_key: &str) -> Result<Timestamp, StoreError> {
    let (time, _) = sort_key.split_once('#').unwrap_or((sort_key, ""));
    Timestamp::parse(time).map_err(|_| damaged("the time of storing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::limits::{DEFAULT_SHARDS, MAX_SHARDS};

    const SECOND: i64 = 1_000_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn stored(times: &[i64]) -> StoredTimes {
        let mut stored = StoredTimes::default();
        for time in times {
            stored
                .add(&format!("{}#id", at(*time)), &at(2 * SECOND).to_string())
                .unwrap();
        }
        stored
    }

    #[test]
    fn the_record_after_the_counted_ones_says_since_when_one_is_pending() {
        let mut times = stored(&[SECOND, SECOND + 5, 3 * SECOND, 4 * SECOND]);
        assert_eq!(times.before(), 2);
        let since = |counted| times.pending_since(counted);
        // The latest time within the second: at least one record has been waiting since then.
        assert_eq!([since(0), since(1)], [Some(at(SECOND + 5)); 2]);
        assert_eq!(
            [since(2), since(3)],
            [Some(at(3 * SECOND)), Some(at(4 * SECOND))]
        );
        assert_eq!([since(4), since(9)], [None; 2]);
        times
            .add_checkpoint(&Checkpoint {
                through: Some(at(7).to_string()),
                records: 10,
                erased_at: None,
            })
            .unwrap();
        assert_eq!(times.before(), 12);
        assert_eq!(times.pending_since(9), Some(at(7)));
        assert_eq!(times.pending_since(10), Some(at(SECOND + 5)));
        assert_eq!(times.pending_since(14), None);
    }

    #[test]
    fn a_record_before_the_time_is_pending_also_if_its_own_time_was_not_read() {
        let times = StoredTimes {
            before: 7,
            asked_for: Some(at(2 * SECOND)),
            ..stored(&[SECOND])
        };
        assert_eq!(times.pending_since(0), Some(at(SECOND)));
        assert_eq!(times.pending_since(6), Some(at(2 * SECOND)));
        assert_eq!(times.pending_since(7), None);
    }

    #[test]
    fn a_request_reads_the_times_of_a_bounded_number_of_pages() {
        for shards in 1..=MAX_SHARDS {
            let pages = pages_with_times(shards) * number_of_counts(shards);
            assert!(
                pages <= PAGES_WITH_TIMES.max(number_of_counts(shards)),
                "{shards}"
            );
        }
        assert!(pages_with_times(DEFAULT_SHARDS) > 1);
    }

    #[test]
    fn shards_are_added() {
        let mut all = stored(&[SECOND, 3 * SECOND]);
        all.merge(&stored(&[SECOND + 7, 9 * SECOND]));
        assert_eq!(all, stored(&[SECOND, 3 * SECOND, SECOND + 7, 9 * SECOND]));
    }
}
