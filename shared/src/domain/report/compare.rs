//! One variant against the control.

use super::{ALPHA, Observed};
use crate::domain::ids::VariantKey;
use crate::stats::{
    Alpha, Alternative, Fieller, Interval, Moments, Proportion, Sample, Undefined, fieller,
    log_ratio, newcombe, two_proportion_z, welch,
};
use serde::Serialize;

/// A variant compared with the control, treatment minus control.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Which variant.
    pub variant: VariantKey,
    /// What it is compared with.
    pub baseline: VariantKey,
    /// In the unit of the metric; for a conversion in parts of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Difference>,
    /// As a part of the control's mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<RelativeDifference>,
    /// Why something is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undefined: Vec<Missing>,
}

/// What is missing from a comparison, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Missing {
    /// `absolute` or `relative`.
    pub what: &'static str,
    /// Why.
    #[serde(flatten)]
    pub why: Undefined,
}

/// A difference with its test.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Treatment minus control.
    pub estimate: f64,
    /// 95 % interval.
    pub ci_lower: f64,
    /// 95 % interval.
    pub ci_upper: f64,
    /// Standard error under the test.
    pub standard_error: f64,
    /// z or t.
    pub statistic: f64,
    /// Of the t test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degrees_of_freedom: Option<f64>,
    /// Two-sided. It underflows below 1e-308; its logarithm does not.
    pub p_value: f64,
    /// Decimal logarithm of the p-value.
    pub log10_p_value: f64,
    /// Which test.
    pub test: &'static str,
}

/// A lift with its interval. Its significance is that of the absolute difference.
#[derive(Debug, Clone, Serialize)]
pub struct RelativeDifference {
    /// (treatment − control) / |control|.
    pub estimate: f64,
    /// 95 % interval.
    pub ci_lower: f64,
    /// 95 % interval.
    pub ci_upper: f64,
    /// How the interval was made.
    pub method: &'static str,
}

impl Comparison {
    pub(super) fn new(
        baseline: &VariantKey,
        control: Result<Observed, Undefined>,
        variant: &VariantKey,
        treatment: Result<Observed, Undefined>,
    ) -> Self {
        let both = control.and_then(|control| treatment.map(|treatment| (control, treatment)));
        let (absolute, relative) = match both {
            Err(undefined) => (Err(undefined), Err(undefined)),
            Ok((Observed::Rate(control), Observed::Rate(treatment))) => rates(&control, &treatment),
            Ok((Observed::Mean(control), Observed::Mean(treatment))) => means(&control, &treatment),
            Ok(_) => (Err(Undefined::Inconsistent), Err(Undefined::Inconsistent)),
        };
        let missing = |what, result: Option<Undefined>| result.map(|why| Missing { what, why });
        let undefined = [
            missing("absolute", absolute.as_ref().err().copied()),
            missing("relative", relative.as_ref().err().copied()),
        ];
        Self {
            variant: variant.clone(),
            baseline: baseline.clone(),
            absolute: absolute.ok(),
            relative: relative.ok(),
            undefined: undefined.into_iter().flatten().collect(),
        }
    }
}

type Both = (
    Result<Difference, Undefined>,
    Result<RelativeDifference, Undefined>,
);

fn rates(control: &Proportion, treatment: &Proportion) -> Both {
    let absolute = Alpha::new(ALPHA).and_then(|alpha| {
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
    });
    let samples = control
        .sample()
        .and_then(|control| Ok((control, treatment.sample()?)));
    (
        absolute,
        samples.and_then(|(control, treatment)| lift(&control, &treatment)),
    )
}

fn means(control: &Moments, treatment: &Moments) -> Both {
    let samples = control
        .sample()
        .and_then(|control| Ok((control, treatment.sample()?)));
    let (control, treatment) = match samples {
        Ok(samples) => samples,
        Err(undefined) => return (Err(undefined), Err(undefined)),
    };
    let absolute = Alpha::new(ALPHA).and_then(|alpha| {
        let test = welch(&control, &treatment, alpha, Alternative::TwoSided)?;
        Ok(Difference {
            estimate: test.effect,
            ci_lower: test.interval.lower,
            ci_upper: test.interval.upper,
            standard_error: test.standard_error,
            statistic: test.statistic,
            degrees_of_freedom: test.degrees_of_freedom,
            p_value: test.p_value.value(),
            log10_p_value: test.p_value.log10(),
            test: "welch_t",
        })
    });
    (absolute, lift(&control, &treatment))
}

/// The log ratio keeps its coverage with few conversions where the delta method misses low; where a mean
/// is not positive, Fieller's interval is the exact inversion of the test.
fn lift(control: &Sample, treatment: &Sample) -> Result<RelativeDifference, Undefined> {
    let alpha = Alpha::new(ALPHA)?;
    let relative = |interval: Interval, method| RelativeDifference {
        estimate: (treatment.mean() - control.mean()) / control.mean().abs(),
        ci_lower: interval.lower,
        ci_upper: interval.upper,
        method,
    };
    match log_ratio(control, treatment, alpha) {
        Ok(ratio) => Ok(relative(ratio.interval, "log_ratio")),
        Err(Undefined::MeanNotPositive) => match fieller(control, treatment, alpha)? {
            Fieller::Bounded { lift, .. } => Ok(relative(lift, "fieller")),
            _ => Err(Undefined::BaselineNotDistinguishable),
        },
        Err(undefined) => Err(undefined),
    }
}
