//! The sums of an experiment from its raw records, shard by shard: all records of a user lie in one.

use super::events::UserEvent;
use super::{Store, StoreError};
use domain::aggregates::ExperimentAggregates;
use domain::coverage::CoverageGap;
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::ids::UserId;
use domain::limits::{MAX_RECORDS_READ, MAX_USERS_WITH_PRE_EXPOSURE};
use domain::record_aggregator::RecordAggregator;
use domain::sums::Overflow;
use futures::{StreamExt, TryStreamExt, stream};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Index shards read at once.
pub(super) const AT_ONCE: usize = 8;
/// Users whose pre exposure is read at once, in each shard.
const PRE_EXPOSURES_AT_ONCE: usize = 16;

/// Why there are no sums.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The database failed; a repeat is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sum is too large to be held exactly.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// There are more records than one call may read.
    #[error("there are more than {MAX_RECORDS_READ} records to read")]
    TooManyRecords,
    /// Running sums were asked for what they can't tell.
    #[error("running sums can't tell: {0:?}")]
    CoverageGap(CoverageGap),
    /// The pre exposure of more users was asked for than one call may read.
    #[error("the pre_exposure of more than {MAX_USERS_WITH_PRE_EXPOSURE} users was asked for")]
    TooManyPreExposures,
}

/// What all shards together have read so far.
#[derive(Default)]
struct ShardTask {
    records: AtomicUsize,
    pre_exposures: AtomicUsize,
}

impl ShardTask {
    fn records(&self, more: usize) -> Result<(), RawError> {
        let so_far = self.records.fetch_add(more, Ordering::Relaxed) + more;
        (so_far <= MAX_RECORDS_READ)
            .then_some(())
            .ok_or(RawError::TooManyRecords)
    }

    fn pre_exposures(&self, more: usize) -> Result<(), RawError> {
        let so_far = self.pre_exposures.fetch_add(more, Ordering::Relaxed) + more;
        (so_far <= MAX_USERS_WITH_PRE_EXPOSURE)
            .then_some(())
            .ok_or(RawError::TooManyPreExposures)
    }
}

impl Store {
    /// The sums over all users that the filter shows. What it holds grows with the users of the shards that are read at
    /// once, and not with the events.
    ///
    /// # Errors
    /// If the database fails, a sum is too large, or too many users' pre exposure was asked for.
    pub async fn aggregates_from_records(
        &self,
        experiment: &Experiment,
        filter: &RecordFilter,
    ) -> Result<ExperimentAggregates, RawError> {
        let (aggregates, _) = self.aggregates_of_records(experiment, filter).await?;
        Ok(aggregates)
    }

    /// The same, with the number of records of the experiment that were read.
    pub(super) async fn aggregates_of_records(
        &self,
        experiment: &Experiment,
        filter: &RecordFilter,
    ) -> Result<(ExperimentAggregates, usize), RawError> {
        let task = ShardTask::default();
        let shards = 0..experiment.shards;
        let shards = shards.map(|shard| self.shard_aggregates(experiment, filter, shard, &task));
        let aggregates_list: Vec<ExperimentAggregates> = stream::iter(shards)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut all = ExperimentAggregates::default();
        for aggregates in aggregates_list {
            all = all.merge(aggregates)?;
        }
        Ok((all, task.records.into_inner()))
    }

    /// Assignments before events: an event is only found once its assignment is stored, so whoever has an event
    /// in this answer is counted as a user too.
    async fn shard_aggregates(
        &self,
        experiment: &Experiment,
        filter: &RecordFilter,
        shard: u16,
        task: &ShardTask,
    ) -> Result<ExperimentAggregates, RawError> {
        let (id, window) = (&experiment.id, filter.window);
        let mut aggregator = RecordAggregator::new(experiment, filter);
        let mut pages = pin!(self.assignments_in_shard(id, shard, window.to));
        while let Some(page) = pages.try_next().await? {
            task.records(page.len())?;
            for assignment in page {
                aggregator.assignment(
                    assignment.user_id,
                    &assignment.variant,
                    assignment.assigned_at,
                    &assignment.attributes,
                );
            }
        }
        if filter.pre_exposure {
            self.take_pre_exposures(&mut aggregator, task).await?;
        }
        let mut pages = pin!(self.events_in_shard(id, shard, window.from, window.to));
        while let Some(page) = pages.try_next().await? {
            task.records(page.len())?;
            for event in page {
                aggregator.event(
                    &event.user_id,
                    &event.event_type,
                    event.value,
                    event.counted_at,
                    event.received_at,
                )?;
            }
        }
        Ok(aggregator.finish()?)
    }

    /// What the users did before is in no index of the experiment: it is read user by user.
    async fn take_pre_exposures(
        &self,
        aggregator: &mut RecordAggregator<'_>,
        task: &ShardTask,
    ) -> Result<(), RawError> {
        let users: Vec<UserId> = aggregator.users().cloned().collect();
        task.pre_exposures(users.len())?;
        let one = async |user: UserId| -> Result<(UserId, Vec<UserEvent>), StoreError> {
            let events = self.stored_events_of(&user, None).await?;
            Ok((user, events))
        };
        let mut read = pin!(
            stream::iter(users)
                .map(one)
                .buffer_unordered(PRE_EXPOSURES_AT_ONCE)
        );
        while let Some((user, events)) = read.try_next().await? {
            aggregator.pre_exposure_events(&user, events.iter().map(|stored| &stored.event))?;
        }
        Ok(())
    }
}
