//! Which diffs are written together, and which in steps.

use super::chunk::{Chunk, ContributionKey, Fill};
use super::diff::ContributionDiff;
use super::steps::Steps;
use crate::store::StoreError;

/// Diffs by how they are written.
#[derive(Default)]
pub(super) struct Grouped {
    /// Diffs that fit one transaction, several in each.
    pub(super) chunks: Vec<Chunk>,
    /// Diffs that are written in steps, one transaction each.
    pub(super) long: Vec<ContributionDiff>,
    /// Contributions that cannot be written.
    pub(super) failed: Vec<(ContributionKey, StoreError)>,
}

/// Groups the diffs.
pub(super) fn grouped(mut diffs: Vec<ContributionDiff>) -> Grouped {
    // Users of one variant change the same items.
    let variant = |diff: &ContributionDiff| diff.computed.enrolment.as_ref().map(|one| one.variant);
    diffs.sort_by(|a, b| (&a.generation, variant(a)).cmp(&(&b.generation, variant(b))));
    let mut grouped = Grouped::default();
    let mut open = Chunk::default();
    let mut fill = Fill::default();
    for diff in diffs {
        let write = match Steps::whole(&diff) {
            Ok(write) => write,
            Err(error) => {
                let key = (diff.user, diff.generation);
                grouped.failed.push((key, error));
                continue;
            }
        };
        if !write.fits() {
            grouped.long.push(diff);
            continue;
        }
        if !fill.has_room(&write) {
            grouped.chunks.push(std::mem::take(&mut open));
            fill = Fill::default();
        }
        fill.take(&write);
        open.writes.push(write);
    }
    if !open.is_empty() {
        grouped.chunks.push(open);
    }
    grouped
}
