//! Evaluation: which variant a user without a stored assignment gets, and why.

use super::condition::SegmentTests;
use super::evaluation_context::EvaluationContext;
use super::experiment::{Experiment, Status};
use super::ids::VariantKey;
use super::running_holdouts;
use super::stored_user::StoredUser;
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
    /// The user is outside the part of the layer, or was in another experiment of the layer.
    Layer,
    /// The definition excludes the user.
    Excluded,
    /// The user's attributes do not match the targeting condition.
    Targeting,
    /// The user is outside the traffic.
    Traffic,
    /// The user was erased. Nothing is stored of the user until the tombstone expires.
    Erased,
    /// A holdout keeps the user out.
    Holdout,
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
    /// The user is in the experiment's part of its layer.
    Layer,
    /// The attributes do not match the condition of the exclusion.
    Exclusion,
    /// The attributes match the targeting condition.
    Targeting,
    /// The user is in the traffic.
    Traffic,
    /// The user was not erased.
    Erasure,
    /// The user was never in another experiment of the layer.
    LayerHistory,
    /// No holdout keeps the user out.
    Holdout,
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

/// An experiment, a user and an instant.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationInput<'e> {
    /// The experiment.
    pub definition: &'e Experiment,
    /// The holdouts that the definition lists, in its order.
    pub holdouts: &'e [&'e Experiment],
    /// The user.
    pub context: &'e EvaluationContext,
    /// The instant.
    pub now: Timestamp,
}

/// Evaluates an experiment for a user without a stored assignment in it, by the rules that need nothing else of what is
/// stored. Overrides come before the status and the start, so they also show a draft to testers.
pub fn evaluate<'e>(input: &EvaluationInput<'e>, segments: &dyn SegmentTests) -> Evaluation<'e> {
    evaluate_traced(input, segments, &mut Vec::new())
}

/// As [`evaluate`], and adds each rule to a trace.
pub fn evaluate_traced<'e>(
    input: &EvaluationInput<'e>,
    segments: &dyn SegmentTests,
    trace: &mut Vec<TraceStep>,
) -> Evaluation<'e> {
    for (rule, apply) in RULES {
        let evaluation = apply(input, segments);
        trace.push(TraceStep::of(rule, evaluation.is_some()));
        if let Some(evaluation) = evaluation {
            return evaluation;
        }
    }
    Evaluation::not_enrolled(input.definition, NotEnrolled::Traffic)
}

/// Applies the rules that need the stored assignments of the user, after [`evaluate`] has chosen a variant by the hash.
/// None if the user can be enrolled.
pub fn restrict_traced<'e>(
    input: &EvaluationInput<'e>,
    user: &StoredUser,
    trace: &mut Vec<TraceStep>,
) -> Option<Evaluation<'e>> {
    let outcomes = STORED_USER_RULES.map(|(rule, applies)| (rule, applies(input, user)));
    let deciding = outcomes.iter().position(|(_, decides)| decides.is_some())?;
    // The hash has chosen a variant, and a later rule decides.
    if let Some(traffic) = trace.last_mut() {
        traffic.outcome = RuleOutcome::Passed;
    }
    let steps = outcomes.iter().take(deciding + 1);
    trace.extend(steps.map(|(rule, decides)| TraceStep::of(*rule, decides.is_some())));
    let reason = outcomes.get(deciding)?.1?;
    Some(Evaluation::not_enrolled(input.definition, reason))
}

type ApplyRule = for<'e> fn(&EvaluationInput<'e>, &dyn SegmentTests) -> Option<Evaluation<'e>>;

const RULES: [(Rule, ApplyRule); 8] = [
    (Rule::Release, |input, _| released(input)),
    (Rule::End, |input, _| {
        over(input.definition, input.now).map(|reason| input.not_enrolled(reason))
    }),
    (Rule::Overrides, |input, segments| {
        overridden(input.definition, input.context, segments)
    }),
    (Rule::Status, |input, _| {
        not_open(input.definition, input.now).map(|reason| input.not_enrolled(reason))
    }),
    (Rule::Layer, |input, _| {
        let layer = input.definition.allocation.layer.as_ref()?;
        let is_outside = !layer.contains(&input.context.user_id);
        is_outside.then(|| input.not_enrolled(NotEnrolled::Layer))
    }),
    (Rule::Exclusion, |input, segments| {
        let condition = input.definition.exclusion.as_ref()?.condition.as_ref()?;
        let matches = condition.matches(input.context.attributes(), segments);
        matches.then(|| input.not_enrolled(NotEnrolled::Excluded))
    }),
    (Rule::Targeting, |input, segments| {
        let condition = input.definition.allocation.targeting.as_ref()?;
        let matches = condition.matches(input.context.attributes(), segments);
        (!matches).then(|| input.not_enrolled(NotEnrolled::Targeting))
    }),
    (Rule::Traffic, |input, _| {
        Some(split(input.definition, input.context, input.now))
    }),
];

type ApplyStoredUserRule = fn(&EvaluationInput<'_>, &StoredUser) -> Option<NotEnrolled>;

const STORED_USER_RULES: [(Rule, ApplyStoredUserRule); 3] = [
    (Rule::Erasure, |_, user| {
        user.erased.then_some(NotEnrolled::Erased)
    }),
    (Rule::LayerHistory, |input, user| {
        let layer = input.definition.allocation.layer.as_ref()?;
        let was_in_layer = user.was_in_layer(&layer.id, &input.definition.id);
        was_in_layer.then_some(NotEnrolled::Layer)
    }),
    (Rule::Holdout, |input, _| {
        input.is_held_out().then_some(NotEnrolled::Holdout)
    }),
];

impl<'e> EvaluationInput<'e> {
    /// The groups of the user in the holdouts of the experiment, in their order: up to the first that keeps the user out.
    /// Users whom an earlier holdout keeps out are in no group of a later one, whatever its hash says of them.
    pub fn holdout_groups(&self) -> Vec<(&'e Experiment, &'e VariantKey)> {
        let mut groups = Vec::new();
        for holdout in self.holdouts {
            if !running_holdouts::is_active(holdout, self.now) {
                continue;
            }
            let (group, held_out) =
                running_holdouts::group(holdout, &self.context.user_id, self.now);
            groups.push((*holdout, group));
            if held_out {
                break;
            }
        }
        groups
    }

    fn is_held_out(&self) -> bool {
        let groups = self.holdout_groups();
        let last = groups.last();
        last.is_some_and(|(holdout, group)| holdout.allocation.variants.control().key == **group)
    }

    fn not_enrolled(&self, reason: NotEnrolled) -> Evaluation<'e> {
        Evaluation::not_enrolled(self.definition, reason)
    }
}

impl TraceStep {
    fn of(rule: Rule, decides: bool) -> Self {
        let outcome = if decides {
            RuleOutcome::Decided
        } else {
            RuleOutcome::Passed
        };
        Self { rule, outcome }
    }
}

/// The evaluation for every user, also for one with an assignment, if a variant was released. Users of a holdout get the
/// control, because the holdout also measures the effect of released variants.
pub fn released<'e>(input: &EvaluationInput<'e>) -> Option<Evaluation<'e>> {
    let release = input.definition.allocation.release.as_ref()?;
    if input.is_held_out() {
        return Some(input.not_enrolled(NotEnrolled::Holdout));
    }
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
pub(super) fn over(definition: &Experiment, now: Timestamp) -> Option<NotEnrolled> {
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
pub(super) fn not_open(definition: &Experiment, now: Timestamp) -> Option<NotEnrolled> {
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
