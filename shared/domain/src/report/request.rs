//! The analysis request, and the settings that follow from it.

use crate::experiment::Experiment;
use crate::filter::RecordFilter;
use crate::ids::{MetricKey, VariantKey};
use crate::time::Timestamp;
use serde::Serialize;
use stats::{Alpha, ConfidenceSequence};
use std::collections::BTreeSet;

/// The method that decides. Results show all methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidingMethod {
    /// Valid for one reading at a size that was fixed in advance.
    Fixed,
    /// Valid however often results are read.
    Sequential,
    /// Valid however often results are read, and sharper at the planned end.
    Hybrid,
    /// The chance to win.
    Bayesian,
}

impl DecidingMethod {
    /// All of them with their names in the API.
    pub const ALL: [(&'static str, Self); 4] = [
        ("fixed", Self::Fixed),
        ("sequential", Self::Sequential),
        ("hybrid", Self::Hybrid),
        ("bayesian", Self::Bayesian),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        named(&Self::ALL, self)
    }
}

/// The correction for multiple comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// No correction.
    None,
    /// Holm: bounds the probability of any false finding among the metrics of one role by alpha.
    #[default]
    Holm,
    /// Benjamini and Hochberg: bounds the expected share of false findings among those of one role.
    Bh,
}

impl Correction {
    /// All of them with their names in the API.
    pub const ALL: [(&'static str, Self); 3] =
        [("none", Self::None), ("holm", Self::Holm), ("bh", Self::Bh)];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        named(&Self::ALL, self)
    }
}

fn named<T: Copy + PartialEq>(all: &[(&'static str, T)], one: T) -> &'static str {
    let found = all.iter().find(|(_, known)| *known == one);
    found.map_or("", |(name, _)| name)
}

/// The dimensions that results are broken down by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Breakdown {
    /// All declared dimensions.
    #[default]
    All,
    /// No dimension.
    None,
    /// One dimension.
    By(String),
}

/// An analysis request.
#[derive(Debug, Clone)]
pub struct AnalysisRequest {
    /// The records to use.
    pub filter: RecordFilter,
    /// The instant that results take as the present.
    pub as_of: Timestamp,
    /// The metrics; all if empty.
    pub metrics: BTreeSet<MetricKey>,
    /// The variant that the others are compared with; by default the control.
    pub baseline: Option<VariantKey>,
    /// The deciding method; by default `Hybrid` if an end is planned, else `Sequential`.
    pub method: Option<DecidingMethod>,
    /// Two-sided error level, between 0 and 1; by default that of the plan, else 0.05.
    pub alpha: Option<f64>,
    /// The correction for multiple comparisons.
    pub correction: Correction,
    /// The dimensions.
    pub breakdown: Breakdown,
    /// Whether results by day are included.
    pub series: bool,
}

/// The default error level.
pub const DEFAULT_ALPHA: f64 = 0.05;
/// The number of users of two variants for which the confidence sequence is tightest without a plan. It must be fixed
/// before the first reading. From 2,000 to 2,000,000 users its interval is at most 27% wider than the narrowest one.
pub const UNPLANNED_USERS: f64 = 20_000.0;

/// The settings of an analysis: the request with its defaults filled in.
#[derive(Debug, Clone, Serialize)]
pub struct AnalysisSettings {
    /// The deciding method.
    pub deciding_method: DecidingMethod,
    /// Two-sided error level.
    pub alpha: Alpha,
    /// The correction for multiple comparisons.
    pub correction: Correction,
    /// Whether effects are CUPED-adjusted.
    pub cuped: bool,
    /// The planned number of users of all variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_users: Option<u64>,
    /// The planned end, if it was not moved since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_end: Option<Timestamp>,
    #[serde(skip)]
    ended_as_planned: bool,
    /// Test and interval of conversions.
    pub conversion: &'static str,
    /// Test and interval of all other metrics.
    pub mean: &'static str,
    /// Interval of a relative difference.
    pub relative: &'static str,
    /// Prior on ln(treatment / control), for the chance to win. If a mean is not positive, it is the prior on the
    /// relative difference.
    pub prior: stats::Prior,
}

impl AnalysisSettings {
    /// The settings of a request. An error level out of range falls back to the default; the edge refuses it.
    pub(super) fn new(experiment: &Experiment, request: &AnalysisRequest) -> Self {
        let plan = experiment.analysis.plan.as_ref();
        let alpha = request
            .alpha
            .or(plan.map(|plan| plan.alpha))
            .and_then(|alpha| Alpha::new(alpha).ok());
        // The hybrid method is valid only for an end that was fixed before the first reading and kept.
        let planned_end = experiment
            .schedule
            .planned_end
            .filter(|planned| experiment.end() == Some(*planned));
        let default = match planned_end {
            Some(_) => DecidingMethod::Hybrid,
            None => DecidingMethod::Sequential,
        };
        Self {
            deciding_method: match request.method {
                Some(DecidingMethod::Hybrid) | None => default,
                Some(method) => method,
            },
            alpha: alpha.unwrap_or(Alpha::FIVE_PERCENT),
            correction: request.correction,
            cuped: request.filter.pre_exposure,
            planned_users: plan.map(|plan| plan.users),
            planned_end,
            ended_as_planned: planned_end.is_some_and(|end| end <= request.as_of),
            conversion: "two-proportion z, pooled; Fisher below 10 expected conversions; interval: Newcombe",
            mean: "Welch t",
            relative: "log ratio where both means are positive, else Fieller",
            prior: stats::Prior::default(),
        }
    }

    /// The level of the intervals in percent, such as `95` or `99.9`.
    pub fn level_percent(&self) -> f64 {
        // Removes the surplus digits of 1 − 0.001.
        ((1.0 - self.alpha.get()) * 1e8).round() / 1e6
    }

    /// The number of users of two variants for which their sequence is tightest: their share of the plan.
    pub(super) fn planned_for(&self, share_of_traffic: f64) -> f64 {
        self.planned_users.map_or(UNPLANNED_USERS, |users| {
            #[expect(clippy::cast_precision_loss, reason = "a count of users")]
            let users = users as f64;
            (users * share_of_traffic).max(2.0)
        })
    }

    /// Whether the planned end has passed; none if no end is planned, or it was moved.
    pub(super) fn planned_end_passed(&self) -> Option<bool> {
        self.planned_end.map(|_| self.ended_as_planned)
    }

    pub(super) fn sequence(&self, share_of_traffic: f64) -> Option<ConfidenceSequence> {
        ConfidenceSequence::new(self.alpha, self.planned_for(share_of_traffic))
            .map(ConfidenceSequence::with_early_part)
            .ok()
    }
}
