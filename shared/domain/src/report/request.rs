//! What is asked of the results: the same data can be looked at in many ways.

use crate::experiment::Experiment;
use crate::filter::RecordFilter;
use crate::ids::{MetricKey, VariantKey};
use crate::time::Timestamp;
use serde::Serialize;
use stats::{Alpha, ConfidenceSequence};
use std::collections::BTreeSet;

/// How it is decided whether variants differ. All methods are shown; one of them decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidingMethod {
    /// One look at a size fixed beforehand.
    Fixed,
    /// As many looks as one likes.
    Sequential,
    /// As many looks as one likes, and a sharper one at the planned end.
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

/// What is done about many comparisons at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Nothing: each comparison stands for itself.
    None,
    /// Holm: any false finding among those of one role with probability at most alpha.
    #[default]
    Holm,
    /// Benjamini and Hochberg: the share of false findings among those of one role.
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

/// By what the users are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Breakdown {
    /// By everything that was declared.
    #[default]
    All,
    /// By nothing.
    None,
    /// By one thing.
    By(String),
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct AnalysisRequest {
    /// Which records are looked at.
    pub filter: RecordFilter,
    /// The instant that is taken for now.
    pub as_of: Timestamp,
    /// Which metrics; all if empty.
    pub metrics: BTreeSet<MetricKey>,
    /// What the others are compared with; the control unless it is given.
    pub baseline: Option<VariantKey>,
    /// What decides; by default the confidence sequence, or the hybrid where an end is planned.
    pub method: Option<DecidingMethod>,
    /// Two-sided error level, between 0 and 1; by default that of the plan, else 0.05.
    pub alpha: Option<f64>,
    /// What is done about many comparisons.
    pub correction: Correction,
    /// By what the users are told apart.
    pub breakdown: Breakdown,
    /// Whether the days are shown one by one.
    pub series: bool,
}

/// Error level where nobody says another.
pub const DEFAULT_ALPHA: f64 = 0.05;
/// The number of users, of two variants together, for which the confidence sequence is tightest without a plan. It has
/// to be fixed before the first look; from 2,000 to 2,000,000 users this one is at most 27 % wider than the best.
pub const UNPLANNED_USERS: f64 = 20_000.0;

/// How the numbers are computed: the request with all that was left open filled in.
#[derive(Debug, Clone, Serialize)]
pub struct AnalysisSettings {
    /// What decides.
    pub deciding_method: DecidingMethod,
    /// Two-sided error level.
    pub alpha: Alpha,
    /// What is done about many comparisons.
    pub correction: Correction,
    /// Whether effects are adjusted by what the users did before.
    pub cuped: bool,
    /// All variants together, as it was planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_users: Option<u64>,
    /// When it was to end, as it stood at the start.
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
    /// Prior on the relative difference, for the chance to win.
    pub prior: stats::Prior,
}

impl AnalysisSettings {
    /// The settings that follow from a request. A level out of range falls back to the default; the edge refuses it.
    pub(super) fn new(experiment: &Experiment, request: &AnalysisRequest) -> Self {
        let plan = experiment.analysis.plan.as_ref();
        let alpha = request
            .alpha
            .or(plan.map(|plan| plan.alpha))
            .and_then(|alpha| Alpha::new(alpha).ok());
        // Only an end that was fixed before the first look, and kept, is worth a sharper look.
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
            conversion: "two-proportion z, pooled; interval: Newcombe",
            mean: "Welch t",
            relative: "log ratio where both means are positive, else Fieller",
            prior: stats::Prior::default(),
        }
    }

    /// The level of the intervals in percent, such as `95` or `99.9`.
    pub fn level_percent(&self) -> f64 {
        // Without the digits that 1 − 0.001 has too many.
        ((1.0 - self.alpha.get()) * 1e8).round() / 1e6
    }

    /// The number of users of two variants for which their sequence is tightest: their part of the plan.
    pub(super) fn planned_for(&self, share_of_traffic: f64) -> f64 {
        self.planned_users.map_or(UNPLANNED_USERS, |users| {
            #[expect(clippy::cast_precision_loss, reason = "a count of users")]
            let users = users as f64;
            (users * share_of_traffic).max(2.0)
        })
    }

    /// Whether the planned end has come; none where no end was planned, or it was moved.
    pub(super) fn planned_end_passed(&self) -> Option<bool> {
        self.planned_end.map(|_| self.ended_as_planned)
    }

    pub(super) fn sequence(&self, share_of_traffic: f64) -> Option<ConfidenceSequence> {
        ConfidenceSequence::new(self.alpha, self.planned_for(share_of_traffic)).ok()
    }
}
