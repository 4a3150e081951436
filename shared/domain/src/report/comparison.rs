//! One variant against the baseline: the results of every method, and the finding of the deciding one.

use super::effects::Bounds;
use super::extras::{Capped, CupedAdjusted, Margin, PowerToDate};
use super::fixed::{Difference, RelativeDifference};
use super::methods::{Bayesian, HybridView, Sequential};
use crate::ids::VariantKey;
use crate::metric::Direction;
use serde::Serialize;
use stats::{Missing, MissingReason};

/// A variant compared with the baseline, treatment minus control.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The variant.
    pub variant: VariantKey,
    /// The variant that it is compared with.
    pub baseline: VariantKey,
    /// The finding of the deciding method.
    pub finding: Finding,
    /// The numbers of the deciding method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisive: Option<Decisive>,
    /// Fixed method, absolute effect in the unit of the metric; a difference of rates for a conversion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Difference>,
    /// Fixed method, lift: the effect relative to the mean of the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<RelativeDifference>,
    /// Sequential method: valid however often results are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential: Option<Sequential>,
    /// Hybrid method: sequential until the planned end, sharper at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hybrid: Option<HybridView>,
    /// Bayesian method: the chance to win.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bayesian: Option<Bayesian>,
    /// The CUPED adjustment, if the request asks for it; the numbers above are then CUPED-adjusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cuped_adjusted: Option<CupedAdjusted>,
    /// The effect on capped values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capped: Option<Capped>,
    /// The non-inferiority test of a guardrail with a margin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_inferiority: Option<Margin>,
    /// The power reached so far, of the planned metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_to_date: Option<PowerToDate>,
    /// Numbers that are missing, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// The finding of the deciding method about a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The variant is better.
    Better,
    /// The variant is worse.
    Worse,
    /// No difference is shown so far.
    Undecided,
    /// The data are below the minimum that a finding needs.
    NotEnoughData,
    /// There is enough data, and the result is missing for another reason.
    NotMeasurable,
}

impl Finding {
    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Undecided => "undecided",
            Self::NotEnoughData => "not_enough_data",
            Self::NotMeasurable => "not_measurable",
        }
    }
}

/// The numbers of the deciding method.
#[derive(Debug, Clone, Serialize)]
pub struct Decisive {
    /// In the unit of the metric; the Bayesian method has none, and an exact test of the users with an event has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Bounds>,
    /// The lift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Bounds>,
    /// For the Bayesian method twice the smaller of the chances to win and to lose.
    pub p_value: f64,
    /// Decimal logarithm of the p-value.
    pub log10_p_value: f64,
    /// The p-value after the correction for the other comparisons of the same role.
    pub adjusted_p_value: f64,
    /// Treatment minus control, from which the direction of a finding follows.
    #[serde(skip)]
    pub(super) difference: f64,
}

impl Decisive {
    /// The finding at this error level, by the corrected p-value.
    pub(super) fn finding(&self, alpha: f64, direction: Direction) -> Finding {
        let gain = self.difference * direction.sign();
        if self.adjusted_p_value > alpha {
            Finding::Undecided
        } else if gain > 0.0 {
            Finding::Better
        } else if gain < 0.0 {
            Finding::Worse
        } else {
            Finding::Undecided
        }
    }
}

/// Whether more data is what a missing result needs.
pub(super) fn needs_data(why: &MissingReason) -> bool {
    matches!(
        why,
        MissingReason::NoUnits
            | MissingReason::TooFewUnits { .. }
            | MissingReason::TooFewConversions { .. }
            | MissingReason::NoConversions
            | MissingReason::AllUsersConverted
            | MissingReason::OneArmConstant
            | MissingReason::ZeroDenominator
    )
}
