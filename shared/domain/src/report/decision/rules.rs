//! The rules, in their order. `docs/statistics.md` shows them as a table.

use super::facts::{Facts, PrimaryState};
use serde::{Deserialize, Serialize, Serializer};

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Give the variant to all users.
    Ship,
    /// The data are not sufficient yet.
    KeepRunning,
    /// Keep the baseline.
    Stop,
    /// The data are not sound, so no number can be trusted.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Stored records are not in the aggregates yet.
    StillCounting,
    /// A variant with traffic has no users.
    VariantWithoutUsers,
    /// The sample ratio differs from the weights by more than chance.
    SampleRatioMismatch,
    /// The arms differed before exposure.
    PreExposureImbalance,
    /// The weights changed while users were assigned.
    WeightsChanged,
    /// The experiment is running, and no data arrived for a day.
    NoRecentEvents,
    /// There is no metric or no comparison.
    NoData,
    /// A guardrail got worse.
    GuardrailWorse,
    /// The deciding metric got worse.
    PrimaryWorse,
    /// The data are below the minimum that a finding needs.
    NotEnoughData,
    /// There is enough data, and the comparison is missing for another reason.
    NotMeasurable,
    /// Better, but by less than the minimum detectable effect.
    BelowMinimumEffect,
    /// Better, but the experiment has not run for a week.
    FirstWeek,
    /// Better, but a guardrail with a margin is not shown to be within it.
    GuardrailUndecided,
    /// Better.
    PrimaryBetter,
    /// The interval is within plus and minus the minimum detectable effect.
    Equivalent,
    /// The planned power is reached, or the experiment has ended, and no effect was found.
    NoEffectFound,
    /// No difference is shown so far.
    Undecided,
}

impl Reason {
    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::StillCounting => "still_counting",
            Self::VariantWithoutUsers => "variant_without_users",
            Self::SampleRatioMismatch => "sample_ratio_mismatch",
            Self::PreExposureImbalance => "pre_exposure_imbalance",
            Self::WeightsChanged => "weights_changed",
            Self::NoRecentEvents => "no_recent_events",
            Self::NoData => "no_data",
            Self::GuardrailWorse => "guardrail_worse",
            Self::PrimaryWorse => "primary_worse",
            Self::NotEnoughData => "not_enough_data",
            Self::NotMeasurable => "not_measurable",
            Self::BelowMinimumEffect => "below_minimum_effect",
            Self::FirstWeek => "first_week",
            Self::GuardrailUndecided => "guardrail_undecided",
            Self::PrimaryBetter => "primary_better",
            Self::Equivalent => "equivalent",
            Self::NoEffectFound => "no_effect_found",
            Self::Undecided => "undecided",
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The result of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
}

/// The first rule that applies decides. The rules are checked in this order: completeness, data quality, guardrails,
/// primary metrics.
pub fn decide(facts: &Facts) -> Ruling {
    let ruling = |verdict, reason| Ruling { verdict, reason };
    // An experiment that has ended cannot keep running.
    let wait = |reason| {
        if facts.readiness.over {
            ruling(Verdict::Stop, reason)
        } else {
            ruling(Verdict::KeepRunning, reason)
        }
    };
    if facts.still_counting {
        ruling(Verdict::KeepRunning, Reason::StillCounting)
    } else if facts.variant_without_users {
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
            PrimaryState::NotMeasurable => wait(Reason::NotMeasurable),
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
