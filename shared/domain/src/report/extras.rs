//! Results that only some metrics have: CUPED adjustment, capped values, the margin of a guardrail, and power to date.

use super::arm::Arm;
use super::effects::Effects;
use super::fixed::{self, Difference, RelativeDifference};
use super::pair::{FewEvents, Pair};
use super::request::{AnalysisSettings, DecidingMethod};
use crate::metric::Direction;
use crate::plan::Plan;
use serde::Serialize;
use stats::{
    Adjustment, Alpha, BucketMoments, ConfidenceSequence, MissingReason, Progress, Threshold,
    cuped, exact_rates, newcombe_lift, non_inferiority, pre_experiment_bias,
};

/// How CUPED adjusted the effect, by the users' pre-exposure data.
#[derive(Debug, Clone, Serialize)]
pub struct CupedAdjusted {
    /// Coefficient of each covariate. A ratio has one, its pre-exposure value. Other metrics have two: the pre-exposure
    /// value, and whether the user has pre-exposure data. 0 for a covariate that is constant.
    pub coefficients: Vec<f64>,
    /// Share of the effect's variance that the adjustment removes; below 0 if it adds noise.
    pub variance_reduction: f64,
    /// Balance check of each covariate: the arms should not differ before exposure.
    pub pre_exposure: Vec<PreExposureBalance>,
}

/// Balance check of one covariate.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PreExposureBalance {
    /// Treatment minus control.
    pub difference: f64,
    /// Two-sided.
    pub p_value: f64,
}

/// The CUPED-adjusted effects of two arms.
pub(super) fn cuped_adjust(pair: &Pair<'_>) -> Result<(CupedAdjusted, Effects), MissingReason> {
    let (control, treatment) = (
        pair.control.with_pre_exposure(pair.metric)?,
        pair.treatment.with_pre_exposure(pair.metric)?,
    );
    let pre_exposure = pre_experiment_bias(&control, &treatment)
        .into_iter()
        .flatten()
        .map(|test| PreExposureBalance {
            difference: test.effect,
            p_value: test.p_value.value(),
        })
        .collect();
    let Adjustment {
        coefficients,
        variance_reduction,
        absolute,
        relative,
        ..
    } = cuped(&control, &treatment)?;
    let adjusted = CupedAdjusted {
        coefficients,
        variance_reduction,
        pre_exposure,
    };
    let effects = Effects::adjusted(pair, absolute, relative)?;
    Ok((adjusted, effects))
}

/// The effect on capped values: another quantity than the plain effect, and less noisy.
#[derive(Debug, Clone, Serialize)]
pub struct Capped {
    /// The upper cap: larger values per user count as this value. At least 0. It is at most 2.02% above the largest
    /// value that is kept.
    pub cap: f64,
    /// The lower cap: smaller values per user count as this value. At most 0; missing if no value is negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower_cap: Option<f64>,
    /// In the unit of the metric.
    pub absolute: Difference,
    /// The lift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<RelativeDifference>,
}

/// The cap of a metric, which all variants share, with the values of each variant by size.
pub(super) struct PercentileCap {
    threshold: Threshold,
    arms: Vec<BucketMoments>,
}

impl PercentileCap {
    pub(super) fn new(share: f64, arms: &[Arm<'_>]) -> Result<Self, MissingReason> {
        let mut moments = Vec::with_capacity(arms.len());
        let mut buckets = None;
        for arm in arms {
            let (of_arm, edges) = arm.sums.bucket_moments(arm.users)?;
            moments.push(of_arm);
            buckets = Some(edges);
        }
        let buckets = buckets.ok_or(MissingReason::NoUnits)?;
        let all: Vec<&BucketMoments> = moments.iter().collect();
        let threshold = Threshold::pooled(&all, share, &buckets)?;
        Ok(Self {
            threshold,
            arms: moments,
        })
    }

    pub(super) fn compare(
        &self,
        control: usize,
        treatment: usize,
        settings: &AnalysisSettings,
    ) -> Result<Capped, MissingReason> {
        let capped = |arm: usize| {
            let moments = self.arms.get(arm).ok_or(MissingReason::NoUnits)?;
            let moments = moments.winsorised(&self.threshold);
            moments.ok_or(MissingReason::Overflow)?.sample()
        };
        let (control, treatment) = (capped(control)?, capped(treatment)?);
        #[expect(clippy::cast_precision_loss, reason = "only shown")]
        let shown = |micros: i128| micros as f64 / 1e6;
        let effects = Effects::of_samples(control, treatment, true);
        Ok(Capped {
            cap: shown(self.threshold.cap_micros()),
            lower_cap: self.threshold.lower_cap_micros().map(shown),
            absolute: fixed::means(&control, &treatment, settings.alpha)?,
            relative: fixed::lift_of_means(&effects, settings.alpha).ok(),
        })
    }
}

/// The non-inferiority test of a guardrail: whether a loss of its margin is ruled out.
#[derive(Debug, Clone, Serialize)]
pub struct Margin {
    /// The largest acceptable loss, relative to the mean of the baseline.
    pub margin: f64,
    /// One-sided bound of the lift at 1 − alpha, in the direction of the metric: negative for a loss.
    pub worst: f64,
    /// Whether a loss of the whole margin is ruled out.
    pub shown: bool,
}

impl Margin {
    pub(super) fn new(
        margin: f64,
        direction: Direction,
        effects: &Effects,
        settings: &AnalysisSettings,
        planned_users: f64,
    ) -> Result<Self, MissingReason> {
        let effect = effects.relative.as_ref().map_err(|why| *why)?;
        let increase = direction == Direction::Increase;
        let worst = if settings.deciding_method == DecidingMethod::Fixed {
            let test = non_inferiority(effect, margin, increase, settings.alpha)?;
            let bound = test.test.one_sided_bound.ok_or(MissingReason::Overflow)?;
            bound * direction.sign()
        } else {
            let sequence =
                ConfidenceSequence::one_sided(settings.alpha, planned_users)?.with_early_part();
            let bounds = sequence.one_sided_bounds(effect)?;
            if increase {
                bounds.lower
            } else {
                -bounds.upper
            }
        };
        Ok(Self::shown_by(margin, worst))
    }

    /// The test for a rate with few conversions: by the Wilson bounds for the fixed method, else by the exact
    /// interval that is valid at all readings. A one-sided bound at alpha is the end of an interval at 2 alpha.
    pub(super) fn exact(
        margin: f64,
        direction: Direction,
        few: &FewEvents,
        settings: &AnalysisSettings,
    ) -> Result<Self, MissingReason> {
        if !few.is_metric {
            return Err(MissingReason::OneArmConstant);
        }
        let alpha = Alpha::new((2.0 * settings.alpha.get()).min(0.999_999))?;
        let lift = if settings.deciding_method == DecidingMethod::Fixed {
            newcombe_lift(&few.control, &few.treatment, alpha)?
        } else {
            exact_rates(&few.control, &few.treatment, alpha)?.lift?
        };
        let worst = match direction {
            Direction::Increase => lift.lower,
            Direction::Decrease => -lift.upper,
        };
        Ok(Self::shown_by(margin, worst))
    }

    fn shown_by(margin: f64, worst: f64) -> Self {
        Self {
            margin,
            worst,
            shown: worst > -margin,
        }
    }
}

/// The power that the experiment has reached for the planned effect.
#[derive(Debug, Clone, Serialize)]
pub struct PowerToDate {
    /// The planned lift.
    pub minimum_detectable_effect: f64,
    /// Probability of detecting it with the current users.
    pub power: f64,
    /// The planned power.
    pub target_power: f64,
    /// Users of both variants that are still needed; 0 if the power is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_users_needed: Option<u64>,
}

impl PowerToDate {
    pub(super) fn new(
        plan: &Plan,
        effects: &Effects,
        settings: &AnalysisSettings,
        sequence: ConfidenceSequence,
    ) -> Result<Self, MissingReason> {
        let effect = effects.relative.as_ref().map_err(|why| *why)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of users")]
        let progress = Progress {
            standard_error: effect.standard_error(),
            units: effect.units() as f64,
            planned_effect: plan.minimum_detectable_effect,
            alpha: settings.alpha,
            sequence: (settings.deciding_method != DecidingMethod::Fixed).then_some(sequence),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 2^28 times the current users"
        )]
        let missing = |units: f64| units.ceil() as u64;
        Ok(Self {
            minimum_detectable_effect: plan.minimum_detectable_effect,
            power: progress.power_at(0.0)?,
            target_power: plan.power,
            additional_users_needed: progress
                .remaining(plan.power)
                .ok()
                .map(|remaining| missing(remaining.units)),
        })
    }
}
