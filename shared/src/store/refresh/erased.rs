//! The refresh of an erased user: empty contributions, and no records.

use super::DirtyUser;
use super::definitions::Definitions;
use super::diff::{ContributionDiff, RefreshPlan};
use crate::store::StoreError;
use crate::store::aggregates::{StoredContribution, UserContributions};
use crate::store::user_data::Tombstone;
use crate::store::user_records::UserRecordKeys;
use domain::contribution::UserContribution;
use domain::ids::{ExperimentId, UserId};
use std::collections::{BTreeMap, BTreeSet};

/// The plan for an erased user with these contributions and these records.
///
/// Every experiment of the user gets an empty contribution, even where the user had none. It refuses a concurrent
/// refresh that read the user's records before the tombstone and has not written yet. A refresh that reads later sees
/// the tombstone, so an empty contribution that exists is not written again.
pub(super) async fn plan_erased_refresh(
    user: &UserId,
    tombstone: Tombstone,
    dirty: &DirtyUser,
    contributions: &UserContributions,
    records: UserRecordKeys,
    definitions: &Definitions<'_>,
) -> Result<RefreshPlan, StoreError> {
    let expires_at = Some(tombstone.until.epoch_seconds());
    let is_empty = |stored: &StoredContribution| {
        stored.contribution == UserContribution::default()
            && stored.expires_at == expires_at
            && !stored.quarantined
    };
    let mut diffs = Vec::new();
    for id in experiments_of(dirty, contributions, &records) {
        let definition = definitions.of(&id).await?;
        let variants = definition
            .iter()
            .map(|definition| definition.experiment.allocation.variants.as_slice().len())
            .sum();
        let current = definition.iter().flat_map(|one| &one.generations);
        let mut generations: BTreeMap<_, _> = current
            .map(|generation| (generation.number, Some(generation.clone())))
            .collect();
        // No result is read from a replaced generation, but the user's contribution to it is data of the user.
        for (_, number) in contributions.keys().filter(|(of, _)| *of == id) {
            generations.entry(*number).or_insert(None);
        }
        for (number, open) in generations {
            let generation = (id.clone(), number);
            let stored = contributions.get(&generation).cloned().unwrap_or_default();
            if !is_empty(&stored) {
                diffs.push(ContributionDiff {
                    user: user.clone(),
                    generation,
                    open,
                    variants,
                    stored,
                    computed: UserContribution::default(),
                    expires_at,
                });
            }
        }
    }
    Ok(RefreshPlan {
        diffs,
        deletions: records,
        ..RefreshPlan::default()
    })
}

/// The experiments that have anything of the user.
fn experiments_of(
    dirty: &DirtyUser,
    contributions: &UserContributions,
    records: &UserRecordKeys,
) -> BTreeSet<ExperimentId> {
    let mut all = records.experiments();
    all.extend(dirty.assignments.iter().cloned());
    all.extend(dirty.events.iter().filter_map(|(of, _, _)| of.clone()));
    all.extend(
        contributions
            .keys()
            .map(|(experiment, _)| experiment.clone()),
    );
    all
}
