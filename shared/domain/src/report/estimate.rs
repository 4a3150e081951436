//! The results of one variant against the baseline that follow from their two arms alone.
//!
//! The correction for multiple comparisons needs the p-values of all estimates. With its result an `Estimate` becomes a
//! `Comparison`.

use super::arm::{Arm, Observed};
use super::comparison::{Comparison, Decisive, Finding, needs_data};
use super::effects::{Bounds, Effects};
use super::extras::{Capped, CupedAdjusted, Margin, PercentileCap, PowerToDate, cuped_adjust};
use super::fixed::{self, Difference, RelativeDifference};
use super::methods::{Bayesian, HybridView, Reasoned, Sequential};
use super::pair::{FewEvents, Pair};
use super::request::{AnalysisSettings, DecidingMethod};
use crate::ids::VariantKey;
use crate::metric::{Direction, Metric};
use crate::plan::Plan;
use stats::{Alternative, Missing, MissingReason, PValue, Phase};

/// What a comparison is computed from.
pub(super) struct ComparisonInputs<'c> {
    pub(super) metric: &'c Metric,
    /// The arms of the metric, in the order of the variants.
    pub(super) arms: &'c [Arm<'c>],
    /// The cap of a metric with `cap_percentile`.
    pub(super) cap: Option<&'c Result<PercentileCap, MissingReason>>,
    /// The plan, if it is about this metric.
    pub(super) plan: Option<&'c Plan>,
    /// Whether only the deciding method is wanted, such as for each day of a series.
    pub(super) only_deciding: bool,
    pub(super) settings: &'c AnalysisSettings,
}

/// The results of one variant before the correction for multiple comparisons.
pub(super) struct Estimate {
    variant: VariantKey,
    baseline: VariantKey,
    /// Whether the data reach the minimum that a finding needs.
    enough_data: Result<(), MissingReason>,
    /// Whether the deciding test needs no minimum to find an effect.
    exact: bool,
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
        let pair = Pair {
            metric: self.metric,
            control: self.arms.get(baseline)?,
            treatment: self.arms.get(variant)?,
            alpha: self.settings.alpha,
        };
        let mut missing = Vec::new();
        let few = pair.few_events();
        let (enough_data, effects) = match self.effects(&pair, few.is_some(), &mut missing) {
            Err(why) => {
                missing.extend(["absolute", "relative"].map(|what| Missing { what, why }));
                (Err(why), None)
            }
            Ok((cuped_adjusted, effects)) => {
                let estimates = self.effect_estimates(
                    &pair,
                    few.as_ref(),
                    cuped_adjusted,
                    &effects,
                    &mut missing,
                );
                (pair.enough_data(), Some(estimates))
            }
        };
        let capped = self.cap.and_then(|cap| {
            let cap = cap.as_ref().map_err(|why| *why);
            let capped = cap.and_then(|cap| cap.compare(baseline, variant, self.settings));
            keep("capped", capped, &mut missing)
        });
        let difference = pair
            .values()
            .map(|[control, treatment]| treatment - control);
        let decisive = effects.as_ref().and_then(|effects| {
            let difference = difference.unwrap_or_default();
            Decisive::of(effects, self.settings.deciding_method, difference)
        });
        Some(Estimate {
            variant: pair.treatment.key.clone(),
            baseline: pair.control.key.clone(),
            enough_data,
            exact: few.is_some(),
            decisive,
            effects,
            capped,
            missing,
        })
    }

    /// The effects of two arms, CUPED-adjusted if the request asks for it and the data allow it.
    fn effects(
        &self,
        pair: &Pair<'_>,
        few_events: bool,
        missing: &mut Vec<Missing>,
    ) -> Result<(Option<CupedAdjusted>, Effects), MissingReason> {
        let adjust = || {
            if few_events {
                pair.enough_data()?;
                return Err(MissingReason::OneArmConstant);
            }
            cuped_adjust(pair)
        };
        let adjusted = self
            .settings
            .cuped
            .then(adjust)
            .and_then(|adjusted| keep("cuped_adjusted", adjusted, missing));
        if let Some((adjusted, effects)) = adjusted {
            return Ok((Some(adjusted), effects));
        }
        Ok((None, Effects::of(pair)?))
    }

    fn effect_estimates(
        &self,
        pair: &Pair<'_>,
        few: Option<&FewEvents>,
        cuped_adjusted: Option<CupedAdjusted>,
        effects: &Effects,
        missing: &mut Vec<Missing>,
    ) -> EffectEstimates {
        let alpha = self.settings.alpha;
        let (absolute, relative) = match cuped_adjusted {
            Some(_) => self.adjusted_tests(effects),
            None => (fixed::absolute(pair, alpha), fixed::lift(pair, alpha)),
        };
        let rates = match pair.observed() {
            Ok((Observed::Rate(control), Observed::Rate(treatment))) => Some((control, treatment)),
            _ => None,
        };
        let increase = self.metric.direction == Direction::Increase;
        let bayesian = self
            .wants_posterior()
            .then(|| Bayesian::new(effects, few, rates, increase, self.settings));
        let absolute = keep("absolute", absolute, missing);
        let relative = keep("relative", relative, missing);
        let bayesian = bayesian.and_then(|bayesian| keep("bayesian", bayesian, missing));
        let always_valid = effects.at_every_reading();
        let share = pair.control.share + pair.treatment.share;
        let tuned_to_users = self.settings.planned_for(share);
        let sequence = self.settings.sequence(share);
        let sequential = match few {
            Some(few) => Some(Sequential::exact(few, alpha)),
            None => sequence
                .as_ref()
                .map(|sequence| Sequential::new(&always_valid, sequence, tuned_to_users)),
        };
        let sequential = sequential.and_then(|sequential| {
            let names = ["sequential", "sequential.absolute", "sequential.relative"];
            keep_reasoned(names, sequential, missing)
        });
        let hybrid = self.settings.planned_end_passed().and_then(|ended| {
            let phase = if ended {
                Phase::PlannedEnd
            } else {
                Phase::Running
            };
            let hybrid = match few {
                Some(few) => HybridView::exact(pair, few, phase, self.settings),
                None => HybridView::new(&always_valid, phase, self.settings, tuned_to_users),
            };
            let names = ["hybrid", "hybrid.absolute", "hybrid.relative"];
            keep_reasoned(names, hybrid, missing)
        });
        let by_method = match self.settings.deciding_method {
            DecidingMethod::Fixed => effects,
            _ => &always_valid,
        };
        let non_inferiority = self.metric.margin.and_then(|margin| {
            let direction = self.metric.direction;
            let margin = match few {
                Some(few) => Margin::exact(margin, direction, few, self.settings),
                None => Margin::new(margin, direction, by_method, self.settings, tuned_to_users),
            };
            keep("non_inferiority", margin, missing)
        });
        let power_to_date = self.plan.zip(sequence).and_then(|(plan, sequence)| {
            let power_to_date = PowerToDate::new(plan, by_method, self.settings, sequence);
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

    /// The posterior takes longest to compute.
    fn wants_posterior(&self) -> bool {
        !self.only_deciding || self.settings.deciding_method == DecidingMethod::Bayesian
    }

    /// The tests of the fixed method on CUPED-adjusted effects.
    fn adjusted_tests(
        &self,
        effects: &Effects,
    ) -> (
        Result<Difference, MissingReason>,
        Result<RelativeDifference, MissingReason>,
    ) {
        let alpha = self.settings.alpha;
        let absolute = effects.absolute.as_ref().map_err(|why| *why);
        let absolute = absolute
            .and_then(|effect| effect.test(0.0, alpha, Alternative::TwoSided))
            .map(|test| Difference::of(&test, "welch_t"));
        (absolute, fixed::lift_of_means(effects, alpha))
    }
}

impl Decisive {
    /// The numbers of the deciding method, before the correction.
    fn of(estimates: &EffectEstimates, method: DecidingMethod, difference: f64) -> Option<Self> {
        let decisive = |absolute, relative, p_value: f64, log10_p_value: f64| Self {
            absolute,
            relative,
            p_value,
            log10_p_value,
            adjusted_p_value: p_value,
            difference,
        };
        let method = match method {
            // The baseline is zero or near zero, so that the posterior of the lift does not exist.
            DecidingMethod::Bayesian if estimates.bayesian.is_none() => DecidingMethod::Sequential,
            method => method,
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
                view.absolute,
                view.relative,
                view.p_value,
                view.log10_p_value,
            )),
            (DecidingMethod::Sequential | DecidingMethod::Hybrid, _) => {
                let view = estimates.sequential.as_ref()?;
                let (p_value, log10) = (view.p_value, view.log10_p_value);
                Some(decisive(view.absolute, view.relative, p_value, log10))
            }
            (DecidingMethod::Bayesian, _) => {
                let view = estimates.bayesian.as_ref()?;
                let p_value = 2.0 * view.chance_to_win.min(view.chance_to_lose);
                let log10 = p_value.log10().max(-308.0);
                Some(decisive(None, view.relative, p_value, log10))
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
        let found = decisive
            .as_ref()
            .map(|decisive| decisive.finding(settings.alpha.get(), direction));
        let (finding, why) = finding(found, self.exact, self.enough_data, &self.missing);
        let mut missing = self.missing;
        // Without any effect, the reason of the effect is enough.
        let why = why.filter(|_| self.effects.is_some());
        missing.extend(why.map(|why| Missing {
            what: "finding",
            why,
        }));
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
            missing,
        }
    }
}

/// The finding, and why there is none.
fn finding(
    found: Option<Finding>,
    exact: bool,
    enough_data: Result<(), MissingReason>,
    missing: &[Missing],
) -> (Finding, Option<MissingReason>) {
    match (found, enough_data) {
        (Some(found @ (Finding::Better | Finding::Worse)), _) if exact => (found, None),
        (Some(found), Ok(())) => (found, None),
        (_, Err(why)) if needs_data(&why) => (Finding::NotEnoughData, Some(why)),
        (_, Err(why)) => (Finding::NotMeasurable, Some(why)),
        (None, Ok(())) => {
            let why = missing.first().map(|missing| missing.why);
            (Finding::NotMeasurable, why)
        }
    }
}

/// Keeps a result, and records why it or one of its intervals is missing.
fn keep_reasoned<T>(
    [result, absolute, relative]: [&'static str; 3],
    reasoned: Result<Reasoned<T>, MissingReason>,
    missing: &mut Vec<Missing>,
) -> Option<T> {
    let reasoned = keep(result, reasoned, missing)?;
    keep(absolute, reasoned.absolute, missing);
    keep(relative, reasoned.relative, missing);
    Some(reasoned.result)
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
