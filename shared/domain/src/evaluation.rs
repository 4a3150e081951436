//! Evaluation: which variant a user without a stored assignment gets, and why.

use super::experiment::{Experiment, Status};
use super::ids::{UserId, VariantKey};
use super::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a request tells about a user. It is not stored; the dimension values of an assignment are.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationContext {
    /// The user, which the hash is computed from.
    pub user_id: UserId,
    /// Attributes of the user by name.
    pub attributes: BTreeMap<String, Value>,
}

/// The result of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation<'e> {
    /// The variant to show: the control if the user is not enrolled.
    pub variant: &'e VariantKey,
    /// Why this variant.
    pub reason: EvaluationReason,
}

/// Why a user gets a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluationReason {
    /// The user is enrolled, and the hash chose the variant.
    Split,
    /// The user is not enrolled.
    NotEnrolled(NotEnrolled),
}

/// Why a user is not enrolled. An ordinary outcome, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotEnrolled {
    /// The experiment is a draft.
    NotRunning,
    /// Its planned start is in the future.
    NotStarted,
    /// It is paused.
    Paused,
    /// It is stopped or archived.
    Stopped,
    /// Its planned end has passed.
    Ended,
    /// The user is outside the traffic.
    Traffic,
    /// The user was erased. Nothing is stored of the user until the tombstone expires.
    Erased,
}

/// Evaluates an experiment for a user. The rules are applied in this order: status, schedule, traffic, weights.
pub fn evaluate<'e>(
    definition: &'e Experiment,
    context: &EvaluationContext,
    now: Timestamp,
) -> Evaluation<'e> {
    let control = &definition.allocation.variants.control().key;
    if let Some(reason) = closed(definition, now) {
        return Evaluation::not_enrolled(control, reason);
    }
    match definition.allocation.choose(&context.user_id) {
        Some(variant) => Evaluation {
            variant: &variant.key,
            reason: EvaluationReason::Split,
        },
        None => Evaluation::not_enrolled(control, NotEnrolled::Traffic),
    }
}

/// Why the experiment enrols no user at this time, if it does not.
fn closed(definition: &Experiment, now: Timestamp) -> Option<NotEnrolled> {
    match definition.status {
        Status::Draft => return Some(NotEnrolled::NotRunning),
        Status::Paused => return Some(NotEnrolled::Paused),
        Status::Stopped | Status::Archived => return Some(NotEnrolled::Stopped),
        Status::Running => {}
    }
    let schedule = &definition.schedule;
    if schedule.starts_at.is_some_and(|start| now < start) {
        Some(NotEnrolled::NotStarted)
    } else if schedule.ends_at.is_some_and(|end| end <= now) {
        Some(NotEnrolled::Ended)
    } else {
        None
    }
}

impl<'e> Evaluation<'e> {
    fn not_enrolled(control: &'e VariantKey, reason: NotEnrolled) -> Self {
        Self {
            variant: control,
            reason: EvaluationReason::NotEnrolled(reason),
        }
    }
}
