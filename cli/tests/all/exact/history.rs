//! The steps of a history: users in experiments.

use super::network::Crash;
use domain::allocation::Variants;
use domain::assignment::Attributes;
use domain::decimal::Decimal;
use domain::exclusion::ExcludedUsers;
use domain::ids::{DimensionKey, EventType, UserId, VariantKey};
use domain::metric::Metric;
use domain::ramp::Ramp;
use domain::time::Timestamp;

pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Length of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Short enough to crash at every call.
    Small,
    /// Any length.
    Any,
}

/// Users, experiments and steps.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) users: usize,
    /// One or two experiments with the same users, and perhaps a holdout that covers them.
    pub(crate) experiments: Vec<Definition>,
    pub(crate) steps: Vec<Step>,
    /// A user whose contributions the database refuses to store, until all steps are done.
    pub(crate) refused: Option<usize>,
}

/// The first definition of an experiment.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) start: Timestamp,
    pub(crate) variants: Variants,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) dimensions: Vec<DimensionKey>,
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) excluded: ExcludedUsers,
    pub(crate) shards: u16,
    /// The percentage of a holdout; none for other experiments.
    pub(crate) held_out_percent: Option<f64>,
}

/// A step. Users and experiments are identified by their indexes.
#[derive(Debug)]
pub(crate) enum Step {
    Assign(Assign),
    Track(Track),
    Change(Change),
    /// Records are delivered to the aggregator.
    Deliver(Deliver),
    Erase(Erase),
}

/// A user is assigned.
#[derive(Debug)]
pub(crate) struct Assign {
    pub(crate) user: usize,
    pub(crate) experiment: usize,
    /// The variant of an imported assignment, or `None` if the hash chooses the variant.
    pub(crate) variant: Option<VariantKey>,
    pub(crate) at: Timestamp,
    pub(crate) attributes: Attributes,
}

/// An event of a user.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) user: usize,
    pub(crate) id: usize,
    pub(crate) event_type: EventType,
    pub(crate) value: Option<Decimal>,
    /// The text of a JSON object.
    pub(crate) properties: Option<String>,
    pub(crate) at: Timestamp,
    /// Whether the process that stores the event read the user's assignments before they were stored.
    pub(crate) knows_no_assignments: bool,
    /// Whether that process uses the definitions before their last change.
    pub(crate) knows_old_definitions: bool,
}

/// The erasure of a user. Later steps of the user are writes that were already running.
#[derive(Debug)]
pub(crate) struct Erase {
    pub(crate) user: usize,
    /// When the process that erases the user crashes.
    pub(crate) crash: Option<Crash>,
    /// Whether the erasure is repeated after a crash.
    pub(crate) asked_again: bool,
}

/// A change of a definition.
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
    /// The first variant is released to all users.
    Release,
    /// Steps of the traffic, which are later phases.
    Ramp(Ramp),
    /// The first variant for a user.
    Override(UserId),
    Shares(Variants),
    /// The change creates a new generation. It is read when it is complete.
    Metrics(Vec<Metric>),
    Dimensions(Vec<DimensionKey>),
    /// Users that results leave out, by another generation.
    Exclude(ExcludedUsers),
    /// A backfill with the same metrics.
    Repair,
}

#[derive(Debug)]
pub(crate) struct Deliver {
    /// Seed of the order, the batches and the repetitions of the records.
    pub(crate) seed: u64,
    /// Number of concurrent processes.
    pub(crate) aggregators: usize,
    /// Percentage of invocations that crash.
    pub(crate) crashes: u32,
    /// Steps that are written during the delivery.
    pub(crate) meanwhile: Vec<Step>,
}
