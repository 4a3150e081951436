//! A running experiment: its power for the planned effect now, and what is still missing.
//!
//! Always about the effect that was *planned*. Power for the observed effect is the p-value in
//! other words and says nothing new.

use serde::Serialize;

use super::confidence_sequence::ConfidenceSequence;
use super::distributions::normal_upper_tail;
use super::level::{Alpha, Alternative};
use super::missing::MissingReason;
use super::power::critical;
use super::root::rising_root;

/// Growth beyond which the target counts as out of reach: 2^28 times the present size.
const FARTHEST: f64 = 268_435_456.0;

/// Where a running experiment stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Standard error of the effect now, above 0.
    pub standard_error: f64,
    /// Units of both arms now.
    pub units: f64,
    /// The effect that the experiment was planned to find, in the effect's unit; not 0.
    pub planned_effect: f64,
    /// Error level.
    pub alpha: Alpha,
    /// The sequence, when results are sequential; none for one look at the end.
    pub sequence: Option<ConfidenceSequence>,
}

/// What is missing to reach the target power.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Remaining {
    /// How much larger the experiment must get: 0 when it has the power already, 1 for twice.
    pub growth: f64,
    /// Units of both arms still to come.
    pub units: f64,
}

impl Remaining {
    /// Whole days at this many new units a day (best the mean of the last seven days).
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
    /// Power for the planned effect once the experiment is (1 + growth) times as large.
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

    /// What is still to come until the power is `target` (0 to 1); unreachable beyond 2^28 times
    /// the present size.
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
        if self.power_at(FARTHEST)? < target {
            return Err(MissingReason::Unreachable);
        }
        let growth = rising_root(1.0, target, |growth| self.power_at(growth))?;
        Ok(Remaining {
            growth,
            units: growth * self.units,
        })
    }
}
