//! Evaluation: which variant a user without a stored assignment gets, and why.

use super::condition::SegmentLists;
use super::evaluation_context::EvaluationContext;
use super::experiment::{Experiment, Status};
use super::ids::VariantKey;
use super::time::Timestamp;
use serde::Serialize;

/// The result of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation<'e> {
    /// The variant to show: the control if the user is not enrolled.
    pub variant: &'e VariantKey,
    /// Why this variant.
    pub reason: EvaluationReason,
}

/// Why a user gets a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationReason {
    /// The user is enrolled, and the hash chose the variant.
    Split,
    /// The variant was released to all users. The user is not enrolled.
    Released,
    /// An override chose the variant. The user is not enrolled.
    Override,
    /// The user is not enrolled.
    #[serde(untagged)]
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
    /// The user's attributes do not match the targeting condition.
    Targeting,
    /// The user is outside the traffic.
    Traffic,
    /// The user was erased. Nothing is stored of the user until the tombstone expires.
    Erased,
}

/// Evaluates an experiment for a user. The rules are applied in this order: release, end, overrides, status and start, targeting,
/// traffic, weights. Overrides therefore also show a draft to testers.
pub fn evaluate<'e>(
    definition: &'e Experiment,
    context: &EvaluationContext,
    now: Timestamp,
) -> Evaluation<'e> {
    if let Some(released) = released(definition) {
        return released;
    }
    if let Some(reason) = over(definition, now) {
        return Evaluation::not_enrolled(definition, reason);
    }
    let segments = SegmentLists::default();
    let mut overrides = definition.allocation.overrides.iter();
    if let Some(applied) = overrides.find(|each| each.applies(context, &segments)) {
        return Evaluation {
            variant: &applied.variant,
            reason: EvaluationReason::Override,
        };
    }
    if let Some(reason) = not_open(definition, now) {
        return Evaluation::not_enrolled(definition, reason);
    }
    let targeting = definition.allocation.targeting.as_ref();
    if targeting.is_some_and(|condition| !condition.matches(context.attributes(), &segments)) {
        return Evaluation::not_enrolled(definition, NotEnrolled::Targeting);
    }
    match definition.allocation.choose(&context.user_id, now) {
        Some(variant) => Evaluation {
            variant: &variant.key,
            reason: EvaluationReason::Split,
        },
        None => Evaluation::not_enrolled(definition, NotEnrolled::Traffic),
    }
}

/// The evaluation for every user, also for one with an assignment, if a variant was released.
pub fn released(definition: &Experiment) -> Option<Evaluation<'_>> {
    let release = definition.allocation.release.as_ref()?;
    Some(Evaluation {
        variant: &release.variant,
        reason: EvaluationReason::Released,
    })
}

/// Why the experiment is over, if it is.
fn over(definition: &Experiment, now: Timestamp) -> Option<NotEnrolled> {
    match definition.status {
        Status::Stopped | Status::Archived => Some(NotEnrolled::Stopped),
        Status::Draft | Status::Running | Status::Paused => {
            let end = definition.schedule.ends_at;
            let has_ended = end.is_some_and(|end| end <= now);
            // A draft and a paused experiment say so even after the planned end.
            (has_ended && definition.status == Status::Running).then_some(NotEnrolled::Ended)
        }
    }
}

/// Why the experiment enrols no user at this time although it is not over, if it does not.
fn not_open(definition: &Experiment, now: Timestamp) -> Option<NotEnrolled> {
    let start = definition.schedule.starts_at;
    match definition.status {
        Status::Draft => Some(NotEnrolled::NotRunning),
        Status::Paused => Some(NotEnrolled::Paused),
        _ if start.is_some_and(|start| now < start) => Some(NotEnrolled::NotStarted),
        _ => None,
    }
}

impl<'e> Evaluation<'e> {
    /// A user who is not enrolled gets the control.
    pub fn not_enrolled(definition: &'e Experiment, reason: NotEnrolled) -> Self {
        Self {
            variant: &definition.allocation.variants.control().key,
            reason: EvaluationReason::NotEnrolled(reason),
        }
    }
}
