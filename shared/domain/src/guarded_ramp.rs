//! Guarded ramps: while a guardrail is worse, the steps that depend on it do not begin.
//!
//! The function that counts records looks at the guardrails and writes what follows as a new version of the definition.
//! The traffic at an instant remains a function of the definition alone.

use super::Invalid;
use super::experiment::{Experiment, Status};
use super::ids::MetricKey;
use super::limits::MAX_PHASES;
use super::metric::{Metric, MetricRole};
use super::ramp::{Ramp, RampHold};
use super::time::Timestamp;

/// A change of a guarded ramp.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardedChange {
    /// The experiment after it.
    pub experiment: Experiment,
    /// Why, in a sentence for the history.
    pub reason: String,
}

impl Experiment {
    /// Whether guardrails can change the ramp at this time.
    pub fn is_ramp_guarded(&self, now: Timestamp) -> bool {
        let open = self.status == Status::Running && self.end().is_none_or(|end| now < end);
        let allocation = &self.allocation;
        let rolls_back = match allocation.ramp.last_begun(now) {
            Some((begun, _)) => begun.rolls_back(),
            None => allocation.roll_back_percent.is_some(),
        };
        let next = allocation.ramp.after(now).next();
        open && (allocation.ramp_hold.is_some()
            || rolls_back
            || next.is_some_and(|step| step.on_worse_guardrail.is_some()))
    }

    /// What follows from the guardrails that are worse at this time; none if the ramp stays as it is.
    ///
    /// A ramp on hold stays so if there is no room for the phases of its steps: the caller decides then.
    pub fn guard_ramp(&self, worse: &[MetricKey], now: Timestamp) -> Option<GuardedChange> {
        // As in a change by a caller, versions are ordered in time, and no two have the same.
        let now = now.max(self.updated_at.plus_micros(1));
        if !self.is_ramp_guarded(now) {
            return None;
        }
        match (&self.allocation.ramp_hold, worse.is_empty()) {
            (None, false) => Some(self.hold(worse, now)),
            (Some(hold), true) => self.resume(hold, now),
            (None, true) | (Some(_), false) => None,
        }
    }

    fn hold(&self, worse: &[MetricKey], now: Timestamp) -> GuardedChange {
        let mut after = self.next_version(now);
        let allocation = &mut after.allocation;
        allocation.pass_ramp_steps(now);
        let current = allocation.traffic_percent;
        // Another traffic is another phase.
        let has_room = self.allocation.phases.len() < MAX_PHASES;
        let back = allocation.roll_back_percent.filter(|_| has_room);
        allocation.ramp_hold = Some(RampHold {
            since: now,
            traffic_percent: back.unwrap_or(current),
            guardrails: worse.to_vec(),
        });
        allocation.begin_phases(now);
        let keys: Vec<_> = worse.iter().map(|key| format!("`{key}`")).collect();
        let subject = match keys.as_slice() {
            [only] => format!("The guardrail {only} is"),
            _ => format!("The guardrails {} are", keys.join(", ")),
        };
        let follows = match back {
            Some(percent) => format!("the traffic goes back from {current}% to {percent}%"),
            None => "the ramp is on hold".to_owned(),
        };
        GuardedChange {
            experiment: after,
            reason: format!("{subject} worse, so {follows}."),
        }
    }

    fn resume(&self, hold: &RampHold, now: Timestamp) -> Option<GuardedChange> {
        let mut after = self.next_version(now);
        after.allocation.end_hold(now);
        after.allocation.begin_phases(now);
        let reason = format!(
            "No guardrail is worse any more, so the ramp continues that was on hold since {}.",
            hold.since
        );
        let fits = after.allocation.phases.len() <= MAX_PHASES;
        fits.then_some(GuardedChange {
            experiment: after,
            reason,
        })
    }

    fn next_version(&self, now: Timestamp) -> Self {
        Self {
            version: self.version + 1,
            updated_at: now,
            ..self.clone()
        }
    }
}

impl Ramp {
    /// Checks that a guardrail is declared if a step depends on guardrails.
    ///
    /// # Errors
    /// If there is none.
    pub fn fits(&self, metrics: &[Metric]) -> Result<(), Invalid> {
        let has_guardrail = metrics
            .iter()
            .any(|metric| metric.role == MetricRole::Guardrail);
        if has_guardrail || !self.is_guarded() {
            return Ok(());
        }
        let detail = "A step depends on the guardrails, and no metric has the role `guardrail`. Declare one, or leave \
                      `on_worse_guardrail` out.";
        Err(Invalid::new("no_guardrail", detail))
    }
}
