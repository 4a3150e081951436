//! Erasing a user.
//!
//! The steps, in this order:
//!
//! 1. Put a tombstone. It keeps new records of the user out, and from then on no refresh counts the user.
//! 2. Remove the user from the id lists of segments. Lists that are being changed then see the tombstone.
//! 3. Remove the user's contributions from all aggregates, by [`Store::refresh_users`].
//! 4. Delete the user's records in steps of bounded size: first the events, then the assignments.
//!
//! The order of 3 and 4 is a constraint: the assignments name the experiments of step 3. If they were deleted first, a
//! call that fails between the two would leave contributions that no repeat finds. An event is stored for an experiment
//! only if the user is assigned in it, so the assignments name all experiments, however many events are not listed yet.
//!
//! A call that runs out of time leaves a state that a repeat continues. The stream record of the tombstone triggers the
//! aggregator, which does steps 2 to 4 as well.

use super::catalog::CatalogTries;
use super::experiments::Author;
use super::refresh::DirtyUser;
use super::segments::SegmentWrite;
use super::user_data::Tombstone;
use super::user_records::UserRecordKeys;
use super::{Store, StoreError};
use domain::contribution::UserContribution;
use domain::ids::{ExperimentId, SegmentId, UserId};
use domain::segment::IdsChange;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Who completes an erasure, in the audit trail of a segment.
const BACKGROUND: &str = "aggregate";

/// What a call of an erasure found of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The tombstone that stays.
    pub tombstone: Tombstone,
    /// Assignments that were found.
    pub assignments: usize,
    /// Stored events that were found, one for each experiment that an event is stored for.
    pub events: usize,
    /// The experiments that the user had a record or a contribution in.
    pub experiments: BTreeSet<ExperimentId>,
    /// The segments whose list had the user.
    pub segments: BTreeSet<SegmentId>,
    /// Whether all records are deleted. If not, there was no time to list and delete further events.
    pub is_complete: bool,
}

impl Store {
    /// Erases a user, or continues what an earlier call has left. No new step begins after the deadline.
    ///
    /// # Errors
    /// If the database fails, or the time is over before the first records are deleted; a repeat continues.
    pub fn erase<'a>(
        &'a self,
        user: &'a UserId,
        now: Timestamp,
        by: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Erased, StoreError>> {
        Box::pin(async move {
            let tombstone = self.put_tombstone(user, now).await?;
            let segments = self
                .remove_from_lists(user, tombstone.erased_at, (now, by), deadline)
                .await?;
            let mut records = self.next_records_of(user).await?;
            let mut experiments = records.experiments();
            let contributions = self.contributions_of(user).await?.into_iter();
            let counted = contributions
                .filter(|(_, stored)| stored.contribution != UserContribution::default());
            experiments.extend(counted.map(|((experiment, _), _)| experiment));
            let assignments = records.assignments.len();
            let mut events = records.events.len();

            // A user with a tombstone is refreshed in every experiment that has a record or a contribution of the user. The
            // refresh deletes the records of the first step.
            let dirty = BTreeMap::from([(user.clone(), DirtyUser::default())]);
            let mut refreshed = self.refresh_users(&dirty, deadline).await;
            if let Some(error) = refreshed.failures.remove(user) {
                return Err(error);
            }
            if refreshed.quarantined.contains(user) {
                let text = "the user's contributions could not be removed from the aggregates";
                return Err(StoreError::Unstorable(text.to_owned()));
            }
            while records.more && Instant::now() < deadline {
                records = self.next_records_of(user).await?;
                events += records.events.len();
                experiments.extend(records.experiments());
                match self.delete_records(user, &records, deadline).await {
                    // A repeat lists the records of this step again.
                    Err(StoreError::Throttled(_)) => records.more = true,
                    outcome => outcome?,
                }
            }
            Ok(Erased {
                tombstone,
                assignments,
                events,
                experiments,
                segments,
                is_complete: !records.more,
            })
        })
    }

    /// Removes a user with a tombstone from the id lists of segments, and returns these segments. Each call removes the
    /// user from at least one of them, so that repeats come to an end.
    async fn remove_from_lists(
        &self,
        user: &UserId,
        erased_at: Timestamp,
        (now, by): (Timestamp, &str),
        deadline: Instant,
    ) -> Result<BTreeSet<SegmentId>, StoreError> {
        let ids = IdsChange {
            remove: vec![user.to_string()],
            ..IdsChange::default()
        };
        let author = Author {
            by,
            reason: Some("a user was erased"),
        };
        let mut removed = BTreeSet::new();
        let mut tries = CatalogTries::default();
        let mut catalog = self.pass_catalog(user, erased_at, now).await?;
        loop {
            let lists = self.lists_with_user(&catalog.segments, user).await?;
            let Some(list) = lists.first() else {
                return Ok(removed);
            };
            if let Some(version) = self.change_ids(list, &ids, now).await? {
                let before = Some(&list.segment);
                let written = self.write_segment(&catalog, before, version, author);
                if written.await? == SegmentWrite::Written {
                    removed.insert(list.segment.id.clone());
                } else {
                    tries.next().await?;
                }
            }
            if Instant::now() >= deadline {
                let text = "there was no time to remove the user from every list".to_owned();
                return Err(StoreError::Throttled(text));
            }
            catalog = self.catalog().await?;
        }
    }

    /// Completes an erasure whose caller may have given up: removes the user from the lists of segments, and deletes the
    /// remaining records of the user, whose contributions have been removed.
    ///
    /// # Errors
    /// If the database fails or the time is over; a repeat continues.
    pub fn delete_remaining_records<'a>(
        &'a self,
        user: &'a UserId,
        now: Timestamp,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if let Some(tombstone) = self.tombstone(user).await? {
                self.remove_from_lists(user, tombstone.erased_at, (now, BACKGROUND), deadline)
                    .await?;
            }
            loop {
                let records = self.next_records_of(user).await?;
                self.delete_records(user, &records, deadline).await?;
                if !records.more {
                    return Ok(());
                }
            }
        })
    }

    async fn next_records_of(&self, user: &UserId) -> Result<UserRecordKeys, StoreError> {
        let user_data = self.user_data(user).await?;
        self.record_keys_of(user, user_data).await
    }
}
