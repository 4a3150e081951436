//! Brings the running sums up to date with the raw records of some users. The only writer of the statistics table.
//!
//! It works on state and not on changes: it reads what is in the sums of a user, *then* the definition and the user's
//! records, computes what should be in the sums, and writes both the new state and the difference in one transaction,
//! on the condition that the state is still the one that was read. Doing it twice, late, in any order, by several at
//! once, or dying in the midst of it ends in the same sums.
//!
//! The order of the reads matters. A state that was read after the records, or after the definition, could be newer
//! than they are, and would be replaced by an older one. `tests/protocol.rs` explores all orders of events.

mod chunk;
mod diff;
mod erased;
mod write;

use super::aggregates::{GenerationNumber, UserContributions};
use super::item::Backoff;
use super::{Store, StoreError};
use chunk::{Chunk, chunks};
use diff::{ContributionDiff, Definitions, RefreshPlan};
use domain::aggregates::DataRange;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::time::Timestamp;
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;
use write::Written;

/// Users whose records are read at once.
const USERS_AT_ONCE: usize = 16;

/// What of a user has changed, as far as the stream tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirtyUser {
    /// Experiments that the user was assigned in.
    pub assignments: BTreeSet<ExperimentId>,
    /// Stored events: for which experiment or none, which, and when it counts.
    pub events: BTreeSet<(Option<ExperimentId>, EventId, Timestamp)>,
    /// Experiments that count the user differently, though nothing of the user's is new.
    pub again: BTreeSet<ExperimentId>,
    /// Whether the user's parts are written even where nothing changes, so that whoever is still at work with an older
    /// definition is refused.
    pub fence: bool,
}

/// What became of the users.
#[derive(Debug, Default)]
pub struct RefreshOutcome {
    /// Users whose sums are up to date now, or were before.
    pub users: usize,
    /// Transactions that it took.
    pub transactions: usize,
    /// Those for whom it could not be done, and why.
    pub failures: BTreeMap<UserId, StoreError>,
}

impl Store {
    /// Brings the sums of these users up to date, in every experiment that they dirty and in every set of sums that
    /// it has. Whoever is not done by the deadline is a failure; a repeat is safe at any time.
    pub async fn refresh_users(
        &self,
        dirty: &BTreeMap<UserId, DirtyUser>,
        deadline: Instant,
    ) -> RefreshOutcome {
        let mut outcome = RefreshOutcome::default();
        let mut waiting: BTreeSet<&UserId> = dirty.keys().collect();
        let mut backoff = Backoff::new();
        while !waiting.is_empty() {
            let mut again = BTreeMap::<&UserId, StoreError>::new();
            let mut changes = Vec::new();
            let (mut leftovers, mut data_ranges) = (Vec::new(), Vec::new());
            for (user, found) in self.plan_all(&waiting, dirty).await {
                match found {
                    Ok(found) => {
                        changes.extend(found.changes);
                        leftovers.push((user, found.leftovers));
                        data_ranges.push((user, found.data_range));
                    }
                    Err(error) => drop(again.insert(user, error)),
                }
            }
            let written = self.write_all(changes, deadline).await;
            outcome.transactions += written.transactions;
            for (user, error) in written.failures {
                if let Some((user, _)) = dirty.get_key_value(&user) {
                    again.insert(user, error);
                }
            }
            data_ranges.retain(|(user, _)| !again.contains_key(user));
            for ((experiment, generation), data_range) in joined(data_ranges) {
                if let Err(error) = self
                    .note_data_range(&experiment, generation, data_range)
                    .await
                {
                    tracing::warn!(%experiment, %error, "the data_range of the sums could not be noted");
                }
            }
            // Only of whom nothing is in the sums any more: until then these records say where something is.
            leftovers.retain(|(user, left)| !left.is_empty() && !again.contains_key(user));
            for (user, left) in leftovers {
                if let Err(error) = self.take_away(user, &left, deadline).await {
                    again.insert(user, error);
                }
            }
            outcome.users += waiting.len() - again.len();
            let in_time = backoff.fits(deadline);
            let (repeat, lost): (BTreeMap<_, _>, BTreeMap<_, _>) = again
                .into_iter()
                .partition(|(_, error)| error.is_passing() && in_time);
            let lost = lost.into_iter().map(|(user, error)| (user.clone(), error));
            outcome.failures.extend(lost);
            waiting = repeat.into_keys().collect();
            if !waiting.is_empty() {
                backoff.pause().await;
            }
        }
        outcome
    }

    /// What must change because of each user. First what is in the sums of all of them, then the definitions, each
    /// once, then the users' records.
    async fn plan_all<'t>(
        &self,
        waiting: &BTreeSet<&'t UserId>,
        dirty: &BTreeMap<UserId, DirtyUser>,
    ) -> Vec<(&'t UserId, Result<RefreshPlan, StoreError>)> {
        let mut contributions = Vec::new();
        for user in waiting {
            contributions.push(self.contributions_named(user));
        }
        let contributions: Vec<_> = stream::iter(contributions)
            .buffer_unordered(USERS_AT_ONCE)
            .collect()
            .await;
        let definitions = Definitions::new(self);
        let mut looks = Vec::new();
        for (user, contributions) in contributions {
            if let Some(dirty) = dirty.get(user) {
                looks.push(self.look_named(user, dirty, contributions, &definitions));
            }
        }
        stream::iter(looks)
            .buffer_unordered(USERS_AT_ONCE)
            .collect()
            .await
    }

    async fn contributions_named<'t>(&self, user: &'t UserId) -> (&'t UserId, ContributionsRead) {
        (user, self.contributions_of(user).await)
    }

    async fn look_named<'t>(
        &self,
        user: &'t UserId,
        dirty: &DirtyUser,
        contributions: ContributionsRead,
        definitions: &Definitions<'_>,
    ) -> (&'t UserId, Result<RefreshPlan, StoreError>) {
        let found = match contributions {
            Ok(contributions) => {
                self.plan_refresh(user, dirty, &contributions, definitions)
                    .await
            }
            Err(error) => Err(error),
        };
        (user, found)
    }

    async fn write_all(&self, changes: Vec<ContributionDiff>, deadline: Instant) -> WriteOutcome {
        let mut all = WriteOutcome::default();
        let (chunks, too_large) = chunks(changes);
        for user in too_large {
            let text = "a sum grew beyond 38 digits".to_owned();
            all.failures.insert(user, StoreError::Corrupt(text));
        }
        // Parts of users in which a step was not written. The next step goes on from that one: somebody else's may have
        // left the same revision, and another state.
        let mut stopped = BTreeSet::new();
        for mut chunk in chunks {
            chunk.leave_out(&stopped);
            let parts = chunk.parts();
            let written = self
                .write_chunk(chunk, deadline, &mut all.transactions)
                .await;
            let (unwritten, why) = match written {
                Ok(refused) => {
                    let text = "the user was counted by another at the same moment".to_owned();
                    (refused, StoreError::Contended(text))
                }
                Err(error) => (parts, error),
            };
            for (user, sums) in unwritten {
                all.failures.insert(user.clone(), why.copy());
                stopped.insert((user, sums));
            }
        }
        all
    }

    /// Writes a chunk without those whom somebody else counted meanwhile, and gives these back.
    async fn write_chunk(
        &self,
        mut chunk: Chunk,
        deadline: Instant,
        transactions: &mut usize,
    ) -> Result<BTreeSet<ContributionKey>, StoreError> {
        let mut refused = BTreeSet::new();
        let mut backoff = Backoff::new();
        while !chunk.is_empty() {
            *transactions += 1;
            match self.write(&chunk).await {
                Ok(Written::Done) => break,
                Ok(Written::Refused(places)) => refused.extend(chunk.without(&places)),
                Err(error) if error.is_passing() && backoff.fits(deadline) => {
                    backoff.pause().await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }
}

type ContributionsRead = Result<UserContributions, StoreError>;
type GenerationKey = (ExperimentId, GenerationNumber);
/// A user's part in a set of sums.
type ContributionKey = (UserId, GenerationKey);

#[derive(Default)]
struct WriteOutcome {
    transactions: usize,
    failures: HashMap<UserId, StoreError>,
}

/// How far the records of all users data range, for each set of sums.
fn joined(
    data_ranges: Vec<(&UserId, Vec<(GenerationKey, DataRange)>)>,
) -> BTreeMap<GenerationKey, DataRange> {
    let mut all = BTreeMap::<_, DataRange>::new();
    for (sums, data_range) in data_ranges
        .into_iter()
        .flat_map(|(_, data_ranges)| data_ranges)
    {
        let known = all.entry(sums).or_default();
        *known = known.join(data_range);
    }
    // Who was erased data ranges nowhere.
    all.retain(|_, data_range| *data_range != DataRange::default());
    all
}
