//! The assignment of a user to an experiment, the same on every route.

use super::Problem;
use crate::app::App;
use crate::store::FirstWrite;
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::evaluation::{
    Evaluation, EvaluationReason, NotEnrolled, Rule, RuleOutcome, TraceStep, evaluate_traced,
    released,
};
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UserId, VariantKey};
use domain::segment_lookup::{LoadedChunks, SegmentLookup};
use domain::time::Timestamp;
use serde::Serialize;
use std::sync::Arc;

/// A request for the variant of one user in one experiment.
pub struct AssignmentRequest<'r> {
    /// The experiment.
    pub experiment: &'r Experiment,
    /// The user.
    pub context: &'r EvaluationContext,
    /// The user's dimension values, which a new assignment stores.
    pub dimensions: Attributes,
    /// Whether a new assignment is stored.
    pub enroll: bool,
}

/// What is already known of the user.
pub enum StoredState {
    /// Nothing: it is read when a rule needs it.
    Unknown,
    /// All of it.
    Known {
        /// The stored assignment.
        assignment: Option<Assignment>,
        /// Whether the user was erased.
        erased: bool,
    },
}

/// The variant of a user in an experiment, and why.
#[derive(Debug, Serialize)]
pub struct AssignmentResponse {
    experiment_id: ExperimentId,
    user_id: UserId,
    variant: VariantKey,
    enrolled: bool,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_at: Option<Timestamp>,
    experiment_version: u64,
    /// The stored attributes. Those of a later request do not change them.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes,
    /// The rules that were applied, if nothing was to be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Vec<TraceStep>>,
}

/// Why a user gets a variant.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
enum Reason {
    Enrolled(Enrolled),
    /// Nothing is stored.
    Evaluated(EvaluationReason),
}

/// Whether an enrolled user's assignment was stored by this request or earlier.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Enrolled {
    New,
    Existing,
}

/// Returns the user's assignment, and stores it if there is none. Of concurrent requests the first write wins.
///
/// # Errors
/// If the database fails; a repeat is safe.
pub async fn assign(
    app: &App,
    request: AssignmentRequest<'_>,
    state: StoredState,
) -> Result<AssignmentResponse, Problem> {
    let (experiment, context) = (request.experiment, request.context);
    let (stored, erased) = match (released(experiment), state) {
        (Some(_), _) => (None, Some(false)),
        (None, StoredState::Known { assignment, erased }) => (assignment, Some(erased)),
        (None, StoredState::Unknown) => {
            let stored = app.store().assignment(&context.user_id, &experiment.id);
            (stored.await?, None)
        }
    };
    if let Some(stored) = stored {
        let trace = [
            (Rule::Release, RuleOutcome::Passed),
            (Rule::Assignment, RuleOutcome::Decided),
        ];
        let trace = trace.map(|(rule, outcome)| TraceStep { rule, outcome });
        let trace = (!request.enroll).then(|| trace.to_vec());
        return Ok(AssignmentResponse::enrolled(
            stored,
            Enrolled::Existing,
            trace,
        ));
    }
    let assigned_at = app.now();
    let (mut evaluation, mut trace) = evaluate(app, experiment, context, assigned_at).await?;
    if evaluation.reason == EvaluationReason::Split {
        let erased = match erased {
            Some(erased) => erased,
            None => app.store().tombstone(&context.user_id).await?.is_some(),
        };
        if erased {
            if let Some(traffic) = trace.last_mut() {
                traffic.outcome = RuleOutcome::Passed;
            }
            trace.push(TraceStep {
                rule: Rule::Erasure,
                outcome: RuleOutcome::Decided,
            });
            evaluation = Evaluation::not_enrolled(experiment, NotEnrolled::Erased);
        }
    }
    if evaluation.reason != EvaluationReason::Split || !request.enroll {
        let trace = (!request.enroll).then_some(trace);
        let user = context.user_id.clone();
        return Ok(AssignmentResponse::evaluated(
            experiment, user, evaluation, trace,
        ));
    }
    let assignment = Assignment {
        user_id: context.user_id.clone(),
        experiment_id: experiment.id.clone(),
        variant: evaluation.variant.clone(),
        assigned_at,
        source: AssignmentSource::Hash,
        experiment_version: experiment.version,
        attributes: request.dimensions,
    };
    let written = app.store().assign_first(&assignment, experiment.shards);
    Ok(match written.await? {
        FirstWrite::Stored => AssignmentResponse::enrolled(assignment, Enrolled::New, None),
        FirstWrite::Existing(earlier) => {
            AssignmentResponse::enrolled(earlier, Enrolled::Existing, None)
        }
    })
}

/// Evaluates an experiment, with the segments that its conditions name.
async fn evaluate<'e>(
    app: &App,
    experiment: &'e Experiment,
    context: &EvaluationContext,
    now: Timestamp,
) -> Result<(Evaluation<'e>, Vec<TraceStep>), Problem> {
    let segments = app.segments_of(experiment).await?;
    let mut loaded = LoadedChunks::new();
    loop {
        let lookup = SegmentLookup::new(&segments, &loaded);
        let evaluated = evaluate_once(experiment, context, &lookup, now);
        let missing = lookup.into_missing();
        if missing.is_empty() {
            return Ok(evaluated);
        }
        loaded.extend(app.id_chunks(missing).await?);
    }
}

fn evaluate_once<'e>(
    experiment: &'e Experiment,
    context: &EvaluationContext,
    segments: &SegmentLookup<'_>,
    now: Timestamp,
) -> (Evaluation<'e>, Vec<TraceStep>) {
    let mut trace = Vec::new();
    let evaluation = evaluate_traced(experiment, context, segments, now, |step| {
        trace.push(step);
        // A released variant needs no assignment to be read.
        if step.rule == Rule::Release && step.outcome == RuleOutcome::Passed {
            trace.push(TraceStep {
                rule: Rule::Assignment,
                outcome: RuleOutcome::Passed,
            });
        }
    });
    (evaluation, trace)
}

/// Reads the chunks of id lists that experiments need for a user, all together.
///
/// # Errors
/// If the database fails.
pub async fn prepare_segments(
    app: &App,
    experiments: &[Arc<Experiment>],
    context: &EvaluationContext,
) -> Result<(), Problem> {
    let conditions = |one: &Arc<Experiment>| {
        let mut conditions = one.allocation.conditions();
        conditions.any(|condition| !condition.segments().is_empty())
    };
    let naming: Vec<_> = experiments.iter().filter(|one| conditions(one)).collect();
    let Some(first) = naming.first() else {
        return Ok(());
    };
    let segments = app.segments_of(first).await?;
    let mut loaded = LoadedChunks::new();
    loop {
        let lookup = SegmentLookup::new(&segments, &loaded);
        let now = app.now();
        for experiment in &naming {
            evaluate_once(experiment, context, &lookup, now);
        }
        let missing = lookup.into_missing();
        if missing.is_empty() {
            return Ok(());
        }
        loaded.extend(app.id_chunks(missing).await?);
    }
}

impl AssignmentResponse {
    fn enrolled(assignment: Assignment, reason: Enrolled, trace: Option<Vec<TraceStep>>) -> Self {
        Self {
            experiment_id: assignment.experiment_id,
            user_id: assignment.user_id,
            variant: assignment.variant,
            enrolled: true,
            reason: Reason::Enrolled(reason),
            assigned_at: Some(assignment.assigned_at),
            experiment_version: assignment.experiment_version,
            attributes: assignment.attributes,
            trace,
        }
    }

    /// Nothing is stored of the user.
    fn evaluated(
        experiment: &Experiment,
        user_id: UserId,
        evaluation: Evaluation<'_>,
        trace: Option<Vec<TraceStep>>,
    ) -> Self {
        Self {
            experiment_id: experiment.id.clone(),
            user_id,
            variant: evaluation.variant.clone(),
            enrolled: false,
            reason: Reason::Evaluated(evaluation.reason),
            assigned_at: None,
            experiment_version: experiment.version,
            attributes: Attributes::new(),
            trace,
        }
    }
}
