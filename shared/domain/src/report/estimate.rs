//! The results of one variant against the baseline that follow from their two arms alone.
//!
//! The correction for multiple comparisons needs the p-values of all estimates. With its result an `Estimate` becomes a
//! `Comparison`.

use super::arm::{Arm, Observed};
use super::comparison::{Comparison, Decisive, Finding};
use super::extras::{
    Capped, CupedAdjusted, Margin, PercentileCap, PowerToDate, cuped_adjust, enough_data,
};
use super::fixed::{self, Difference, RelativeDifference};
use super::methods::{Bayesian, Bounds, Effects, HybridView, Sequential};
use super::request::{AnalysisSettings, DecidingMethod};
use crate::ids::VariantKey;
use crate::metric::{Direction, Metric};
use crate::plan::Plan;
use stats::{Alternative, Missing, MissingReason, PValue};

/// What a comparison is computed from.
pub(super) struct ComparisonInputs<'c> {
    pub(super) metric: &'c Metric,
    /// The arms of the metric, in the order of the variants.
    pub(super) arms: &'c [Arm<'c>],
    /// The cap of a metric with `cap_percentile`.
    pub(super) cap: Option<&'c Result<PercentileCap, MissingReason>>,
    /// The plan, if it is about this metric.
    pub(super) plan: Option<&'c Plan>,
    pub(super) settings: &'c AnalysisSettings,
}

/// The results of one variant before the correction for multiple comparisons.
pub(super) struct Estimate {
    variant: VariantKey,
    baseline: VariantKey,
    /// Whether the data reach the minimum that a finding needs.
    enough_data: bool,
    decisive: Option<Decisive>,
    effects: Option<EffectEstimates>,
    capped: Option<Capped>,
    missing: Vec<Missing>,
}

/// The results that follow from the effects of two arms; all are missing if the arms have no effect.
#[derive(Default)]
struct EffectEstimates {
    absolute: Option<Difference>,
    relative: Option<RelativeDifference>,
    sequential: Option<Sequential>,
    hybrid: Option<HybridView>,
    bayesian: Option<Bayesian>,
    cuped_adjusted: Option<CupedAdjusted>,
    non_inferiority: Option<Margin>,
    power_to_date: Option<PowerToDate>,
}

impl ComparisonInputs<'_> {
    /// The results of a variant against the baseline; both are indices of variants.
    pub(super) fn estimate(&self, baseline: usize, variant: usize) -> Option<Estimate> {
        let pair = (self.arms.get(baseline)?, self.arms.get(variant)?);
        let mut missing = Vec::new();
        let observed = both(&pair.0.observed, &pair.1.observed);
        let effects = observed.and_then(|observed| {
            let (cuped_adjusted, effects) = self.effects(pair, &mut missing)?;
            Ok((observed, cuped_adjusted, effects))
        });
        let (enough_data, effects) = match effects {
            Err(why) => {
                missing.extend(["absolute", "relative"].map(|what| Missing { what, why }));
                (false, None)
            }
            Ok((observed, cuped_adjusted, effects)) => {
                let estimates =
                    self.effect_estimates(pair, observed, cuped_adjusted, &effects, &mut missing);
                let enough = keep("finding", enough_data(observed.0, observed.1), &mut missing);
                (enough.is_some(), Some(estimates))
            }
        };
        let capped = self.cap.and_then(|cap| {
            let cap = cap.as_ref().map_err(|why| *why);
            let capped = cap.and_then(|cap| cap.compare(baseline, variant, self.settings));
            keep("capped", capped, &mut missing)
        });
        let decisive = effects
            .as_ref()
            .and_then(|effects| Decisive::of(effects, self.settings.deciding_method));
        Some(Estimate {
            variant: pair.1.key.clone(),
            baseline: pair.0.key.clone(),
            enough_data,
            decisive,
            effects,
            capped,
            missing,
        })
    }

    /// The effects of two arms, CUPED-adjusted if the request asks for it and the data allow it.
    fn effects(
        &self,
        (control, treatment): (&Arm<'_>, &Arm<'_>),
        missing: &mut Vec<Missing>,
    ) -> Result<(Option<CupedAdjusted>, Effects), MissingReason> {
        let adjusted = self
            .settings
            .cuped
            .then(|| cuped_adjust(self.metric, control, treatment))
            .and_then(|adjusted| keep("cuped_adjusted", adjusted, missing));
        if let Some((adjusted, effects)) = adjusted {
            return Ok((Some(adjusted), effects));
        }
        let effects = Effects::of(&control.sample()?, &treatment.sample()?, self.settings);
        Ok((None, effects))
    }

    fn effect_estimates(
        &self,
        (control, treatment): (&Arm<'_>, &Arm<'_>),
        observed: (&Observed, &Observed),
        cuped_adjusted: Option<CupedAdjusted>,
        effects: &Effects,
        missing: &mut Vec<Missing>,
    ) -> EffectEstimates {
        let (absolute, relative) = match cuped_adjusted {
            Some(_) => self.adjusted_tests(effects),
            None => {
                let samples = control.sample().and_then(|c| Ok((c, treatment.sample()?)));
                let alpha = self.settings.alpha;
                let relative = samples.and_then(|(c, t)| fixed::lift(&c, &t, alpha));
                (fixed::absolute(observed.0, observed.1, alpha), relative)
            }
        };
        let rates = match observed {
            (Observed::Rate(control), Observed::Rate(treatment)) => Some((control, treatment)),
            _ => None,
        };
        let higher_is_better = self.metric.direction == Direction::Increase;
        let bayesian = Bayesian::new(effects, rates, higher_is_better, self.settings);
        let absolute = keep("absolute", absolute, missing);
        let relative = keep("relative", relative, missing);
        let bayesian = keep("bayesian", bayesian, missing);
        let share = control.share + treatment.share;
        let tuned_to_users = self.settings.planned_for(share);
        let sequence = self.settings.sequence(share);
        let sequential = sequence.as_ref().and_then(|sequence| {
            let sequential = Sequential::new(effects, sequence, tuned_to_users);
            keep("sequential", sequential, missing)
        });
        let hybrid = self.settings.planned_end_passed().and_then(|ended| {
            let hybrid = HybridView::new(effects, ended, self.settings, tuned_to_users);
            keep("hybrid", hybrid, missing)
        });
        let non_inferiority = self.metric.margin.and_then(|margin| {
            let direction = self.metric.direction;
            let margin = Margin::new(margin, direction, effects, self.settings, tuned_to_users);
            keep("non_inferiority", margin, missing)
        });
        let power_to_date = self.plan.zip(sequence).and_then(|(plan, sequence)| {
            let power_to_date = PowerToDate::new(plan, effects, self.settings, sequence);
            keep("power_to_date", power_to_date, missing)
        });
        EffectEstimates {
            absolute,
            relative,
            sequential,
            hybrid,
            bayesian,
            cuped_adjusted,
            non_inferiority,
            power_to_date,
        }
    }

    /// The tests of the fixed method on CUPED-adjusted effects.
    fn adjusted_tests(
        &self,
        effects: &Effects,
    ) -> (
        Result<Difference, MissingReason>,
        Result<RelativeDifference, MissingReason>,
    ) {
        let test = |effect: &Result<stats::Effect, MissingReason>| {
            effect.and_then(|effect| effect.test(0.0, self.settings.alpha, Alternative::TwoSided))
        };
        let relative = test(&effects.relative).map(|test| RelativeDifference {
            estimate: test.effect,
            ci_lower: test.interval.lower,
            ci_upper: test.interval.upper,
            method: "delta",
        });
        let absolute = test(&effects.absolute).map(|test| Difference::of(&test, "welch_t"));
        (absolute, relative)
    }
}

impl Decisive {
    /// The numbers of the deciding method, before the correction.
    fn of(estimates: &EffectEstimates, method: DecidingMethod) -> Option<Self> {
        let decisive = |absolute, relative, p_value: f64, log10_p_value: f64| Self {
            absolute,
            relative,
            p_value,
            log10_p_value,
            adjusted_p_value: p_value,
        };
        match (method, &estimates.hybrid) {
            (DecidingMethod::Fixed, _) => {
                let test = estimates.absolute.as_ref()?;
                let absolute = Bounds {
                    estimate: test.estimate,
                    ci_lower: test.ci_lower,
                    ci_upper: test.ci_upper,
                };
                let relative = estimates.relative.as_ref().map(|lift| Bounds {
                    estimate: lift.estimate,
                    ci_lower: lift.ci_lower,
                    ci_upper: lift.ci_upper,
                });
                let (p_value, log10) = (test.p_value, test.log10_p_value);
                Some(decisive(Some(absolute), relative, p_value, log10))
            }
            (DecidingMethod::Hybrid, Some(view)) => Some(decisive(
                Some(view.absolute),
                view.relative,
                view.p_value,
                view.log10_p_value,
            )),
            (DecidingMethod::Sequential | DecidingMethod::Hybrid, _) => {
                let view = estimates.sequential.as_ref()?;
                let (p_value, log10) = (view.p_value, view.log10_p_value);
                Some(decisive(Some(view.absolute), view.relative, p_value, log10))
            }
            (DecidingMethod::Bayesian, _) => {
                let view = estimates.bayesian.as_ref()?;
                let p_value = 2.0 * view.chance_to_win.min(view.chance_to_lose);
                let log10 = p_value.log10().max(-308.0);
                Some(decisive(None, Some(view.relative), p_value, log10))
            }
        }
    }
}

impl Estimate {
    /// The numbers of the deciding method, before the correction.
    pub(super) fn decisive(&self) -> Option<&Decisive> {
        self.decisive.as_ref()
    }

    /// The deciding p-value, before the correction.
    pub(super) fn p_value(&self) -> Option<PValue> {
        let decisive = self.decisive.as_ref()?;
        let ln = decisive.log10_p_value * std::f64::consts::LN_10;
        Some(PValue::from_ln(ln))
    }

    /// The comparison, with the corrected p-value.
    pub(super) fn compared(
        self,
        adjusted_p_value: Option<PValue>,
        settings: &AnalysisSettings,
        direction: Direction,
    ) -> Comparison {
        let decisive = self.decisive.map(|decisive| Decisive {
            adjusted_p_value: adjusted_p_value
                .map_or(decisive.adjusted_p_value, |adjusted| adjusted.value()),
            ..decisive
        });
        let finding = match &decisive {
            Some(decisive) if self.enough_data => decisive.finding(settings.alpha.get(), direction),
            _ => Finding::NotEnoughData,
        };
        let effects = self.effects.unwrap_or_default();
        Comparison {
            variant: self.variant,
            baseline: self.baseline,
            finding,
            decisive,
            absolute: effects.absolute,
            relative: effects.relative,
            sequential: effects.sequential,
            hybrid: effects.hybrid,
            bayesian: effects.bayesian,
            cuped_adjusted: effects.cuped_adjusted,
            capped: self.capped,
            non_inferiority: effects.non_inferiority,
            power_to_date: effects.power_to_date,
            missing: self.missing,
        }
    }
}

fn both<'a>(
    control: &'a Result<Observed, MissingReason>,
    treatment: &'a Result<Observed, MissingReason>,
) -> Result<(&'a Observed, &'a Observed), MissingReason> {
    let control = control.as_ref().map_err(|why| *why)?;
    Ok((control, treatment.as_ref().map_err(|why| *why)?))
}

fn keep<T>(
    what: &'static str,
    result: Result<T, MissingReason>,
    missing: &mut Vec<Missing>,
) -> Option<T> {
    result
        .map_err(|why| missing.push(Missing { what, why }))
        .ok()
}
