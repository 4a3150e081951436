//! Rules of a flag: who gets which variant in an environment.

use crate::condition::Condition;
use crate::evaluation_context::EvaluationContext;
use crate::ids::{ExperimentId, RuleId, VariantKey};
use crate::ramp::Ramp;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rule. A user for whom it does not decide gets to the next one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagRule {
    /// Unique within the environment.
    pub id: RuleId,
    /// A description for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// The users that it is for: those whose attributes match. Without a condition, all are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub condition: Option<Condition>,
    /// It decides for no user earlier.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub starts_at: Option<Timestamp>,
    /// From then on it decides for no user.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
    /// What it does. Its fields are on the level of the rule.
    #[serde(flatten)]
    pub kind: FlagRuleKind,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FlagRuleKind {
    /// All users of the rule get one variant.
    Serve {
        /// The variant.
        variant: VariantKey,
    },
    /// A percentage of the users gets variants by a hash, without an experiment.
    Rollout(Rollout),
    /// An experiment chooses the variant. With a guarded ramp it is a safe rollout: worse guardrails hold the ramp, or take
    /// it back.
    Experiment {
        /// The experiment.
        experiment: ExperimentId,
        /// The variant of the flag for each variant of the experiment.
        variants: BTreeMap<VariantKey, VariantKey>,
    },
}

/// A rollout to a percentage of the users. The hash chooses the users and their variants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The variants with their weights, which add up to 100.
    pub variants: Vec<RolloutVariant>,
    /// Percentage of the users that take part, until the first step of the ramp. Raising it moves no user to another
    /// variant.
    #[serde(default = "all_traffic")]
    pub traffic_percent: f64,
    /// Scheduled changes of the traffic.
    #[serde(skip_serializing_if = "Ramp::is_empty", default)]
    pub ramp: Ramp,
    /// The attribute that the hash is computed from, or the path of one. Users without it do not take part.
    #[serde(default = "user_id_attribute")]
    pub attribute: String,
    /// Seed of the hash. Another seed chooses other users.
    pub hash_seed: String,
}

/// A variant of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutVariant {
    /// The variant of the flag.
    pub variant: VariantKey,
    /// Its weight: the percentage of participating users that get it.
    pub percent: f64,
}

fn all_traffic() -> f64 {
    100.0
}

fn user_id_attribute() -> String {
    EvaluationContext::USER_ID_ATTRIBUTE.to_owned()
}

impl FlagRule {
    /// Whether its schedule contains an instant.
    pub fn is_scheduled_at(&self, now: Timestamp) -> bool {
        self.starts_at.is_none_or(|start| start <= now) && self.ends_at.is_none_or(|end| now < end)
    }
}

impl FlagRuleKind {
    /// The names of all kinds in the API.
    pub const NAMES: [&'static str; 3] = ["serve", "rollout", "experiment"];

    /// The experiment that it names.
    pub fn experiment(&self) -> Option<&ExperimentId> {
        match self {
            Self::Experiment { experiment, .. } => Some(experiment),
            Self::Serve { .. } | Self::Rollout(_) => None,
        }
    }
}

/// A smaller gap is a rounding error of binary fractions: 10,000 bucket values are much further apart.
const LEAST_GAP: f64 = 1e-9;

impl Rollout {
    /// The percentage of the users that take part at an instant.
    pub fn traffic_at(&self, at: Timestamp) -> f64 {
        self.ramp.traffic_at(at).unwrap_or(self.traffic_percent)
    }

    /// The weights as fractions of 1. If the percentages add up to less than 100, the last variant with a share also gets
    /// the rest, as in experiments.
    pub fn weights(&self) -> Vec<f64> {
        let percents = self.variants.iter().map(|each| each.percent);
        let mut weights: Vec<f64> = percents.map(|percent| percent / 100.0).collect();
        let gap = 1.0 - weights.iter().sum::<f64>();
        if let Some(last) = weights.iter_mut().rev().find(|weight| **weight > 0.0)
            && gap > LEAST_GAP
        {
            *last += gap;
        }
        weights
    }
}
