//! The absolute effect and the lift of two arms, from which all methods start.

use super::pair::Pair;
use serde::Serialize;
use stats::{
    Effect, Fieller, Interval, MissingReason, Sample, difference, fieller_at, log_ratio_at,
    relative_difference,
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
    /// The control without CUPED adjustment, which lifts are relative to.
    control: Sample,
    /// The treatment, if the effect is not CUPED-adjusted.
    treatment: Option<Sample>,
    can_be_negative: bool,
    /// By how much the standard errors are larger in results that are valid at every reading.
    error_factor: f64,
}

/// A lift with its interval, and the method of the interval.
pub(super) struct Lift {
    pub(super) bounds: Bounds,
    pub(super) method: &'static str,
}

impl Effects {
    /// The effects of two arms.
    pub(super) fn of(pair: &Pair<'_>) -> Result<Self, MissingReason> {
        let (control, treatment) = pair.samples()?;
        Ok(Self {
            error_factor: pair.error_factor(),
            ..Self::of_samples(control, treatment, pair.can_be_negative())
        })
    }

    /// The effects of two samples.
    pub(super) fn of_samples(control: Sample, treatment: Sample, can_be_negative: bool) -> Self {
        Self {
            absolute: difference(&control, &treatment),
            relative: relative_difference(&control, &treatment),
            control,
            treatment: Some(treatment),
            can_be_negative,
            error_factor: 1.0,
        }
    }

    /// CUPED-adjusted effects.
    pub(super) fn adjusted(
        pair: &Pair<'_>,
        absolute: Effect,
        relative: Result<Effect, MissingReason>,
    ) -> Result<Self, MissingReason> {
        Ok(Self {
            absolute: Ok(absolute),
            relative,
            control: pair.control.sample()?,
            treatment: None,
            can_be_negative: pair.can_be_negative(),
            error_factor: pair.error_factor(),
        })
    }

    /// The same effects with the standard errors of results that are valid at every reading.
    pub(super) fn at_every_reading(&self) -> Self {
        let factor = self.error_factor;
        let effect = |effect: &Result<Effect, MissingReason>| {
            effect
                .as_ref()
                .map(|effect| effect.widened(factor))
                .map_err(|why| *why)
        };
        let sample = |sample: &Sample| {
            let variance = sample.variance() * factor * factor;
            sample.with_variance(variance).unwrap_or(*sample)
        };
        Self {
            absolute: effect(&self.absolute),
            relative: effect(&self.relative),
            control: sample(&self.control),
            treatment: self.treatment.as_ref().map(sample),
            can_be_negative: self.can_be_negative,
            error_factor: 1.0,
        }
    }

    /// The lift with the interval of a test that needs this number of standard errors.
    ///
    /// The interval of the log ratio keeps its coverage with few conversions, where the delta method does not. If a
    /// mean is not positive, Fieller's interval is the exact inversion of the test.
    ///
    /// # Errors
    /// If the mean of the control is zero, or, for values that can be negative, within `critical` standard errors of
    /// zero: each lift, however large, is then compatible with the data.
    pub(super) fn lift(&self, critical: f64) -> Result<Lift, MissingReason> {
        let relative = self.relative.as_ref().map_err(|why| *why)?;
        let baseline = self.control.mean().abs();
        if self.can_be_negative && baseline <= critical * self.control.mean_variance().sqrt() {
            return Err(MissingReason::BaselineNotDistinguishable);
        }
        let Some(treatment) = &self.treatment else {
            let half = critical * relative.standard_error();
            let interval = Interval {
                lower: relative.value() - half,
                upper: relative.value() + half,
            };
            return Ok(Lift {
                bounds: Bounds::new(relative.value(), interval),
                method: "delta",
            });
        };
        let (interval, method) = match log_ratio_at(&self.control, treatment, critical) {
            Ok(ratio) => (ratio.interval, "log_ratio"),
            Err(MissingReason::MeanNotPositive) => {
                match fieller_at(&self.control, treatment, critical)? {
                    Fieller::Bounded { lift, .. } => (lift, "fieller"),
                    _ => return Err(MissingReason::BaselineNotDistinguishable),
                }
            }
            Err(MissingReason::Overflow) => return Err(MissingReason::BaselineNotDistinguishable),
            Err(missing) => return Err(missing),
        };
        Ok(Lift {
            bounds: Bounds::new(relative.value(), interval),
            method,
        })
    }

    /// ln(treatment / control) with its standard error, if both means are positive.
    pub(super) fn log_ratio(&self) -> Option<Effect> {
        let relative = self.relative.as_ref().ok()?;
        let ratio = 1.0 + relative.value();
        if self.control.mean() <= 0.0 || ratio <= 0.0 {
            return None;
        }
        let standard_error = relative.standard_error() / ratio;
        Effect::new(
            relative.value().ln_1p(),
            standard_error,
            None,
            relative.units(),
        )
        .ok()
    }

    /// The lift with the standard error of the absolute effect, relative to the control: the error without the noise
    /// of the control as a divisor.
    ///
    /// # Errors
    /// If the mean of the control is within `critical` standard errors of zero.
    pub(super) fn scaled_difference(&self, critical: f64) -> Result<Effect, MissingReason> {
        let absolute = self.absolute.as_ref().map_err(|why| *why)?;
        let baseline = self.control.mean().abs();
        if baseline == 0.0 {
            return Err(MissingReason::ZeroBaseline);
        }
        if baseline <= critical * self.control.mean_variance().sqrt() {
            return Err(MissingReason::BaselineNotDistinguishable);
        }
        Effect::new(
            absolute.value() / baseline,
            absolute.standard_error() / baseline,
            None,
            absolute.units(),
        )
    }
}
