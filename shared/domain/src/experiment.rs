//! An experiment: its definition, its life, and when it counts.

use super::allocation::Variants;
use super::ids::{DimensionKey, ExperimentId};
use super::metric::Metric;
use super::plan::Plan;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an experiment stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being prepared: nobody is assigned, everything may change.
    Draft,
    /// Users are assigned, their events count.
    Running,
    /// Nobody new is assigned; events of assigned users go on counting.
    Paused,
    /// Over for good; events up to its end may still arrive.
    Stopped,
    /// Out of the way.
    Archived,
}

impl Status {
    /// All statuses with their names in the API.
    pub const ALL: [(&'static str, Self); 5] = [
        ("draft", Self::Draft),
        ("running", Self::Running),
        ("paused", Self::Paused),
        ("stopped", Self::Stopped),
        ("archived", Self::Archived),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, status)| *status == self)
            .map_or("draft", |(name, _)| name)
    }

    /// The statuses that may follow this one.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Running, Self::Archived],
            Self::Running => &[Self::Paused, Self::Stopped],
            Self::Paused => &[Self::Running, Self::Stopped],
            Self::Stopped => &[Self::Archived],
            Self::Archived => &[],
        }
    }
}

/// How the traffic was shared out from some instant on. An experiment keeps all of them, because a
/// sample-ratio check compares each period with the shares that held in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// From when on.
    pub since: Timestamp,
    /// Share of all users that take part, in percent.
    pub traffic_percent: f64,
    /// Share of each variant, in percent, in the order of the variants.
    pub percents: Vec<f64>,
}

/// The definition of an experiment, as it is stored and as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Names it in every path.
    pub id: ExperimentId,
    /// Counts its changes; the `ETag`.
    pub version: u64,
    /// For user data.
    pub name: String,
    /// For user data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// The variants, the control first.
    pub variants: Variants,
    /// Share of all users that take part, in percent. Raising it moves nobody.
    pub traffic_percent: f64,
    /// Attributes of users by which results may be broken down.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dimensions: Vec<DimensionKey>,
    /// Declared metrics; none means one of each kind for every event type seen.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub metrics: Vec<Metric>,
    /// What it was planned to find; fixed once it has started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<Plan>,
    /// Nobody is assigned before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub starts_at: Option<Timestamp>,
    /// Nobody is assigned, and no event counts, from then on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
    /// Salt of the hash; another seed shuffles the users anew.
    pub hash_seed: String,
    /// Over how many index partitions its records are spread; fixed at creation.
    pub shards: u16,
    /// How the traffic was shared out, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub phases: Vec<Phase>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it first ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Timestamp>,
    /// When it was stopped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stopped_at: Option<Timestamp>,
    /// When it was to end, as it stood when it first ran. It never changes: a sharper look at a planned end is
    /// worth something only if nobody could move that end after looking.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub planned_end: Option<Timestamp>,
}

impl Experiment {
    /// The instant from which on no event counts, as far as it is known: the planned end or the stop,
    /// whichever came first.
    pub fn end(&self) -> Option<Timestamp> {
        [self.ends_at, self.stopped_at].into_iter().flatten().min()
    }

    /// Whether an event at `counted_at` counts for a user assigned at `assigned_at`: strictly after the
    /// assignment, and before the end.
    pub fn counts(&self, assigned_at: Timestamp, counted_at: Timestamp) -> bool {
        assigned_at < counted_at && self.end().is_none_or(|end| counted_at < end)
    }

    /// The phase, counted from 0, in which a user was assigned. Assignments from before the first one were brought in;
    /// they belong to it.
    pub fn phase_at(&self, assigned_at: Timestamp) -> usize {
        let later = self.phases.iter().skip(1);
        later.take_while(|phase| phase.since <= assigned_at).count()
    }

    /// Whether the variants' shares of the traffic ever changed, and not just its amount: users of different phases
    /// must then not be compared with one another.
    pub fn weights_changed(&self) -> bool {
        self.phases
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.percents != b.percents))
    }

    /// Notes that the traffic is shared out as the definition now says.
    pub fn begin_phase(&mut self, since: Timestamp) {
        let percents = self
            .variants
            .as_slice()
            .iter()
            .map(|variant| variant.percent)
            .collect();
        let phase = Phase {
            since,
            traffic_percent: self.traffic_percent,
            percents,
        };
        let same = self.phases.last().is_some_and(|last| {
            last.percents == phase.percents && last.traffic_percent == phase.traffic_percent
        });
        if !same {
            self.phases.push(phase);
        }
    }
}

/// What it takes to make an experiment; everything else follows.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExperiment {
    /// Chosen by the caller, or drawn.
    pub id: ExperimentId,
    /// For user data.
    pub name: String,
    /// For user data.
    pub description: Option<String>,
    /// Whether it runs at once.
    pub status: Status,
    /// The variants, the control first.
    pub variants: Variants,
    /// Share of all users that take part, in percent.
    pub traffic_percent: f64,
    /// Attributes of users by which results may be broken down.
    pub dimensions: Vec<DimensionKey>,
    /// Declared metrics.
    pub metrics: Vec<Metric>,
    /// What it is planned to find.
    pub plan: Option<Plan>,
    /// Nobody is assigned before.
    pub starts_at: Option<Timestamp>,
    /// No event counts from then on.
    pub ends_at: Option<Timestamp>,
    /// Salt of the hash.
    pub hash_seed: String,
    /// Index partitions.
    pub shards: u16,
}

impl NewExperiment {
    /// The experiment as it is at its creation.
    pub fn create(self, now: Timestamp) -> Experiment {
        let running = self.status == Status::Running;
        let mut experiment = Experiment {
            id: self.id,
            version: 1,
            name: self.name,
            description: self.description,
            status: self.status,
            variants: self.variants,
            traffic_percent: self.traffic_percent,
            dimensions: self.dimensions,
            metrics: self.metrics,
            plan: self.plan,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            hash_seed: self.hash_seed,
            shards: self.shards,
            phases: Vec::new(),
            created_at: now,
            updated_at: now,
            started_at: running.then_some(now),
            stopped_at: None,
            planned_end: self.ends_at.filter(|_| running),
        };
        if running {
            experiment.begin_phase(now);
        }
        experiment
    }
}
