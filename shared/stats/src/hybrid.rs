//! The hybrid test: a sequential test with a fixed test at the planned end.
//!
//! While the experiment runs, results come from a confidence sequence at alpha/2. At the planned end,
//! one fixed test at alpha/2 is added. An effect for which a fixed test has 80% power has 72% power
//! in the hybrid test and 50% in the confidence sequence. The experiment may still stop early.

use serde::Serialize;

use super::confidence_sequence::ConfidenceSequence;
use super::effect::{Effect, Interval};
use super::level::{Alpha, Alternative};
use super::missing::MissingReason;
use super::p_value::PValue;

/// The hybrid test of one experiment, with its planned number of units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Hybrid {
    half_alpha: Alpha,
    planned_units: f64,
    sequence: ConfidenceSequence,
}

/// The phase of the experiment at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The experiment has fewer units than planned.
    Running,
    /// The first analysis with at least the planned number of units. Only this analysis may use the
    /// fixed test, and it must use the same data whenever it is shown again.
    PlannedEnd,
    /// A later analysis, which uses the confidence sequence only.
    Overrun,
}

/// The result of the hybrid test at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HybridResult {
    /// Treatment minus control, in the effect's unit.
    pub effect: f64,
    /// Interval that covers the true effect at all looks and the planned end together with
    /// probability 1 - alpha.
    pub interval: Interval,
    /// Always-valid p-value: without an effect, the probability that it is ever at most alpha is at
    /// most alpha.
    pub p_value: PValue,
    /// Phase of the experiment at this look.
    pub phase: Phase,
}

impl Hybrid {
    /// The test for an experiment with this planned number of units of both arms together, at least 1.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the number of planned units is.
    pub fn new(alpha: Alpha, planned_units: f64) -> Result<Self, MissingReason> {
        let half_alpha = alpha.divided_by(2);
        let sequence = ConfidenceSequence::new(half_alpha, planned_units)?;
        Self::with_sequence(half_alpha, planned_units, sequence)
    }

    /// The test whose results come from this confidence sequence at `half_alpha` until the planned end.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the sequence has another level.
    pub fn with_sequence(
        half_alpha: Alpha,
        planned_units: f64,
        sequence: ConfidenceSequence,
    ) -> Result<Self, MissingReason> {
        if sequence.alpha() != half_alpha {
            return Err(MissingReason::OutOfRange("sequence"));
        }
        Ok(Self {
            half_alpha,
            planned_units,
            sequence,
        })
    }

    /// The phase of an analysis. `end_was_analysed` tells whether an earlier analysis had at least the
    /// planned number of units.
    pub fn phase(&self, effect: &Effect, end_was_analysed: bool) -> Phase {
        if (effect.units() as f64) < self.planned_units {
            Phase::Running
        } else if end_was_analysed {
            Phase::Overrun
        } else {
            Phase::PlannedEnd
        }
    }

    /// The result of a look in this phase.
    ///
    /// # Errors
    /// [`MissingReason::OneArmConstant`] if one arm does not vary; [`MissingReason::Overflow`] if a
    /// result is not finite.
    pub fn at(&self, effect: &Effect, phase: Phase) -> Result<HybridResult, MissingReason> {
        let running = self.sequence.at(effect)?;
        let (interval, p_value) = if phase == Phase::PlannedEnd {
            let end = effect.test(0.0, self.half_alpha, Alternative::TwoSided)?;
            (end.interval, end.p_value.min(running.p_value))
        } else {
            (running.interval, running.p_value)
        };
        Ok(HybridResult {
            effect: effect.value(),
            interval,
            p_value: PValue::from_ln(p_value.ln() + std::f64::consts::LN_2),
            phase,
        })
    }
}
