//! The stored data, and the properties that it must have.

use crate::workers::{Run, Step};

/// A set of items of one user, one bit each.
pub(crate) type Items = u8;

pub(crate) const EVENT: Items = 1;
/// An event after the end. It counts while no end is set.
pub(crate) const LATE_EVENT: Items = 2;
pub(crate) const ASSIGNMENT: Items = 4;
pub(crate) const TOMBSTONE: Items = 8;
/// The definition as an item, which is present while an end is set.
pub(crate) const END: Items = 16;
/// The items that an erasure deletes.
pub(crate) const USER_DATA: Items = EVENT | LATE_EVENT | ASSIGNMENT;

/// Maximum number of generations: the first one, and two from the backfills of a configuration.
pub(crate) const GENERATIONS: usize = 3;

/// The contribution of a user with these items to the aggregates: a different number for each set of
/// items that count.
pub(crate) fn contribution(items: Items) -> i8 {
    let counted = match items {
        _ if items & ASSIGNMENT == 0 => 0,
        _ if items & END == 0 => items & USER_DATA,
        _ => items & (EVENT | ASSIGNMENT),
    };
    counted.cast_signed()
}

/// The generations in use and the definition.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    pub(crate) current: u8,
    pub(crate) building: Option<u8>,
    /// Number of changes of the definition. They alternately set and remove the end.
    pub(crate) definition: u8,
}

impl Head {
    /// The definition as an item.
    pub(crate) fn end(self) -> Items {
        if self.definition % 2 == 1 { END } else { 0 }
    }
}

/// What the aggregates of a generation contain of the user.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UserContribution {
    pub(crate) revision: u8,
    pub(crate) applied: i8,
    pub(crate) erased: bool,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Erasure {
    NotRequested,
    Pending,
    Done,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Backfill {
    Idle,
    Building,
    /// The new generation is current, and this old generation must be deleted.
    DeletingOld(u8),
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) raw: Items,
    /// The requests that can still put their item, one bit each.
    pub(crate) requests: u8,
    /// The records that are not acknowledged, one bit per request.
    pub(crate) stream: u8,
    pub(crate) head: Head,
    pub(crate) contributions: [Option<UserContribution>; GENERATIONS],
    pub(crate) aggregates: [i8; GENERATIONS],
    /// The definition of the last completed definition pass.
    pub(crate) passed_definition: u8,
    pub(crate) erasure: Erasure,
    pub(crate) backfill: Backfill,
    pub(crate) backfills_left: u8,
    /// The generations whose deletion has started, one bit each. Only the properties use it.
    pub(crate) deleted: u8,
    /// The memory of each worker. A crash sets it to `None`.
    pub(crate) runs: [Option<Run>; 4],
}

impl State {
    /// Whether no work is in progress or pending. Requests do not matter until they put their item.
    pub(crate) fn is_idle(&self, has_definition_pass: bool) -> bool {
        self.stream == 0
            && self.runs.iter().all(Option::is_none)
            && (self.passed_definition == self.head.definition || !has_definition_pass)
            && self.erasure != Erasure::Pending
            && self.backfill == Backfill::Idle
    }

    /// Whether the aggregates of every generation in use equal the contribution.
    pub(crate) fn aggregates_match_contributions(&self) -> bool {
        (0..GENERATIONS).filter(|g| !self.is_deleted(*g)).all(|g| {
            let applied = self.contributions[g].map_or(0, |contribution| contribution.applied);
            self.aggregates[g] == applied
        })
    }

    /// Whether the shown aggregates equal the contribution of the stored items.
    pub(crate) fn is_exact(&self) -> bool {
        self.shown() == contribution(self.raw | self.head.end())
    }

    /// Whether neither items of the user nor a contribution to the shown aggregates remain.
    pub(crate) fn is_erased(&self) -> bool {
        self.raw == TOMBSTONE && self.shown() == 0
    }

    /// Whether all deleted generations are empty.
    pub(crate) fn deleted_generations_are_empty(&self) -> bool {
        (0..GENERATIONS)
            .filter(|g| self.is_deleted(*g))
            .all(|g| self.contributions[g].is_none() && self.aggregates[g] == 0)
    }

    /// Whether a worker is about to commit although the contribution has changed since it was read.
    pub(crate) fn has_late_commit(&self) -> bool {
        self.runs.iter().flatten().any(|run| match run.step {
            Step::Commit { held, .. } => held != self.contributions[run.generation()],
            _ => false,
        })
    }

    /// Renumbers the revisions from one. Only their equality matters, so this merges equivalent states.
    pub(crate) fn renumber(&mut self) {
        for g in (0..GENERATIONS).filter(|g| self.deleted & 1 << g == 0) {
            let runs = self.runs.iter_mut().flatten();
            let held = runs.filter(|run| run.generation() == g);
            let held = held.filter_map(Run::held_mut);
            let mut all: Vec<_> = self.contributions[g].iter_mut().chain(held).collect();
            all.sort_by_key(|contribution| contribution.revision);
            let (mut last, mut number) = (0, 0);
            for contribution in all {
                number += u8::from(contribution.revision != last);
                last = std::mem::replace(&mut contribution.revision, number);
            }
        }
    }

    fn is_deleted(&self, generation: usize) -> bool {
        self.deleted & 1 << generation != 0
    }

    /// The aggregates of the current generation, which results use.
    fn shown(&self) -> i8 {
        self.aggregates[usize::from(self.head.current)]
    }
}
