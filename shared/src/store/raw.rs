//! The sums of an experiment from its raw records, shard by shard: all records of a user lie in one.

use super::events::UserEvent;
use super::{Store, StoreError};
use domain::experiment::Experiment;
use domain::fold::{Fold, Lens, Overflow};
use domain::ids::UserId;
use domain::limits::{MAX_RECORDS_READ, MAX_USERS_WITH_PAST};
use domain::report::NotInSums;
use domain::tally::Tally;
use futures::{StreamExt, TryStreamExt, stream};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Index shards read at once.
pub(super) const AT_ONCE: usize = 8;
/// Users whose past is read at once, in each shard.
const PASTS_AT_ONCE: usize = 16;

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
    NotInSums(NotInSums),
    /// The past of more users was asked for than one call may read.
    #[error("the past of more than {MAX_USERS_WITH_PAST} users was asked for")]
    TooManyPasts,
}

/// What all shards together have read so far.
#[derive(Default)]
struct Work {
    records: AtomicUsize,
    pasts: AtomicUsize,
}

impl Work {
    fn records(&self, more: usize) -> Result<(), RawError> {
        let so_far = self.records.fetch_add(more, Ordering::Relaxed) + more;
        (so_far <= MAX_RECORDS_READ)
            .then_some(())
            .ok_or(RawError::TooManyRecords)
    }

    fn pasts(&self, more: usize) -> Result<(), RawError> {
        let so_far = self.pasts.fetch_add(more, Ordering::Relaxed) + more;
        (so_far <= MAX_USERS_WITH_PAST)
            .then_some(())
            .ok_or(RawError::TooManyPasts)
    }
}

impl Store {
    /// The sums over all users that the lens shows. What it holds grows with the users of the shards that are read at
    /// once, and not with the events.
    ///
    /// # Errors
    /// If the database fails, a sum is too large, or too many users' past was asked for.
    pub async fn tally(&self, experiment: &Experiment, lens: &Lens) -> Result<Tally, RawError> {
        let (tally, _) = self.tally_of_records(experiment, lens).await?;
        Ok(tally)
    }

    /// The same, with the number of records of the experiment that were read.
    pub(super) async fn tally_of_records(
        &self,
        experiment: &Experiment,
        lens: &Lens,
    ) -> Result<(Tally, usize), RawError> {
        let work = Work::default();
        let shards = 0..experiment.shards;
        let shards = shards.map(|shard| self.shard_tally(experiment, lens, shard, &work));
        let tallies: Vec<Tally> = stream::iter(shards)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut all = Tally::default();
        for tally in tallies {
            all = all.merge(tally)?;
        }
        Ok((all, work.records.into_inner()))
    }

    /// Assignments before events: an event is only found once its assignment is stored, so whoever has an event
    /// in this answer is counted as a user too.
    async fn shard_tally(
        &self,
        experiment: &Experiment,
        lens: &Lens,
        shard: u16,
        work: &Work,
    ) -> Result<Tally, RawError> {
        let (id, window) = (&experiment.id, lens.window);
        let mut fold = Fold::new(experiment, lens);
        let mut pages = pin!(self.assignments_in_shard(id, shard, window.to));
        while let Some(page) = pages.try_next().await? {
            work.records(page.len())?;
            for assignment in page {
                fold.assignment(
                    assignment.user_id,
                    &assignment.variant,
                    assignment.assigned_at,
                    &assignment.attributes,
                );
            }
        }
        if lens.past {
            self.take_pasts(&mut fold, work).await?;
        }
        let mut pages = pin!(self.events_in_shard(id, shard, window.from, window.to));
        while let Some(page) = pages.try_next().await? {
            work.records(page.len())?;
            for event in page {
                fold.event(
                    &event.user_id,
                    &event.event_type,
                    event.value,
                    event.counted_at,
                    event.received_at,
                )?;
            }
        }
        Ok(fold.finish()?)
    }

    /// What the users did before is in no index of the experiment: it is read user by user.
    async fn take_pasts(&self, fold: &mut Fold<'_>, work: &Work) -> Result<(), RawError> {
        let users: Vec<UserId> = fold.users().cloned().collect();
        work.pasts(users.len())?;
        let one = async |user: UserId| -> Result<(UserId, Vec<UserEvent>), StoreError> {
            let events = self.stored_events_of(&user, None).await?;
            Ok((user, events))
        };
        let mut read = pin!(stream::iter(users).map(one).buffer_unordered(PASTS_AT_ONCE));
        while let Some((user, events)) = read.try_next().await? {
            fold.past_events(&user, events.iter().map(|stored| &stored.event))?;
        }
        Ok(())
    }
}
