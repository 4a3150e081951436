//! Which holdouts are running, which experiments they cover, and the group of a user in one of them.

use super::Invalid;
use super::experiment::{Experiment, Status};
use super::ids::{ExperimentId, LayerId, UserId, VariantKey};
use super::limits::MAX_HOLDOUTS;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether a holdout that a definition lists keeps users out at an instant. It has started, even if this version of its
/// definition is still that of a draft: a process can read the two definitions at different times.
pub fn is_active(holdout: &Experiment, now: Timestamp) -> bool {
    let is_over = matches!(holdout.status, Status::Stopped | Status::Archived);
    !is_over && holdout.end().is_none_or(|end| now < end)
}

/// The group of a user in a holdout, and whether it is held out.
pub fn group<'h>(holdout: &'h Experiment, user: &UserId, now: Timestamp) -> (&'h VariantKey, bool) {
    let control = holdout.allocation.variants.control();
    // The traffic is 100%, so each user has a variant.
    let variant = holdout.allocation.choose(user, now).unwrap_or(control);
    (&variant.key, variant.key == control.key)
}

/// The holdouts that are running. One item of the database contains all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningHoldouts {
    /// Number of its changes; 0 before the first.
    pub version: u64,
    /// The holdouts in the order of their starts.
    pub holdouts: Vec<RunningHoldout>,
}

/// A running holdout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningHoldout {
    /// Its experiment.
    pub id: ExperimentId,
    /// The layer of its scope; none for all experiments.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<LayerId>,
}

impl RunningHoldouts {
    /// The holdouts whose scope contains an experiment. Holdouts consist of users, so experiments with units of other kinds
    /// are in no scope.
    pub fn covering(&self, experiment: &Experiment) -> Vec<ExperimentId> {
        let allocation = &experiment.allocation;
        if allocation.holdout.is_some() || !allocation.unit.is_user() {
            return Vec::new();
        }
        let layer = experiment.allocation.layer.as_ref();
        let layer = layer.map(|layer| &layer.id);
        let covers = |holdout: &&RunningHoldout| {
            let scope = holdout.layer.as_ref();
            scope.is_none() || scope == layer
        };
        let covering = self.holdouts.iter().filter(covers);
        covering.map(|holdout| holdout.id.clone()).collect()
    }

    /// Adds a holdout.
    ///
    /// # Errors
    /// If too many are running.
    pub fn start(&mut self, id: &ExperimentId, layer: Option<LayerId>) -> Result<(), Invalid> {
        if self.holdouts.len() >= MAX_HOLDOUTS {
            let running = self.holdouts.iter();
            let running: Vec<_> = running.map(|each| format!("`{}`", each.id)).collect();
            let detail = format!(
                "At most {MAX_HOLDOUTS} holdouts run at a time. Stop one of {}.",
                running.join(", ")
            );
            return Err(Invalid::new("too_many_holdouts", detail));
        }
        self.version += 1;
        self.holdouts.push(RunningHoldout {
            id: id.clone(),
            layer,
        });
        Ok(())
    }

    /// Removes a holdout.
    pub fn stop(&mut self, id: &ExperimentId) {
        self.version += 1;
        self.holdouts.retain(|holdout| holdout.id != *id);
    }
}
