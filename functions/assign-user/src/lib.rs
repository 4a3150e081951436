//! `POST /assignments`: the variants of one user in all running experiments, or in named ones.

use domain::access::Scope;
use domain::assignment::Assignment;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::{ExperimentId, UnitKind, UserId};
use domain::limits;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::assignment::{AssignmentRequest, AssignmentResponse, StoredState, assign};
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

/// A unit with what is stored of it.
struct Known {
    context: EvaluationContext,
    assignments: HashMap<ExperimentId, Assignment>,
    erased: bool,
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

    let mut known = known(&app, &input.units, &input.attributes, &experiments).await?;
    let mut calls = Vec::new();
    let mut stored = Vec::new();
    for experiment in &experiments {
        let unit = known.get_mut(&experiment.allocation.unit);
        stored.push(unit.and_then(|unit| unit.assignments.remove(&experiment.id)));
    }
    let requests = experiments.iter().zip(dimensions).zip(stored);
    for ((experiment, dimensions), assignment) in requests {
        let Some(unit) = known.get(&experiment.allocation.unit) else {
            continue;
        };
        let request = AssignmentRequest {
            experiment,
            context: &unit.context,
            dimensions,
            enroll: input.enroll,
        };
        let erased = unit.erased;
        calls.push(assign(
            &app,
            request,
            StoredState::Known { assignment, erased },
        ));
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
) -> Result<HashMap<UnitKind, Known>, Problem> {
    let kinds: BTreeSet<&UnitKind> = experiments
        .iter()
        .map(|experiment| &experiment.allocation.unit)
        .collect();
    let needed = kinds
        .into_iter()
        .filter_map(|kind| Some((kind, units.of_kind(kind)?)));
    let reads = needed.map(|(kind, id)| async move {
        let user_data = app.store().user_data(&UserId::of_unit(kind, id)).await?;
        let stored = user_data.assignments.into_iter();
        let known = Known {
            context: attributes.context(id.clone()),
            assignments: stored
                .map(|assignment| (assignment.experiment_id.clone(), assignment))
                .collect(),
            erased: user_data.tombstone.is_some(),
        };
        Ok::<_, Problem>((kind.clone(), known))
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

/// The named experiments, or all that are running and assign one of the units.
async fn experiments(
    app: &App,
    units: &Units,
    named: Option<Vec<ExperimentId>>,
) -> Result<Vec<Arc<Experiment>>, Problem> {
    let Some(ids) = named else {
        return match app.running_experiments().await? {
            Some(running) => Ok(running
                .iter()
                .filter(|experiment| units.of_kind(&experiment.allocation.unit).is_some())
                .cloned()
                .collect()),
            None => Err(too_many()),
        };
    };
    let found = try_join_all(ids.iter().map(|id| app.experiment(id))).await?;
    let fault =
        |(index, (id, found)): (usize, (&ExperimentId, &Option<Arc<Experiment>>))| match found {
            None => Some(batch::unknown_experiment(index, id)),
            Some(experiment) => match units.of_kind(&experiment.allocation.unit) {
                None => Some(batch::missing_unit(index, experiment)),
                Some(_) => None,
            },
        };
    let faults: Vec<Fault> = ids
        .iter()
        .zip(&found)
        .enumerate()
        .filter_map(fault)
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
