//! The outcome of one event.

use crate::http::Fault;
use domain::ids::{EventId, ExperimentId, VariantKey};
use domain::time::Timestamp;
use serde::Serialize;

/// The outcome of the event with this index in the request.
#[derive(Debug, Serialize)]
pub struct EventOutcome {
    /// The index of the event in the request, from 0.
    pub index: usize,
    /// What was done with it.
    #[serde(flatten)]
    pub result: EventResult,
}

/// What was done with an event.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum EventResult {
    /// It is stored.
    Stored(AcceptedEvent),
    /// It was stored before.
    Duplicate(AcceptedEvent),
    /// It has faults.
    Rejected {
        /// All of them.
        errors: Vec<Fault>,
    },
    /// Its user was erased.
    #[serde(rename = "rejected")]
    Erased {
        /// Where the request names the user.
        errors: [Fault; 1],
    },
    /// Its user has reached a limit of stored events.
    #[serde(rename = "rejected")]
    TooMany {
        /// The limit, where the request names the user.
        errors: [Fault; 1],
    },
}

impl EventResult {
    /// Adds the result of the same event for another of its units. The event is stored if it is stored for any of them.
    pub(super) fn join(&mut self, other: Self) {
        use EventResult::{Duplicate, Stored};
        match (&mut *self, other) {
            (Stored(own), Stored(other) | Duplicate(other))
            | (Duplicate(own), Duplicate(other)) => own.join(other),
            (Duplicate(own), Stored(other)) => {
                let mut joined = own.clone();
                joined.join(other);
                *self = Stored(joined);
            }
            (_, other @ (Stored(_) | Duplicate(_))) => *self = other,
            // Refused for this unit. If it is refused for each of them, the first says why.
            (_, _) => {}
        }
    }

    /// The result of a repeat of the event in the same request, whose user is at this pointer.
    pub(super) fn of_repeat(&self, pointer: String) -> Self {
        match self {
            Self::Stored(accepted) | Self::Duplicate(accepted) => Self::Duplicate(accepted.clone()),
            Self::Rejected { errors } => Self::Rejected {
                errors: errors.clone(),
            },
            Self::Erased { .. } => Self::Erased {
                errors: [Fault::erased(pointer)],
            },
            Self::TooMany { errors: [fault] } => Self::TooMany {
                errors: [Fault {
                    pointer,
                    ..fault.clone()
                }],
            },
        }
    }
}

/// An event as it is stored.
#[derive(Debug, Clone, Serialize)]
pub struct AcceptedEvent {
    /// Its id, as sent or derived.
    pub event_id: EventId,
    /// When it happened, with the sender's clock corrected.
    pub counted_at: Timestamp,
    /// The experiments that it counts for.
    pub counts_for: Vec<CountsFor>,
    /// Why it counts for no experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotCounted>,
}

impl AcceptedEvent {
    /// Adds the experiments that the event counts for by another unit.
    fn join(&mut self, other: Self) {
        self.counts_for.extend(other.counts_for);
        self.reason = self.reason.filter(|_| self.counts_for.is_empty());
    }
}

/// An experiment that an event counts for.
#[derive(Debug, Clone, Serialize)]
pub struct CountsFor {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// The variant of the user's assignment.
    pub variant: VariantKey,
}

/// Why an event counts for no experiment.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotCounted {
    /// The user is in no experiment.
    NoAssignment,
    /// The event happened before each of the user's assignments.
    BeforeAssignment,
    /// Every experiment that the user was assigned in before the event had ended.
    ExperimentEnded,
    /// The event was received too long after the end of each experiment that would count it.
    TooLate,
}

/// The outcome of the event with this index in the request, for a token that may learn nothing about users.
#[derive(Debug, Serialize)]
pub struct HiddenOutcome {
    /// The index of the event in the request, from 0.
    pub index: usize,
    /// What the token learns.
    #[serde(flatten)]
    pub result: HiddenResult,
}

/// What such a token learns about an event.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum HiddenResult {
    /// It has no faults. Whether it is stored depends on the user.
    Accepted,
    /// It has faults.
    Rejected {
        /// All of them.
        errors: Vec<Fault>,
    },
}

impl From<EventOutcome> for HiddenOutcome {
    fn from(outcome: EventOutcome) -> Self {
        Self {
            index: outcome.index,
            result: match outcome.result {
                EventResult::Rejected { errors } => HiddenResult::Rejected { errors },
                EventResult::Stored(_)
                | EventResult::Duplicate(_)
                | EventResult::Erased { .. }
                | EventResult::TooMany { .. } => HiddenResult::Accepted,
            },
        }
    }
}
