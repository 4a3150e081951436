//! The effect: the common input of all methods, with its standard error and its number of units.
//!
//! Fixed tests, confidence sequences and Bayesian posteriors need only this type, for every kind of
//! metric (conversion, mean, ratio, CUPED-adjusted, quantile).

use serde::Serialize;

use super::distributions::{
    normal_ln_upper_tail, normal_upper_quantile, student_t_ln_upper_tail, student_t_upper_quantile,
};
use super::level::{Alpha, Alternative};
use super::missing::{MissingReason, finite};
use super::p_value::PValue;

/// An estimated difference between two arms with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    value: f64,
    standard_error: f64,
    degrees_of_freedom: Option<f64>,
    units: u64,
    /// One arm does not vary. The t test accepts this, but methods that need the normal distribution
    /// do not.
    #[serde(skip)]
    one_arm_constant: bool,
}

impl Effect {
    /// Creates an effect with its standard error, both in the same unit.
    ///
    /// `units` counts both arms. `degrees_of_freedom` are those of Student's t; `None` means the normal
    /// distribution.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if the value or the standard error is not finite;
    /// [`MissingReason::ZeroVariance`] if the standard error is not positive;
    /// [`MissingReason::OutOfRange`] if the degrees of freedom are not positive and finite.
    pub fn new(
        value: f64,
        standard_error: f64,
        degrees_of_freedom: Option<f64>,
        units: u64,
    ) -> Result<Self, MissingReason> {
        finite(value)?;
        finite(standard_error)?;
        if standard_error <= 0.0 {
            return Err(MissingReason::ZeroVariance);
        }
        if degrees_of_freedom.is_some_and(|df| !(df > 0.0 && df.is_finite())) {
            return Err(MissingReason::OutOfRange("degrees_of_freedom"));
        }
        Ok(Self {
            value,
            standard_error,
            degrees_of_freedom,
            units,
            one_arm_constant: false,
        })
    }

    /// Sets whether one arm does not vary. If so, [`Effect::require_normal`] fails.
    pub(crate) fn with_constant_arm(self, one_arm_constant: bool) -> Self {
        Self {
            one_arm_constant,
            ..self
        }
    }

    /// Checks that methods which assume a normal distribution of the effect are valid. They are not
    /// valid while all units of one arm have the same value.
    pub(crate) fn require_normal(&self) -> Result<(), MissingReason> {
        if self.one_arm_constant {
            Err(MissingReason::OneArmConstant)
        } else {
            Ok(())
        }
    }

    /// Treatment minus control, in metric units or as a share of |control|.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Standard error of the value, above 0.
    pub fn standard_error(&self) -> f64 {
        self.standard_error
    }

    /// Degrees of freedom of Student's t. `None` means the normal distribution.
    pub fn degrees_of_freedom(&self) -> Option<f64> {
        self.degrees_of_freedom
    }

    /// Units of both arms together.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// The effect with its standard error multiplied by `factor`, at least 1.
    #[must_use]
    pub fn widened(&self, factor: f64) -> Self {
        Self {
            standard_error: self.standard_error * factor.max(1.0),
            ..*self
        }
    }

    /// The effect with the opposite sign, for metrics where lower is better.
    pub fn negated(&self) -> Self {
        Self {
            value: -self.value,
            ..*self
        }
    }

    /// The two-sided confidence interval at 1 - alpha of a fixed test.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if an end is not finite.
    pub fn interval(&self, alpha: Alpha) -> Result<Interval, MissingReason> {
        Interval::around(
            self.value,
            self.quantile(alpha.per_tail())? * self.standard_error,
        )
    }

    /// Tests whether the effect differs from `null_value`. The test is valid for one look at a sample
    /// size that is fixed in advance.
    ///
    /// With 28 looks at this p-value, 28% of experiments without an effect become significant. A
    /// [`super::ConfidenceSequence`] is valid at any number of looks.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if a result is not finite.
    pub fn test(
        &self,
        null_value: f64,
        alpha: Alpha,
        alternative: Alternative,
    ) -> Result<FixedTest, MissingReason> {
        let statistic = finite((self.value - null_value) / self.standard_error)?;
        let one_sided_bound = match alternative {
            Alternative::TwoSided => None,
            Alternative::Greater => Some(finite(self.value - self.one_sided_width(alpha)?)?),
            Alternative::Less => Some(finite(self.value + self.one_sided_width(alpha)?)?),
        };
        Ok(FixedTest {
            effect: self.value,
            standard_error: self.standard_error,
            statistic,
            degrees_of_freedom: self.degrees_of_freedom,
            p_value: p_value(statistic, self.degrees_of_freedom, alternative),
            interval: self.interval(alpha)?,
            one_sided_bound,
        })
    }

    fn one_sided_width(&self, alpha: Alpha) -> Result<f64, MissingReason> {
        Ok(self.quantile(alpha.get())? * self.standard_error)
    }

    fn quantile(&self, q: f64) -> Result<f64, MissingReason> {
        match self.degrees_of_freedom {
            Some(df) => student_t_upper_quantile(q, df),
            None => normal_upper_quantile(q),
        }
        .ok_or(MissingReason::OutOfRange("alpha"))
    }
}

/// The p-value of a standardised statistic under Student's t distribution, or under the normal
/// distribution without degrees of freedom.
pub(crate) fn p_value(
    statistic: f64,
    degrees_of_freedom: Option<f64>,
    alternative: Alternative,
) -> PValue {
    let ln_upper_tail = |t: f64| match degrees_of_freedom {
        Some(df) => student_t_ln_upper_tail(t, df),
        None => normal_ln_upper_tail(t),
    };
    PValue::from_ln(match alternative {
        Alternative::TwoSided => ln_upper_tail(statistic.abs()) + std::f64::consts::LN_2,
        Alternative::Greater => ln_upper_tail(statistic),
        Alternative::Less => ln_upper_tail(-statistic),
    })
}

/// A closed interval, lower end first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

impl Interval {
    /// The interval between two finite ends, which may be in either order.
    pub(crate) fn between(a: f64, b: f64) -> Result<Self, MissingReason> {
        let (a, b) = (finite(a)?, finite(b)?);
        Ok(Self {
            lower: a.min(b),
            upper: a.max(b),
        })
    }

    pub(crate) fn around(centre: f64, half_width: f64) -> Result<Self, MissingReason> {
        Self::between(centre - half_width, centre + half_width)
    }

    /// Whether the interval contains `x`. The ends belong to the interval.
    pub fn contains(&self, x: f64) -> bool {
        self.lower <= x && x <= self.upper
    }

    /// Distance between the ends.
    pub fn width(&self) -> f64 {
        self.upper - self.lower
    }

    /// Whether all values of the interval have the same sign.
    pub fn excludes_zero(&self) -> bool {
        self.lower > 0.0 || self.upper < 0.0
    }

    /// The intersection of both intervals. Returns `None` if they are disjoint.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let both = Self {
            lower: self.lower.max(other.lower),
            upper: self.upper.min(other.upper),
        };
        (both.lower <= both.upper).then_some(both)
    }
}

/// The result of a fixed test, which is valid for one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FixedTest {
    /// Treatment minus control.
    pub effect: f64,
    /// Standard error of the effect.
    pub standard_error: f64,
    /// (effect - null value) / standard error.
    pub statistic: f64,
    /// Degrees of freedom of Student's t. `None` means the normal distribution.
    pub degrees_of_freedom: Option<f64>,
    /// Probability of a statistic at least this extreme if the null hypothesis is true.
    pub p_value: PValue,
    /// Two-sided interval of the effect at 1 - alpha, for every alternative.
    pub interval: Interval,
    /// Bound of a one-sided test at 1 - alpha: a lower bound for `Greater`, an upper bound for `Less`,
    /// `None` for a two-sided test.
    pub one_sided_bound: Option<f64>,
}
