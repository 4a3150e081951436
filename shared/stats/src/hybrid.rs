//! Safe to watch *and* strong at the planned end: half of alpha for each.
//!
//! While the experiment runs, a confidence sequence at alpha/2; at its planned end, once, a fixed
//! test at alpha/2. An effect that a fixed test finds in 80 % of experiments is found in 72 %
//! instead of the sequence's 50 %, and stopping early stays allowed.

use serde::Serialize;

use super::confidence_sequence::ConfidenceSequence;
use super::effect::{Effect, Interval};
use super::level::{Alpha, Alternative};
use super::missing::MissingReason;
use super::p_value::PValue;

/// A sequential test with a planned end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Hybrid {
    half_alpha: Alpha,
    planned_units: f64,
    sequence: ConfidenceSequence,
}

/// Where the experiment stands when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the planned number of units.
    Running,
    /// The first analysis with the planned number of units; only this one may use the fixed test.
    /// Its data must stay the same when it is shown again.
    PlannedEnd,
    /// Later analyses: as while running.
    Overrun,
}

/// What may be said at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HybridResult {
    /// Treatment minus control.
    pub effect: f64,
    /// Interval at 1 - alpha over all looks and the planned end together.
    pub interval: Interval,
    /// At most alpha, at any look or the end, with probability alpha if there is no effect.
    pub p_value: PValue,
    /// Where the experiment stood.
    pub phase: Phase,
}

impl Hybrid {
    /// For an experiment that is planned to end with so many units of both arms together.
    pub fn new(alpha: Alpha, planned_units: f64) -> Result<Self, MissingReason> {
        let half_alpha = alpha.divided_by(2);
        let sequence = ConfidenceSequence::new(half_alpha, planned_units)?;
        Ok(Self {
            half_alpha,
            planned_units,
            sequence,
        })
    }

    /// The phase of an analysis: `end_was_analysed` tells whether an earlier one had already
    /// reached the planned number of units.
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
