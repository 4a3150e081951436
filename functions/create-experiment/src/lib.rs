//! `POST /experiments`: creates an experiment, once per `Idempotency-Key`.

use domain::access::Scope;
use domain::experiment::Experiment;
use domain::ids::ExperimentId;
use domain::launch_check::CheckedExperiment;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::clock;
use shared::http::input::experiment::{self, Drawn};
use shared::http::input::segment;
use shared::http::{
    Problem, Request, Response, body, caller::Caller, idempotency, placement, response,
};
use shared::store::experiments::Creation;

/// Creates an experiment.
///
/// # Errors
/// 400 for a malformed or repeated `Idempotency-Key`, 409 if the id is taken or the layer is full, 422 with all faults of
/// the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let text = body::json(&request)?;
    let bits = idempotency::bits(&request, &caller, b"")?;
    let (id, digest) = (ExperimentId::from_bits(bits), body::digest(text));
    let original = match experiment::copy_of(text) {
        Some(id) => app.store().experiment(&id, true).await?,
        None => None,
    };
    let names_segments = names_segments(text, original.as_ref());
    let catalog = app.store().catalog_with(names_segments).await?;
    let hash_seed = clock::random_seed()?;
    let drawn = Drawn { id, hash_seed };
    let new = experiment::read(text, drawn, original.as_ref(), &catalog.graph())?;

    let new = new.create(app.now());
    let id = new.id.clone();
    match placement::create(&app, new, &digest, &caller.token_id, catalog).await? {
        Creation::Created(experiment) => Ok(created_answer(&experiment)),
        Creation::Taken {
            experiment,
            creation_digest,
        } if is_repeat(&request, &creation_digest, &digest) => Ok(created_answer(&experiment)),
        Creation::SegmentDeleted(id) => Err(Problem::segment_deleted(&id)),
        Creation::Taken { .. } | Creation::Moved => Err(taken(&request, &id)),
    }
}

/// Whether the new experiment may name segments in its conditions.
fn names_segments(text: &str, original: Option<&Experiment>) -> bool {
    let mut copied = original.into_iter().flat_map(|one| one.conditions());
    segment::names_segments(text) || copied.any(|condition| !condition.segments().is_empty())
}

fn created_answer(experiment: &Experiment) -> Response {
    let response = response::json(StatusCode::CREATED, &CheckedExperiment::new(experiment));
    let response = response::with_version(response, experiment.version);
    response::with_location(response, &format!("/experiments/{}", experiment.id))
}

fn is_repeat(request: &Request, stored: &str, sent: &str) -> bool {
    idempotency::key(request).is_some() && stored == sent
}

fn taken(request: &Request, id: &ExperimentId) -> Problem {
    if idempotency::key(request).is_some() {
        return idempotency::reused(
            "This `Idempotency-Key` or id was used with another body. Send a new key for a new experiment.",
        );
    }
    let detail = format!(
        "The experiment `{id}` exists already. Choose another id, or leave `id` out to get a generated one."
    );
    Problem::conflict("id_taken", detail, Vec::new())
}
