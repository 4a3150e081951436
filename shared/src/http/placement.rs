//! Writing a version of an experiment together with its layer and the list of running holdouts.

use super::problem::{Fault, Problem};
use crate::app::App;
use crate::store::StoreError;
use crate::store::catalog::Catalog;
use crate::store::experiments::{Author, ChangeOutcome, Creation};
use domain::change::Misfit;
use domain::experiment::Experiment;
use domain::placement::{self, Needs, Placement, Surroundings};

/// How often a placement is computed anew because another caller has changed the layer or the holdouts.
const ATTEMPTS: usize = 8;

/// Stores a new experiment with its place.
///
/// # Errors
/// 409 if the layer has not enough free ranges or too many holdouts are running, 422 if there is no such layer or it is for
/// other units.
pub async fn create(
    app: &App,
    new: Experiment,
    creation_digest: &str,
    by: &str,
    mut catalog: Catalog,
) -> Result<Creation, Problem> {
    let scope = new.allocation.holdout.as_ref();
    if let Some(id) = scope.and_then(|holdout| holdout.layer.as_ref()) {
        let layer = app.store().layer(id).await?;
        placement::check_holdout_layer(id, layer.as_ref()).map_err(refused)?;
    }
    for _ in 0..ATTEMPTS {
        let placement = match place(app, None, new.clone()).await? {
            Ok(placement) => placement,
            // A repeated request must find its experiment also if the layer is full now.
            Err(misfit) => {
                let stored = app.store().definition(&new.id, true).await?;
                let (experiment, creation_digest) = stored.ok_or_else(|| refused(misfit))?;
                return Ok(Creation::Taken {
                    experiment: Box::new(experiment),
                    creation_digest,
                });
            }
        };
        let created = app
            .store()
            .create_experiment(&placement, creation_digest, by, catalog);
        match created.await? {
            Creation::Moved => catalog = app.store().catalog_with(true).await?,
            outcome => return Ok(outcome),
        }
    }
    Err(contended())
}

/// Stores the next version of an experiment with its place. None if another caller changed the experiment first.
///
/// # Errors
/// As [`create`].
pub async fn change(
    app: &App,
    before: &Experiment,
    after: Experiment,
    creation_digest: &str,
    author: Author<'_>,
    mut catalog: Catalog,
) -> Result<Option<Experiment>, Problem> {
    for _ in 0..ATTEMPTS {
        let placed = place(app, Some(before), after.clone()).await?;
        let placement = placed.map_err(refused)?;
        let store = app.store();
        let changed = store.change_experiment(before, &placement, creation_digest, author, catalog);
        match changed.await? {
            ChangeOutcome::Moved => catalog = store.catalog_with(true).await?,
            ChangeOutcome::Changed => return Ok(Some(placement.experiment)),
            ChangeOutcome::Stale => return Ok(None),
            ChangeOutcome::SegmentDeleted(id) => return Err(Problem::segment_deleted(&id)),
        }
    }
    Err(contended())
}

async fn place(
    app: &App,
    before: Option<&Experiment>,
    after: Experiment,
) -> Result<Result<Placement, Misfit>, StoreError> {
    let needs = Needs::of(before, &after);
    let mut surroundings = Surroundings::default();
    if let Some(id) = &needs.layer {
        surroundings.layer = app.store().layer(id).await?;
    }
    if needs.holdouts {
        surroundings.holdouts = app.store().running_holdouts().await?;
    }
    let free_from = app.layer_free_from(after.updated_at);
    Ok(placement::place(before, after, surroundings, free_from))
}

fn refused(misfit: Misfit) -> Problem {
    let (code, detail) = (misfit.why.code, misfit.why.detail.clone());
    let fault = Fault::at(format!("/{}", misfit.field), misfit.why);
    if matches!(code, "unknown_layer" | "other_unit") {
        return Problem::invalid(vec![fault]);
    }
    Problem::conflict(code, detail, vec![fault])
}

fn contended() -> Problem {
    StoreError::Contended("a layer or the running holdouts".to_owned()).into()
}
