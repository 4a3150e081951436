//! The sequential, hybrid and Bayesian methods, all from the same effect and its standard error.

use super::request::AnalysisSettings;
use serde::Serialize;
use stats::{
    BetaDistribution, ConfidenceSequence, Effect, Hybrid, Interval, MissingReason, Phase,
    Posterior, Proportion, Sample, SequentialResult, difference, log_ratio, relative_difference,
};

/// An estimate with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// Treatment minus control.
    pub estimate: f64,
    /// Lower end at 1 − alpha.
    pub ci_lower: f64,
    /// Upper end at 1 − alpha.
    pub ci_upper: f64,
}

impl Bounds {
    pub(super) fn new(estimate: f64, interval: Interval) -> Self {
        Self {
            estimate,
            ci_lower: interval.lower,
            ci_upper: interval.upper,
        }
    }
}

/// The absolute and the relative effect, for methods that need an approximately normal estimate.
#[derive(Debug, Clone)]
pub(super) struct Effects {
    /// The absolute effect, in the unit of the metric.
    pub(super) absolute: Result<Effect, MissingReason>,
    /// The lift.
    pub(super) relative: Result<Effect, MissingReason>,
    /// ln(treatment / control), if both means are positive and the effect is not CUPED-adjusted. Its interval has
    /// better coverage.
    pub(super) log_ratio: Option<Effect>,
}

impl Effects {
    pub(super) fn of(control: &Sample, treatment: &Sample, settings: &AnalysisSettings) -> Self {
        let log_ratio = log_ratio(control, treatment, settings.alpha)
            .and_then(|ratio| {
                let units = control.n().saturating_add(treatment.n());
                Effect::new(ratio.lift.ln_1p(), ratio.log_standard_error, None, units)
            })
            .ok();
        Self {
            absolute: difference(control, treatment),
            relative: relative_difference(control, treatment),
            log_ratio,
        }
    }

    /// The lift with an interval made by `interval`, on the log scale if there is one.
    fn lift(
        &self,
        interval: impl Fn(&Effect) -> Result<Interval, MissingReason>,
    ) -> Result<Bounds, MissingReason> {
        let relative = self.relative.as_ref().map_err(|why| *why)?;
        match &self.log_ratio {
            Some(log_ratio) => {
                let interval = interval(log_ratio)?;
                let (lower, upper) = (interval.lower.exp_m1(), interval.upper.exp_m1());
                if !upper.is_finite() {
                    return Err(MissingReason::BaselineNotDistinguishable);
                }
                Ok(Bounds {
                    estimate: relative.value(),
                    ci_lower: lower.min(relative.value()),
                    ci_upper: upper.max(relative.value()),
                })
            }
            None => Ok(Bounds::new(relative.value(), interval(relative)?)),
        }
    }
}

/// Results of the sequential method, valid however often they are read.
#[derive(Debug, Clone, Serialize)]
pub struct Sequential {
    /// In the unit of the metric.
    pub absolute: Bounds,
    /// The lift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Bounds>,
    /// Always-valid p-value: without an effect, it falls to alpha or below at any time with probability at most alpha.
    pub p_value: f64,
    /// Decimal logarithm of the p-value.
    pub log10_p_value: f64,
    /// Natural logarithm of the e-value against "no effect". E-values of independent experiments multiply.
    pub ln_e_value: f64,
    /// The number of users of both variants for which the interval is tightest.
    pub tuned_to_users: f64,
}

impl Sequential {
    pub(super) fn new(
        effects: &Effects,
        sequence: &ConfidenceSequence,
        tuned_to_users: f64,
    ) -> Result<Self, MissingReason> {
        let absolute = effects.absolute.as_ref().map_err(|why| *why)?;
        let result: SequentialResult = sequence.at(absolute)?;
        let relative = effects.lift(|effect| Ok(sequence.at(effect)?.interval));
        Ok(Self {
            absolute: Bounds::new(result.effect, result.interval),
            relative: relative.ok(),
            p_value: result.p_value.value(),
            log10_p_value: result.p_value.log10(),
            ln_e_value: result.ln_e_value,
            tuned_to_users,
        })
    }
}

/// Results of the hybrid method: sequential, and sharper at the planned end. Alpha is divided between the two.
#[derive(Debug, Clone, Serialize)]
pub struct HybridView {
    /// `running` until the planned end, then `planned_end`.
    pub phase: Phase,
    /// In the unit of the metric.
    pub absolute: Bounds,
    /// The lift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Bounds>,
    /// Valid over all readings and the planned end together.
    pub p_value: f64,
    /// Decimal logarithm of the p-value.
    pub log10_p_value: f64,
}

impl HybridView {
    pub(super) fn new(
        effects: &Effects,
        ended: bool,
        settings: &AnalysisSettings,
        planned_users: f64,
    ) -> Result<Self, MissingReason> {
        let hybrid = Hybrid::new(settings.alpha, planned_users)?;
        let half = settings.alpha.divided_by(2);
        let sequence = ConfidenceSequence::new(half, planned_users)?;
        let phase = if ended {
            Phase::PlannedEnd
        } else {
            Phase::Running
        };
        let absolute = effects.absolute.as_ref().map_err(|why| *why)?;
        let result = hybrid.at(absolute, phase)?;
        let relative = effects.lift(|effect| match phase {
            Phase::PlannedEnd => effect.interval(half),
            _ => Ok(sequence.at(effect)?.interval),
        });
        Ok(Self {
            phase,
            absolute: Bounds::new(result.effect, result.interval),
            relative: relative.ok(),
            p_value: result.p_value.value(),
            log10_p_value: result.p_value.log10(),
        })
    }
}

/// Results of the Bayesian method: the posterior of the lift, and the expected loss of each decision.
#[derive(Debug, Clone, Serialize)]
pub struct Bayesian {
    /// The lift: posterior mean and the interval that contains it with probability 1 − alpha.
    pub relative: Bounds,
    /// Probability that the variant is better.
    pub chance_to_win: f64,
    /// Probability that it is worse.
    pub chance_to_lose: f64,
    /// Expected loss if the control is kept, relative to its mean.
    pub loss_if_control_is_kept: f64,
    /// Expected loss if the variant is shipped, relative to the mean of the control.
    pub loss_if_variant_ships: f64,
    /// For conversions: the probability that the variant's rate is higher, by beta posteriors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance_of_higher_rate: Option<f64>,
}

impl Bayesian {
    pub(super) fn new(
        effects: &Effects,
        rates: Option<(&Proportion, &Proportion)>,
        higher_is_better: bool,
        settings: &AnalysisSettings,
    ) -> Result<Self, MissingReason> {
        let effect = effects.relative.as_ref().map_err(|why| *why)?;
        let posterior = Posterior::new(effect, settings.prior)?;
        let decision = posterior.decision(higher_is_better)?;
        let contest = rates.and_then(|(control, treatment)| {
            let distribution = |rate| BetaDistribution::default().after(Some(rate));
            distribution(control).compare(&distribution(treatment)).ok()
        });
        Ok(Self {
            relative: Bounds::new(posterior.mean, posterior.interval(settings.alpha)?),
            chance_to_win: decision.chance_to_win,
            chance_to_lose: decision.chance_to_lose,
            loss_if_control_is_kept: decision.loss_if_control_is_kept,
            loss_if_variant_ships: decision.loss_if_treatment_ships,
            chance_of_higher_rate: contest.map(|contest| contest.treatment_better),
        })
    }
}
