//! Refreshing users: bringing their contributions to the aggregates up to date with their records. The only writer of
//! the aggregates table.
//!
//! A refresh works on state, not on changes. It reads a user's stored contributions, *then* the definition and the
//! user's records, computes what the contributions should be, and writes contributions and aggregates in one
//! transaction, on the condition that the contributions are still those that were read. Refreshes that are repeated,
//! late, in any order, concurrent, or cut off by a crash all end in the same aggregates.
//!
//! The order of the reads matters. Contributions that were read after the records or after the definition could be
//! newer than these, and would be replaced by older ones. The model in `shared/protocol` searches all interleavings.
//!
//! | module | holds |
//! | --- | --- |
//! | `plan` | what must change for a user |
//! | `erased` | the same for an erased user |
//! | `contribution` | a contribution from records |
//! | `definitions` | definitions, each read once |
//! | `diff` | what is passed from planning to writing |
//! | `chunk` | diffs that fit one transaction |
//! | `write` | the transaction |

mod chunk;
mod contribution;
mod definitions;
mod diff;
mod erased;
mod plan;
mod write;

use super::aggregates::UserContributions;
use super::item::Backoff;
use super::{Store, StoreError};
use chunk::{Chunk, ContributionKey, chunks};
use definitions::Definitions;
use diff::{ContributionDiff, GenerationKey, RefreshPlan};
use domain::aggregates::DataRange;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::time::Timestamp;
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;
use write::Written;

/// Users whose records are read at once.
const USERS_AT_ONCE: usize = 16;

/// What has changed of a user, as far as the stream tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirtyUser {
    /// Experiments that the user was assigned in.
    pub assignments: BTreeSet<ExperimentId>,
    /// Stored events: the experiment that they are stored for, if any, their id, and when they happened.
    pub events: BTreeSet<(Option<ExperimentId>, EventId, Timestamp)>,
    /// Experiments whose definition changed, although no record of the user is new.
    pub again: BTreeSet<ExperimentId>,
    /// Whether contributions are written even where nothing changes. This refuses a concurrent refresh that read an
    /// older definition.
    pub fence: bool,
}

/// The outcome of a refresh.
#[derive(Debug, Default)]
pub struct RefreshOutcome {
    /// Users whose contributions are up to date.
    pub users: usize,
    /// Transactions sent.
    pub transactions: usize,
    /// Users that could not be refreshed, with the reason.
    pub failures: BTreeMap<UserId, StoreError>,
}

impl Store {
    /// Refreshes these users, in every experiment where they are dirty and in every generation of its aggregates.
    /// Users that are not done by the deadline are failures. A repeat is safe at any time.
    pub async fn refresh_users(
        &self,
        dirty: &BTreeMap<UserId, DirtyUser>,
        deadline: Instant,
    ) -> RefreshOutcome {
        let mut outcome = RefreshOutcome::default();
        let mut open: BTreeSet<&UserId> = dirty.keys().collect();
        let mut backoff = Backoff::new();
        while !open.is_empty() {
            let failures = self
                .try_refresh(&open, dirty, deadline, &mut outcome.transactions)
                .await;
            outcome.users += open.len() - failures.len();
            let in_time = backoff.fits(deadline);
            let (repeat, lost): (BTreeMap<_, _>, BTreeMap<_, _>) = failures
                .into_iter()
                .partition(|(_, error)| error.is_passing() && in_time);
            let lost = lost.into_iter().map(|(user, error)| (user.clone(), error));
            outcome.failures.extend(lost);
            open = repeat.into_keys().collect();
            if !open.is_empty() {
                backoff.pause().await;
            }
        }
        outcome
    }

    /// One try for these users: plan, store unattributed events, write contributions, note record ranges, delete
    /// records of erased users. Returns the users that failed.
    async fn try_refresh<'t>(
        &self,
        users: &BTreeSet<&'t UserId>,
        dirty: &'t BTreeMap<UserId, DirtyUser>,
        deadline: Instant,
        transactions: &mut usize,
    ) -> BTreeMap<&'t UserId, StoreError> {
        let mut failures = BTreeMap::<&UserId, StoreError>::new();
        let (mut diffs, mut deletions, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        for (user, plan) in self.plan_all(users, dirty).await {
            let attributed = match &plan {
                Ok(plan) => self.attribute_events(&plan.unattributed).await,
                Err(_) => Ok(()),
            };
            match attributed.and(plan) {
                Ok(plan) => {
                    diffs.extend(plan.diffs);
                    deletions.push((user, plan.deletions));
                    ranges.push((user, plan.ranges));
                }
                Err(error) => drop(failures.insert(user, error)),
            }
        }
        let written = self.write_all(diffs, deadline).await;
        *transactions += written.transactions;
        for (user, error) in written.failures {
            if let Some((user, _)) = dirty.get_key_value(&user) {
                failures.insert(user, error);
            }
        }
        ranges.retain(|(user, _)| !failures.contains_key(user));
        for ((experiment, generation), data_range) in joined(ranges) {
            if let Err(error) = self
                .note_data_range(&experiment, generation, data_range)
                .await
            {
                tracing::warn!(%experiment, %error, "the data range of the aggregates could not be noted");
            }
        }
        // Only for users with empty contributions: until then the records name the experiments to refresh.
        deletions.retain(|(user, records)| !records.is_empty() && !failures.contains_key(user));
        for (user, records) in deletions {
            if let Err(error) = self.delete_records(user, &records, deadline).await {
                failures.insert(user, error);
            }
        }
        failures
    }

    /// The plan of each user. The contributions of all users are read first, then the definitions, each once, then
    /// the users' records.
    async fn plan_all<'t>(
        &self,
        users: &BTreeSet<&'t UserId>,
        dirty: &BTreeMap<UserId, DirtyUser>,
    ) -> Vec<(&'t UserId, Result<RefreshPlan, StoreError>)> {
        let mut reads = Vec::new();
        for user in users {
            reads.push(self.contributions_by_user(user));
        }
        let contributions: Vec<_> = stream::iter(reads)
            .buffer_unordered(USERS_AT_ONCE)
            .collect()
            .await;
        let definitions = Definitions::new(self);
        let mut plans = Vec::new();
        for (user, contributions) in contributions {
            if let Some(dirty) = dirty.get(user) {
                plans.push(self.plan_of(user, dirty, contributions, &definitions));
            }
        }
        stream::iter(plans)
            .buffer_unordered(USERS_AT_ONCE)
            .collect()
            .await
    }

    async fn contributions_by_user<'t>(&self, user: &'t UserId) -> (&'t UserId, ContributionsRead) {
        (user, self.contributions_of(user).await)
    }

    async fn plan_of<'t>(
        &self,
        user: &'t UserId,
        dirty: &DirtyUser,
        contributions: ContributionsRead,
        definitions: &Definitions<'_>,
    ) -> (&'t UserId, Result<RefreshPlan, StoreError>) {
        let plan = match contributions {
            Ok(contributions) => {
                self.plan_refresh(user, dirty, &contributions, definitions)
                    .await
            }
            Err(error) => Err(error),
        };
        (user, plan)
    }

    async fn write_all(&self, diffs: Vec<ContributionDiff>, deadline: Instant) -> WriteOutcome {
        let mut all = WriteOutcome::default();
        let (chunks, too_large) = chunks(diffs);
        for user in too_large {
            let text = "a sum grew beyond 38 digits".to_owned();
            all.failures.insert(user, StoreError::Corrupt(text));
        }
        // Contributions with a step that was not written. Their later steps are not written either: a concurrent refresh
        // may have left the same revision with another state.
        let mut stopped = BTreeSet::new();
        for mut chunk in chunks {
            chunk.leave_out(&stopped);
            let keys = chunk.keys();
            let written = self
                .write_chunk(chunk, deadline, &mut all.transactions)
                .await;
            let (unwritten, why) = match written {
                Ok(refused) => {
                    let text =
                        "another refresh of the user was written at the same moment".to_owned();
                    (refused, StoreError::Contended(text))
                }
                Err(error) => (keys, error),
            };
            for (user, generation) in unwritten {
                all.failures.insert(user.clone(), why.copy());
                stopped.insert((user, generation));
            }
        }
        all
    }

    /// Writes a chunk without the contributions that a concurrent refresh has written, and returns the keys of these.
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
                Ok(Written::Refused(indices)) => refused.extend(chunk.without(&indices)),
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

#[derive(Default)]
struct WriteOutcome {
    transactions: usize,
    failures: HashMap<UserId, StoreError>,
}

/// The joint range of all users' records, for each generation. Erased users have none.
fn joined(
    ranges: Vec<(&UserId, Vec<(GenerationKey, DataRange)>)>,
) -> BTreeMap<GenerationKey, DataRange> {
    let mut all = BTreeMap::<_, DataRange>::new();
    for (generation, data_range) in ranges.into_iter().flat_map(|(_, ranges)| ranges) {
        let known = all.entry(generation).or_default();
        *known = known.join(data_range);
    }
    all.retain(|_, data_range| *data_range != DataRange::default());
    all
}
