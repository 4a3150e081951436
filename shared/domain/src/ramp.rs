//! Ramps: scheduled steps of the traffic.

use super::Invalid;
use super::ids::MetricKey;
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
    /// What happens while a guardrail is worse. Without it, the step takes place in any case.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_worse_guardrail: Option<OnWorseGuardrail>,
}

impl RampStep {
    /// Whether a worse guardrail brings back the traffic from before the step.
    pub(super) fn rolls_back(&self) -> bool {
        self.on_worse_guardrail == Some(OnWorseGuardrail::RollBack)
    }
}

/// What happens to a ramp while a guardrail is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnWorseGuardrail {
    /// The step does not begin.
    Hold,
    /// The step does not begin. If it has begun, the traffic is that of before it.
    RollBack,
}

impl OnWorseGuardrail {
    /// Both with their names in the API.
    pub const ALL: [(&'static str, Self); 2] =
        [("hold", Self::Hold), ("roll_back", Self::RollBack)];
}

/// A ramp that is on hold. Its steps begin later, by as much as the hold lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RampHold {
    /// Since when.
    pub since: Timestamp,
    /// Percentage of all users that take part during the hold.
    pub traffic_percent: f64,
    /// The guardrails that were worse at that time.
    pub guardrails: Vec<MetricKey>,
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

    /// The steps, the first one first.
    pub fn steps(&self) -> &[RampStep] {
        &self.0
    }

    /// The traffic of the last step that has begun.
    pub fn traffic_at(&self, at: Timestamp) -> Option<f64> {
        let begun = self.0.iter().take_while(|step| step.at <= at);
        begun.last().map(|step| step.traffic_percent)
    }

    /// The last step that has begun, and the one before it, if they are still in the ramp.
    pub(super) fn last_begun(&self, at: Timestamp) -> Option<(RampStep, Option<RampStep>)> {
        let begun = self.0.iter().filter(|step| step.at <= at).count();
        let last = begun.checked_sub(1).and_then(|index| self.0.get(index))?;
        let before = begun.checked_sub(2).and_then(|index| self.0.get(index));
        Some((*last, before.copied()))
    }

    /// Whether a step depends on the guardrails.
    pub fn is_guarded(&self) -> bool {
        self.0.iter().any(|step| step.on_worse_guardrail.is_some())
    }

    /// The same steps, each later by a number of microseconds.
    pub(super) fn delayed(&self, micros: i64) -> Self {
        let later = |step: &RampStep| RampStep {
            at: step.at.plus_micros(micros),
            ..*step
        };
        Self(self.0.iter().map(later).collect())
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
