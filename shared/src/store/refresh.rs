//! Refreshing users: bringing their contributions to the aggregates up to date with their records. The only writer of
//! the aggregates table.
//!
//! A refresh works on state, not on changes. It reads a user's stored contributions, *then* the definition and the
//! user's records, computes what the contributions should be, and writes contributions and aggregates in one
//! transaction, on the condition that the contributions are still those that were read. Refreshes that are repeated,
//! late, in any order, concurrent, or cut off by a crash all end in the same aggregates.
//!
//! Contributions and aggregates have bounded sizes, whatever events are sent: see `domain::registry` and
//! `domain::aggregate_items`. A user whose contribution DynamoDB refuses nevertheless is quarantined, and all others are
//! counted.
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
//! | `user_events` | what all events of a user contain |
//! | `grouping` | which diffs are written together |
//! | `chunk` | contributions that one transaction writes |
//! | `steps` | the transactions of a diff that does not fit one |
//! | `quarantine` | users that cannot be counted |
//! | `writing` | writes them one after another |
//! | `write` | the transaction |

mod chunk;
mod contribution;
mod definitions;
mod diff;
mod erased;
mod grouping;
mod plan;
mod quarantine;
mod steps;
mod user_events;
mod write;
mod writing;

use super::aggregates::UserContributions;
use super::item::Backoff;
use super::{Store, StoreError};
use definitions::{Definitions, GenerationKey};
use diff::RefreshPlan;
use domain::aggregates::DataRange;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::time::Timestamp;
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

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
    /// Users that need no repeat: their contributions are up to date, or they are quarantined.
    pub users: usize,
    /// Transactions sent.
    pub transactions: usize,
    /// Users that were quarantined: the database refuses what they add. Their records stay as they are.
    pub quarantined: BTreeSet<UserId>,
    /// Users that could not be refreshed, with the reason.
    pub failures: BTreeMap<UserId, StoreError>,
}

impl RefreshOutcome {
    /// Whether the contributions of a user are up to date.
    pub fn is_up_to_date(&self, user: &UserId) -> bool {
        !self.failures.contains_key(user) && !self.quarantined.contains(user)
    }
}

impl Store {
    /// Refreshes these users, in every experiment where they are dirty and in every generation of its aggregates.
    /// Users that are not done by the deadline are failures. A repeat is safe at any time.
    pub fn refresh_users<'a>(
        &'a self,
        dirty: &'a BTreeMap<UserId, DirtyUser>,
        deadline: Instant,
    ) -> BoxFuture<'a, RefreshOutcome> {
        Box::pin(async move {
            let mut outcome = RefreshOutcome::default();
            let mut open: BTreeSet<&UserId> = dirty.keys().collect();
            let mut backoff = Backoff::new();
            while !open.is_empty() {
                let failures = self.try_refresh(&open, dirty, deadline, &mut outcome).await;
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
        })
    }

    /// One try for these users: plan, register names, write contributions, note record ranges, delete records of erased
    /// users. Returns the users that failed.
    async fn try_refresh<'t>(
        &self,
        users: &BTreeSet<&'t UserId>,
        dirty: &'t BTreeMap<UserId, DirtyUser>,
        deadline: Instant,
        outcome: &mut RefreshOutcome,
    ) -> BTreeMap<&'t UserId, StoreError> {
        let mut failures = BTreeMap::<&UserId, StoreError>::new();
        let (mut diffs, mut deletions, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        let definitions = Definitions::new(self);
        let plans = self.plan_all(users, dirty, &definitions, deadline).await;
        let unregistered = definitions.store_registries().await;
        for (user, plan) in plans {
            let plan = plan.and_then(|plan| match plan.blocked_by(&unregistered) {
                Some(error) => Err(error.copy()),
                None => Ok(plan),
            });
            match plan {
                Ok(plan) => {
                    outcome
                        .quarantined
                        .extend(plan.quarantined.then(|| user.clone()));
                    diffs.extend(plan.diffs);
                    deletions.push((user, plan.deletions));
                    ranges.push((user, plan.ranges));
                }
                Err(error) => drop(failures.insert(user, error)),
            }
        }
        let written = self.write_all(diffs, deadline).await;
        outcome.transactions += written.transactions;
        self.add_shards_to(&written.crowded).await;
        outcome.quarantined.extend(written.quarantined);
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
        deletions.retain(|(user, records)| {
            let counted = !failures.contains_key(user) && !outcome.quarantined.contains(*user);
            counted && !records.is_empty()
        });
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
        definitions: &Definitions<'_>,
        deadline: Instant,
    ) -> Vec<(&'t UserId, Result<RefreshPlan, StoreError>)> {
        let mut reads = Vec::new();
        for user in users {
            reads.push(self.contributions_by_user(user));
        }
        let contributions: Vec<_> = stream::iter(reads)
            .buffer_unordered(USERS_AT_ONCE)
            .collect()
            .await;
        let mut plans = Vec::new();
        for (user, contributions) in contributions {
            if let Some(dirty) = dirty.get(user) {
                let plan = self.plan_of(user, dirty, contributions, definitions);
                plans.push(in_time(user, plan, deadline));
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
        let plan = async {
            let contributions = contributions?;
            let plan = self
                .plan_refresh(user, dirty, &contributions, definitions)
                .await?;
            self.attribute_events(user, &plan.unattributed).await?;
            for generation in &plan.damaged {
                let why = StoreError::Corrupt("the stored contribution of the user".to_owned());
                self.quarantine(&(user.clone(), generation.clone()), &why)
                    .await?;
            }
            Ok::<_, StoreError>(plan)
        };
        match plan.await {
            Err(error) if error.concerns_one_item() => {
                let set_aside = self.set_aside(user, dirty, &error, definitions).await;
                let nothing = RefreshPlan {
                    quarantined: true,
                    ..RefreshPlan::default()
                };
                (user, set_aside.map(|()| nothing))
            }
            plan => (user, plan),
        }
    }

    /// Quarantines a user whose records cannot be read, in every experiment where the user is dirty.
    async fn set_aside(
        &self,
        user: &UserId,
        dirty: &DirtyUser,
        why: &StoreError,
        definitions: &Definitions<'_>,
    ) -> Result<(), StoreError> {
        let mut experiments = &dirty.assignments | &dirty.again;
        experiments.extend(dirty.events.iter().filter_map(|(of, _, _)| of.clone()));
        if experiments.is_empty() {
            return Err(why.copy());
        }
        for id in experiments {
            for generation in definitions
                .of(&id)
                .await?
                .iter()
                .flat_map(|one| &one.generations)
            {
                let key = (user.clone(), (id.clone(), generation.number));
                self.quarantine(&key, why).await?;
            }
        }
        Ok(())
    }
}

type ContributionsRead = Result<UserContributions, StoreError>;

/// A plan, or a failure at the deadline: a user may have more records than one call can read.
async fn in_time<'t>(
    user: &'t UserId,
    plan: impl Future<Output = (&'t UserId, Result<RefreshPlan, StoreError>)>,
    deadline: Instant,
) -> (&'t UserId, Result<RefreshPlan, StoreError>) {
    let planned = tokio::time::timeout_at(deadline.into(), plan).await;
    planned.unwrap_or_else(|_| {
        let text = "there was no time to read the user's records".to_owned();
        (user, Err(StoreError::Unavailable(text)))
    })
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

#[cfg(test)]
mod tests;
