//! Placement: the layer and the holdouts of an experiment, when it is created or changed.
//!
//! A version of an experiment, the ranges of its layer and the list of running holdouts are written together or not at all.

use super::Invalid;
use super::change::Misfit;
use super::experiment::{Experiment, Status};
use super::ids::{LayerId, UnitKind};
use super::layer::{Layer, LayerShare};
use super::running_holdouts::RunningHoldouts;
use super::time::Timestamp;

/// What a placement is based on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// The layer that [`Needs`] names, if it exists.
    pub layer: Option<Layer>,
    /// The running holdouts.
    pub holdouts: RunningHoldouts,
}

/// What must be read for a placement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The layer whose ranges change.
    pub layer: Option<LayerId>,
    /// Whether the running holdouts are needed.
    pub holdouts: bool,
}

impl Needs {
    /// What the placement of a new version needs.
    pub fn of(before: Option<&Experiment>, after: &Experiment) -> Self {
        let layer = |experiment: &Experiment| {
            let layer = experiment.allocation.layer.as_ref();
            layer.map(|layer| (layer.id.clone(), layer.percent))
        };
        let (old, new) = (before.and_then(layer), layer(after));
        let changes = old != new || (new.is_some() && ends(before, after));
        let layer = new.or(old).filter(|_| changes).map(|(id, _)| id);
        let is_holdout = after.allocation.holdout.is_some();
        let ran = before.is_some_and(|before| before.schedule.started_at.is_some());
        Self {
            layer,
            holdouts: starts(before, after) || (is_holdout && ran && ends(before, after)),
        }
    }
}

/// A new version with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The experiment with the ranges of its layer and the holdouts that apply to it.
    pub experiment: Experiment,
    /// The next version of the layer, if its ranges change.
    pub layer: Option<Layer>,
    /// The version of the running holdouts that must not have changed, if the placement is based on them.
    pub based_on_holdouts: Option<u64>,
    /// The next version of the running holdouts, if they change.
    pub holdouts: Option<RunningHoldouts>,
}

impl Placement {
    /// The place of a version that changes neither a layer nor the running holdouts.
    pub fn unchanged(experiment: Experiment) -> Self {
        Self {
            experiment,
            layer: None,
            based_on_holdouts: None,
            holdouts: None,
        }
    }
}

/// Places a new version. Ranges that it gives back are free from `free_from` on.
///
/// # Errors
/// If the layer does not exist, has not enough free ranges or is for other units, or too many holdouts are running.
pub fn place(
    before: Option<&Experiment>,
    after: Experiment,
    surroundings: Surroundings,
    free_from: Timestamp,
) -> Result<Placement, Misfit> {
    let needs = Needs::of(before, &after);
    if needs == Needs::default() {
        return Ok(Placement::unchanged(after));
    }
    let now = after.updated_at;
    let mut experiment = after;
    let layer = needs.layer.map(|id| match surroundings.layer {
        Some(layer) => in_layer(layer, before, &mut experiment, now, free_from),
        None => Err(Misfit::unknown_layer("layer/id", &id)),
    });
    let layer = layer.transpose()?;
    let running = surroundings.holdouts;
    let based_on_holdouts = needs.holdouts.then_some(running.version);
    let mut holdouts = None;
    if starts(before, &experiment) {
        experiment.allocation.holdouts = running.covering(&experiment);
    }
    if let Some(holdout) = experiment
        .allocation
        .holdout
        .clone()
        .filter(|_| needs.holdouts)
    {
        let mut next = running;
        if ends(before, &experiment) {
            next.stop(&experiment.id);
        } else {
            let started = next.start(&experiment.id, holdout.layer);
            started.map_err(|why| Misfit {
                field: "holdout",
                why,
            })?;
        }
        holdouts = Some(next);
    }
    Ok(Placement {
        experiment,
        layer,
        based_on_holdouts,
        holdouts,
    })
}

/// Checks the layer that a new holdout names.
///
/// # Errors
/// If there is no such layer, or its experiments assign other units than users: a holdout consists of users.
pub fn check_holdout_layer(id: &LayerId, layer: Option<&Layer>) -> Result<(), Misfit> {
    let layer = layer.ok_or_else(|| Misfit::unknown_layer("holdout/layer", id))?;
    let Some(unit) = layer.unit.as_ref().filter(|unit| !unit.is_user()) else {
        return Ok(());
    };
    let detail = format!(
        "A holdout consists of units of the kind `{}`, and the layer `{id}` is for experiments with the unit `{unit}`, so the \
         holdout could keep nothing out. Choose another layer.",
        UnitKind::USER
    );
    Err(Misfit {
        field: "holdout/layer",
        why: Invalid::new("other_unit", detail),
    })
}

fn in_layer(
    mut layer: Layer,
    before: Option<&Experiment>,
    experiment: &mut Experiment,
    now: Timestamp,
    free_from: Timestamp,
) -> Result<Layer, Misfit> {
    layer.version += 1;
    layer.updated_at = now;
    let id = &experiment.id;
    match &experiment.allocation.layer {
        Some(LayerShare { percent, .. }) if !ends(before, experiment) => {
            let percent = *percent;
            if layer.ranges.of(id).is_empty() {
                let joined = layer.join(&experiment.allocation.unit);
                joined.map_err(|why| Misfit {
                    field: "layer/id",
                    why,
                })?;
            }
            let resized = layer.ranges.resize(id, percent.buckets(), now, free_from);
            resized.map_err(|why| Misfit {
                field: "layer/percent",
                why,
            })?;
            experiment.allocation.layer = Some(layer.share(id, percent));
        }
        // The definition of an experiment that is over still says which ranges it had.
        Some(_) | None => layer.ranges.release(id, now, free_from),
    }
    Ok(layer)
}

/// Whether the experiment starts for the first time.
fn starts(before: Option<&Experiment>, after: &Experiment) -> bool {
    let started = |experiment: &Experiment| experiment.schedule.started_at.is_some();
    started(after) && !before.is_some_and(started)
}

/// Whether the experiment is over from this version on.
fn ends(before: Option<&Experiment>, after: &Experiment) -> bool {
    let is_over =
        |experiment: &Experiment| matches!(experiment.status, Status::Stopped | Status::Archived);
    is_over(after) && before.is_some_and(|before| !is_over(before))
}
