//! Holdouts: users who are kept out of every experiment of a scope, to measure the effect of all experiments together.
//!
//! A holdout is an experiment with two variants: `held_out`, the control, and `not_held_out`. Its percentage, its seed and
//! its end never change, so every version of its definition gives a user the same group.
//!
//! A definition lists the holdouts that were running when its experiment started for the first time. A holdout that starts
//! later does not apply to it, because it would keep out users who are assigned already.

use super::Invalid;
use super::allocation::{Allocation, Variant, Variants};
use super::experiment::{Experiment, Status};
use super::ids::{ExperimentId, LayerId, UserId, VariantKey};
use super::limits::{MAX_HOLDOUT_PERCENT, MAX_HOLDOUTS, MIN_HOLDOUT_PERCENT};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What makes an experiment a holdout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holdout {
    /// Percentage of all users that are held out.
    pub percent: f64,
    /// The layer whose experiments the users are kept out of; none for all experiments.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<LayerId>,
}

impl Holdout {
    /// The variant of users who are held out: the control.
    pub const HELD_OUT: &'static str = "held_out";
    /// The variant of all other users.
    pub const NOT_HELD_OUT: &'static str = "not_held_out";

    /// Reads the percentage of a holdout.
    ///
    /// # Errors
    /// If it is not from [`MIN_HOLDOUT_PERCENT`] to [`MAX_HOLDOUT_PERCENT`].
    pub fn percent(text: &str) -> Result<f64, Invalid> {
        let percent = text.parse::<f64>().ok();
        let allowed = MIN_HOLDOUT_PERCENT..=MAX_HOLDOUT_PERCENT;
        percent
            .filter(|percent| allowed.contains(percent))
            .ok_or_else(|| {
                let detail = format!(
                    "Must be a number from {MIN_HOLDOUT_PERCENT} to {MAX_HOLDOUT_PERCENT}."
                );
                Invalid::new("not_a_percentage", detail)
            })
    }

    /// The allocation of an experiment that is this holdout.
    ///
    /// # Errors
    /// If the percentage is not valid.
    pub fn allocation(self, hash_seed: String) -> Result<Allocation, Invalid> {
        let variant = |key, percent| {
            VariantKey::parse(key).map(|key| Variant {
                key,
                percent,
                name: None,
            })
        };
        let variants = vec![
            variant(Self::HELD_OUT, self.percent)?,
            variant(Self::NOT_HELD_OUT, 100.0 - self.percent)?,
        ];
        let variants = Variants::try_from(variants)?;
        Ok(Allocation {
            holdout: Some(self),
            ..Allocation::new(variants, 100.0, hash_seed)
        })
    }
}

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
    /// The holdouts whose scope contains an experiment.
    pub fn covering(&self, experiment: &Experiment) -> Vec<ExperimentId> {
        if experiment.allocation.holdout.is_some() {
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
