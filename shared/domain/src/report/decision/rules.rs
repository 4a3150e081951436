//! The rules, in their order. `docs/statistics.md` shows them as a table.

use super::facts::{Facts, PrimaryState};
use serde::Serialize;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Give it to everybody.
    Ship,
    /// It is too early to say.
    KeepRunning,
    /// Keep what there was.
    Stop,
    /// The data are not sound: no number here means what it seems to.
    DoNotTrust,
}

impl Verdict {
    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ship => "ship",
            Self::KeepRunning => "keep_running",
            Self::Stop => "stop",
            Self::DoNotTrust => "do_not_trust",
        }
    }
}

/// The rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A variant with a share of the traffic has no users.
    VariantWithoutUsers,
    /// The split is not chance.
    SampleRatioMismatch,
    /// The variants differed before the experiment.
    PreExposureImbalance,
    /// The shares changed while users were assigned.
    WeightsChanged,
    /// It runs, and nothing has arrived for a day.
    NoRecentEvents,
    /// There is no metric, or nothing was measured.
    NoData,
    /// A guardrail got worse.
    GuardrailWorse,
    /// The deciding metric got worse.
    PrimaryWorse,
    /// Not the users or conversions that a verdict needs.
    NotEnoughData,
    /// Better, but by less than was called worth having.
    BelowMinimumEffect,
    /// Better, but not every weekday has been seen.
    FirstWeek,
    /// Better, but a guardrail is not proven to be unharmed.
    GuardrailUndecided,
    /// Better.
    PrimaryBetter,
    /// Neither a gain nor a loss worth speaking of.
    Equivalent,
    /// It has the planned power, or it is over, and nothing was found.
    NoEffectFound,
    /// Nothing can be told apart so far.
    Undecided,
}

/// What the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// What to do.
    pub verdict: Verdict,
    /// Which rule said so.
    pub reason: Reason,
}

/// The first rule that applies decides: soundness of the data, then harm, then gain, then patience.
pub fn decide(facts: &Facts) -> Ruling {
    let ruling = |verdict, reason| Ruling { verdict, reason };
    // What would be worth waiting for ends when the experiment is over.
    let wait = |reason| {
        if facts.readiness.over {
            ruling(Verdict::Stop, reason)
        } else {
            ruling(Verdict::KeepRunning, reason)
        }
    };
    if facts.variant_without_users {
        ruling(Verdict::DoNotTrust, Reason::VariantWithoutUsers)
    } else if facts.sample_ratio_mismatch {
        ruling(Verdict::DoNotTrust, Reason::SampleRatioMismatch)
    } else if facts.pre_exposure_imbalance {
        ruling(Verdict::DoNotTrust, Reason::PreExposureImbalance)
    } else if facts.weights_changed {
        ruling(Verdict::DoNotTrust, Reason::WeightsChanged)
    } else if facts.no_recent_events {
        ruling(Verdict::DoNotTrust, Reason::NoRecentEvents)
    } else if facts.guardrail_worse {
        ruling(Verdict::Stop, Reason::GuardrailWorse)
    } else {
        match facts.primary {
            PrimaryState::Nothing => wait(Reason::NoData),
            PrimaryState::NotEnoughData => wait(Reason::NotEnoughData),
            PrimaryState::Worse => ruling(Verdict::Stop, Reason::PrimaryWorse),
            PrimaryState::Better if facts.below_minimum_effect => {
                ruling(Verdict::Stop, Reason::BelowMinimumEffect)
            }
            PrimaryState::Better if facts.guardrail_undecided => wait(Reason::GuardrailUndecided),
            PrimaryState::Better if !facts.readiness.a_week && !facts.readiness.over => {
                wait(Reason::FirstWeek)
            }
            PrimaryState::Better => ruling(Verdict::Ship, Reason::PrimaryBetter),
            PrimaryState::Undecided if facts.equivalent => {
                ruling(Verdict::Stop, Reason::Equivalent)
            }
            PrimaryState::Undecided if facts.readiness.planned_power || facts.readiness.over => {
                ruling(Verdict::Stop, Reason::NoEffectFound)
            }
            PrimaryState::Undecided => ruling(Verdict::KeepRunning, Reason::Undecided),
        }
    }
}

#[cfg(test)]
mod tests;
