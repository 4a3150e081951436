//! The part of a layer that an experiment asks for, holdouts, and the body of `PUT /layers/{id}`.

use super::text::{description, name};
use crate::http::body::{Faults, Node, Object};
use crate::http::problem::Problem;
use domain::Invalid;
use domain::allocation::Allocation;
use domain::holdout::Holdout;
use domain::ids::{LayerId, UnitKind};
use domain::layer::LayerPercent;

/// Fields of an experiment that a holdout has no choice of.
const NOT_OF_HOLDOUTS: [&str; 9] = [
    "unit",
    "variants",
    "traffic_percent",
    "ramp",
    "layer",
    "targeting",
    "overrides",
    "dimensions",
    "starts_at",
];

/// The texts of a layer, and its kind of unit.
pub struct LayerInput {
    /// A name for readers.
    pub name: String,
    /// A description for readers.
    pub description: Option<String>,
    /// What the experiments of the layer assign, if the caller declares it.
    pub unit: Option<UnitKind>,
    /// Why the layer is changed.
    pub reason: Option<String>,
}

/// Reads the texts of a layer, and its kind of unit.
///
/// # Errors
/// 422 with all faults.
pub fn read(text: &str) -> Result<LayerInput, Problem> {
    let mut faults = Faults::default();
    let input = Node::root(text).object(&mut faults).and_then(|mut body| {
        let name = body
            .required("name", &mut faults)
            .and_then(|node| name(&node, &mut faults));
        let mut prose = |field| {
            let node = body.optional(field)?;
            description(&node, &mut faults)
        };
        let (description, reason) = (prose("description"), prose("reason"));
        let unit = body.optional("unit");
        let unit = unit.and_then(|node| node.text(&mut faults, UnitKind::parse));
        body.finish(&mut faults, "name, description, unit, reason");
        Some(LayerInput {
            name: name?,
            description,
            unit,
            reason,
        })
    });
    faults.check(input)
}

/// The layer of an experiment, and its percentage.
pub(super) fn layer(node: &Node<'_>, faults: &mut Faults) -> Option<(LayerId, LayerPercent)> {
    let mut fields = node.object(faults)?;
    let id = fields
        .required("id", faults)
        .and_then(|node| node.text(faults, LayerId::parse));
    let percent = fields
        .required("percent", faults)
        .and_then(|node| node.number(faults, LayerPercent::parse));
    fields.finish(faults, "id, percent");
    Some((id?, percent?))
}

/// The allocation of a holdout.
pub(super) fn holdout(
    node: &Node<'_>,
    body: &mut Object<'_>,
    hash_seed: Option<String>,
    faults: &mut Faults,
) -> Option<Allocation> {
    for field in NOT_OF_HOLDOUTS {
        if let Some(node) = body.optional(field) {
            let detail = format!(
                "A holdout has no `{field}`: it has two variants, and all users take part. Leave it out."
            );
            faults.push(node.pointer(), Invalid::new("is_holdout", detail));
        }
    }
    let mut fields = node.object(faults)?;
    let percent = fields
        .required("percent", faults)
        .and_then(|node| node.number(faults, Holdout::percent));
    let layer = fields
        .optional("layer")
        .map(|node| node.text(faults, LayerId::parse));
    fields.finish(faults, "percent, layer");
    let holdout = Holdout {
        percent: percent?,
        layer: layer.map_or(Some(None), |layer| layer.map(Some))?,
    };
    let pointer = format!("{}/percent", node.pointer());
    let allocation = Allocation::of_holdout(holdout, hash_seed?);
    allocation
        .map_err(|invalid| faults.push(pointer, invalid))
        .ok()
}
