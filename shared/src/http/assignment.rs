//! The assignment of a user to an experiment, the same on every route.

use super::Problem;
use super::input::attributes::usable_dimension_values;
use crate::app::App;
use crate::store::{FirstWrite, StoreError};
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::evaluation::{
    Evaluation, EvaluationInput, EvaluationReason, NotEnrolled, Rule, RuleOutcome, TraceStep,
    evaluate_traced, released, restrict_traced,
};
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UnitKind, UserId, VariantKey};
use domain::segment_lookup::{EvaluatedSegments, LoadedChunks, SegmentLookup};
use domain::stored_user::StoredUser;
use domain::time::Timestamp;
use futures::lock::Mutex;
use serde::Serialize;
use std::collections::BTreeSet;
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

impl<'r> AssignmentRequest<'r> {
    /// The assignment of a user whose attributes are for all rules and not for one experiment: those that cannot be the value of
    /// a dimension count as missing.
    pub fn of_attributes(experiment: &'r Experiment, context: &'r EvaluationContext) -> Self {
        let dimensions = &experiment.analysis.dimensions;
        Self {
            experiment,
            context,
            dimensions: usable_dimension_values(context.attributes(), dimensions),
            enroll: true,
        }
    }
}

/// What is already known of the user's stored assignments.
pub enum StoredState<'k> {
    /// Nothing: it is read when a rule needs it.
    Unknown,
    /// All of them.
    Known(&'k KnownUser),
}

/// A user whose stored assignments have been read.
pub struct KnownUser {
    stored: StoredUser,
    /// The holdouts whose assignment of the user is stored. While it is locked, one is being stored: evaluations of
    /// several experiments of a holdout at the same time store it once.
    holdouts: Mutex<BTreeSet<ExperimentId>>,
}

impl KnownUser {
    /// Reads the user's assignments with one query.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn read(app: &App, user: &UserId) -> Result<Self, StoreError> {
        let user_data = app.store().user_data(user).await?;
        let erased = user_data.tombstone.is_some();
        Ok(Self {
            stored: StoredUser::new(user_data.assignments, erased),
            holdouts: Mutex::new(BTreeSet::new()),
        })
    }

    /// The variant of the stored assignment in an experiment.
    pub fn stored_variant(&self, experiment: &ExperimentId) -> Option<&VariantKey> {
        let stored = self.stored.assignments.get(experiment);
        stored.map(|assignment| &assignment.variant)
    }

    /// A user without stored assignments, as far as a rule needs them.
    fn without_assignments(erased: bool) -> Self {
        Self {
            stored: StoredUser::new(Vec::new(), erased),
            holdouts: Mutex::new(BTreeSet::new()),
        }
    }
}

/// The variant of a user in an experiment, and why.
#[derive(Debug, Serialize)]
pub struct AssignmentResponse {
    experiment_id: ExperimentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<UnitKind>,
    /// The id of the unit, if it is not a user.
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
/// 409 for a holdout. If the database fails; a repeat is safe.
pub async fn assign(
    app: &App,
    request: AssignmentRequest<'_>,
    state: StoredState<'_>,
) -> Result<AssignmentResponse, Problem> {
    let (experiment, context) = (request.experiment, request.context);
    if experiment.allocation.holdout.is_some() {
        return Err(is_holdout(&experiment.id));
    }
    let unit = UserId::of_unit(&experiment.allocation.unit, &context.user_id);
    let holdouts = app.holdouts_of(experiment).await?;
    let holdouts: Vec<&Experiment> = holdouts.iter().map(|holdout| &**holdout).collect();
    let input = EvaluationInput {
        definition: experiment,
        holdouts: &holdouts,
        context,
        now: app.now(),
    };
    let stored = match &state {
        _ if released(&input).is_some() => None,
        StoredState::Known(user) => user.stored.assignments.get(&experiment.id).cloned(),
        StoredState::Unknown => {
            let stored = app.store().assignment(&unit, &experiment.id);
            stored.await?
        }
    };
    let mut trace = Vec::new();
    if let Some(stored) = stored {
        trace_assignment(&mut trace, RuleOutcome::Decided);
        let trace = (!request.enroll).then_some(trace);
        return Ok(AssignmentResponse::enrolled(
            stored,
            Enrolled::Existing,
            trace,
        ));
    }
    let (mut evaluation, mut trace) = evaluate(app, &input).await?;
    // A released variant needs no assignment to be read.
    if let Some(rest) = trace.get(1..).map(<[TraceStep]>::to_vec)
        && !rest.is_empty()
    {
        trace.clear();
        trace_assignment(&mut trace, RuleOutcome::Passed);
        trace.extend(rest);
    }
    if evaluation.reason == EvaluationReason::Split {
        let read;
        let user = match state {
            StoredState::Known(user) => user,
            StoredState::Unknown => {
                read = stored_user(app, experiment, &unit).await?;
                &read
            }
        };
        let restricted = restrict_traced(&input, &user.stored, &mut trace);
        evaluation = restricted.unwrap_or(evaluation);
        let is_new = matches!(
            evaluation.reason,
            EvaluationReason::Split | EvaluationReason::NotEnrolled(NotEnrolled::Holdout)
        );
        if is_new && request.enroll {
            store_holdout_groups(app, &input, user).await?;
        }
    }
    if evaluation.reason != EvaluationReason::Split || !request.enroll {
        let trace = (!request.enroll).then_some(trace);
        return Ok(AssignmentResponse::evaluated(
            experiment, unit, evaluation, trace,
        ));
    }
    let mut assignment = new_assignment(&input, experiment, evaluation.variant);
    assignment.attributes = request.dimensions;
    let written = app.store().assign_first(&assignment, experiment.shards);
    Ok(match written.await? {
        FirstWrite::Stored => AssignmentResponse::enrolled(assignment, Enrolled::New, None),
        FirstWrite::Existing(earlier) => {
            AssignmentResponse::enrolled(earlier, Enrolled::Existing, None)
        }
    })
}

/// 409: users are not assigned to a holdout itself.
fn is_holdout(id: &ExperimentId) -> Problem {
    let detail = format!(
        "`{id}` is a holdout. A user's group in it is stored when the user is evaluated for an experiment of its scope. Ask \
         for such an experiment."
    );
    Problem::conflict("is_holdout", detail, Vec::new())
}

/// The rules up to that of the stored assignment.
fn trace_assignment(trace: &mut Vec<TraceStep>, outcome: RuleOutcome) {
    let steps = [
        (Rule::Release, RuleOutcome::Passed),
        (Rule::Assignment, outcome),
    ];
    trace.extend(steps.map(|(rule, outcome)| TraceStep { rule, outcome }));
}

/// What the rules for a new assignment need of the user: without layer and holdouts only whether the user was erased,
/// which costs half as much.
async fn stored_user(
    app: &App,
    experiment: &Experiment,
    user: &UserId,
) -> Result<KnownUser, StoreError> {
    let allocation = &experiment.allocation;
    if allocation.layer.is_some() || !allocation.holdouts.is_empty() {
        return KnownUser::read(app, user).await;
    }
    let erased = app.store().tombstone(user).await?.is_some();
    Ok(KnownUser::without_assignments(erased))
}

/// Stores the user's groups in the holdouts of the experiment, unless they are stored. They are stored before the
/// assignment in the experiment, so that a repeat after a failure stores what is missing.
async fn store_holdout_groups(
    app: &App,
    input: &EvaluationInput<'_>,
    user: &KnownUser,
) -> Result<(), StoreError> {
    let groups = input.holdout_groups();
    if groups.is_empty() {
        return Ok(());
    }
    let mut done = user.holdouts.lock().await;
    for (holdout, group) in groups {
        if user.stored.assignments.contains_key(&holdout.id) || done.contains(&holdout.id) {
            continue;
        }
        let assignment = new_assignment(input, holdout, group);
        app.store()
            .assign_first(&assignment, holdout.shards)
            .await?;
        done.insert(holdout.id.clone());
    }
    Ok(())
}

fn new_assignment(
    input: &EvaluationInput<'_>,
    experiment: &Experiment,
    variant: &VariantKey,
) -> Assignment {
    let layer = experiment.allocation.layer.as_ref();
    Assignment {
        user_id: UserId::of_unit(&experiment.allocation.unit, &input.context.user_id),
        experiment_id: experiment.id.clone(),
        variant: variant.clone(),
        assigned_at: input.now,
        source: AssignmentSource::Hash,
        experiment_version: experiment.version,
        layer: layer.map(|layer| layer.id.clone()),
        attributes: Attributes::new(),
    }
}

/// Evaluates an experiment, with the segments that its conditions name.
async fn evaluate<'e>(
    app: &App,
    input: &EvaluationInput<'e>,
) -> Result<(Evaluation<'e>, Vec<TraceStep>), StoreError> {
    let segments = app.segments_of(input.definition).await?;
    with_segments(app, &segments, |lookup| {
        let mut trace = Vec::new();
        let evaluation = evaluate_traced(input, lookup, &mut trace);
        (evaluation, trace)
    })
    .await
}

/// Reads the chunks of id lists that experiments need for a user, all together.
///
/// # Errors
/// If the database fails.
pub async fn prepare_segments(
    app: &App,
    experiments: &[&Arc<Experiment>],
    context: &EvaluationContext,
) -> Result<(), Problem> {
    let names = |one: &&&Arc<Experiment>| {
        let mut conditions = one.conditions();
        conditions.any(|condition| !condition.segments().is_empty())
    };
    let naming: Vec<_> = experiments.iter().filter(names).collect();
    let Some(first) = naming.first() else {
        return Ok(());
    };
    let now = app.now();
    let evaluate_all = |lookup: &SegmentLookup<'_>| {
        for experiment in &naming {
            let input = EvaluationInput {
                definition: experiment,
                holdouts: &[],
                context,
                now,
            };
            evaluate_traced(&input, lookup, &mut Vec::new());
        }
    };
    let segments = app.segments_of(first).await?;
    Ok(with_segments(app, &segments, evaluate_all).await?)
}

/// Evaluates with segments. It is repeated until the chunks of id lists that it needs have been read.
pub(super) async fn with_segments<T>(
    app: &App,
    segments: &EvaluatedSegments,
    evaluate: impl Fn(&SegmentLookup<'_>) -> T,
) -> Result<T, StoreError> {
    let mut loaded = LoadedChunks::new();
    loop {
        let lookup = SegmentLookup::new(segments, &loaded);
        let evaluated = evaluate(&lookup);
        let missing = lookup.into_missing();
        if missing.is_empty() {
            return Ok(evaluated);
        }
        loaded.extend(app.id_chunks(missing).await?);
    }
}

impl AssignmentResponse {
    /// The variant that the hash gives a user who is not enrolled yet and whom the rules let take part.
    pub fn split_variant(&self) -> Option<&VariantKey> {
        let is_split = matches!(self.reason, Reason::Evaluated(EvaluationReason::Split));
        is_split.then_some(&self.variant)
    }

    /// Whether the assignment was stored by this request.
    pub fn is_new(&self) -> bool {
        matches!(self.reason, Reason::Enrolled(Enrolled::New))
    }

    /// The variant, if the user is enrolled.
    pub fn enrolled_variant(&self) -> Option<&VariantKey> {
        self.enrolled.then_some(&self.variant)
    }

    fn enrolled(assignment: Assignment, reason: Enrolled, trace: Option<Vec<TraceStep>>) -> Self {
        Self {
            experiment_id: assignment.experiment_id,
            unit: assignment.user_id.other_kind(),
            user_id: assignment.user_id.own(),
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
        user: UserId,
        evaluation: Evaluation<'_>,
        trace: Option<Vec<TraceStep>>,
    ) -> Self {
        Self {
            experiment_id: experiment.id.clone(),
            unit: user.other_kind(),
            user_id: user.own(),
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
