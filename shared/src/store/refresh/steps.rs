//! The transactions of a contribution that does not fit one.

use super::chunk::Write;
use super::diff::ContributionDiff;
use crate::store::StoreError;
use domain::aggregate_items::AggregateItems;
use domain::contribution::Path;
use domain::sums::Overflow;

/// The writes from the stored contribution to the computed one, each made when it is needed.
pub(super) struct Steps<'d> {
    diff: &'d ContributionDiff,
    path: Path<'d>,
    /// Steps of the path that were written.
    done: usize,
    /// Writes that were made.
    writes: u64,
    /// How far the last write reached.
    reach: usize,
}

impl<'d> Steps<'d> {
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub(super) fn new(diff: &'d ContributionDiff) -> Result<Self, StoreError> {
        let path = Path::new(&diff.stored.contribution, &diff.computed).map_err(too_large)?;
        Ok(Self {
            diff,
            // The whole path does not fit: the first write tries half of it.
            reach: path.len().div_ceil(4),
            path,
            done: 0,
            writes: 0,
        })
    }

    /// The whole diff as one write, whether it fits a transaction or not.
    pub(super) fn whole(diff: &ContributionDiff) -> Result<Write, StoreError> {
        let steps = Steps::new(diff)?;
        steps.write(steps.path.len())
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
            let next = self.write(self.done + distance)?;
            if next.fits() {
                self.done += distance;
                self.reach = distance;
                self.writes += 1;
                return Ok(Some(next));
            }
            if distance == 1 {
                let text = "one event changes more than a transaction can write".to_owned();
                return Err(StoreError::Unstorable(text));
            }
            distance = distance.div_ceil(2);
        }
    }

    /// The write from the last state that was written to a later one.
    fn write(&self, later: usize) -> Result<Write, StoreError> {
        let diff = self.diff;
        let difference = match &diff.open {
            Some(open) => {
                let states = (self.done, later);
                AggregateItems::difference(&self.path, states, open.layout(), diff.variants)
            }
            None => Ok(AggregateItems::default()),
        };
        let text = self.path.contribution(later).to_text();
        Ok(Write {
            user: diff.user.clone(),
            generation: diff.generation.clone(),
            write_shards: diff.open.as_ref().map(|open| open.write_shards),
            revision: diff.stored.revision + self.writes,
            text: text.map_err(|error| StoreError::Corrupt(error.to_string()))?,
            expires_at: diff.expires_at,
            release: diff.stored.quarantined && self.writes == 0,
            difference: difference.map_err(too_large)?,
        })
    }
}

fn too_large(overflow: Overflow) -> StoreError {
    StoreError::Unstorable(overflow.to_string())
}
