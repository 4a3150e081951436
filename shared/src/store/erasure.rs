//! Erasing a user.
//!
//! The steps, in this order:
//!
//! 1. Put a tombstone. It keeps new records of the user out.
//! 2. Remove the user's contributions from all aggregates, by [`Store::refresh_users`].
//! 3. Delete the user's records. They come last, because they name the experiments of step 2: a call that fails before
//!    its end leaves what a repeat needs.
//!
//! The stream record of the tombstone triggers the aggregator, which does steps 2 and 3 as well.

use super::refresh::DirtyUser;
use super::user_data::Tombstone;
use super::user_records::UserRecordKeys;
use super::{Store, StoreError};
use domain::contribution::UserContribution;
use domain::ids::{ExperimentId, UserId};
use domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// What an erasure found of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The tombstone that stays.
    pub tombstone: Tombstone,
    /// The records that existed.
    pub records: UserRecordKeys,
    /// The experiments that the user had a record or a contribution in.
    pub experiments: BTreeSet<ExperimentId>,
}

impl Store {
    /// Erases a user, or finishes what an earlier call has left.
    ///
    /// # Errors
    /// If the database fails or the time is over; a repeat goes on from there.
    pub async fn erase(
        &self,
        user: &UserId,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Erased, StoreError> {
        // Records are listed before the tombstone exists, because from then on the aggregator deletes them too.
        let user_data = self.user_data(user).await?;
        let records = self.record_keys_of(user, user_data).await?;
        let mut experiments = records.experiments();
        let contributions = self.contributions_of(user).await?.into_iter();
        let counted =
            contributions.filter(|(_, stored)| stored.contribution != UserContribution::default());
        experiments.extend(counted.map(|((experiment, _), _)| experiment));

        let tombstone = self.put_tombstone(user, now).await?;
        // A user with a tombstone is refreshed in every experiment that has a record or a contribution of the user.
        let dirty = BTreeMap::from([(user.clone(), DirtyUser::default())]);
        let mut refreshed = self.refresh_users(&dirty, deadline).await;
        if let Some(error) = refreshed.failures.remove(user) {
            return Err(error);
        }
        if refreshed.quarantined.contains(user) {
            let text = "the user's contributions could not be removed from the aggregates";
            return Err(StoreError::Unstorable(text.to_owned()));
        }
        Ok(Erased {
            tombstone,
            records,
            experiments,
        })
    }
}
