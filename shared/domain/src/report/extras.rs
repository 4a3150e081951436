//! What some metrics have beside their comparison: the adjustment by the pre exposure, the cut of outliers, the margin of a
//! guardrail, and how far the experiment is.

use super::arm::{Arm, Observed};
use super::fixed::{self, Difference, RelativeDifference};
use super::methods::Effects;
use super::request::{AnalysisSettings, DecidingMethod};
use crate::metric::{Direction, Metric};
use crate::plan::Plan;
use serde::Serialize;
use stats::{
    Adjustment, BucketMoments, ConfidenceSequence, MissingReason, Progress, Threshold, cuped,
    non_inferiority, pre_experiment_bias,
};

/// The effect adjusted by what the users did before the experiment.
#[derive(Debug, Clone, Serialize)]
pub struct CupedAdjusted {
    /// Coefficient of each covariate: for a ratio its own pre exposure, else the same number before and whether there was a
    /// pre exposure at all. 0 for one that is constant.
    pub coefficients: Vec<f64>,
    /// Share of the effect's variance that the covariates took away; below 0 when they added noise.
    pub variance_reduction: f64,
    /// The difference before the experiment of each covariate, as a test: it should find none.
    pub pre_exposure: Vec<PreExposureBalance>,
}

/// One covariate, compared before the experiment.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PreExposureBalance {
    /// Treatment minus control.
    pub difference: f64,
    /// Two-sided.
    pub p_value: f64,
}

/// Both arms adjusted, with what is to be told of it.
pub(super) fn adjust(
    metric: &Metric,
    control: &Arm<'_>,
    treatment: &Arm<'_>,
) -> Result<(CupedAdjusted, Effects), MissingReason> {
    let (control, treatment) = (
        control.with_pre_exposure(metric)?,
        treatment.with_pre_exposure(metric)?,
    );
    let before = pre_experiment_bias(&control, &treatment)
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
        pre_exposure: before,
    };
    let effects = Effects {
        absolute: Ok(absolute),
        relative,
        log_ratio: None,
    };
    Ok((adjusted, effects))
}

/// The comparison with outliers cut: another quantity than the plain one, less noisy.
#[derive(Debug, Clone, Serialize)]
pub struct Capped {
    /// The largest number of a user that remains.
    pub cap: f64,
    /// In the unit of the metric.
    pub absolute: Difference,
    /// As a part of the control's mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<RelativeDifference>,
}

/// The cut that holds for all variants of a metric, with the variants' numbers by size.
pub(super) struct Cut {
    threshold: Threshold,
    arms: Vec<BucketMoments>,
}

impl Cut {
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
        let cut = |arm: usize| {
            let moments = self.arms.get(arm).ok_or(MissingReason::NoUnits)?;
            let moments = moments.winsorised(&self.threshold);
            moments.ok_or(MissingReason::Overflow)?.sample()
        };
        let (control, treatment) = (cut(control)?, cut(treatment)?);
        #[expect(clippy::cast_precision_loss, reason = "shown to a user_data")]
        let cap = self.threshold.cap_micros() as f64 / 1e6;
        Ok(Capped {
            cap,
            absolute: fixed::means(&control, &treatment, settings.alpha)?,
            relative: fixed::lift(&control, &treatment, settings.alpha).ok(),
        })
    }
}

/// Whether a guardrail is proven not to have got worse by more than its margin.
#[derive(Debug, Clone, Serialize)]
pub struct Margin {
    /// How much worse it may get, as a part of the control's mean.
    pub margin: f64,
    /// How much worse it may be after all, at 1 − alpha: negative for a loss.
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
            let sequence = ConfidenceSequence::one_sided(settings.alpha, planned_users)?;
            let bounds = sequence.one_sided_bounds(effect)?;
            if increase {
                bounds.lower
            } else {
                -bounds.upper
            }
        };
        Ok(Self {
            margin,
            worst,
            shown: worst > -margin,
        })
    }
}

/// How far the experiment is on the way to what it was planned to find.
#[derive(Debug, Clone, Serialize)]
pub struct PowerToDate {
    /// The lift that it was planned to find.
    pub minimum_detectable_effect: f64,
    /// The chance of finding it with the users of now.
    pub power: f64,
    /// The chance that was asked for.
    pub target_power: f64,
    /// Users of both variants still missing; 0 when the power is there.
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
            reason = "at most 2^28 times the users of now"
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

/// Whether both arms have what a verdict needs.
pub(super) fn enough(control: &Observed, treatment: &Observed) -> Result<(), MissingReason> {
    match (control, treatment) {
        (Observed::Rate(control), Observed::Rate(treatment)) => {
            stats::enough_conversions(control, treatment)
        }
        _ => stats::enough_units(&control.sample()?, &treatment.sample()?),
    }
}
