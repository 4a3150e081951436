//! Why a statistic cannot be given: a value with its reason, in place of p = 1, zero or NaN.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The reason for which there is no result, and what is missing.
///
/// Serialises to `{"code", "message"}` plus `needed` and `seen` where they apply. The code is
/// stable; the message is a sentence for a user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingReason {
    /// An arm (or both together) has fewer units than the method needs.
    TooFewUnits {
        /// Units needed at least.
        needed: u64,
        /// Units seen.
        seen: u64,
    },
    /// Fewer conversions than an honest verdict needs.
    TooFewConversions {
        /// Conversions needed at least.
        needed: u64,
        /// Conversions seen.
        seen: u64,
    },
    /// Fewer arms with a positive weight than a comparison needs.
    TooFewArms {
        /// Arms needed at least.
        needed: u64,
        /// Arms seen.
        seen: u64,
    },
    /// Fewer distinct periods than a trend needs.
    TooFewPeriods {
        /// Periods needed at least.
        needed: u64,
        /// Periods seen.
        seen: u64,
    },
    /// Nobody has been counted yet.
    NoUnits,
    /// Every unit has the same value, so that the noise is unknown.
    ZeroVariance,
    /// Nobody converted in any arm.
    NoConversions,
    /// Everybody converted in all arms.
    AllUsersConverted,
    /// The control mean is zero, so that nothing can be relative to it.
    ZeroBaseline,
    /// The control mean cannot be told from zero: a relative effect has no bounds.
    BaselineNotDistinguishable,
    /// The denominator of a ratio metric adds up to zero.
    ZeroDenominator,
    /// A log ratio needs both means to be positive.
    MeanNotPositive,
    /// The covariate explains the metric entirely: it is the metric itself.
    CovariateIsTheMetric,
    /// A quantile is no mean of something that a covariate could explain.
    NotAdjustable,
    /// Both ends of the interval fall into one histogram bucket.
    NoResolution,
    /// The target cannot be reached with any amount of traffic in range.
    Unreachable,
    /// The sums contradict each other (such as a negative sum of squared deviations).
    Inconsistent,
    /// A sum or a result is beyond what its number type holds.
    Overflow,
    /// An argument is outside its range; names the argument.
    OutOfRange(&'static str),
}

impl MissingReason {
    /// Stable identifier for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooFewUnits { .. } => "too_few_units",
            Self::TooFewConversions { .. } => "too_few_conversions",
            Self::TooFewArms { .. } => "too_few_arms",
            Self::TooFewPeriods { .. } => "too_few_periods",
            Self::NoUnits => "no_units",
            Self::ZeroVariance => "zero_variance",
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

    /// How many are needed and how many were seen, where the reason is a count.
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
                write!(f, "Too few users who converted, or who did not: {seen} in one variant, {needed} needed.")
            }
            Self::TooFewArms { needed, seen } => {
                write!(f, "Too few variants with traffic: {seen} seen, {needed} needed.")
            }
            Self::TooFewPeriods { needed, seen } => {
                write!(f, "Too few periods: {seen} seen, {needed} needed.")
            }
            Self::NoUnits => f.write_str("Nobody has been counted yet."),
            Self::ZeroVariance => {
                f.write_str("Every user has the same value, so the noise cannot be measured.")
            }
            Self::NoConversions => f.write_str("Nobody has converted yet."),
            Self::AllUsersConverted => f.write_str("Everybody has converted."),
            Self::ZeroBaseline => {
                f.write_str("The control's mean is zero, so a relative effect has no meaning.")
            }
            Self::BaselineNotDistinguishable => f.write_str(
                "The control's mean cannot be told from zero yet, so a relative effect is unbounded.",
            ),
            Self::ZeroDenominator => f.write_str("The ratio's denominator adds up to zero."),
            Self::MeanNotPositive => f.write_str("A log ratio needs both means to be positive."),
            Self::CovariateIsTheMetric => f.write_str(
                "The covariate explains the metric entirely, so it is probably the metric itself.",
            ),
            Self::NotAdjustable => f.write_str("A quantile is not adjusted by the past."),
            Self::NoResolution => {
                f.write_str("The histogram's buckets are too coarse for an interval.")
            }
            Self::Unreachable => f.write_str("No amount of traffic in range reaches the target."),
            Self::Inconsistent => f.write_str("The sums contradict each other."),
            Self::Overflow => f.write_str("A sum or a result is too large to be held."),
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

/// What is missing from an answer, and why.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Missing {
    /// Which part.
    pub what: &'static str,
    /// Why.
    #[serde(flatten)]
    pub why: MissingReason,
}

/// A finite number, or [`MissingReason::Overflow`]: the last gate before a number is shown.
pub(crate) fn finite(x: f64) -> Result<f64, MissingReason> {
    if x.is_finite() {
        Ok(x)
    } else {
        Err(MissingReason::Overflow)
    }
}
