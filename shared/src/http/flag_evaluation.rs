//! The evaluation of flags for one user, the same on every route.
//!
//! A rule of kind experiment is an experiment: a user whom it enrolls is assigned, with the rules and the stored assignments
//! of the routes for assignments. Stored assignments are given to the evaluation, so that users keep their variants. A user
//! who is assigned now is evaluated again if the assignment is another one than the evaluation expected.

use super::Problem;
use super::assignment::{AssignmentRequest, KnownUser, StoredState, assign, with_segments};
use super::flag_user::FlagUser;
use crate::app::App;
use crate::app::flag_sets::FlagSet;
use crate::store::StoreError;
use domain::client_key::ClientKey;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::feature::FeatureUser;
use domain::flag::{FlagEvaluation, FlagEvaluator, FlagReason, LeftOutRule, RulePart};
use domain::ids::{ExperimentId, FlagKey, RuleId, UnitKind, UserId, VariantKey};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Assignments that are stored at once.
const AT_ONCE: usize = 16;
/// Evaluations of one request. Each one after the first knows the assignments that the one before has stored.
const MOST_ROUNDS: usize = 4;
/// The variation of an experiment that does not take the user in, although its own rules do.
const NOT_ENROLLED: i64 = -1;

/// The variant of a flag for a user, and why.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluatedFlag {
    /// The flag.
    pub key: FlagKey,
    /// The version of its definition.
    pub version: u64,
    /// The variant.
    pub variant: VariantKey,
    /// Its value.
    pub value: Value,
    /// Why this variant.
    pub reason: FlagReason,
    /// The rule that decided.
    pub rule: Option<RuleId>,
    /// The experiment that the user takes part in, and the variant of it.
    pub experiment: Option<(ExperimentId, VariantKey)>,
    /// What was looked at.
    pub trace: Vec<Step>,
    /// The rules that let no user take part at present.
    pub left_out: Vec<LeftOutRule>,
}

/// A part of a flag that the evaluation looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    part: RulePart,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prerequisite: Option<FlagKey>,
    /// Why it did not decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Value>,
}

impl EvaluatedFlag {
    fn of(evaluation: FlagEvaluation<'_>, left_out: &[LeftOutRule]) -> Self {
        let steps = evaluation.trace.into_iter().map(|step| Step {
            part: step.part,
            rule: step.rule.cloned(),
            prerequisite: step.prerequisite.cloned(),
            skipped: step.skipped.and_then(|why| serde_json::to_value(why).ok()),
        });
        let exposure = evaluation.exposure;
        Self {
            key: evaluation.key.clone(),
            version: evaluation.version,
            variant: evaluation.variant.clone(),
            value: evaluation.value.clone(),
            reason: evaluation.reason,
            rule: evaluation.rule.cloned(),
            experiment: exposure.map(|each| (each.experiment.clone(), each.variant.clone())),
            trace: steps.collect(),
            left_out: left_out.to_vec(),
        }
    }
}

/// What an evaluation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Users are assigned in experiments.
    Serve,
    /// Nothing is stored, and the result has a trace.
    Explain,
}

/// Evaluates flags for a user. Flags that do not exist are left out.
///
/// # Errors
/// If the database fails; a repeat is safe.
pub fn evaluate<'a>(
    app: &'a App,
    set: &'a FlagSet,
    keys: &'a [&'a FlagKey],
    user: &'a FlagUser,
    mode: Mode,
) -> BoxFuture<'a, Result<Vec<EvaluatedFlag>, Problem>> {
    Box::pin(async move {
        let known = known_units(app, set, keys, user).await?;
        let mut variations = stored_variations(set, &known);
        for _ in 0..MOST_ROUNDS {
            let evaluated = evaluate_once(app, set, keys, user, (&variations, mode)).await?;
            let new = evaluated.iter().filter_map(|flag| flag.experiment.as_ref());
            let new: BTreeMap<&ExperimentId, &VariantKey> = new
                .filter(|(id, _)| !variations.contains_key(id.as_str()))
                .map(|(id, variant)| (id, variant))
                .collect();
            if new.is_empty() || mode == Mode::Explain {
                return Ok(evaluated);
            }
            let stored = Box::pin(store(app, set, &known, user, new.keys().copied())).await?;
            let as_expected = stored
                .iter()
                .all(|(id, variation)| *variation == position(set, id, new.get(id).copied()));
            if as_expected {
                return Ok(evaluated);
            }
            let stored = stored.into_iter();
            variations.extend(stored.map(|(id, variation)| (id.to_string(), variation)));
        }
        let text = "the assignments of a user change all the time".to_owned();
        Err(StoreError::Contended(text).into())
    })
}

/// A unit of an experiment, with what is stored of it.
type KnownUnits = BTreeMap<UnitKind, (UserId, KnownUser)>;

/// Reads the stored assignments of the units that the experiments of these flags assign: one query for each kind.
async fn known_units(
    app: &App,
    set: &FlagSet,
    keys: &[&FlagKey],
    user: &FlagUser,
) -> Result<KnownUnits, StoreError> {
    let mut units = BTreeMap::new();
    for experiment in experiments_of(set, keys) {
        units.extend(user.unit(experiment));
    }
    let reads = units.into_iter().map(|(kind, id)| async move {
        let known = KnownUser::read(app, &UserId::of_unit(&kind, &id)).await?;
        Ok::<_, StoreError>((kind, (id, known)))
    });
    futures::future::try_join_all(reads)
        .await
        .map(|known| known.into_iter().collect())
}

/// The experiments that decide about these flags, and about the flags that they need.
fn experiments_of<'s>(set: &'s FlagSet, keys: &[&FlagKey]) -> Vec<&'s Experiment> {
    let mut needed: BTreeSet<&str> = keys.iter().map(|key| key.as_str()).collect();
    let mut open: Vec<&str> = needed.iter().copied().collect();
    let mut experiments = BTreeSet::new();
    while let Some(key) = open.pop() {
        let Some(flag) = set.compiled.get(key) else {
            continue;
        };
        for origin in &flag.origins {
            if origin.part == RulePart::Experiment {
                experiments.extend(origin.experiment.as_ref());
            }
            let prerequisite = origin.prerequisite.as_ref().map(FlagKey::as_str);
            open.extend(prerequisite.filter(|key| needed.insert(key)));
        }
    }
    let experiments = experiments.into_iter();
    experiments
        .filter_map(|id| set.experiments.get(id).map(|each| &**each))
        .collect()
}

/// The experiments that decide about the flags that a client key sees: the only ones about which it learns anything, and in
/// which it can assign users.
pub fn experiments_for<'s>(
    set: &'s FlagSet,
    key: &ClientKey,
) -> BTreeMap<&'s ExperimentId, &'s Experiment> {
    let seen = set.all_seen(|tags| key.sees_flag(tags));
    let keys: Vec<_> = seen.into_iter().map(|flag| &flag.key).collect();
    let experiments = experiments_of(set, &keys).into_iter();
    experiments.map(|each| (&each.id, each)).collect()
}

/// The variations of the user's stored assignments, by experiment.
fn stored_variations(set: &FlagSet, known: &KnownUnits) -> BTreeMap<String, i64> {
    let mut variations = BTreeMap::new();
    for (id, experiment) in &set.experiments {
        let Some((_, unit)) = known.get(&experiment.allocation.unit) else {
            continue;
        };
        if let Some(variant) = unit.stored_variant(id) {
            variations.insert(id.to_string(), position(set, id, Some(variant)));
        }
    }
    variations
}

/// The index of a variant of an experiment.
fn position(set: &FlagSet, id: &ExperimentId, variant: Option<&VariantKey>) -> i64 {
    let experiment = set.experiments.get(id);
    let index = experiment
        .zip(variant)
        .and_then(|(experiment, variant)| experiment.allocation.variants.position(variant));
    index.map_or(NOT_ENROLLED, |index| {
        i64::try_from(index).unwrap_or(NOT_ENROLLED)
    })
}

async fn evaluate_once(
    app: &App,
    set: &FlagSet,
    keys: &[&FlagKey],
    user: &FlagUser,
    (variations, mode): (&BTreeMap<String, i64>, Mode),
) -> Result<Vec<EvaluatedFlag>, StoreError> {
    let segments = if set.names_segments {
        app.segments().await?
    } else {
        Default::default()
    };
    with_segments(app, &segments, |lookup| {
        let mut feature_user = FeatureUser::new(user.attributes(), lookup);
        feature_user.forced_variations = Some(variations);
        let mut evaluator = FlagEvaluator::new(&set.compiled, feature_user);
        if mode == Mode::Explain {
            evaluator = evaluator.traced();
        }
        let mut evaluated = Vec::with_capacity(keys.len());
        for key in keys {
            let left_out = evaluator.left_out(key.as_str());
            let evaluation = evaluator.evaluate(key.as_str());
            evaluated.extend(evaluation.map(|each| EvaluatedFlag::of(each, left_out)));
        }
        evaluated
    })
    .await
}

/// Assigns the user in experiments, and returns the variations that hold.
async fn store<'e>(
    app: &App,
    set: &FlagSet,
    known: &KnownUnits,
    user: &FlagUser,
    experiments: impl Iterator<Item = &'e ExperimentId>,
) -> Result<Vec<(&'e ExperimentId, i64)>, Problem> {
    let calls = experiments.filter_map(|id| {
        let experiment = set.experiments.get(id)?;
        let (unit, known) = known.get(&experiment.allocation.unit)?;
        Some((id, experiment, user.context(unit), known))
    });
    let calls: Vec<_> = calls.collect();
    let mut assigned = Vec::new();
    for (id, experiment, context, known) in &calls {
        assigned.push(store_one(app, set, (*id, experiment), (context, known)));
    }
    stream::iter(assigned).buffered(AT_ONCE).try_collect().await
}

async fn store_one<'e>(
    app: &App,
    set: &FlagSet,
    (id, experiment): (&'e ExperimentId, &Experiment),
    (context, known): (&EvaluationContext, &KnownUser),
) -> Result<(&'e ExperimentId, i64), Problem> {
    let request = AssignmentRequest::of_attributes(experiment, context);
    let answer = assign(app, request, StoredState::Known(known)).await?;
    Ok((id, position(set, id, answer.enrolled_variant())))
}
