//! Feature flags: values that an operator changes without a release.
//!
//! A flag is compiled, for one environment and one instant, into a feature of GrowthBook's model. The server evaluates that
//! feature, and the payload for client SDKs contains it, so both give a user the same variant.

mod change;
mod compile;
mod compiled_flags;
mod draft;
mod evaluation;
mod fault;
mod graph;
mod payload;
mod rule;
mod schema;
mod secure;
mod stale;
mod validate;
mod value;

pub use change::{FlagChange, NewFlag};
pub use compile::{CompiledFlag, FlagCompiler, LeftOut, LeftOutRule, RuleOrigin, RulePart};
pub use compiled_flags::CompiledFlags;
pub use draft::FlagDraft;
pub use evaluation::{FlagEvaluation, FlagEvaluator, FlagExposure, FlagReason, FlagStep};
pub use fault::FlagFault;
pub use graph::FlagGraph;
pub use payload::{ClientPayload, FlagPayload, RemoteOnly};
pub use rule::{FlagRule, FlagRuleKind, Rollout, RolloutVariant};
pub use schema::ValueSchema;
pub use stale::StaleFlag;
pub use value::ValueType;

use super::condition::Condition;
use super::ids::{EnvironmentName, ExperimentId, FlagKey, RuleId, VariantKey};
use super::json_value::Place;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The definition of a flag, as it is stored and as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// Applications name it by this key.
    pub key: FlagKey,
    /// Number of its changes, from 1; the `ETag`.
    pub version: u64,
    /// A name for readers.
    pub name: String,
    /// A description for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// The responsible team.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tags: Vec<String>,
    /// The type of the values of all variants. It never changes, because applications read values of this type.
    pub value_type: ValueType,
    /// The variants, in the order of the caller.
    pub variants: Vec<FlagVariant>,
    /// What the values of objects must look like.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schema: Option<ValueSchema>,
    /// Who gets which variant, by environment. Elsewhere the flag does not exist.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub environments: BTreeMap<EnvironmentName, FlagEnvironment>,
    /// What other flags must be for a user. Otherwise the user gets the off variant.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub prerequisites: Vec<Prerequisite>,
    /// Whether another token than that of the author must publish each change, except the kill switch.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub requires_approval: bool,
    /// Whether it is hidden and evaluated no more.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub archived: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A variant of a flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagVariant {
    /// Unique within the flag.
    pub key: VariantKey,
    /// The value that applications get.
    pub value: Value,
    /// A name for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

/// A flag in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagEnvironment {
    /// The kill switch. While it is `false`, all users get the off variant.
    pub enabled: bool,
    /// The variant while the flag is not enabled, and of users for whom a prerequisite is not met.
    pub off_variant: VariantKey,
    /// The variant of users for whom no rule decides.
    pub default_variant: VariantKey,
    /// The rules. The first that decides for a user holds.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<FlagRule>,
}

/// What another flag must be for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prerequisite {
    /// The other flag.
    pub flag: FlagKey,
    /// The user must get the value of one of these variants of it.
    pub variants: BTreeSet<VariantKey>,
}

impl Flag {
    /// The variant with a key.
    pub fn variant(&self, key: &VariantKey) -> Option<&FlagVariant> {
        self.variants.iter().find(|variant| variant.key == *key)
    }

    /// The environment with a name, unless the flag is archived.
    pub fn served_in(&self, environment: &EnvironmentName) -> Option<&FlagEnvironment> {
        let served = self.environments.get(environment);
        served.filter(|_| !self.archived)
    }

    /// All rules with their places in the definition.
    pub fn rules(&self) -> impl Iterator<Item = (Place, &FlagRule)> {
        let environments = self.environments.iter();
        environments.flat_map(|(name, environment)| {
            let place = Place::root().field("environments").field(name.as_str());
            let place = place.field("rules");
            let rules = environment.rules.iter().enumerate();
            rules.map(move |(index, rule)| (place.element(index), rule))
        })
    }

    /// All conditions with their places in the definition.
    pub fn conditions(&self) -> impl Iterator<Item = (Place, &Condition)> {
        self.rules().filter_map(|(place, rule)| {
            let condition = rule.condition.as_ref()?;
            Some((place.field("condition"), condition))
        })
    }

    /// The experiments that the rules name.
    pub fn experiments(&self) -> BTreeSet<&ExperimentId> {
        let rules = self.rules();
        rules
            .filter_map(|(_, rule)| rule.kind.experiment())
            .collect()
    }

    /// The experiments that the rules of one environment name.
    pub fn experiments_in(&self, environment: &EnvironmentName) -> BTreeSet<&ExperimentId> {
        let rules = self.environments.get(environment).into_iter();
        let rules = rules.flat_map(|environment| &environment.rules);
        rules.filter_map(|rule| rule.kind.experiment()).collect()
    }

    /// The rule with an id in an environment.
    pub fn rule(&self, environment: &EnvironmentName, id: &RuleId) -> Option<&FlagRule> {
        let rules = &self.environments.get(environment)?.rules;
        rules.iter().find(|rule| rule.id == *id)
    }
}

#[cfg(test)]
mod tests;
