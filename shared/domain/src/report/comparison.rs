//! One variant against the baseline: every method side by side, and what the chosen one says.

use super::arm::{Arm, Observed};
use super::extras::{Capped, CupedAdjusted, Cut, Margin, PowerToDate, adjust, enough};
use super::fixed::{self, Difference, RelativeDifference};
use super::methods::{Bayesian, Bounds, Effects, HybridView, Sequential};
use super::request::{AnalysisSettings, DecidingMethod};
use crate::ids::VariantKey;
use crate::metric::{Direction, Metric};
use crate::plan::Plan;
use serde::Serialize;
use stats::{Alternative, Missing, MissingReason};

/// A variant compared with the baseline, treatment minus control.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Which variant.
    pub variant: VariantKey,
    /// What it is compared with.
    pub baseline: VariantKey,
    /// What the deciding method says.
    pub finding: Finding,
    /// The deciding method's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisive: Option<Decisive>,
    /// One look: in the unit of the metric; for a conversion in parts of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Difference>,
    /// One look: as a part of the control's mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<RelativeDifference>,
    /// Any number of looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential: Option<Sequential>,
    /// Any number of looks and a planned end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hybrid: Option<HybridView>,
    /// The chance to win.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bayesian: Option<Bayesian>,
    /// The adjustment by the pre exposure, where it was asked for; the numbers above are then adjusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cuped_adjusted: Option<CupedAdjusted>,
    /// With outliers cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capped: Option<Capped>,
    /// Of a guardrail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_inferiority: Option<Margin>,
    /// Of the planned metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_to_date: Option<PowerToDate>,
    /// Why something is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// What the deciding method says about a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The variant is better.
    Better,
    /// The variant is worse.
    Worse,
    /// Nothing can be told apart so far.
    Undecided,
    /// There are not the users or conversions that a verdict needs.
    NotEnoughData,
}

impl Finding {
    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Undecided => "undecided",
            Self::NotEnoughData => "not_enough_data",
        }
    }
}

/// The numbers that decide.
#[derive(Debug, Clone, Serialize)]
pub struct Decisive {
    /// In the unit of the metric; the Bayesian method has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Bounds>,
    /// As a part of the control's mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Bounds>,
    /// For the Bayesian method twice the smaller of the chances to win and to lose.
    pub p_value: f64,
    /// Decimal logarithm of the p-value.
    pub log10_p_value: f64,
    /// Corrected for the other comparisons of the same role.
    pub adjusted_p_value: f64,
}

/// What goes into a comparison.
pub(super) struct Case<'c> {
    pub(super) metric: &'c Metric,
    pub(super) arms: &'c [Arm<'c>],
    pub(super) cut: Option<&'c Result<Cut, MissingReason>>,
    pub(super) plan: Option<&'c Plan>,
    pub(super) settings: &'c AnalysisSettings,
}

impl Case<'_> {
    /// The effects of two arms, adjusted where that was asked for and can be done.
    fn effects(
        &self,
        control: &Arm<'_>,
        treatment: &Arm<'_>,
        missing: &mut Vec<Missing>,
    ) -> Result<(Option<CupedAdjusted>, Effects), MissingReason> {
        let adjusted = self
            .settings
            .cuped
            .then(|| adjust(self.metric, control, treatment))
            .and_then(|adjusted| keep("cuped_adjusted", adjusted, missing));
        if let Some((adjusted, effects)) = adjusted {
            return Ok((Some(adjusted), effects));
        }
        let effects = Effects::of(&control.sample()?, &treatment.sample()?, self.settings);
        Ok((None, effects))
    }

    pub(super) fn compare(&self, baseline: usize, variant: usize) -> Option<Comparison> {
        let (control, treatment) = (self.arms.get(baseline)?, self.arms.get(variant)?);
        let mut missing = Vec::new();
        let mut comparison = Comparison {
            variant: treatment.key.clone(),
            baseline: control.key.clone(),
            finding: Finding::NotEnoughData,
            decisive: None,
            absolute: None,
            relative: None,
            sequential: None,
            hybrid: None,
            bayesian: None,
            cuped_adjusted: None,
            capped: None,
            non_inferiority: None,
            power_to_date: None,
            missing: Vec::new(),
        };
        let observed = both(&control.observed, &treatment.observed);
        let compared =
            observed.and_then(|pair| Ok((pair, self.effects(control, treatment, &mut missing)?)));
        match compared {
            Err(why) => missing.extend(["absolute", "relative"].map(|what| Missing { what, why })),
            Ok((observed, (adjusted, effects))) => {
                comparison.cuped_adjusted = adjusted;
                self.fill(
                    &mut comparison,
                    &mut missing,
                    (control, treatment),
                    observed,
                    &effects,
                );
                self.watch(
                    &mut comparison,
                    &mut missing,
                    control.share + treatment.share,
                    &effects,
                );
                // Before the correction for other comparisons, which comes when all of them are there.
                let enough = keep("finding", enough(observed.0, observed.1), &mut missing);
                if comparison.decisive.is_some() && enough.is_some() {
                    comparison.finding = Finding::Undecided;
                }
            }
        }
        if let Some(cut) = self.cut {
            let cut = cut.as_ref().map_err(|why| *why);
            let capped = cut.and_then(|cut| cut.compare(baseline, variant, self.settings));
            comparison.capped = keep("capped", capped, &mut missing);
        }
        comparison.missing = missing;
        Some(comparison)
    }

    /// The look that happens once, and the chance to win.
    fn fill(
        &self,
        comparison: &mut Comparison,
        missing: &mut Vec<Missing>,
        (control, treatment): (&Arm<'_>, &Arm<'_>),
        observed: (&Observed, &Observed),
        effects: &Effects,
    ) {
        let alpha = self.settings.alpha;
        let (absolute, relative) = if comparison.cuped_adjusted.is_some() {
            let test = |effect: &Result<stats::Effect, MissingReason>| {
                effect.and_then(|effect| effect.test(0.0, alpha, Alternative::TwoSided))
            };
            let relative = test(&effects.relative).map(|test| RelativeDifference {
                estimate: test.effect,
                ci_lower: test.interval.lower,
                ci_upper: test.interval.upper,
                method: "delta",
            });
            let absolute = test(&effects.absolute).map(|test| Difference::of(&test, "welch_t"));
            (absolute, relative)
        } else {
            let samples = control.sample().and_then(|c| Ok((c, treatment.sample()?)));
            let relative = samples.and_then(|(c, t)| fixed::lift(&c, &t, alpha));
            (fixed::absolute(observed.0, observed.1, alpha), relative)
        };
        comparison.absolute = keep("absolute", absolute, missing);
        comparison.relative = keep("relative", relative, missing);
        let rates = match observed {
            (Observed::Rate(control), Observed::Rate(treatment)) => Some((control, treatment)),
            _ => None,
        };
        let higher_is_better = self.metric.direction == Direction::Increase;
        let bayesian = Bayesian::new(effects, rates, higher_is_better, self.settings);
        comparison.bayesian = keep("bayesian", bayesian, missing);
    }

    /// The looks that may happen all the time.
    fn watch(
        &self,
        comparison: &mut Comparison,
        missing: &mut Vec<Missing>,
        share: f64,
        effects: &Effects,
    ) {
        let planned = self.settings.planned_for(share);
        let Some(sequence) = self.settings.sequence(share) else {
            return;
        };
        let sequential = Sequential::new(effects, &sequence, planned);
        comparison.sequential = keep("sequential", sequential, missing);
        if let Some(ended) = self.settings.planned_end_passed() {
            let hybrid = HybridView::new(effects, ended, self.settings, planned);
            comparison.hybrid = keep("hybrid", hybrid, missing);
        }
        if let Some(margin) = self.metric.margin {
            let margin = Margin::new(
                margin,
                self.metric.direction,
                effects,
                self.settings,
                planned,
            );
            comparison.non_inferiority = keep("non_inferiority", margin, missing);
        }
        if let Some(plan) = self.plan {
            let power_to_date = PowerToDate::new(plan, effects, self.settings, sequence);
            comparison.power_to_date = keep("power_to_date", power_to_date, missing);
        }
        comparison.decisive = self.decisive(comparison);
    }

    fn decisive(&self, comparison: &Comparison) -> Option<Decisive> {
        let decisive = |absolute, relative, p_value: f64, log10_p_value: f64| Decisive {
            absolute,
            relative,
            p_value,
            log10_p_value,
            adjusted_p_value: p_value,
        };
        match self.settings.deciding_method {
            DecidingMethod::Fixed => {
                let test = comparison.absolute.as_ref()?;
                let absolute = Bounds {
                    estimate: test.estimate,
                    ci_lower: test.ci_lower,
                    ci_upper: test.ci_upper,
                };
                let relative = comparison.relative.as_ref().map(|lift| Bounds {
                    estimate: lift.estimate,
                    ci_lower: lift.ci_lower,
                    ci_upper: lift.ci_upper,
                });
                Some(decisive(
                    Some(absolute),
                    relative,
                    test.p_value,
                    test.log10_p_value,
                ))
            }
            DecidingMethod::Hybrid if comparison.hybrid.is_some() => {
                let view = comparison.hybrid.as_ref()?;
                Some(decisive(
                    Some(view.absolute),
                    view.relative,
                    view.p_value,
                    view.log10_p_value,
                ))
            }
            DecidingMethod::Sequential | DecidingMethod::Hybrid => {
                let view = comparison.sequential.as_ref()?;
                Some(decisive(
                    Some(view.absolute),
                    view.relative,
                    view.p_value,
                    view.log10_p_value,
                ))
            }
            DecidingMethod::Bayesian => {
                let view = comparison.bayesian.as_ref()?;
                let p_value = 2.0 * view.chance_to_win.min(view.chance_to_lose);
                Some(decisive(
                    None,
                    Some(view.relative),
                    p_value,
                    p_value.log10().max(-308.0),
                ))
            }
        }
    }
}

impl Comparison {
    /// Settles what the deciding method says, once the p-value is corrected.
    pub(super) fn settle(&mut self, adjusted_p_value: f64, alpha: f64, direction: Direction) {
        let Some(decisive) = &mut self.decisive else {
            return;
        };
        decisive.adjusted_p_value = adjusted_p_value;
        let bounds = decisive.absolute.or(decisive.relative);
        if self.finding == Finding::NotEnoughData || adjusted_p_value > alpha {
            return;
        }
        if let Some(bounds) = bounds {
            self.finding = if bounds.estimate * direction.sign() > 0.0 {
                Finding::Better
            } else {
                Finding::Worse
            };
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
