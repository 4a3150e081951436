//! `POST /experiments`: creates an experiment, once per `Idempotency-Key`.

use domain::access::Scope;
use domain::experiment::Experiment;
use domain::ids::ExperimentId;
use domain::launch_check::CheckedExperiment;
use lambda_http::http::StatusCode;
use sha2::{Digest, Sha256};
use shared::app::App;
use shared::clock;
use shared::http::input::experiment::{self, Drawn};
use shared::http::input::segment;
use shared::http::{Problem, Request, Response, body, caller::Caller, placement, response};
use shared::store::experiments::Creation;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Creates an experiment.
///
/// # Errors
/// 400 for a malformed or repeated `Idempotency-Key`, 409 if the id is taken or the layer is full, 422 with all faults of
/// the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let text = body::json(&request)?;
    let (id, digest) = (drawn_id(&request, &caller)?, body::digest(text));
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

fn idempotency_key(request: &Request) -> Option<&[u8]> {
    request
        .headers()
        .get(IDEMPOTENCY_KEY)
        .map(|key| key.as_bytes())
}

fn is_repeat(request: &Request, stored: &str, sent: &str) -> bool {
    idempotency_key(request).is_some() && stored == sent
}

/// The id follows from the idempotency key, so a repeat finds the first experiment under the same id. No second record
/// is needed, which could be lost or expire.
fn drawn_id(request: &Request, caller: &Caller) -> Result<ExperimentId, Problem> {
    if request.headers().get_all(IDEMPOTENCY_KEY).iter().count() > 1 {
        let detail = "The request has more than one `Idempotency-Key`. Send one of them.";
        return Err(Problem::malformed("bad_idempotency_key", detail));
    }
    let Some(key) = idempotency_key(request) else {
        return Ok(ExperimentId::from_bits(clock::random_bits()?));
    };
    if key.is_empty() || key.len() > 255 {
        return Err(Problem::malformed(
            "bad_idempotency_key",
            "An `Idempotency-Key` has 1 to 255 bytes.",
        ));
    }
    let digest = Sha256::new()
        .chain_update(&caller.token_id)
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest[..16]);
    Ok(ExperimentId::from_bits(bits))
}

fn taken(request: &Request, id: &ExperimentId) -> Problem {
    if idempotency_key(request).is_some() {
        let detail = "This `Idempotency-Key` or id was used with another body. Send a new key for a new experiment.";
        return Problem::conflict("idempotency_key_reused", detail, Vec::new());
    }
    let detail = format!(
        "The experiment `{id}` exists already. Choose another id, or leave `id` out to get a generated one."
    );
    Problem::conflict("id_taken", detail, Vec::new())
}
