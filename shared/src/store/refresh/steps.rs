//! The transactions of a contribution that does not fit one.

use super::chunk::Write;
use super::diff::ContributionDiff;
use crate::store::StoreError;
use crate::store::aggregates::StoredContribution;
use domain::aggregate_items::AggregateItems;
use domain::contribution::{Path, UserContribution};
use domain::sums::Overflow;

/// The writes from the stored contribution to the computed one, each made when it is needed.
pub(super) struct Steps<'d> {
    diff: &'d ContributionDiff,
    path: Path<'d>,
    /// What is stored after the writes that were made.
    from: StoredContribution,
    done: usize,
    /// How far the last write reached.
    reach: usize,
}

impl<'d> Steps<'d> {
    pub(super) fn new(diff: &'d ContributionDiff) -> Self {
        let path = Path::new(&diff.stored.contribution, &diff.computed);
        Self {
            diff,
            // The whole path does not fit: the first write tries half of it.
            reach: path.len().div_ceil(4),
            path,
            from: diff.stored.clone(),
            done: 0,
        }
    }

    /// The whole diff as one write, whether it fits a transaction or not.
    pub(super) fn whole(diff: &ContributionDiff) -> Result<Write, StoreError> {
        write(diff, &diff.stored, &diff.computed)
    }

    /// The next write; none when the computed contribution has been reached.
    ///
    /// # Errors
    /// If not even the smallest step fits a transaction, or a sum grows beyond 38 digits.
    pub(super) fn next_write(&mut self) -> Result<Option<Write>, StoreError> {
        let left = self.path.len() - self.done;
        if left == 0 {
            return Ok(None);
        }
        // The furthest state that one transaction reaches: steps of one user are about equally large.
        let mut distance = (self.reach * 2).min(left);
        loop {
            let state = self.path.state(self.done + distance);
            let next = write(self.diff, &self.from, &state)?;
            if next.fits() {
                self.done += distance;
                self.reach = distance;
                self.from = StoredContribution {
                    revision: self.from.revision + 1,
                    contribution: state,
                    expires_at: self.diff.expires_at,
                    quarantined: false,
                    damaged: false,
                };
                return Ok(Some(next));
            }
            if distance == 1 {
                let text = "one event changes more than a transaction can write".to_owned();
                return Err(StoreError::Unstorable(text));
            }
            distance = distance.div_ceil(2);
        }
    }
}

fn write(
    diff: &ContributionDiff,
    from: &StoredContribution,
    to: &UserContribution,
) -> Result<Write, StoreError> {
    let of = |contribution: &UserContribution| match &diff.open {
        Some(open) => AggregateItems::of(contribution, open.layout(), diff.variants),
        None => Ok(AggregateItems::default()),
    };
    let difference = of(to).and_then(|mut difference| {
        difference.minus(&of(&from.contribution)?)?;
        Ok(difference)
    });
    let too_large = |overflow: Overflow| StoreError::Unstorable(overflow.to_string());
    let text = to.to_text();
    Ok(Write {
        user: diff.user.clone(),
        generation: diff.generation.clone(),
        revision: from.revision,
        text: text.map_err(|error| StoreError::Corrupt(error.to_string()))?,
        expires_at: diff.expires_at,
        release: from.quarantined,
        difference: difference.map_err(too_large)?,
    })
}
