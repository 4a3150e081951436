//! Power to date of a running experiment, and the additional units that it needs.
//!
//! Both refer to the planned effect. The power for the observed effect is a function of the p-value
//! and adds no information.

use serde::Serialize;

use super::confidence_sequence::ConfidenceSequence;
use super::distributions::normal_upper_tail;
use super::level::{Alpha, Alternative};
use super::missing::MissingReason;
use super::power::critical;
use super::root::rising_root;

/// The growth, 2^28 times the current size, above which the target power counts as unreachable.
const MAX_GROWTH: f64 = 268_435_456.0;

/// The current state of a running experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Current standard error of the effect, above 0.
    pub standard_error: f64,
    /// Current units of both arms together, above 0.
    pub units: f64,
    /// The effect that the experiment is planned to detect, in the effect's unit, not 0.
    pub planned_effect: f64,
    /// Error level of the fixed test. A confidence sequence has its own.
    pub alpha: Alpha,
    /// The confidence sequence of a sequential experiment. `None` for a fixed test at the end.
    pub sequence: Option<ConfidenceSequence>,
}

/// What the experiment still needs to reach the target power.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Remaining {
    /// Required growth relative to the current size: 0 if the target is reached, 1 for twice the size.
    pub growth: f64,
    /// Additional units of both arms together, at least 0.
    pub units: f64,
}

impl Remaining {
    /// The number of days, rounded up, at this number of new units per day. The mean of the last seven
    /// days is a good estimate.
    ///
    /// # Errors
    /// [`MissingReason::Unreachable`] if units are needed and `units_per_day` is not positive.
    pub fn days(&self, units_per_day: f64) -> Result<u64, MissingReason> {
        if self.units == 0.0 {
            return Ok(0);
        }
        let days = self.units / units_per_day;
        if days.is_finite() && units_per_day > 0.0 {
            Ok(days.ceil() as u64)
        } else {
            Err(MissingReason::Unreachable)
        }
    }
}

impl Progress {
    /// The power for the planned effect when the experiment is (1 + growth) times its current size.
    /// The power to date is that at growth 0.
    ///
    /// # Errors
    /// [`MissingReason::ZeroVariance`] if the standard error or the number of units is not positive.
    pub fn power_at(&self, growth: f64) -> Result<f64, MissingReason> {
        if !(self.standard_error > 0.0 && self.units > 0.0) {
            return Err(MissingReason::ZeroVariance);
        }
        let scale = 1.0 + growth;
        let standard_error = self.standard_error / scale.sqrt();
        let threshold = match self.sequence {
            Some(sequence) => {
                sequence.half_width(standard_error, self.units * scale)? / standard_error
            }
            None => critical(self.alpha, Alternative::TwoSided)?,
        };
        let shift = self.planned_effect / standard_error;
        Ok(normal_upper_tail(threshold - shift) + normal_upper_tail(threshold + shift))
    }

    /// What the experiment needs until the power is `target`, strictly between 0 and 1.
    ///
    /// # Errors
    /// [`MissingReason::Unreachable`] if the target is not reached at 2^28 times the current size;
    /// [`MissingReason::OutOfRange`] if the target is; those of [`Progress::power_at`].
    pub fn remaining(&self, target: f64) -> Result<Remaining, MissingReason> {
        if !(target > 0.0 && target < 1.0) {
            return Err(MissingReason::OutOfRange("target"));
        }
        if self.power_at(0.0)? >= target {
            return Ok(Remaining {
                growth: 0.0,
                units: 0.0,
            });
        }
        if self.power_at(MAX_GROWTH)? < target {
            return Err(MissingReason::Unreachable);
        }
        let growth = rising_root(1.0, target, |growth| self.power_at(growth))?;
        Ok(Remaining {
            growth,
            units: growth * self.units,
        })
    }
}
