//! Layers in responses.

use super::problem::Problem;
use domain::ids::{ExperimentId, LayerId, UnitKind};
use domain::layer::{BucketRange, Layer, LayerRange, percent_of};
use domain::time::Timestamp;
use serde::Serialize;

/// A layer with its usage.
#[derive(Serialize)]
pub struct LayerResponse<'l> {
    #[serde(flatten)]
    summary: LayerSummary<'l>,
    seed: &'l str,
    /// The ranges of each experiment, in the order of the bucket values.
    ranges: Vec<HeldRange<'l>>,
    /// Ranges that experiments gave back.
    freed_ranges: Vec<FreedRange>,
}

/// A layer in a list.
#[derive(Serialize)]
pub struct LayerSummary<'l> {
    id: &'l LayerId,
    version: u64,
    name: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'l UnitKind>,
    /// Percentage of all users that can be given to experiments now.
    free_percent: f64,
    experiments: Vec<LayerExperiment<'l>>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct LayerExperiment<'l> {
    experiment_id: &'l ExperimentId,
    percent: f64,
}

#[derive(Serialize)]
struct HeldRange<'l> {
    experiment_id: &'l ExperimentId,
    #[serde(flatten)]
    range: BucketRange,
}

#[derive(Serialize)]
struct FreedRange {
    #[serde(flatten)]
    range: BucketRange,
    free_from: Timestamp,
}

impl<'l> LayerResponse<'l> {
    /// A layer at an instant.
    pub fn new(layer: &'l Layer, now: Timestamp) -> Self {
        let all = layer.ranges.as_slice();
        let held = |each: &'l LayerRange| {
            Some(HeldRange {
                experiment_id: each.experiment.as_ref()?,
                range: each.range,
            })
        };
        let freed = |each: &LayerRange| {
            Some(FreedRange {
                range: each.range,
                free_from: each.free_from?,
            })
        };
        Self {
            summary: LayerSummary::new(layer, now),
            seed: &layer.seed,
            ranges: all.iter().filter_map(held).collect(),
            freed_ranges: all.iter().filter_map(freed).collect(),
        }
    }
}

impl<'l> LayerSummary<'l> {
    /// A layer at an instant.
    pub fn new(layer: &'l Layer, now: Timestamp) -> Self {
        let share = |experiment_id: &'l ExperimentId| {
            let ranges = layer.ranges.of(experiment_id);
            LayerExperiment {
                experiment_id,
                percent: percent_of(ranges.iter().map(BucketRange::len).sum()),
            }
        };
        let experiments = layer.ranges.experiments();
        Self {
            id: &layer.id,
            version: layer.version,
            name: &layer.name,
            description: layer.description.as_deref(),
            unit: layer.unit.as_ref(),
            free_percent: percent_of(layer.ranges.free_at(now)),
            experiments: experiments.into_iter().map(share).collect(),
            created_at: layer.created_at,
            updated_at: layer.updated_at,
        }
    }
}

/// Checks that no experiment has a range of a layer, and that no process can still assign users of a freed range.
///
/// # Errors
/// 409.
pub fn check_unused(layer: &Layer, now: Timestamp) -> Result<(), Problem> {
    if !layer.ranges.in_use_at(now) {
        return Ok(());
    }
    let experiments = layer.ranges.experiments().into_iter();
    let named: Vec<_> = experiments.map(|id| format!("`{id}`")).collect();
    let free_from = layer.ranges.as_slice().iter();
    let free_from = free_from.filter_map(|range| range.free_from).max();
    let detail = match (named.as_slice(), free_from) {
        ([], Some(free_from)) => {
            format!(
                "Experiments of the layer have just ended. It can be deleted from {free_from} on."
            )
        }
        _ => format!(
            "The layer is used by {}. Stop or archive these experiments first.",
            named.join(", ")
        ),
    };
    Err(Problem::conflict("layer_in_use", detail, Vec::new()))
}
