//! What is stored, and what must be true of it.

use crate::workers::{Run, Step};

/// A set of the items of one user, one bit for each.
pub(crate) type Items = u8;

pub(crate) const EVENT: Items = 1;
/// An event after the end: it counts as long as no end is set.
pub(crate) const LATE_EVENT: Items = 2;
pub(crate) const ASSIGNMENT: Items = 4;
pub(crate) const TOMBSTONE: Items = 8;
/// The definition, read as if it were an item: here while an end is set.
pub(crate) const END: Items = 16;
/// What an erasure removes.
pub(crate) const PERSONAL: Items = EVENT | LATE_EVENT | ASSIGNMENT;

/// Two backfills, the most in any configuration, make two new generations.
pub(crate) const GENERATIONS: usize = 3;

/// What a user with these items adds to the aggregate items: another number for each set of items that counts.
pub(crate) fn contribution(items: Items) -> i8 {
    let counted = match items {
        _ if items & ASSIGNMENT == 0 => 0,
        _ if items & END == 0 => items & PERSONAL,
        _ => items & (EVENT | ASSIGNMENT),
    };
    counted.cast_signed()
}

/// The generations in use, and the definition.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    pub(crate) current: u8,
    pub(crate) building: Option<u8>,
    /// How often the definition has been changed: the end is set, taken back, set again.
    pub(crate) definition: u8,
}

impl Head {
    /// The definition as an item.
    pub(crate) fn end(self) -> Items {
        if self.definition % 2 == 1 { END } else { 0 }
    }
}

/// What the aggregate items of a generation hold of the user.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UserContribution {
    pub(crate) revision: u8,
    pub(crate) applied: i8,
    pub(crate) erased: bool,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Erasure {
    NotAsked,
    Due,
    Done,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Backfill {
    Idle,
    Building,
    /// The new generation is current, and this old one is to be deleted.
    Cleaning(u8),
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) raw: Items,
    /// Requests that may still put their item, and records that nobody has acknowledged: a bit for each request.
    pub(crate) requests: u8,
    pub(crate) stream: u8,
    pub(crate) head: Head,
    pub(crate) contributions: [Option<UserContribution>; GENERATIONS],
    pub(crate) aggregate_items: [i8; GENERATIONS],
    /// The definition that the last pass was for.
    pub(crate) swept: u8,
    pub(crate) erasure: Erasure,
    pub(crate) backfill: Backfill,
    pub(crate) backfills_left: u8,
    /// Generations whose deletion has begun, a bit for each. Only the properties look at it.
    pub(crate) cleaned: u8,
    /// What each worker has in memory. A crash makes it `None`.
    pub(crate) runs: [Option<Run>; 4],
}

impl State {
    /// Nothing is under way and nothing is left to do. A request may still be: it has put nothing yet.
    pub(crate) fn is_at_rest(&self, sweeps: bool) -> bool {
        self.stream == 0
            && self.runs.iter().all(Option::is_none)
            && (self.swept == self.head.definition || !sweeps)
            && self.erasure != Erasure::Due
            && self.backfill == Backfill::Idle
    }

    /// In every generation in use, the aggregate items hold what the contribution says.
    pub(crate) fn adds_up(&self) -> bool {
        (0..GENERATIONS).filter(|g| !self.is_cleaned(*g)).all(|g| {
            let applied = self.contributions[g].map_or(0, |contribution| contribution.applied);
            self.aggregate_items[g] == applied
        })
    }

    /// The aggregate items that are shown are those of the items that are there.
    pub(crate) fn is_exact(&self) -> bool {
        self.shown() == contribution(self.raw | self.head.end())
    }

    /// Neither items nor numbers are left of the user.
    pub(crate) fn is_erased(&self) -> bool {
        self.raw == TOMBSTONE && self.shown() == 0
    }

    /// Nothing has come back into a generation that was deleted.
    pub(crate) fn is_clean(&self) -> bool {
        (0..GENERATIONS)
            .filter(|g| self.is_cleaned(*g))
            .all(|g| self.contributions[g].is_none() && self.aggregate_items[g] == 0)
    }

    /// Somebody is about to write what is computed from a contribution that has changed since.
    pub(crate) fn has_late_commit(&self) -> bool {
        self.runs.iter().flatten().any(|run| match run.step {
            Step::Commit { held, .. } => held != self.contributions[run.generation()],
            _ => false,
        })
    }

    /// Numbers the revisions anew, from one. Only whether two are the same matters, so that states
    /// which differ in nothing else are one state.
    pub(crate) fn renumber(&mut self) {
        for g in (0..GENERATIONS).filter(|g| self.cleaned & 1 << g == 0) {
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

    fn is_cleaned(&self, generation: usize) -> bool {
        self.cleaned & 1 << generation != 0
    }

    fn shown(&self) -> i8 {
        self.aggregate_items[usize::from(self.head.current)]
    }
}
