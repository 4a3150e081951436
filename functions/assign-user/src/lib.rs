//! `POST /assignments`: the variants of one user in all running experiments, or in named ones.

use domain::access::Scope;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UnitKind, UserId};
use domain::limits;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::assignment::{
    AssignmentRequest, AssignmentResponse, KnownUser, StoredState, assign, prepare_segments,
};
use shared::http::input::batch::{self, SentAttributes};
use shared::http::input::units::Units;
use shared::http::{Fault, Problem, Request, Response, body, caller::Caller, response};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Assignments written at once.
const AT_ONCE: usize = 16;

#[derive(Serialize)]
struct AssignUserResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    /// In the order of the names, or by id.
    assignments: Vec<AssignmentResponse>,
}

/// Returns the user's assignments, and stores those that do not exist. It reads all assignments of a unit in one query.
///
/// # Errors
/// 422 with all faults of the body, 409 if there are too many running experiments.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Assign)?;
    let input = batch::assign_user(body::json(&request)?)?;
    let experiments = experiments(&app, &input.units, input.experiments).await?;
    let all = experiments.iter().map(|experiment| &**experiment);
    let dimensions = batch::dimensions_in(&input.attributes, all)?;

    let known = known(&app, &input.units, &input.attributes, &experiments).await?;
    for (kind, (context, _)) in &known {
        let all = experiments.iter();
        let of_kind: Vec<_> = all.filter(|one| one.allocation.unit == *kind).collect();
        prepare_segments(&app, &of_kind, context).await?;
    }
    let mut calls = Vec::new();
    for (experiment, dimensions) in experiments.iter().zip(dimensions) {
        let Some((context, unit)) = known.get(&experiment.allocation.unit) else {
            continue;
        };
        let request = AssignmentRequest {
            experiment,
            context,
            dimensions,
            enroll: input.enroll,
        };
        calls.push(assign(&app, request, StoredState::Known(unit)));
    }
    let calls = stream::iter(calls).buffered(AT_ONCE);
    let assignments = calls.try_collect().await?;

    let body = AssignUserResponse {
        user_id: input.units.of_kind(&UnitKind::default()).cloned(),
        assignments,
    };
    Ok(response::json(StatusCode::OK, &body))
}

/// What is stored of the units that the experiments need.
async fn known(
    app: &App,
    units: &Units,
    attributes: &SentAttributes,
    experiments: &[Arc<Experiment>],
) -> Result<HashMap<UnitKind, (EvaluationContext, KnownUser)>, Problem> {
    let kinds: BTreeSet<&UnitKind> = experiments
        .iter()
        .map(|experiment| &experiment.allocation.unit)
        .collect();
    let needed = kinds
        .into_iter()
        .filter_map(|kind| Some((kind, units.of_kind(kind)?)));
    let reads = needed.map(|(kind, id)| async move {
        let known = KnownUser::read(app, &UserId::of_unit(kind, id)).await?;
        Ok::<_, Problem>((kind.clone(), (attributes.context(id.clone()), known)))
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

/// The named experiments, or all that are running and assign one of the units, without holdouts.
async fn experiments(
    app: &App,
    units: &Units,
    named: Option<Vec<ExperimentId>>,
) -> Result<Vec<Arc<Experiment>>, Problem> {
    let Some(ids) = named else {
        return match app.running_experiments().await? {
            Some(running) => Ok(running
                .iter()
                .filter(|experiment| experiment.allocation.holdout.is_none())
                .filter(|experiment| units.of_kind(&experiment.allocation.unit).is_some())
                .cloned()
                .collect()),
            None => Err(too_many()),
        };
    };
    let found = try_join_all(ids.iter().map(|id| app.experiment(id))).await?;
    let named = ids.iter().zip(&found).enumerate();
    let faults: Vec<Fault> = named
        .filter_map(|(index, (id, found))| match found {
            None => Some(batch::unknown_experiment(index, id)),
            Some(found) if found.allocation.holdout.is_some() => Some(batch::is_holdout(index, id)),
            Some(found) => match units.of_kind(&found.allocation.unit) {
                None => Some(batch::missing_unit(index, found)),
                Some(_) => None,
            },
        })
        .collect();
    if faults.is_empty() {
        Ok(found.into_iter().flatten().collect())
    } else {
        Err(Problem::invalid(faults))
    }
}

fn too_many() -> Problem {
    let detail = format!(
        "More than {} experiments are running. Name those that you need in `experiments`.",
        limits::MAX_RUNNING_EXPERIMENTS
    );
    Problem::conflict("too_many_running", detail, Vec::new())
}
