//! What a refresh changes.

use super::definitions::{ExperimentGenerations, GenerationKey, OpenGeneration};
use crate::store::StoreError;
use crate::store::aggregates::StoredContribution;
use crate::store::user_records::UserRecordKeys;
use domain::aggregates::DataRange;
use domain::contribution::UserContribution;
use domain::ids::{EventId, ExperimentId, UserId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A user's contribution to one generation, as it is stored and as it should be.
#[derive(Debug, Clone)]
pub(super) struct ContributionDiff {
    pub(super) user: UserId,
    pub(super) generation: GenerationKey,
    /// The generation of the aggregates; none for one that is no longer read, where only the contribution changes.
    pub(super) open: Option<Arc<OpenGeneration>>,
    pub(super) variants: usize,
    pub(super) stored: StoredContribution,
    pub(super) computed: UserContribution,
    /// See [`StoredContribution::expires_at`].
    pub(super) expires_at: Option<i64>,
}

/// A stored event that counts for an experiment, and that is not stored for it yet.
///
/// An event and its user's assignment may arrive at the same moment, each before the other is visible. Or the end of the
/// experiment was before the event and has moved. The event is then stored for other experiments or for none.
#[derive(Clone)]
pub(super) struct UnattributedEvent {
    pub(super) event: EventId,
    /// What it is stored for.
    pub(super) stored_for: Option<ExperimentId>,
    pub(super) definition: Arc<ExperimentGenerations>,
}

/// What a refresh of one user has to do.
#[derive(Default)]
pub(super) struct RefreshPlan {
    /// Events to store for another experiment. The stream record of each triggers a refresh that counts it.
    pub(super) unattributed: Vec<UnattributedEvent>,
    /// Contributions to write.
    pub(super) diffs: Vec<ContributionDiff>,
    /// Whether the user was quarantined, because the records cannot be read.
    pub(super) quarantined: bool,
    /// Generations where the stored contribution cannot be read, so that nothing can be subtracted.
    pub(super) damaged: Vec<GenerationKey>,
    /// The range of the user's records. It is noted even without a diff: a process that wrote the same diff earlier
    /// may have crashed before it noted the range.
    pub(super) ranges: Vec<(GenerationKey, DataRange)>,
    /// Records to delete once the contributions are written.
    pub(super) deletions: UserRecordKeys,
}

impl RefreshPlan {
    /// The failure of a generation that the plan changes.
    pub(super) fn blocked_by<'f>(
        &self,
        failures: &'f BTreeMap<GenerationKey, StoreError>,
    ) -> Option<&'f StoreError> {
        let mut generations = self.diffs.iter().map(|diff| &diff.generation);
        generations.find_map(|generation| failures.get(generation))
    }
}
