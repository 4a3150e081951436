//! The reason why a statistic is missing. It replaces values such as p = 1, zero or NaN.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The reason why a result is missing.
///
/// It serialises to `{"reason", "message"}`, with `needed` and `seen` where the reason is a count.
/// `reason` is the stable code of [`MissingReason::code`]; `message` is an English sentence for
/// readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingReason {
    /// An arm (or both together) has fewer units than the method needs.
    TooFewUnits {
        /// Minimum number of units.
        needed: u64,
        /// Actual number of units.
        seen: u64,
    },
    /// An arm has fewer conversions, or fewer users without a conversion, than the method needs.
    TooFewConversions {
        /// Minimum number of either outcome.
        needed: u64,
        /// Actual number of the rarer outcome.
        seen: u64,
    },
    /// There are fewer arms with a positive weight (or fewer subgroups) than a comparison needs.
    TooFewArms {
        /// Minimum number of arms.
        needed: u64,
        /// Actual number of arms.
        seen: u64,
    },
    /// There are fewer distinct periods than a trend needs.
    TooFewPeriods {
        /// Minimum number of periods.
        needed: u64,
        /// Actual number of periods.
        seen: u64,
    },
    /// There are no units.
    NoUnits,
    /// Every unit has the same value, so the variance cannot be estimated.
    ZeroVariance,
    /// Every unit of one arm has the same value, so the variance of this arm cannot be estimated.
    OneArmConstant,
    /// No user converted in any arm.
    NoConversions,
    /// All users converted in all arms.
    AllUsersConverted,
    /// The control mean is zero, so a relative effect does not exist.
    ZeroBaseline,
    /// The control mean does not differ significantly from zero, so a relative effect has no bounds.
    BaselineNotDistinguishable,
    /// The sum of the denominators of a ratio metric is zero.
    ZeroDenominator,
    /// A mean is not positive, which the log ratio requires of both means.
    MeanNotPositive,
    /// The covariate explains the metric entirely, so it is probably the metric itself.
    CovariateIsTheMetric,
    /// The metric is a quantile, which CUPED cannot adjust.
    NotAdjustable,
    /// One histogram bucket contains the intervals of a quantile in both arms, because many users have the
    /// same value.
    NoResolution,
    /// No sample size in range reaches the target.
    Unreachable,
    /// The aggregates contradict each other: for example, they imply a negative variance.
    Inconsistent,
    /// A sum or a result exceeds the range of its number type.
    Overflow,
    /// An argument is out of range. The value is the name of the argument.
    OutOfRange(&'static str),
}

impl MissingReason {
    /// The stable code of the reason, in snake case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooFewUnits { .. } => "too_few_units",
            Self::TooFewConversions { .. } => "too_few_conversions",
            Self::TooFewArms { .. } => "too_few_arms",
            Self::TooFewPeriods { .. } => "too_few_periods",
            Self::NoUnits => "no_units",
            Self::ZeroVariance => "zero_variance",
            Self::OneArmConstant => "one_arm_constant",
            Self::NoConversions => "no_conversions",
            Self::AllUsersConverted => "all_users_converted",
            Self::ZeroBaseline => "zero_baseline",
            Self::BaselineNotDistinguishable => "baseline_not_distinguishable",
            Self::ZeroDenominator => "zero_denominator",
            Self::MeanNotPositive => "mean_not_positive",
            Self::CovariateIsTheMetric => "covariate_is_the_metric",
            Self::NotAdjustable => "not_adjustable",
            Self::NoResolution => "no_resolution",
            Self::Unreachable => "unreachable",
            Self::Inconsistent => "inconsistent_aggregates",
            Self::Overflow => "overflow",
            Self::OutOfRange(_) => "out_of_range",
        }
    }

    /// The minimum and the actual number, if the reason is a count.
    pub fn needed_and_seen(&self) -> Option<(u64, u64)> {
        match *self {
            Self::TooFewUnits { needed, seen }
            | Self::TooFewConversions { needed, seen }
            | Self::TooFewArms { needed, seen }
            | Self::TooFewPeriods { needed, seen } => Some((needed, seen)),
            _ => None,
        }
    }
}

impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewUnits { needed, seen } => {
                write!(f, "Too few users: {seen} seen, {needed} needed.")
            }
            Self::TooFewConversions { needed, seen } => {
                write!(f, "Too few conversions, or too few users without a conversion: {seen} in one variant, {needed} needed.")
            }
            Self::TooFewArms { needed, seen } => {
                write!(f, "Too few variants with traffic: {seen} seen, {needed} needed.")
            }
            Self::TooFewPeriods { needed, seen } => {
                write!(f, "Too few periods: {seen} seen, {needed} needed.")
            }
            Self::NoUnits => f.write_str("No user has been counted yet."),
            Self::ZeroVariance => {
                f.write_str("Every user has the same value, so the noise cannot be measured.")
            }
            Self::OneArmConstant => f.write_str(
                "Every user of one variant has the same value, so the noise of its mean cannot be measured.",
            ),
            Self::NoConversions => f.write_str("No user has converted yet."),
            Self::AllUsersConverted => f.write_str("All users have converted."),
            Self::ZeroBaseline => {
                f.write_str("The control's mean is zero, so a relative effect does not exist.")
            }
            Self::BaselineNotDistinguishable => f.write_str(
                "The control's mean does not differ significantly from zero yet, so a relative effect has no bounds.",
            ),
            Self::ZeroDenominator => f.write_str("The ratio's denominator is zero over all users."),
            Self::MeanNotPositive => f.write_str("The log ratio needs two positive means."),
            Self::CovariateIsTheMetric => f.write_str(
                "The covariate explains the metric entirely, so it is probably the metric itself.",
            ),
            Self::NotAdjustable => f.write_str("CUPED cannot adjust a quantile metric."),
            Self::NoResolution => f.write_str(
                "So many users have the same value that the quantiles of both variants are in one histogram bucket, which is 2% wide.",
            ),
            Self::Unreachable => f.write_str("No sample size in range reaches the target."),
            Self::Inconsistent => f.write_str("The aggregates contradict each other."),
            Self::Overflow => f.write_str("A sum or a result is too large to represent."),
            Self::OutOfRange(argument) => write!(f, "The argument `{argument}` is out of range."),
        }
    }
}

impl std::error::Error for MissingReason {}

impl Serialize for MissingReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("reason", self.code())?;
        map.serialize_entry("message", &self.to_string())?;
        if let Some((needed, seen)) = self.needed_and_seen() {
            map.serialize_entry("needed", &needed)?;
            map.serialize_entry("seen", &seen)?;
        }
        map.end()
    }
}

/// The name of a missing result, with the reason.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Missing {
    /// The field of the response that is missing.
    pub what: &'static str,
    /// The reason why it is missing.
    #[serde(flatten)]
    pub why: MissingReason,
}

/// Returns `x` if it is finite, and [`MissingReason::Overflow`] otherwise.
pub(crate) fn finite(x: f64) -> Result<f64, MissingReason> {
    if x.is_finite() {
        Ok(x)
    } else {
        Err(MissingReason::Overflow)
    }
}
