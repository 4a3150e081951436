//! Erased users: nothing of them stays in the sums, and what was written late is taken away.

use super::Touched;
use super::look::{Change, Definitions, Found};
use crate::store::StoreError;
use crate::store::erasure::Records;
use crate::store::people::Tombstone;
use crate::store::statistics::{StoredSubject, Subjects};
use domain::ids::{ExperimentId, UserId};
use domain::subject::Subject;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done about an erased user, of whom this is in the sums and this is stored.
///
/// In every experiment that any of it names there is to be an empty part, even where there was none: whoever read the
/// user's records before the tombstone, and has not written yet, is refused by it. Once it is there it need not be
/// written again, since whoever reads it now sees the tombstone too.
pub(super) async fn look_at_erased(
    user: &UserId,
    tombstone: Tombstone,
    touched: &Touched,
    subjects: &Subjects,
    left: Records,
    definitions: &Definitions<'_>,
) -> Result<Found, StoreError> {
    let expires_at = Some(tombstone.until.epoch_seconds());
    let is_empty = |stored: &StoredSubject| {
        stored.subject == Subject::default() && stored.expires_at == expires_at
    };
    let mut changes = Vec::new();
    for id in concerned(touched, subjects, &left) {
        let counting = definitions.of(&id).await?;
        let variants = counting
            .iter()
            .map(|counting| counting.experiment.variants.as_slice().len())
            .sum();
        let kept = counting.iter().flat_map(|counting| &counting.specs);
        let mut sums: BTreeMap<_, _> = kept
            .map(|(number, spec)| (*number, Some(spec.clone())))
            .collect();
        // Sums that were replaced are read by nobody, but the user's part in them tells as much of the user.
        for (_, number) in subjects.keys().filter(|(of, _)| *of == id) {
            sums.entry(*number).or_insert(None);
        }
        for (number, spec) in sums {
            let sums = (id.clone(), number);
            let before = subjects.get(&sums).cloned().unwrap_or_default();
            if !is_empty(&before) {
                changes.push(Change {
                    user: user.clone(),
                    sums,
                    spec,
                    variants,
                    before,
                    after: Subject::default(),
                    expires_at,
                });
            }
        }
    }
    Ok(Found {
        changes,
        // Who was erased reaches nowhere.
        reach: Vec::new(),
        leftovers: left,
    })
}

fn concerned(touched: &Touched, subjects: &Subjects, left: &Records) -> BTreeSet<ExperimentId> {
    let mut all = left.experiments();
    all.extend(touched.assignments.iter().cloned());
    all.extend(touched.events.iter().filter_map(|(of, _, _)| of.clone()));
    all.extend(subjects.keys().map(|(experiment, _)| experiment.clone()));
    all
}
