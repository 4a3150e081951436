//! Exposures: a page says that a user saw a variant. The user is assigned by the rules of the server; the page is believed
//! neither the variant nor that the user takes part.

use domain::client_key::ClientKey;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UserId, VariantKey};
use futures::{StreamExt, TryStreamExt, stream};
use shared::app::App;
use shared::http::Problem;
use shared::http::assignment::{AssignmentRequest, KnownUser, StoredState, assign};
use shared::http::flag_evaluation::experiments_for;
use shared::http::input::sdk_events::Exposure;
use shared::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};

/// Calls under way at once: enough to hide the latency, few enough for one process.
const AT_ONCE: usize = 32;

/// The exposures of one unit in one experiment: the first decides by its attributes, all make claims.
struct Group<'e> {
    experiment: &'e Experiment,
    unit: UserId,
    first: Exposure,
    claims: Vec<String>,
}

/// Assigns the units of exposures, each once. Returns how many exposures contradict the assignments of their users.
///
/// Only experiments count that decide about flags that the key sees: no page can put users into other experiments.
pub(crate) async fn assign_all(
    app: &App,
    key: &ClientKey,
    exposures: Vec<(usize, Exposure)>,
) -> Result<usize, Problem> {
    if exposures.is_empty() {
        return Ok(0);
    }
    let set = app.flags(&key.environment).await?;
    let experiments = experiments_for(&set, key);

    let mut summary = Summary::default();
    let mut groups: BTreeMap<(ExperimentId, UserId), Group<'_>> = BTreeMap::new();
    for (_, exposure) in exposures {
        summary.exposures += 1;
        let experiment = experiments.get(&exposure.experiment).copied();
        let Some(experiment) = experiment.filter(|each| is_by(each, &exposure.hash_attribute))
        else {
            summary.unknown += 1;
            continue;
        };
        let unit = UserId::of_unit(&experiment.allocation.unit, &exposure.unit);
        let claim = exposure.claimed.clone();
        let group = groups.entry((experiment.id.clone(), unit.clone()));
        let group = group.or_insert_with(|| Group {
            experiment,
            unit,
            first: exposure,
            claims: Vec::new(),
        });
        group.claims.push(claim);
    }
    let units: BTreeSet<UserId> = groups.values().map(|group| group.unit.clone()).collect();
    let known = stream::iter(units).map(|unit| async move {
        let known = KnownUser::read(app, &unit).await?;
        Ok::<_, StoreError>((unit, known))
    });
    let known: BTreeMap<UserId, KnownUser> = known.buffer_unordered(AT_ONCE).try_collect().await?;
    let assigned = groups.into_values().filter_map(|group| {
        let known = known.get(&group.unit)?;
        Some(assign_one(app, group, known))
    });
    let assigned: Vec<_> = assigned.collect();
    let mut assigned = stream::iter(assigned).buffer_unordered(AT_ONCE);
    while let Some(one) = assigned.try_next().await? {
        summary.contradicting += one.contradicting;
        summary.not_enrolled += one.not_enrolled;
    }
    summary.log(key);
    Ok(summary.contradicting)
}

/// Whether an experiment assigns by this attribute.
fn is_by(experiment: &Experiment, attribute: &str) -> bool {
    attribute == EvaluationContext::attribute_of(&experiment.allocation.unit)
}

async fn assign_one(app: &App, group: Group<'_>, known: &KnownUser) -> Result<Summary, Problem> {
    let Group { experiment, .. } = group;
    let context = EvaluationContext::new(group.first.unit, group.first.attributes);
    let request = AssignmentRequest::of_attributes(experiment, &context);
    let answer = assign(app, request, StoredState::Known(known)).await?;
    let mut summary = Summary::default();
    match answer.enrolled_variant() {
        None => summary.not_enrolled = group.claims.len(),
        Some(variant) => {
            let claims = group.claims.iter();
            let contradicting = claims.filter(|claim| !claims_variant(experiment, claim, variant));
            summary.contradicting = contradicting.count();
        }
    }
    Ok(summary)
}

/// Whether a claim is this variant: its key, or its index if no variant has the claim as its key.
fn claims_variant(experiment: &Experiment, claim: &str, variant: &VariantKey) -> bool {
    let variants = &experiment.allocation.variants;
    let by_key = VariantKey::parse(claim).ok();
    let by_key = by_key.and_then(|key| variants.position(&key));
    let claimed = by_key.or_else(|| claim.parse().ok());
    claimed.is_some() && claimed == variants.position(variant)
}

/// Exposures by what the server finds.
#[derive(Debug, Default)]
struct Summary {
    exposures: usize,
    /// The user's variant is another one than the page says: its SDK assigns in another way, or the page lies.
    contradicting: usize,
    /// The rules do not let the user take part.
    not_enrolled: usize,
    /// No flag that the key sees has such an experiment, or it assigns by another attribute.
    unknown: usize,
}

impl Summary {
    /// Logs a line if not every exposure agrees. A metric adds up `contradicting_exposures`.
    fn log(&self, key: &ClientKey) {
        let Self {
            exposures,
            contradicting: contradicting_exposures,
            not_enrolled,
            unknown,
        } = self;
        let client_key = key.id.as_str();
        if *contradicting_exposures > 0 {
            tracing::warn!(
                client_key,
                exposures,
                contradicting_exposures,
                not_enrolled,
                unknown,
                "exposures contradict the assignments of their users"
            );
        } else if not_enrolled + unknown > 0 {
            tracing::info!(
                client_key,
                exposures,
                not_enrolled,
                unknown,
                "exposures assign no user"
            );
        }
    }
}
