//! Compiled features. Everything that does not depend on the user is computed once.

use super::attribute::{Attribute, Filter, Hash, hash_version};
use super::definition::{
    ExperimentDefinition, FeatureDefinition, FeatureRule, ParentCondition, VariationMeta,
};
use crate::bucketing::{HashVersion, ranges};
use crate::condition::{Condition, SegmentUse};
use serde_json::{Value, json};

/// A compiled feature.
#[derive(Debug, Clone)]
pub struct Feature {
    pub(super) key: Box<str>,
    pub(super) default_value: Value,
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) id: Box<str>,
    pub(super) parents: Vec<Parent>,
    pub(super) filters: Vec<Filter>,
    pub(super) action: Action,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Force {
        value: Value,
        condition: Option<Condition>,
        share: Option<ForcedShare>,
    },
    Experiment(Box<FeatureExperiment>),
    /// The rule has neither a value nor variations.
    None,
}

/// The users among whom a value is forced, by their bucket values.
#[derive(Debug, Clone)]
pub(super) struct ForcedShare {
    pub(super) attribute: Attribute,
    pub(super) fallback: Option<Attribute>,
    pub(super) hash: Hash,
    pub(super) buckets: Buckets,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Buckets {
    Range(f64, f64),
    /// Up to this bucket value, which is included; but 0 includes none.
    Coverage(f64),
}

/// What another feature must be.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    pub(super) id: Box<str>,
    pub(super) condition: Condition,
    pub(super) gate: bool,
}

/// A compiled experiment.
#[derive(Debug, Clone)]
pub struct FeatureExperiment {
    pub(super) key: Box<str>,
    pub(super) variations: Vec<Value>,
    /// The key of each variation.
    pub(super) keys: Vec<Box<str>>,
    pub(super) meta: Vec<VariationMeta>,
    pub(super) condition: Option<Condition>,
    pub(super) parents: Vec<Parent>,
    pub(super) filters: Vec<Filter>,
    pub(super) namespace: Option<Namespace>,
    pub(super) attribute: Attribute,
    /// The attribute for users without the other, if sticky buckets are in use.
    pub(super) fallback: Option<Attribute>,
    /// The attribute whose stored variations are looked at after those of the hashed one. As in the SDKs, it is `id` if the
    /// definition names none.
    pub(super) stored_for: Attribute,
    pub(super) hash: Hash,
    pub(super) ranges: Vec<(f64, f64)>,
    pub(super) is_sticky: bool,
    pub(super) bucket_version: u64,
    pub(super) min_bucket_version: u64,
    /// Whether it runs.
    pub(super) active: bool,
    /// The variation of all users that take part.
    pub(super) force: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct Namespace {
    pub(super) hash: Hash,
    pub(super) range: (f64, f64),
}

impl Feature {
    /// Compiles a feature. It never fails: a rule with a fault decides for no user, as in the SDKs.
    pub fn new(key: &str, definition: &FeatureDefinition) -> Self {
        let rules = definition.rules.iter();
        Self {
            key: key.into(),
            default_value: definition.default_value.clone(),
            rules: rules.map(|rule| Rule::new(key, rule)).collect(),
        }
    }

    /// Compiles the feature of a flag. A stored assignment is given to its evaluation as a forced variation, and decides before
    /// layers and holdouts do, so these are checked with the other rules of an experiment.
    pub fn of_flag(key: &str, definition: &FeatureDefinition) -> Self {
        let mut feature = Self::new(key, definition);
        for rule in &mut feature.rules {
            if let Action::Experiment(experiment) = &mut rule.action {
                experiment.filters = std::mem::take(&mut rule.filters);
            }
        }
        feature
    }

    /// The segments that its conditions name.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentUse> {
        self.conditions().flat_map(Condition::segments)
    }

    /// The number of regular expressions in its conditions.
    pub fn patterns(&self) -> usize {
        self.conditions().map(Condition::patterns).sum()
    }

    /// The conditions on users.
    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.rules.iter().filter_map(|rule| match &rule.action {
            Action::Force { condition, .. } => condition.as_ref(),
            Action::Experiment(experiment) => experiment.condition.as_ref(),
            Action::None => None,
        })
    }

    /// The features that its rules need.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let parents = self.rules.iter().flat_map(|rule| &rule.parents);
        parents.map(|parent| &*parent.id)
    }
}

impl Rule {
    fn new(feature: &str, rule: &FeatureRule) -> Self {
        let experiment = &rule.experiment;
        let filters = experiment.filters.iter().flatten();
        let action = if let Some(value) = &rule.force {
            Action::Force {
                value: value.clone(),
                condition: condition(experiment.condition.as_ref()),
                share: ForcedShare::new(feature, rule),
            }
        } else if experiment.variations.is_some() {
            let mut compiled = FeatureExperiment::new(experiment, feature);
            // They were checked for the rule.
            compiled.filters.clear();
            Action::Experiment(Box::new(compiled))
        } else {
            Action::None
        };
        Self {
            id: rule.id.as_deref().unwrap_or_default().into(),
            parents: parents(&rule.parent_conditions),
            filters: filters.map(Filter::new).collect(),
            action,
        }
    }
}

fn condition(source: Option<&Value>) -> Option<Condition> {
    // In JavaScript, `null` is no condition.
    let source = source.filter(|source| !source.is_null());
    source.map(|source| Condition::joined(source.clone()))
}

fn parents(conditions: &[ParentCondition]) -> Vec<Parent> {
    let parent = |parent: &ParentCondition| Parent {
        id: parent.id.as_str().into(),
        condition: condition(Some(&parent.condition))
            .unwrap_or_else(|| Condition::joined(json!({}))),
        gate: parent.gate,
    };
    conditions.iter().map(parent).collect()
}

/// A text that counts as true in JavaScript.
fn named(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

impl ForcedShare {
    fn new(feature: &str, rule: &FeatureRule) -> Option<Self> {
        let experiment = &rule.experiment;
        let buckets = match (rule.range, experiment.coverage) {
            (Some((from, to)), _) => Buckets::Range(from, to),
            (None, Some(coverage)) => Buckets::Coverage(coverage),
            (None, None) => return None,
        };
        Some(Self {
            attribute: Attribute::new(experiment.hash_attribute.as_deref()),
            fallback: fallback(experiment),
            hash: Hash {
                seed: named(experiment.seed.as_ref()).unwrap_or(feature).into(),
                version: hash_version(experiment.hash_version, HashVersion::V1),
            },
            buckets,
        })
    }
}

/// The attribute for users without the other. Sticky buckets make it useful: they keep the variation when the user gets an
/// id.
fn fallback(experiment: &ExperimentDefinition) -> Option<Attribute> {
    let name = named(experiment.fallback_attribute.as_ref());
    let name = name.filter(|_| is_sticky(experiment));
    name.map(|name| Attribute::new(Some(name)))
}

fn is_sticky(experiment: &ExperimentDefinition) -> bool {
    !experiment.disable_sticky_bucketing.unwrap_or_default()
}

impl FeatureExperiment {
    /// Compiles an experiment. `fallback_key` is its key if it has none.
    pub fn new(definition: &ExperimentDefinition, fallback_key: &str) -> Self {
        let key = named(definition.key.as_ref()).unwrap_or(fallback_key);
        let variations = definition.variations.clone().unwrap_or_default();
        let meta = definition.meta.clone().unwrap_or_default();
        let own_key = |index: usize| {
            let own = meta.get(index).and_then(|meta| named(meta.key.as_ref()));
            own.map_or_else(|| index.to_string(), str::to_owned).into()
        };
        let weights = definition.weights.as_deref().unwrap_or_default();
        let coverage = definition.coverage.unwrap_or(1.0);
        let computed = || ranges(variations.len(), coverage, weights);
        let filters = definition.filters.as_ref();
        let namespace = definition.namespace.as_ref();
        Self {
            keys: (0..variations.len()).map(own_key).collect(),
            condition: condition(definition.condition.as_ref()),
            parents: Vec::new(),
            filters: filters.into_iter().flatten().map(Filter::new).collect(),
            // Filters replace it.
            namespace: namespace.filter(|_| filters.is_none()).map(Namespace::new),
            attribute: Attribute::new(definition.hash_attribute.as_deref()),
            fallback: fallback(definition),
            stored_for: Attribute::new(definition.fallback_attribute.as_deref()),
            hash: Hash {
                seed: named(definition.seed.as_ref()).unwrap_or(key).into(),
                version: hash_version(definition.hash_version, HashVersion::V1),
            },
            ranges: definition.ranges.clone().unwrap_or_else(computed),
            is_sticky: is_sticky(definition),
            bucket_version: definition.bucket_version.unwrap_or_default(),
            min_bucket_version: definition.min_bucket_version.unwrap_or_default(),
            active: true,
            force: None,
            key: key.into(),
            variations,
            meta,
        }
    }

    /// The same, with what other features must be.
    #[must_use]
    pub fn with_parents(mut self, conditions: &[ParentCondition]) -> Self {
        self.parents = parents(conditions);
        self
    }

    /// The same, running or not.
    #[must_use]
    pub fn with_active(mut self, active: bool) -> Self {
        self.active = active;
        self
    }

    /// The same, with one variation for all users that take part.
    #[must_use]
    pub fn with_force(mut self, variation: i64) -> Self {
        self.force = Some(variation);
        self
    }

    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Namespace {
    fn new((name, from, to): &(String, f64, f64)) -> Self {
        Self {
            hash: Hash {
                seed: format!("__{name}").into(),
                version: Some(HashVersion::V1),
            },
            range: (*from, *to),
        }
    }
}
