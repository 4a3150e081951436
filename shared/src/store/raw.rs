//! Aggregates of an experiment computed from its raw records, by index shard: all records of a user are in one shard.

use super::aggregates::AggregatesError;
use super::registry::StoredRegistry;
use super::{Store, StoreError};
use domain::aggregate_items::AggregateSpec;
use domain::aggregates::ExperimentAggregates;
use domain::contribution::is_pre_exposure;
use domain::coverage::CoverageGap;
use domain::event::EventSummary;
use domain::exclusion::ExcludedUsers;
use domain::experiment::Experiment;
use domain::filter::{RecordFilter, TimeWindow};
use domain::ids::{ExperimentId, UserId};
use domain::limits::{
    MAX_NUMBERS_READ, MAX_PRE_EXPOSURE_EVENTS, MAX_RECORDS_READ, MAX_USERS_WITH_PRE_EXPOSURE,
    MAX_USERS_WITH_PROPERTIES,
};
use domain::record_aggregator::RecordAggregator;
use domain::registry::{Labels, Registry};
use domain::sums::Overflow;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Index shards read at once.
pub(super) const AT_ONCE: usize = 8;
/// Users whose own events are read at once, per shard.
const USERS_AT_ONCE: usize = 16;

/// Why the aggregates cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The database failed; a repeat is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sum is too large to be stored exactly.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// There are more records than one request may read.
    #[error("there are more than {MAX_RECORDS_READ} records to read")]
    TooManyRecords,
    /// There are more numbers in the aggregates than one request may read.
    #[error("there are more than {MAX_NUMBERS_READ} numbers to read")]
    TooManyNumbers,
    /// The caller asked for the aggregates, and they cannot answer the request.
    #[error("the aggregates cannot answer: {0:?}")]
    CoverageGap(CoverageGap),
    /// The properties of the events of more users than one request may read decide whether the users are excluded.
    #[error(
        "the properties of events of more than {MAX_USERS_WITH_PROPERTIES} users decide whether they are excluded"
    )]
    TooManyUndecided,
    /// The request needs the pre-exposure events of more users than it may read.
    #[error(
        "the request needs the pre-exposure events of more than {MAX_USERS_WITH_PRE_EXPOSURE} users"
    )]
    TooManyPreExposures,
}

impl From<AggregatesError> for RawError {
    fn from(error: AggregatesError) -> Self {
        match error {
            AggregatesError::Store(error) => Self::Store(error),
            AggregatesError::TooManyNumbers => Self::TooManyNumbers,
        }
    }
}

/// What all shards together have read so far.
#[derive(Default)]
struct ShardTask {
    records: AtomicUsize,
    pre_exposures: AtomicUsize,
    undecided: AtomicUsize,
}

impl ShardTask {
    fn records(&self, more: usize) -> Result<(), RawError> {
        within(&self.records, more, MAX_RECORDS_READ).ok_or(RawError::TooManyRecords)
    }

    fn pre_exposures(&self, more: usize) -> Result<(), RawError> {
        let most = MAX_USERS_WITH_PRE_EXPOSURE;
        within(&self.pre_exposures, more, most).ok_or(RawError::TooManyPreExposures)
    }

    fn undecided(&self, more: usize) -> Result<(), RawError> {
        let most = MAX_USERS_WITH_PROPERTIES;
        within(&self.undecided, more, most).ok_or(RawError::TooManyUndecided)
    }
}

/// Adds to what all shards have read; none if it is more than `most`.
fn within(read: &AtomicUsize, more: usize, most: usize) -> Option<()> {
    let so_far = read.fetch_add(more, Ordering::Relaxed) + more;
    (so_far <= most).then_some(())
}

impl Store {
    /// The aggregates of all users that the filter selects. Memory grows with the users of the shards that are read at
    /// once, not with their events.
    ///
    /// # Errors
    /// If the database fails, a sum is too large, or too many users' pre-exposure events are requested.
    pub fn aggregates_from_records<'a>(
        &'a self,
        experiment: &'a Experiment,
        filter: &'a RecordFilter,
    ) -> BoxFuture<'a, Result<ExperimentAggregates, RawError>> {
        Box::pin(async move {
            let registry = match self.generations(&experiment.id).await?.current {
                Some(current) => self.registry(&experiment.id, current.number).await?,
                None => StoredRegistry::default(),
            };
            let (aggregates, _) = self
                .aggregates_of_records(experiment, filter, registry.registry)
                .await?;
            Ok(aggregates)
        })
    }

    /// The same with the names of this registry, and the number of records that were read.
    pub(super) async fn aggregates_of_records(
        &self,
        experiment: &Experiment,
        filter: &RecordFilter,
        registry: Registry,
    ) -> Result<(ExperimentAggregates, usize), RawError> {
        // Types and values that were registered for the aggregates have the same place here.
        let spec = AggregateSpec::of(experiment);
        let labels = Labels::new(&spec.metrics, registry).excluding(spec.excluded);
        let task = ShardTask::default();
        let shards = 0..experiment.shards;
        let shards =
            shards.map(|shard| self.shard_aggregates(experiment, filter, &labels, shard, &task));
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

    /// Assignments are read before events. An event is stored only after its assignment, so the user of every event in
    /// the result is in it too.
    async fn shard_aggregates(
        &self,
        experiment: &Experiment,
        filter: &RecordFilter,
        labels: &Labels,
        shard: u16,
        task: &ShardTask,
    ) -> Result<ExperimentAggregates, RawError> {
        let (id, window) = (&experiment.id, filter.window);
        let mut aggregator = RecordAggregator::new(experiment, filter, labels);
        let mut pages = pin!(self.assignments_in_shard(id, shard));
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
        // Earlier events count for nothing and can exclude their users.
        let from = window.from;
        let from = from.filter(|_| !labels.excluded().depends_on_events());
        let mut pages = pin!(self.events_in_shard(id, shard, from));
        while let Some(page) = pages.try_next().await? {
            task.records(page.len())?;
            for event in page {
                aggregator.exclude_by_event(&event.user_id, &event.event_type, event.counted_at);
                if window.excludes(event.counted_at) {
                    continue;
                }
                aggregator.event(
                    &event.user_id,
                    &event.event_type,
                    event.value,
                    event.counted_at,
                    event.received_at,
                )?;
            }
        }
        self.decide_exclusions(id, &mut aggregator, task, (labels.excluded(), window))
            .await?;
        Ok(aggregator.finish()?)
    }

    /// Properties are in no index, so they are read user by user.
    async fn decide_exclusions(
        &self,
        experiment: &ExperimentId,
        aggregator: &mut RecordAggregator<'_>,
        task: &ShardTask,
        (excluded, window): (&ExcludedUsers, TimeWindow),
    ) -> Result<(), RawError> {
        let users = aggregator.undecided();
        let users: Vec<_> = users.map(|(user, at)| (user.clone(), at)).collect();
        task.undecided(users.len())?;
        let one = async |(user, assigned_at): (UserId, Timestamp)| {
            let between = (assigned_at, window.to);
            let excluding = self.has_excluding_event(&user, experiment, between, excluded);
            Ok::<_, StoreError>((excluding.await?, user))
        };
        let mut read = pin!(stream::iter(users).map(one).buffer_unordered(USERS_AT_ONCE));
        while let Some((is_excluded, user)) = read.try_next().await? {
            if is_excluded {
                aggregator.exclude(&user);
            }
        }
        Ok(())
    }

    /// Pre-exposure events are in no index of the experiment, so they are read user by user.
    async fn take_pre_exposures(
        &self,
        aggregator: &mut RecordAggregator<'_>,
        task: &ShardTask,
    ) -> Result<(), RawError> {
        let users = aggregator.users();
        let users: Vec<_> = users.map(|(user, at)| (user.clone(), at)).collect();
        task.pre_exposures(users.len())?;
        let one = async |(user, assigned_at): (UserId, Timestamp)| {
            let events = self.pre_exposure_of(&user, assigned_at).await?;
            Ok::<_, StoreError>((user, events))
        };
        let mut read = pin!(stream::iter(users).map(one).buffer_unordered(USERS_AT_ONCE));
        while let Some((user, events)) = read.try_next().await? {
            aggregator.pre_exposure_events(&user, &events);
        }
        Ok(())
    }

    /// The events of a user's pre-exposure period, as many as are looked at.
    async fn pre_exposure_of(
        &self,
        user: &UserId,
        assigned_at: Timestamp,
    ) -> Result<Vec<EventSummary>, StoreError> {
        let mut found = Vec::new();
        let mut pages = pin!(self.all_event_summaries_of(user));
        while let Some(page) = pages.try_next().await? {
            let events = page.into_iter().map(|stored| stored.event);
            found.extend(events.filter(|event| is_pre_exposure(assigned_at, event.counted_at)));
            if found.len() >= MAX_PRE_EXPOSURE_EVENTS {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shards_together_read_up_to_each_limit_and_nothing_beyond() {
        let task = ShardTask::default();
        for _ in 0..2 {
            task.records(MAX_RECORDS_READ / 2).unwrap();
            task.pre_exposures(MAX_USERS_WITH_PRE_EXPOSURE / 2).unwrap();
            task.undecided(MAX_USERS_WITH_PROPERTIES / 2).unwrap();
        }
        assert!(matches!(task.records(1), Err(RawError::TooManyRecords)));
        let pre_exposures = task.pre_exposures(1);
        assert!(matches!(pre_exposures, Err(RawError::TooManyPreExposures)));
        assert!(matches!(task.undecided(1), Err(RawError::TooManyUndecided)));
    }
}
