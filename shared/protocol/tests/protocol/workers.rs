//! Who works on the stores, and what they have in memory.

use crate::stores::{Head, Items, UserContribution};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    /// Takes a record from the stream and brings its user up to date.
    Aggregator,
    /// Brings the user up to date after a change of the definition.
    Pass,
    /// Fills a new generation, switches to it and deletes the old one.
    Backfill,
    /// Removes the user.
    Erasure,
}

/// What a worker has in memory.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) step: Step,
    /// The record that an aggregator has taken.
    pub(crate) record: u8,
    /// The head as it was read, where it is of use later.
    pub(crate) head: Option<Head>,
    /// The generations that are left to do, a bit for each.
    pub(crate) todo: u8,
}

/// The step that comes next.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    PutTombstone,
    ListItems,
    /// Deletes what was listed, one item at a time.
    DeleteListed(Items),
    ReadHead,
    ReadContribution,
    ReadItems {
        held: Option<UserContribution>,
        unread: Items,
        seen: Items,
    },
    /// Deletes what a tombstone forbids, one item at a time.
    DeleteForbidden {
        held: Option<UserContribution>,
        found: Items,
    },
    /// Without [`ContributionFirst`](crate::safeguards::Safeguard::ContributionFirst).
    ReadContributionLast(Target),
    Commit {
        held: Option<UserContribution>,
        target: Target,
    },
    /// Without [`OneTransaction`](crate::safeguards::Safeguard::OneTransaction).
    AddToAggregateItems(i8),
    /// Only with [`rereads`](crate::model::Protocol::rereads).
    ReadHeadAgain,
    /// Acknowledges the record, or notes that the work is done.
    Finish,
    DeleteContributions(u8),
    DeleteAggregateItems(u8),
}

/// What a contribution is to say.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) applied: i8,
    pub(crate) erased: bool,
    /// To be written even if the contribution says so already.
    pub(crate) fences: bool,
}

impl Run {
    pub(crate) fn at(step: Step) -> Self {
        Self {
            step,
            record: 0,
            head: None,
            todo: 0,
        }
    }

    pub(crate) fn with_record(record: u8) -> Self {
        Self {
            record,
            ..Self::at(Step::ReadHead)
        }
    }

    /// The generation at hand: the lowest of those that are left.
    pub(crate) fn generation(&self) -> usize {
        self.todo.trailing_zeros() as usize
    }

    /// Whether the generation may be written to before the head is read again.
    pub(crate) fn may_write(&self, generation: u8) -> bool {
        self.todo & 1 << generation != 0
    }

    /// The contribution that was read, as long as it is needed.
    pub(crate) fn held_mut(&mut self) -> Option<&mut UserContribution> {
        match &mut self.step {
            Step::ReadItems { held, .. }
            | Step::DeleteForbidden { held, .. }
            | Step::Commit { held, .. } => held.as_mut(),
            _ => None,
        }
    }
}
