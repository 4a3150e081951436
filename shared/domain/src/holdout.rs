//! Holdouts: users who are kept out of every experiment of a scope, to measure the effect of all experiments together.
//!
//! A holdout is an experiment with two variants: `held_out`, the control, and `not_held_out`. Its percentage, its seed and
//! its end never change, so every version of its definition gives a user the same group.
//!
//! A definition lists the holdouts that were running when its experiment started for the first time. A holdout that starts
//! later does not apply to it, because it would keep out users who are assigned already.

use super::Invalid;
use super::ids::LayerId;
use super::limits::{MAX_HOLDOUT_PERCENT, MIN_HOLDOUT_PERCENT};
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
}
