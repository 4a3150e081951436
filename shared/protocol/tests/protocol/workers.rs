//! The workers that read and write the stores, and their memory.

use crate::stores::{Head, Items, UserContribution};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    /// Takes a record from the stream and refreshes its user.
    Aggregator,
    /// Refreshes the user after a change of the definition.
    DefinitionPass,
    /// Builds a new generation, switches to it and deletes the old generation.
    Backfill,
    /// Erases the user.
    Erasure,
}

/// The memory of a worker.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) step: Step,
    /// The record that an aggregator has taken.
    pub(crate) record: u8,
    /// The head that the worker read, if a later step needs it.
    pub(crate) head: Option<Head>,
    /// The generations that the worker still has to refresh, one bit each.
    pub(crate) todo: u8,
}

/// The next step of a worker. `held` is the contribution that the worker read.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    PutTombstone,
    ListItems,
    /// Deletes the listed items, one per step.
    DeleteListed(Items),
    ReadHead,
    ReadContribution,
    ReadItems {
        held: Option<UserContribution>,
        unread: Items,
        seen: Items,
    },
    /// Deletes the items of an erased user, one per step.
    DeleteErasedItems {
        held: Option<UserContribution>,
        found: Items,
    },
    /// Occurs only without [`ContributionFirst`](crate::safeguards::Safeguard::ContributionFirst).
    ReadContributionLast(Target),
    Commit {
        held: Option<UserContribution>,
        target: Target,
    },
    /// Occurs only without [`OneTransaction`](crate::safeguards::Safeguard::OneTransaction).
    AddToAggregates(i8),
    /// Occurs only with [`rereads_head`](crate::model::Protocol::rereads_head).
    ReadHeadAgain,
    /// Acknowledges the record, or marks the work as done.
    Finish,
    DeleteContributions(u8),
    DeleteAggregates(u8),
}

/// The contribution that a worker wants to write.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) applied: i8,
    pub(crate) erased: bool,
    /// Whether to write it even if the stored contribution has the same values. The new revision
    /// refuses the commits of workers that read the contribution before (a fence).
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

    /// The generation that the worker refreshes: the lowest of those that remain.
    pub(crate) fn generation(&self) -> usize {
        self.todo.trailing_zeros() as usize
    }

    /// Whether the worker may write to this generation before it reads the head again.
    pub(crate) fn may_write(&self, generation: u8) -> bool {
        self.todo & 1 << generation != 0
    }

    /// The contribution that the worker read, while it needs it.
    pub(crate) fn held_mut(&mut self) -> Option<&mut UserContribution> {
        match &mut self.step {
            Step::ReadItems { held, .. }
            | Step::DeleteErasedItems { held, .. }
            | Step::Commit { held, .. } => held.as_mut(),
            _ => None,
        }
    }
}
