//! Erased users: nothing of them stays in the sums, and what was written late is taken away.

use super::DirtyUser;
use super::diff::{ContributionDiff, Definitions, RefreshPlan};
use crate::store::StoreError;
use crate::store::aggregates::{StoredContribution, UserContributions};
use crate::store::erasure::Records;
use crate::store::user_data::Tombstone;
use domain::contribution::UserContribution;
use domain::ids::{ExperimentId, UserId};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done about an erased user, of whom this is in the sums and this is stored.
///
/// In every experiment that any of it names there is to be an empty part, even where there was none: whoever read the
/// user's records before the tombstone, and has not written yet, is refused by it. Once it is there it need not be
/// written again, since whoever reads it now sees the tombstone too.
pub(super) async fn plan_erased_refresh(
    user: &UserId,
    tombstone: Tombstone,
    dirty: &DirtyUser,
    contributions: &UserContributions,
    left: Records,
    definitions: &Definitions<'_>,
) -> Result<RefreshPlan, StoreError> {
    let expires_at = Some(tombstone.until.epoch_seconds());
    let is_empty = |stored: &StoredContribution| {
        stored.contribution == UserContribution::default() && stored.expires_at == expires_at
    };
    let mut changes = Vec::new();
    for id in concerned(dirty, contributions, &left) {
        let generations = definitions.of(&id).await?;
        let variants = generations
            .iter()
            .map(|generations| generations.experiment.variants.as_slice().len())
            .sum();
        let kept = generations
            .iter()
            .flat_map(|generations| &generations.specs);
        let mut sums: BTreeMap<_, _> = kept
            .map(|(number, spec)| (*number, Some(spec.clone())))
            .collect();
        // GenerationKey that were replaced are read by nobody, but the user's part in them tells as much of the user.
        for (_, number) in contributions.keys().filter(|(of, _)| *of == id) {
            sums.entry(*number).or_insert(None);
        }
        for (number, spec) in sums {
            let sums = (id.clone(), number);
            let before = contributions.get(&sums).cloned().unwrap_or_default();
            if !is_empty(&before) {
                changes.push(ContributionDiff {
                    user: user.clone(),
                    sums,
                    spec,
                    variants,
                    before,
                    after: UserContribution::default(),
                    expires_at,
                });
            }
        }
    }
    Ok(RefreshPlan {
        changes,
        // Who was erased data ranges nowhere.
        data_range: Vec::new(),
        leftovers: left,
    })
}

fn concerned(
    dirty: &DirtyUser,
    contributions: &UserContributions,
    left: &Records,
) -> BTreeSet<ExperimentId> {
    let mut all = left.experiments();
    all.extend(dirty.assignments.iter().cloned());
    all.extend(dirty.events.iter().filter_map(|(of, _, _)| of.clone()));
    all.extend(
        contributions
            .keys()
            .map(|(experiment, _)| experiment.clone()),
    );
    all
}
