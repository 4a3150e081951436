//! What happens to some users in some experiments.

use super::network::Crash;
use domain::allocation::Variants;
use domain::assignment::Attributes;
use domain::decimal::Decimal;
use domain::ids::{DimensionKey, EventType, VariantKey};
use domain::metric::Metric;
use domain::time::Timestamp;

pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;

/// How much happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// So little that all places can be tried at which a process may die.
    Small,
    /// Whatever comes.
    Any,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) users: usize,
    /// The first one is what it is about; another one may have the same users.
    pub(crate) experiments: Vec<Definition>,
    pub(crate) steps: Vec<Step>,
}

/// An experiment as it begins.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) start: Timestamp,
    pub(crate) variants: Variants,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) dimensions: Vec<DimensionKey>,
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) shards: u16,
}

/// What happens next. Users and experiments are named by their places.
#[derive(Debug)]
pub(crate) enum Step {
    Assign(Assign),
    Track(Track),
    Change(Change),
    /// Records are handed to the aggregator.
    Deliver(Deliver),
    Erase(Erase),
}

/// A user gets a variant.
#[derive(Debug)]
pub(crate) struct Assign {
    pub(crate) user: usize,
    pub(crate) experiment: usize,
    /// None: the hash chooses. Else it is brought over from elsewhere.
    pub(crate) variant: Option<VariantKey>,
    pub(crate) at: Timestamp,
    pub(crate) attributes: Attributes,
}

/// A user does something.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) user: usize,
    pub(crate) id: usize,
    pub(crate) event_type: EventType,
    pub(crate) value: Option<Decimal>,
    pub(crate) at: Timestamp,
    /// Whether the process that stores it has read the user's assignments before they were made.
    pub(crate) knows_no_assignments: bool,
    /// Whether it remembers the definitions as they were before their last change.
    pub(crate) knows_old_definitions: bool,
}

/// A user is taken out of everything. What the user's steps write afterwards was on its way.
#[derive(Debug)]
pub(crate) struct Erase {
    pub(crate) user: usize,
    /// When the process dies that does it.
    pub(crate) crash: Option<Crash>,
    /// Whether whoever asked for it asks again then.
    pub(crate) asked_again: bool,
}

/// Somebody changes a definition.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) experiment: usize,
    pub(crate) at: Timestamp,
    pub(crate) edit: Edit,
}

#[derive(Debug)]
pub(crate) enum Edit {
    End(Option<Timestamp>),
    Stop,
    Shares(Variants),
    /// New sums beside the old ones; which of them are read is decided when they are complete.
    Metrics(Vec<Metric>),
    Dimensions(Vec<DimensionKey>),
    /// The same sums anew.
    Repair,
}

#[derive(Debug)]
pub(crate) struct Deliver {
    /// How the records are cut, shuffled and repeated.
    pub(crate) seed: u64,
    /// How many processes are at work at the same time.
    pub(crate) aggregators: usize,
    /// How many of a hundred invocations are to die.
    pub(crate) crashes: u32,
    /// What is written while they are at work.
    pub(crate) meanwhile: Vec<Step>,
}
