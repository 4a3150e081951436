//! Results of evaluations.

use super::compiled::FeatureExperiment;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// The value of a feature for a user, and why.
#[derive(Debug, Clone)]
pub struct FeatureResult<'e> {
    /// The value.
    pub value: &'e Value,
    /// What gave the value.
    pub source: FeatureSource,
    /// The id of the rule that decided; empty without one.
    pub rule_id: &'e str,
    /// The index of the rule that decided.
    pub rule_index: Option<usize>,
    /// The experiment that decided, and its result.
    pub experiment: Option<(&'e FeatureExperiment, ExperimentResult<'e>)>,
}

/// What gave the value of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FeatureSource {
    /// There is no such feature.
    UnknownFeature,
    /// No rule decided.
    DefaultValue,
    /// A rule forced the value.
    Force,
    /// The value was forced for this evaluation.
    Override,
    /// An experiment.
    Experiment,
    /// A prerequisite is not met, so there is no value.
    Prerequisite,
    /// Features need each other in a circle, so there is no value.
    CyclicPrerequisite,
}

/// The result of an experiment for a user.
#[derive(Debug, Clone)]
pub struct ExperimentResult<'e> {
    /// The index of the variation: 0 if the user does not take part.
    pub variation_id: usize,
    /// Why the user does not take part; none if the user does.
    pub not_included: Option<NotIncluded>,
    /// Whether the hash chose the variation.
    pub hash_used: bool,
    /// The attribute that is hashed.
    pub hash_attribute: &'e str,
    /// Its value; none if the user has none.
    pub hash_value: Option<Cow<'e, Value>>,
    /// The bucket value, if the hash chose.
    pub bucket: Option<f64>,
    /// Whether the variation is a stored one.
    pub sticky_bucket_used: bool,
    /// The key of the variation.
    pub key: &'e str,
    /// The name of the variation.
    pub name: Option<&'e str>,
    /// Whether the user gets to the next rule in spite of the variation.
    pub passthrough: bool,
    /// The value.
    pub value: &'e Value,
}

impl ExperimentResult<'_> {
    /// Whether the user takes part.
    pub fn in_experiment(&self) -> bool {
        self.not_included.is_none()
    }
}

/// Why a user does not take part in an experiment. The order is that of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotIncluded {
    /// It has fewer than two variations.
    TooFewVariations,
    /// Experiments are disabled for this evaluation.
    Disabled,
    /// There is no variation with the index that was forced.
    UnknownVariation,
    /// It does not run.
    Inactive,
    /// The user does not have the attribute that is hashed.
    NoHashAttribute,
    /// The user is outside a filter, such as a layer or a holdout.
    Filters,
    /// The user is outside the namespace.
    Namespace,
    /// The attributes do not match the condition.
    Condition,
    /// Another feature has not the value that it must have.
    Prerequisite,
    /// There is no such version of the hash.
    UnknownHashVersion,
    /// A variation of a blocked version is stored.
    BlockedBucketVersion,
    /// The user is outside the traffic.
    Traffic,
    /// The evaluation is for quality assurance, and no variation is forced.
    QaMode,
}

/// A rule of an evaluation that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleStep {
    /// The index of the rule in the feature.
    pub rule_index: usize,
    /// Why it was skipped; none if it decided.
    pub skipped: Option<Skipped>,
}

/// Why a rule did not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// Another feature has not the value that it must have.
    Prerequisite,
    /// The user is outside a filter, such as a layer or a holdout.
    Filters,
    /// The attributes do not match the condition.
    Condition,
    /// The user is outside the traffic, or does not have the attribute that is hashed.
    Traffic,
    /// The rule has neither a value nor variations.
    Empty,
    /// The variation leaves the decision to the next rule.
    Passthrough,
    /// The user does not take part in the experiment.
    #[serde(untagged)]
    Experiment(NotIncluded),
}
