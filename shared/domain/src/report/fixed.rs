//! The fixed method: tests that are valid for one reading at a size that was fixed in advance.

use super::arm::Observed;
use super::effects::{Bounds, Effects, Lift};
use super::pair::{FewEvents, Pair};
use serde::Serialize;
use stats::{
    Alpha, Alternative, Effect, FixedTest, MissingReason, Proportion, Sample, distributions,
    enough_for_z, fisher_exact, newcombe, newcombe_lift, two_proportion_z, welch,
};

/// An absolute effect with its test.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Treatment minus control.
    pub estimate: f64,
    /// Interval at 1 − alpha.
    pub ci_lower: f64,
    /// Interval at 1 − alpha.
    pub ci_upper: f64,
    /// Standard error without an effect.
    pub standard_error: f64,
    /// The z or t statistic. An exact test has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<f64>,
    /// Degrees of freedom of a t test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degrees_of_freedom: Option<f64>,
    /// Two-sided p-value. It underflows below 1e-308.
    pub p_value: f64,
    /// Decimal logarithm of the p-value, which does not underflow.
    pub log10_p_value: f64,
    /// The name of the test.
    pub test: &'static str,
}

/// A lift with its interval. Its significance is that of the absolute effect.
#[derive(Debug, Clone, Serialize)]
pub struct RelativeDifference {
    /// (treatment − control) / |control|.
    pub estimate: f64,
    /// Interval at 1 − alpha.
    pub ci_lower: f64,
    /// Interval at 1 − alpha.
    pub ci_upper: f64,
    /// The method of the interval.
    pub method: &'static str,
}

impl From<Lift> for RelativeDifference {
    fn from(lift: Lift) -> Self {
        Self {
            estimate: lift.bounds.estimate,
            ci_lower: lift.bounds.ci_lower,
            ci_upper: lift.bounds.ci_upper,
            method: lift.method,
        }
    }
}

/// The absolute effect of two arms of one metric.
pub(super) fn absolute(pair: &Pair<'_>, alpha: Alpha) -> Result<Difference, MissingReason> {
    if let (Observed::Rate(control), Observed::Rate(treatment)) = pair.observed()? {
        return rates(control, treatment, alpha);
    }
    let (control, treatment) = pair.samples()?;
    let difference = means(&control, &treatment, alpha)?;
    match pair.few_events() {
        Some(few) if !enough_for_z(&few.control, &few.treatment) => difference.exact(&few),
        _ => Ok(difference),
    }
}

/// The pooled z test, or Fisher's test where the normal distribution is not accurate.
fn rates(
    control: &Proportion,
    treatment: &Proportion,
    alpha: Alpha,
) -> Result<Difference, MissingReason> {
    let test = two_proportion_z(control, treatment, alpha, Alternative::TwoSided)?;
    let interval = newcombe(control, treatment, alpha)?;
    let difference = Difference {
        estimate: test.difference,
        ci_lower: interval.lower,
        ci_upper: interval.upper,
        standard_error: test.pooled_standard_error,
        statistic: Some(test.z),
        degrees_of_freedom: None,
        p_value: test.p_value.value(),
        log10_p_value: test.p_value.log10(),
        test: "two_proportion_z",
    };
    if enough_for_z(control, treatment) {
        return Ok(difference);
    }
    difference.exact(&FewEvents {
        control: *control,
        treatment: *treatment,
        is_metric: true,
    })
}

/// Welch's test of two means.
pub(super) fn means(
    control: &Sample,
    treatment: &Sample,
    alpha: Alpha,
) -> Result<Difference, MissingReason> {
    let test = welch(control, treatment, alpha, Alternative::TwoSided)?;
    Ok(Difference::of(&test, "welch_t"))
}

impl Difference {
    pub(super) fn of(test: &FixedTest, name: &'static str) -> Self {
        Self {
            estimate: test.effect,
            ci_lower: test.interval.lower,
            ci_upper: test.interval.upper,
            standard_error: test.standard_error,
            statistic: Some(test.statistic),
            degrees_of_freedom: test.degrees_of_freedom,
            p_value: test.p_value.value(),
            log10_p_value: test.p_value.log10(),
            test: name,
        }
    }

    /// The same effect with the p-value of Fisher's test of these rates.
    fn exact(self, few: &FewEvents) -> Result<Self, MissingReason> {
        let p_value = fisher_exact(&few.control, &few.treatment)?;
        Ok(Self {
            statistic: None,
            degrees_of_freedom: None,
            p_value: p_value.value(),
            log10_p_value: p_value.log10(),
            test: "fisher_exact",
            ..self
        })
    }
}

/// The lift, with an interval under the same distribution as the absolute effect: t for means, normal for rates.
pub(super) fn lift(pair: &Pair<'_>, alpha: Alpha) -> Result<RelativeDifference, MissingReason> {
    let effects = Effects::of(pair)?;
    let (Observed::Rate(control), Observed::Rate(treatment)) = pair.observed()? else {
        return lift_of_means(&effects, alpha);
    };
    let rarest = |rate: &Proportion| rate.conversions().min(rate.misses());
    if enough_for_z(control, treatment) && rarest(control).min(rarest(treatment)) > 0 {
        return effects
            .lift(normal_quantile(alpha)?)
            .map(RelativeDifference::from);
    }
    let interval = newcombe_lift(control, treatment, alpha)?;
    let estimate = effects.relative.map(|relative| relative.value())?;
    let bounds = Bounds::new(estimate, interval);
    let method = "newcombe";
    Ok(RelativeDifference::from(Lift { bounds, method }))
}

/// The lift of two means, by the quantile of t.
pub(super) fn lift_of_means(
    effects: &Effects,
    alpha: Alpha,
) -> Result<RelativeDifference, MissingReason> {
    let absolute = effects.absolute.as_ref().map_err(|why| *why)?;
    let lift = effects.lift(critical(absolute, alpha)?)?;
    Ok(RelativeDifference::from(lift))
}

/// The number of standard errors to each end of the two-sided interval of an effect.
pub(super) fn critical(effect: &Effect, alpha: Alpha) -> Result<f64, MissingReason> {
    match effect.degrees_of_freedom() {
        Some(df) => distributions::student_t_upper_quantile(0.5 * alpha.get(), df),
        None => distributions::normal_upper_quantile(0.5 * alpha.get()),
    }
    .ok_or(MissingReason::OutOfRange("alpha"))
}

/// The number of standard errors to each end of a two-sided interval under the normal distribution.
pub(super) fn normal_quantile(alpha: Alpha) -> Result<f64, MissingReason> {
    let quantile = distributions::normal_upper_quantile(0.5 * alpha.get());
    quantile.ok_or(MissingReason::OutOfRange("alpha"))
}
