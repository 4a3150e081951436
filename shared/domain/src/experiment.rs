//! An experiment: its definition, and which events it counts.

use super::allocation::Allocation;
use super::analysis_definition::AnalysisDefinition;
use super::condition::Condition;
use super::documentation::Documentation;
use super::exclusion::Exclusion;
use super::ids::ExperimentId;
use super::limits::{HOURS_STORED_AFTER_END, LATE_EVENT_DAYS};
use super::schedule::Schedule;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

const HOUR_MICROS: i64 = 3_600 * 1_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// The status of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In preparation: no user is assigned, and every field may change.
    Draft,
    /// Users are assigned, and their events are counted.
    Running,
    /// No new user is assigned. Events of assigned users are still counted.
    Paused,
    /// Ended. Events from before the end may still arrive, and are counted.
    Stopped,
    /// Ended and hidden from daily work. No field may change.
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

/// The definition of an experiment, as it is stored and as the API shows it.
///
/// Its fields are grouped by what they decide. In JSON and in the database the fields of all groups are on one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Identifies it in every path.
    pub id: ExperimentId,
    /// Number of its changes, from 1; the `ETag`.
    pub version: u64,
    /// A name for readers.
    pub name: String,
    /// A description for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// The status.
    pub status: Status,
    /// Which users take part, and which variant each of them gets.
    #[serde(flatten)]
    pub allocation: Allocation,
    /// The users that are kept out.
    #[serde(rename = "exclude", skip_serializing_if = "Option::is_none", default)]
    pub exclusion: Option<Exclusion>,
    /// When it runs.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// What is measured.
    #[serde(flatten)]
    pub analysis: AnalysisDefinition,
    /// The texts about it.
    #[serde(flatten)]
    pub documentation: Documentation,
    /// Index partitions that its records are spread over; fixed at creation.
    pub shards: u16,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How a change moved the end, as far as stored records are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndChange {
    /// The same records count as before.
    None,
    /// Records from this instant on do not count any more.
    Earlier(Timestamp),
    /// Records that did not count before can count now. They may be stored for no experiment or for others only.
    Later,
}

/// How far the clocks of two processes may differ.
const CLOCK_DIFFERENCE_MICROS: i64 = 60_000_000;

impl EndChange {
    /// The change from one version of an experiment to a later one.
    pub fn between(before: &Experiment, after: &Experiment) -> Self {
        match (before.end(), after.end()) {
            (old, Some(new)) if old.is_none_or(|old| new < old) => Self::Earlier(new),
            // An end in the future has excluded no record yet.
            (Some(old), new) if Some(old) != new => {
                let now = after.updated_at.plus_micros(CLOCK_DIFFERENCE_MICROS);
                if old < now { Self::Later } else { Self::None }
            }
            _ => Self::None,
        }
    }
}

impl Experiment {
    /// All its conditions: of the targeting, of overrides and of the exclusion.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let excluded = self.exclusion.iter();
        let excluded = excluded.filter_map(|exclusion| exclusion.condition.as_ref());
        self.allocation.conditions().chain(excluded)
    }

    /// The instant from which on no event is counted: the planned end or the stop, whichever is earlier.
    pub fn end(&self) -> Option<Timestamp> {
        self.schedule.end()
    }

    /// Whether an event at `counted_at` is counted for a user assigned at `assigned_at`: strictly after the assignment,
    /// and before the end.
    pub fn counts(&self, assigned_at: Timestamp, counted_at: Timestamp) -> bool {
        assigned_at < counted_at && self.end().is_none_or(|end| counted_at < end)
    }

    /// Whether an event at `counted_at` of a user assigned at `assigned_at` is stored for the experiment: it is counted, or
    /// it happened in the [`HOURS_STORED_AFTER_END`] hours after the end and is only in the event accounting.
    pub fn stores(&self, assigned_at: Timestamp, counted_at: Timestamp) -> bool {
        let stored_until = |end: Timestamp| end.plus_micros(HOURS_STORED_AFTER_END * HOUR_MICROS);
        assigned_at < counted_at
            && self.enrols(assigned_at)
            && self.end().is_none_or(|end| counted_at < stored_until(end))
    }

    /// Whether a user who was assigned at an instant is a user of the results: assigned before the end. A process that has
    /// not noticed a stop yet can assign users after it, and an end can be moved to before an assignment.
    pub fn enrols(&self, assigned_at: Timestamp) -> bool {
        self.end().is_none_or(|end| assigned_at < end)
    }

    /// Whether an event that is received at an instant can still count: for [`LATE_EVENT_DAYS`] days after the end, or after
    /// the creation if that is later, because an experiment may be imported after its end.
    pub fn accepts(&self, received_at: Timestamp) -> bool {
        let closes = |end: Timestamp| {
            let from = end.max(self.created_at);
            from.plus_micros(LATE_EVENT_DAYS * DAY_MICROS)
        };
        self.end().is_none_or(|end| received_at < closes(end))
    }

    /// Starts the experiment, unless it was started before, and notes the current allocation and the steps of
    /// its ramp as phases.
    pub(crate) fn run(&mut self, now: Timestamp) {
        self.schedule.start(now);
        self.allocation.begin_phases(now);
    }
}

/// The fields of a new experiment that a caller chooses; all others follow from them.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExperiment {
    /// Chosen by the caller, or drawn.
    pub id: ExperimentId,
    /// A name for readers.
    pub name: String,
    /// A description for readers.
    pub description: Option<String>,
    /// [`Status::Draft`] or [`Status::Running`].
    pub status: Status,
    /// Which users take part, and which variant each of them gets.
    pub allocation: Allocation,
    /// The users that are kept out.
    pub exclusion: Option<Exclusion>,
    /// When it runs.
    pub schedule: Schedule,
    /// What is measured.
    pub analysis: AnalysisDefinition,
    /// The texts about it.
    pub documentation: Documentation,
    /// Index partitions.
    pub shards: u16,
}

impl NewExperiment {
    /// The experiment at its creation.
    pub fn create(self, now: Timestamp) -> Experiment {
        let mut experiment = Experiment {
            id: self.id,
            version: 1,
            name: self.name,
            description: self.description,
            status: self.status,
            allocation: self.allocation,
            exclusion: self.exclusion,
            schedule: self.schedule,
            analysis: self.analysis,
            documentation: self.documentation,
            shards: self.shards,
            created_at: now,
            updated_at: now,
        };
        if experiment.status == Status::Running {
            experiment.run(now);
        }
        experiment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::{Variant, Variants};
    use crate::ids::VariantKey;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_micros(day * DAY_MICROS)
    }

    /// An experiment that is created and ends on these days.
    fn experiment(created: i64, end: Option<i64>) -> Experiment {
        let variant = |key| Variant {
            key: VariantKey::parse(key).unwrap(),
            percent: 50.0,
            name: None,
        };
        let variants = Variants::new(vec![variant("control"), variant("green")]).unwrap();
        let new = NewExperiment {
            id: ExperimentId::parse("e").unwrap(),
            name: "E".to_owned(),
            description: None,
            status: Status::Running,
            allocation: Allocation::new(variants, 100.0, "seed".to_owned()),
            exclusion: None,
            schedule: Schedule::new(None, end.map(day)),
            analysis: AnalysisDefinition::default(),
            documentation: Documentation::default(),
            shards: 1,
        };
        new.create(day(created))
    }

    #[test]
    fn late_events_are_accepted_for_a_time_after_the_end_or_the_creation() {
        for (created, end, closes) in [
            (10, 100, 100 + LATE_EVENT_DAYS),
            (200, 100, 200 + LATE_EVENT_DAYS),
        ] {
            let experiment = experiment(created, Some(end));
            assert!(experiment.accepts(day(closes).plus_micros(-1)), "{created}");
            assert!(!experiment.accepts(day(closes)), "{created}");
        }
        assert!(experiment(10, None).accepts(day(100_000)));
    }

    #[test]
    fn an_end_that_moves_changes_what_counts_only_where_records_can_be() {
        let change = |old: Option<i64>, new: Option<i64>, now| {
            let mut after = experiment(0, new);
            after.updated_at = day(now);
            EndChange::between(&experiment(0, old), &after)
        };
        for (old, new, expected) in [
            (None, None, EndChange::None),
            (Some(5), Some(5), EndChange::None),
            (None, Some(5), EndChange::Earlier(day(5))),
            (Some(9), Some(5), EndChange::Earlier(day(5))),
            (Some(5), Some(9), EndChange::Later),
            (Some(5), None, EndChange::Later),
        ] {
            assert_eq!(change(old, new, 7), expected, "{old:?} {new:?}");
        }
        // The old end is still in the future, so it has excluded nothing.
        assert_eq!(change(Some(5), Some(9), 4), EndChange::None);
        assert_eq!(change(Some(5), None, 4), EndChange::None);
        assert_eq!(change(Some(5), None, 5), EndChange::Later);
    }
}
