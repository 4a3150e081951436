//! What may change about the layer of an experiment, and about a holdout.

use super::{Change, HasField, Misfit};
use crate::experiment::{Experiment, Status};
use crate::ids::LayerId;

/// Fields that a holdout has no choice of.
const NOT_OF_HOLDOUTS: [(&str, HasField); 10] = [
    ("variants", |change| change.allocation.variants.is_some()),
    ("traffic_percent", |change| {
        change.allocation.traffic_percent.is_some()
    }),
    ("ramp", |change| change.allocation.ramp.is_some()),
    ("layer", |change| change.allocation.layer.is_some()),
    ("targeting", |change| change.allocation.targeting.is_some()),
    ("overrides", |change| change.allocation.overrides.is_some()),
    ("release", |change| change.allocation.release.is_some()),
    ("dimensions", |change| change.analysis.dimensions.is_some()),
    ("starts_at", |change| change.schedule.starts_at.is_some()),
    ("ends_at", |change| change.schedule.ends_at.is_some()),
];

impl Misfit {
    /// There is no layer with this id.
    pub fn unknown_layer(field: &'static str, id: &LayerId) -> Self {
        let detail = format!("There is no layer `{id}`. Create it with `PUT /layers/{id}`.");
        Self::new(field, "unknown_layer", detail)
    }
}

impl Change {
    /// What a holdout does not allow. Its users must be the same ones at any time.
    pub(super) fn holdout_misfits(&self, before: &Experiment) -> Vec<Misfit> {
        if before.allocation.holdout.is_none() {
            return Vec::new();
        }
        let fields = NOT_OF_HOLDOUTS.iter();
        let changed = fields.filter(|(_, has_field)| has_field(self));
        let misfit = |(field, _): &(&'static str, HasField)| {
            let detail = format!(
                "The `{field}` of a holdout cannot change, because its users must stay the same. Create another holdout."
            );
            Misfit::new(field, "is_holdout", detail)
        };
        let mut misfits: Vec<Misfit> = changed.map(misfit).collect();
        if self.status == Some(Status::Paused) {
            let detail = "A holdout cannot be paused: its users would get into experiments. Stop it instead.";
            misfits.push(Misfit::new("status", "is_holdout", detail));
        }
        misfits
    }

    /// Whether the experiment would join, leave or change its layer at a wrong time.
    pub(super) fn layer_misfit(&self, before: &Experiment) -> Option<Misfit> {
        let wanted = self.allocation.layer.as_ref()?;
        let current = before.allocation.layer.as_ref().map(|layer| &layer.id);
        let wanted = wanted.as_ref().map(|(id, _)| id);
        if wanted == current {
            return None;
        }
        if before.status != Status::Draft {
            let detail = "Only a draft can join or leave a layer, because users are assigned to the experiment already. \
                          The `percent` can change.";
            return Some(Misfit::new("layer", "already_started", detail));
        }
        let (Some(current), Some(_)) = (current, wanted) else {
            return None;
        };
        let detail = format!(
            "The experiment is in the layer `{current}`. Send `\"layer\": null` first, and the other layer after that."
        );
        Some(Misfit::new("layer", "in_other_layer", detail))
    }
}
