//! The payload of a feature, as client SDKs read it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A feature.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureDefinition {
    /// The value of users for whom no rule decides.
    #[serde(default)]
    pub default_value: Value,
    /// The rules. The first that decides for a user holds.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<FeatureRule>,
}

/// A rule of a feature: it forces a value, or it is an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureRule {
    /// Results name the rule by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What other features must be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parent_conditions: Vec<ParentCondition>,
    /// The value of all users of the rule. `null` is a value.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub force: Option<Value>,
    /// The range of bucket values in which the value is forced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
    /// The fields of an experiment; some are also those of a forced value.
    #[serde(flatten)]
    pub experiment: ExperimentDefinition,
}

/// The fields of an experiment, in a rule or alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentDefinition {
    /// Identifies the experiment in exposures. In a rule, the key of the feature if it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The values, the control first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variations: Option<Vec<Value>>,
    /// The users that it is for: those whose attributes match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Value>,
    /// The fraction of the users that take part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// The fraction of each variation; equal ones if they are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
    /// The range of bucket values of each variation, instead of the coverage and the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Vec<(f64, f64)>>,
    /// The seed of the hash; the key if it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// The version of the hash; 1 if it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_version: Option<u64>,
    /// The attribute that is hashed; `id` if it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_attribute: Option<String>,
    /// The attribute that is hashed if the user has no other, where sticky buckets are in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_attribute: Option<String>,
    /// Ranges of bucket values of other hashes. The user must be in a range of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<BucketFilter>>,
    /// A filter of the first version of the hash: its name and its range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<(String, f64, f64)>,
    /// What is known of each variation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Vec<VariationMeta>>,
    /// A name for readers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Whether stored variations are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_sticky_bucketing: Option<bool>,
    /// Stored variations of another version are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_version: Option<u64>,
    /// Users with a stored variation of an earlier version are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_bucket_version: Option<u64>,
}

/// What another feature must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParentCondition {
    /// The key of the other feature.
    pub id: String,
    /// A condition on its `value`.
    #[serde(default)]
    pub condition: Value,
    /// Whether the whole feature has no value if it is not met. Otherwise only the rule is skipped.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub gate: bool,
}

/// Ranges of bucket values. The user must be in one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketFilter {
    /// The seed of the hash.
    pub seed: String,
    /// The ranges.
    pub ranges: Vec<(f64, f64)>,
    /// The version of the hash; 2 if it is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hash_version: Option<u64>,
    /// The attribute that is hashed; `id` if it is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attribute: Option<String>,
}

/// What is known of a variation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VariationMeta {
    /// Identifies it in exposures; its index if it is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// A name for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Whether users of the variation get to the next rule.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub passthrough: bool,
}

/// A field that is present, also with `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
