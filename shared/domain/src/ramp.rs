//! Ramps: scheduled steps of the traffic.

use super::Invalid;
use super::limits;
use super::prose::grouped_size;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// From an instant on, a percentage of all users takes part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RampStep {
    /// When it begins.
    pub at: Timestamp,
    /// Percentage of all users that take part from then on.
    pub traffic_percent: f64,
}

/// Scheduled steps, each later than the one before. They take effect at their instants without any request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<RampStep>", into = "Vec<RampStep>")]
pub struct Ramp(Vec<RampStep>);

impl Ramp {
    /// The steps, if they are valid together.
    ///
    /// # Errors
    /// Every fault with the index of its step; `None` for a fault of the whole.
    pub fn new(steps: Vec<RampStep>) -> Result<Self, Vec<(Option<usize>, Invalid)>> {
        let mut faults = Vec::new();
        if steps.len() > limits::MAX_RAMP_STEPS {
            let detail = format!(
                "A ramp has at most {} steps; this has {}.",
                limits::MAX_RAMP_STEPS,
                grouped_size(steps.len())
            );
            faults.push((None, Invalid::new("too_many", detail)));
        }
        for (index, pair) in steps.windows(2).enumerate() {
            if let [earlier, later] = pair
                && later.at <= earlier.at
            {
                let detail = format!("Must be after the step before, {}.", earlier.at);
                faults.push((Some(index + 1), Invalid::new("not_in_order", detail)));
            }
        }
        if faults.is_empty() {
            Ok(Self(steps))
        } else {
            Err(faults)
        }
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The traffic of the last step that has begun.
    pub fn traffic_at(&self, at: Timestamp) -> Option<f64> {
        let begun = self.0.iter().take_while(|step| step.at <= at);
        begun.last().map(|step| step.traffic_percent)
    }

    /// The steps that begin after an instant.
    pub fn after(&self, at: Timestamp) -> impl Iterator<Item = &RampStep> {
        self.0.iter().filter(move |step| step.at > at)
    }

    /// Removes the steps that have begun.
    pub(super) fn remove_begun(&mut self, at: Timestamp) {
        self.0.retain(|step| step.at > at);
    }
}

impl TryFrom<Vec<RampStep>> for Ramp {
    type Error = Invalid;
    fn try_from(steps: Vec<RampStep>) -> Result<Self, Invalid> {
        Self::new(steps).map_err(|mut faults| faults.remove(0).1)
    }
}

impl From<Ramp> for Vec<RampStep> {
    fn from(ramp: Ramp) -> Self {
        ramp.0
    }
}
