//! Claims: an SDK says which variants a user has. They are compared with the assignments that the server has, or would store.

use domain::client_key::ClientKey;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::feature::StickyDocument;
use domain::ids::{UnitKind, UserId, VariantKey};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::app::App;
use shared::http::Problem;
use shared::http::assignment::{AssignmentRequest, KnownUser, StoredState, assign};
use shared::http::flag_evaluation::experiments_for;
use shared::http::input::sticky_buckets::StickyBuckets;
use std::collections::BTreeMap;

/// Calls under way at once: enough to hide the latency, few enough for one process.
const AT_ONCE: usize = 32;

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The user has the variant now.
    Stored,
    /// The user had the variant before.
    Existing,
    /// The user has another variant, or the rules give the user another one.
    Contradicting,
    /// The rules do not let the user take part.
    NotEnrolled,
    /// No flag that the key sees has such an experiment, or it assigns by another attribute.
    Unknown,
}

/// Checks all claims, and stores those that equal the assignments of the rules.
pub(crate) async fn check(
    app: &App,
    key: &ClientKey,
    sent: StickyBuckets,
) -> Result<BTreeMap<String, Outcome>, Problem> {
    let set = app.flags(&key.environment).await?;
    let experiments = experiments_for(&set, key);
    let experiment = |name: &str| {
        let id = StickyDocument::experiment_of(name)?;
        let found = experiments.get(&id).copied();
        found.filter(|found| {
            EvaluationContext::attribute_of(&found.allocation.unit) == sent.attribute
        })
    };
    let claims = sent.claims.into_iter();
    let (known, unknown): (Vec<_>, Vec<_>) = claims
        .map(|(name, variant)| (experiment(&name), name, variant))
        .partition(|(experiment, ..)| experiment.is_some());
    let unknown = unknown.into_iter();
    let mut outcomes: BTreeMap<String, Outcome> = unknown
        .map(|(_, name, _)| (name, Outcome::Unknown))
        .collect();
    let known = known.into_iter();
    let known: Vec<_> = known
        .filter_map(|(experiment, name, variant)| Some((experiment?, name, variant)))
        .collect();
    let Some((first, ..)) = known.first() else {
        return Ok(outcomes);
    };
    // All of them assign by this attribute, so they have one kind of units.
    let user = user(app, &first.allocation.unit, &sent.unit).await?;
    let context = EvaluationContext::new(sent.unit, sent.attributes);
    let checks = known.into_iter().map(|(experiment, name, variant)| {
        let (user, context) = (&user, &context);
        async move {
            let outcome = check_one(app, experiment, (user, context), variant).await?;
            Ok::<_, Problem>((name, outcome))
        }
    });
    let checks: Vec<_> = checks.collect();
    let checked = stream::iter(checks).buffer_unordered(AT_ONCE);
    outcomes.extend(checked.try_collect::<Vec<_>>().await?);
    Ok(outcomes)
}

async fn user(app: &App, kind: &UnitKind, unit: &UserId) -> Result<KnownUser, Problem> {
    Ok(KnownUser::read(app, &UserId::of_unit(kind, unit)).await?)
}

async fn check_one(
    app: &App,
    experiment: &Experiment,
    (user, context): (&KnownUser, &EvaluationContext),
    claimed: Option<VariantKey>,
) -> Result<Outcome, Problem> {
    let request = |enroll: bool| AssignmentRequest {
        enroll,
        ..AssignmentRequest::of_attributes(experiment, context)
    };
    let compare = |variant: &VariantKey, equal: Outcome| {
        if claimed.as_ref() == Some(variant) {
            equal
        } else {
            Outcome::Contradicting
        }
    };
    let expected = assign(app, request(false), StoredState::Known(user)).await?;
    if let Some(stored) = expected.enrolled_variant() {
        return Ok(compare(stored, Outcome::Existing));
    }
    let Some(variant) = expected.split_variant() else {
        return Ok(Outcome::NotEnrolled);
    };
    if claimed.as_ref() != Some(variant) {
        return Ok(Outcome::Contradicting);
    }
    let assigned = assign(app, request(true), StoredState::Known(user)).await?;
    let equal = if assigned.is_new() {
        Outcome::Stored
    } else {
        Outcome::Existing
    };
    // Another request may have stored another variant in between.
    let variant = assigned.enrolled_variant();
    Ok(variant.map_or(Outcome::NotEnrolled, |variant| compare(variant, equal)))
}

/// Logs a line if claims contradict assignments. A metric adds up `contradicting_exposures`.
pub(crate) fn log(key: &ClientKey, outcomes: &BTreeMap<String, Outcome>) {
    let contradicting = outcomes
        .values()
        .filter(|outcome| **outcome == Outcome::Contradicting);
    let contradicting_exposures = contradicting.count();
    if contradicting_exposures > 0 {
        tracing::warn!(
            client_key = key.id.as_str(),
            exposures = outcomes.len(),
            contradicting_exposures,
            "exposures contradict the assignments of their users"
        );
    }
}
