//! The launch check: what a reader of a definition would ask about before the start, and what a running experiment's
//! allocation does to its results.

use super::experiment::{Experiment, Status};
use super::metric::MetricRole;
use super::plan::USUAL_POWER;
use super::prose::plain;
use serde::Serialize;

/// Something that is allowed and probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable and machine-readable, such as `no_plan`.
    pub code: &'static str,
    /// JSON pointer of the field.
    pub pointer: &'static str,
    /// A sentence that says what follows, and what to do.
    pub detail: String,
}

impl Warning {
    fn new(code: &'static str, pointer: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            pointer,
            detail: detail.into(),
        }
    }
}

/// A definition with its warnings, as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedExperiment<'e> {
    #[serde(flatten)]
    experiment: &'e Experiment,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

impl<'e> CheckedExperiment<'e> {
    /// Checks a definition.
    pub fn new(experiment: &'e Experiment) -> Self {
        Self {
            experiment,
            warnings: experiment.warnings(),
        }
    }
}

type Check = fn(&Experiment) -> Option<Warning>;

const CHECKS: [Check; 7] = [
    no_metric,
    no_primary_metric,
    no_plan,
    low_power,
    variant_without_users,
    unequal_weights,
    weights_changed,
];

impl Experiment {
    /// What is allowed and probably not meant; nothing for an experiment that is over.
    pub fn warnings(&self) -> Vec<Warning> {
        match self.status {
            Status::Draft | Status::Running | Status::Paused => {
                CHECKS.iter().filter_map(|check| check(self)).collect()
            }
            Status::Stopped | Status::Archived => Vec::new(),
        }
    }
}

fn no_metric(experiment: &Experiment) -> Option<Warning> {
    let detail = "No metric is declared, so results have two metrics for each event type, and the first one decides. Declare \
                  the metric that decides before the first results are read.";
    let is_missing = experiment.analysis.metrics.is_empty();
    is_missing.then(|| Warning::new("no_metric", "/metrics", detail))
}

fn no_primary_metric(experiment: &Experiment) -> Option<Warning> {
    let metrics = &experiment.analysis.metrics;
    let first = metrics.first()?;
    let detail = format!(
        "No metric has the role `primary`, so the first one, `{}`, decides.",
        first.key
    );
    let has_primary = metrics
        .iter()
        .any(|metric| metric.role == MetricRole::Primary);
    (!has_primary).then(|| Warning::new("no_primary_metric", "/metrics", detail))
}

fn no_plan(experiment: &Experiment) -> Option<Warning> {
    let detail = "Without a plan, nothing says how many users the experiment needs. `POST /experiments/plan` calculates a \
                  plan; only a draft can get one.";
    let is_missing = experiment.analysis.plan.is_none();
    is_missing.then(|| Warning::new("no_plan", "/plan", detail))
}

fn low_power(experiment: &Experiment) -> Option<Warning> {
    let power = experiment.analysis.plan.as_ref()?.power;
    let detail = format!(
        "The planned power is {}%, so an effect of the planned size is missed in {}% of experiments. Usual are {}%.",
        plain(power * 100.0),
        plain((1.0 - power) * 100.0),
        plain(USUAL_POWER * 100.0)
    );
    (power < USUAL_POWER).then(|| Warning::new("low_power", "/plan/power", detail))
}

fn variant_without_users(experiment: &Experiment) -> Option<Warning> {
    let mut variants = experiment.allocation.variants.as_slice().iter();
    let empty = variants.find(|variant| variant.percent == 0.0)?;
    let detail = format!(
        "The variant `{}` gets no new user: its weight is 0%.",
        empty.key
    );
    Some(Warning::new("variant_without_users", "/variants", detail))
}

fn unequal_weights(experiment: &Experiment) -> Option<Warning> {
    let percents = experiment.allocation.variants.percents();
    let with_users: Vec<f64> = percents
        .into_iter()
        .filter(|percent| *percent > 0.0)
        .collect();
    let (first, rest) = with_users.split_first()?;
    // A third is written as 33.3 or 33.34.
    let differs = rest.iter().any(|percent| (percent - first).abs() > 0.1);
    let listed: Vec<_> = with_users
        .iter()
        .map(|percent| format!("{}%", plain(*percent)))
        .collect();
    let detail = format!(
        "The weights are {}. With unequal weights, the same power takes more users.",
        listed.join(", ")
    );
    differs.then(|| Warning::new("unequal_weights", "/variants", detail))
}

fn weights_changed(experiment: &Experiment) -> Option<Warning> {
    let detail = "The weights were changed while users were assigned. Assigned users keep their variants, so users of all \
                  phases together cannot be compared: the verdict is `do_not_trust`, and the breakdown by `phase` compares \
                  within each phase.";
    let changed = experiment.allocation.weights_changed();
    changed.then(|| Warning::new("weights_changed", "/variants", detail))
}
