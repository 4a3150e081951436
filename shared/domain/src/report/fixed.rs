//! The fixed method: tests that are valid for one reading at a size that was fixed in advance.

use super::arm::Observed;
use serde::Serialize;
use stats::{
    Alpha, Alternative, Fieller, FixedTest, Interval, MissingReason, Proportion, Sample, fieller,
    log_ratio, newcombe, two_proportion_z, welch,
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
    /// Standard error under the test.
    pub standard_error: f64,
    /// The z or t statistic.
    pub statistic: f64,
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

/// The absolute effect of two arms of one metric.
pub(super) fn absolute(
    control: &Observed,
    treatment: &Observed,
    alpha: Alpha,
) -> Result<Difference, MissingReason> {
    match (control, treatment) {
        (Observed::Rate(control), Observed::Rate(treatment)) => rates(control, treatment, alpha),
        _ => means(&control.sample()?, &treatment.sample()?, alpha),
    }
}

fn rates(
    control: &Proportion,
    treatment: &Proportion,
    alpha: Alpha,
) -> Result<Difference, MissingReason> {
    let test = two_proportion_z(control, treatment, alpha, Alternative::TwoSided)?;
    let interval = newcombe(control, treatment, alpha)?;
    Ok(Difference {
        estimate: test.difference,
        ci_lower: interval.lower,
        ci_upper: interval.upper,
        standard_error: test.pooled_standard_error,
        statistic: test.z,
        degrees_of_freedom: None,
        p_value: test.p_value.value(),
        log10_p_value: test.p_value.log10(),
        test: "two_proportion_z",
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
            statistic: test.statistic,
            degrees_of_freedom: test.degrees_of_freedom,
            p_value: test.p_value.value(),
            log10_p_value: test.p_value.log10(),
            test: name,
        }
    }
}

/// The interval of the log ratio keeps its coverage with few conversions, where the delta method does not. If a mean is
/// not positive, Fieller's interval is the exact inversion of the test.
pub(super) fn lift(
    control: &Sample,
    treatment: &Sample,
    alpha: Alpha,
) -> Result<RelativeDifference, MissingReason> {
    let relative = |interval: Interval, method| RelativeDifference {
        estimate: (treatment.mean() - control.mean()) / control.mean().abs(),
        ci_lower: interval.lower,
        ci_upper: interval.upper,
        method,
    };
    match log_ratio(control, treatment, alpha) {
        Ok(ratio) => Ok(relative(ratio.interval, "log_ratio")),
        Err(MissingReason::MeanNotPositive) => match fieller(control, treatment, alpha)? {
            Fieller::Bounded { lift, .. } => Ok(relative(lift, "fieller")),
            _ => Err(MissingReason::BaselineNotDistinguishable),
        },
        Err(missing) => Err(missing),
    }
}
