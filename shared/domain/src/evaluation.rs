//! Evaluation: which variant a user without a stored assignment gets, and why.

use super::condition::SegmentTests;
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

/// A rule. The rules are applied in this order, and the first that decides holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A variant was released to all users.
    Release,
    /// The user has a stored assignment.
    Assignment,
    /// The experiment is over.
    End,
    /// An override applies.
    Overrides,
    /// The experiment has the status `running`, and its planned start has passed.
    Status,
    /// The attributes match the targeting condition.
    Targeting,
    /// The user is in the traffic.
    Traffic,
    /// The user was not erased.
    Erasure,
}

/// Whether a rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// The next rule was applied.
    Passed,
    /// No further rule was applied.
    Decided,
}

/// One rule of an evaluation, with its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TraceStep {
    /// The rule.
    pub rule: Rule,
    /// Its outcome.
    pub outcome: RuleOutcome,
}

/// Evaluates an experiment for a user without a stored assignment. Overrides come before the status and the start, so they
/// also show a draft to testers.
pub fn evaluate<'e>(
    definition: &'e Experiment,
    context: &EvaluationContext,
    segments: &dyn SegmentTests,
    now: Timestamp,
) -> Evaluation<'e> {
    evaluate_traced(definition, context, segments, now, |_| {})
}

/// As [`evaluate`], and reports each rule.
pub fn evaluate_traced<'e>(
    definition: &'e Experiment,
    context: &EvaluationContext,
    segments: &dyn SegmentTests,
    now: Timestamp,
    mut trace: impl FnMut(TraceStep),
) -> Evaluation<'e> {
    for (rule, apply) in RULES {
        let evaluation = apply(definition, context, segments, now);
        let outcome = match evaluation {
            Some(_) => RuleOutcome::Decided,
            None => RuleOutcome::Passed,
        };
        trace(TraceStep { rule, outcome });
        if let Some(evaluation) = evaluation {
            return evaluation;
        }
    }
    Evaluation::not_enrolled(definition, NotEnrolled::Traffic)
}

type ApplyRule = for<'e> fn(
    &'e Experiment,
    &EvaluationContext,
    &dyn SegmentTests,
    Timestamp,
) -> Option<Evaluation<'e>>;

const RULES: [(Rule, ApplyRule); 6] = [
    (Rule::Release, |definition, _, _, _| released(definition)),
    (Rule::End, |definition, _, _, now| {
        over(definition, now).map(|reason| Evaluation::not_enrolled(definition, reason))
    }),
    (Rule::Overrides, |definition, context, segments, _| {
        overridden(definition, context, segments)
    }),
    (Rule::Status, |definition, _, _, now| {
        not_open(definition, now).map(|reason| Evaluation::not_enrolled(definition, reason))
    }),
    (Rule::Targeting, |definition, context, segments, _| {
        let condition = definition.allocation.targeting.as_ref()?;
        let matches = condition.matches(context.attributes(), segments);
        (!matches).then(|| Evaluation::not_enrolled(definition, NotEnrolled::Targeting))
    }),
    (Rule::Traffic, |definition, context, _, now| {
        Some(split(definition, context, now))
    }),
];

/// The evaluation for every user, also for one with an assignment, if a variant was released.
pub fn released(definition: &Experiment) -> Option<Evaluation<'_>> {
    let release = definition.allocation.release.as_ref()?;
    Some(Evaluation {
        variant: &release.variant,
        reason: EvaluationReason::Released,
    })
}

fn overridden<'e>(
    definition: &'e Experiment,
    context: &EvaluationContext,
    segments: &dyn SegmentTests,
) -> Option<Evaluation<'e>> {
    let mut overrides = definition.allocation.overrides.iter();
    let applied = overrides.find(|each| each.applies(context, segments))?;
    Some(Evaluation {
        variant: &applied.variant,
        reason: EvaluationReason::Override,
    })
}

fn split<'e>(
    definition: &'e Experiment,
    context: &EvaluationContext,
    now: Timestamp,
) -> Evaluation<'e> {
    match definition.allocation.choose(&context.user_id, now) {
        Some(variant) => Evaluation {
            variant: &variant.key,
            reason: EvaluationReason::Split,
        },
        None => Evaluation::not_enrolled(definition, NotEnrolled::Traffic),
    }
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
