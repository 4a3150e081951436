//! The sequential, hybrid and Bayesian methods: from the effect and its standard error, or from the counts where
//! there are few events.

use super::effects::{Bounds, Effects};
use super::fixed::{self, critical, normal_quantile};
use super::pair::{FewEvents, Pair};
use super::request::AnalysisSettings;
use serde::Serialize;
use stats::{
    Alpha, BetaDistribution, ConfidenceSequence, ExactRates, Hybrid, LiftLikelihood, LiftPosterior,
    MissingReason, PValue, Phase, Posterior, Proportion, SequentialResult, exact_rates,
    rate_difference,
};

/// The name of the sequential method with enough data.
const CONFIDENCE_SEQUENCE: &str = "confidence_sequence";
/// The name of the sequential method with few events.
const EXACT_RATES: &str = "exact_rates";

/// Results of the sequential method, valid however often they are read.
#[derive(Debug, Clone, Serialize)]
pub struct Sequential {
    /// `confidence_sequence`, or `exact_rates` with few events.
    pub test: &'static str,
    /// In the unit of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Bounds>,
    /// The lift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Bounds>,
    /// The difference of the shares of users with an event, if no user of one variant has an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_with_event: Option<Bounds>,
    /// Always-valid p-value: without an effect, it falls to alpha or below at any time with probability at most alpha.
    pub p_value: f64,
    /// Decimal logarithm of the p-value.
    pub log10_p_value: f64,
    /// Natural logarithm of the e-value against "no effect". E-values of independent experiments multiply.
    pub ln_e_value: f64,
    /// The number of users of both variants for which the interval is tightest. An exact test has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned_to_users: Option<f64>,
}

/// A result of one method, with the reasons why its intervals are missing.
pub(super) struct Reasoned<T> {
    pub(super) result: T,
    pub(super) absolute: Result<(), MissingReason>,
    pub(super) relative: Result<(), MissingReason>,
}

/// The intervals of an exact comparison.
struct ExactIntervals {
    absolute: Result<Bounds, MissingReason>,
    relative: Result<Bounds, MissingReason>,
    users_with_event: Option<Bounds>,
}

impl ExactIntervals {
    fn new(few: &FewEvents, exact: &ExactRates) -> Self {
        let difference = rate_difference(&few.control, &few.treatment);
        let difference = Bounds::new(difference, exact.difference);
        if !few.is_metric {
            return Self {
                absolute: Err(MissingReason::OneArmConstant),
                relative: Err(MissingReason::OneArmConstant),
                users_with_event: Some(difference),
            };
        }
        let estimate = few.treatment.rate() / few.control.rate() - 1.0;
        Self {
            absolute: Ok(difference),
            relative: exact.lift.map(|lift| Bounds::new(estimate, lift)),
            users_with_event: None,
        }
    }
}

impl Sequential {
    pub(super) fn new(
        effects: &Effects,
        sequence: &ConfidenceSequence,
        tuned_to_users: f64,
    ) -> Result<Reasoned<Self>, MissingReason> {
        let absolute = effects.absolute.as_ref().map_err(|why| *why)?;
        let result: SequentialResult = sequence.at(absolute)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of users")]
        let critical = sequence.half_width(1.0, absolute.units() as f64)?;
        let relative = effects.lift(critical).map(|lift| lift.bounds);
        Ok(Reasoned {
            absolute: Ok(()),
            relative: relative.as_ref().map(|_| ()).map_err(|why| *why),
            result: Self {
                test: CONFIDENCE_SEQUENCE,
                absolute: Some(Bounds::new(result.effect, result.interval)),
                relative: relative.ok(),
                users_with_event: None,
                p_value: result.p_value.value(),
                log10_p_value: result.p_value.log10(),
                ln_e_value: result.ln_e_value,
                tuned_to_users: Some(tuned_to_users),
            },
        })
    }

    /// The exact test of rates with few events.
    pub(super) fn exact(few: &FewEvents, alpha: Alpha) -> Result<Reasoned<Self>, MissingReason> {
        let exact = exact_rates(&few.control, &few.treatment, alpha)?;
        let intervals = ExactIntervals::new(few, &exact);
        Ok(Reasoned {
            absolute: intervals.absolute.map(|_| ()),
            relative: intervals.relative.map(|_| ()),
            result: Self {
                test: EXACT_RATES,
                absolute: intervals.absolute.ok(),
                relative: intervals.relative.ok(),
                users_with_event: intervals.users_with_event,
                p_value: exact.p_value.value(),
                log10_p_value: exact.p_value.log10(),
                ln_e_value: exact.ln_e_value,
                tuned_to_users: None,
            },
        })
    }
}

/// Results of the hybrid method: sequential, and sharper at the planned end. Alpha is divided between the two.
#[derive(Debug, Clone, Serialize)]
pub struct HybridView {
    /// `running` until the planned end, then `planned_end`.
    pub phase: Phase,
    /// In the unit of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Bounds>,
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
        phase: Phase,
        settings: &AnalysisSettings,
        planned_users: f64,
    ) -> Result<Reasoned<Self>, MissingReason> {
        let half = settings.alpha.divided_by(2);
        let sequence = ConfidenceSequence::new(half, planned_users)?.with_early_part();
        let hybrid = Hybrid::with_sequence(half, planned_users, sequence)?;
        let absolute = effects.absolute.as_ref().map_err(|why| *why)?;
        let result = hybrid.at(absolute, phase)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of users")]
        let critical = match phase {
            Phase::PlannedEnd => critical(absolute, half)?,
            _ => sequence.half_width(1.0, absolute.units() as f64)?,
        };
        let relative = effects.lift(critical).map(|lift| lift.bounds);
        Ok(Reasoned {
            absolute: Ok(()),
            relative: relative.as_ref().map(|_| ()).map_err(|why| *why),
            result: Self {
                phase,
                absolute: Some(Bounds::new(result.effect, result.interval)),
                relative: relative.ok(),
                p_value: result.p_value.value(),
                log10_p_value: result.p_value.log10(),
            },
        })
    }

    /// The exact test of rates with few events until the planned end, and the fixed test at it.
    pub(super) fn exact(
        pair: &Pair<'_>,
        few: &FewEvents,
        phase: Phase,
        settings: &AnalysisSettings,
    ) -> Result<Reasoned<Self>, MissingReason> {
        let half = settings.alpha.divided_by(2);
        let exact = exact_rates(&few.control, &few.treatment, half)?;
        let (p_value, absolute, relative) = if phase == Phase::PlannedEnd {
            let test = fixed::absolute(pair, half)?;
            let at_the_end = PValue::from_ln(test.log10_p_value * std::f64::consts::LN_10);
            let absolute = Bounds {
                estimate: test.estimate,
                ci_lower: test.ci_lower,
                ci_upper: test.ci_upper,
            };
            let relative = fixed::lift(pair, half).map(|lift| Bounds {
                estimate: lift.estimate,
                ci_lower: lift.ci_lower,
                ci_upper: lift.ci_upper,
            });
            (at_the_end.min(exact.p_value), Ok(absolute), relative)
        } else {
            let intervals = ExactIntervals::new(few, &exact);
            (exact.p_value, intervals.absolute, intervals.relative)
        };
        let p_value = PValue::from_ln(p_value.ln() + std::f64::consts::LN_2);
        Ok(Reasoned {
            absolute: absolute.map(|_| ()),
            relative: relative.map(|_| ()),
            result: Self {
                phase,
                absolute: absolute.ok(),
                relative: relative.ok(),
                p_value: p_value.value(),
                log10_p_value: p_value.log10(),
            },
        })
    }
}

/// Results of the Bayesian method: the posterior of the lift, and the expected loss of each decision.
#[derive(Debug, Clone, Serialize)]
pub struct Bayesian {
    /// The lift: posterior median and the interval that contains it with probability 1 − alpha. It is missing if the
    /// method compares the shares of users with an event, because no user of one variant has an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Bounds>,
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
        few: Option<&FewEvents>,
        rates: Option<(&Proportion, &Proportion)>,
        higher_is_better: bool,
        settings: &AnalysisSettings,
    ) -> Result<Self, MissingReason> {
        let (prior, alpha) = (settings.prior, settings.alpha);
        let lift = match (few, effects.log_ratio()) {
            (Some(few), _) => {
                let likelihood = LiftLikelihood::new(&few.control, &few.treatment)?;
                Some(LiftPosterior::of_rates(&likelihood, prior, alpha)?)
            }
            (None, Some(log_ratio)) => Some(LiftPosterior::of_effect(&log_ratio, prior, alpha)?),
            (None, None) => None,
        };
        let (relative, decision) = if let Some(lift) = lift {
            let bounds = Bounds::new(lift.median, lift.interval);
            (bounds, lift.decision(higher_is_better))
        } else {
            // A mean is not positive: the likelihood of the difference is the one that is nearly normal.
            let effect = effects.scaled_difference(normal_quantile(alpha)?)?;
            let posterior = Posterior::new(&effect, prior)?;
            let bounds = Bounds::new(posterior.mean, posterior.interval(alpha)?);
            (bounds, posterior.decision(higher_is_better)?)
        };
        let contest = rates.and_then(|(control, treatment)| {
            let distribution = |rate| BetaDistribution::default().after(Some(rate));
            distribution(control).compare(&distribution(treatment)).ok()
        });
        Ok(Self {
            relative: few.is_none_or(|few| few.is_metric).then_some(relative),
            chance_to_win: decision.chance_to_win,
            chance_to_lose: decision.chance_to_lose,
            loss_if_control_is_kept: decision.loss_if_control_is_kept,
            loss_if_variant_ships: decision.loss_if_treatment_ships,
            chance_of_higher_rate: contest.map(|contest| contest.treatment_better),
        })
    }
}
