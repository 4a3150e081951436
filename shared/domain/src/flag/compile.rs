//! The compilation of a flag into a feature, for one environment and one instant.
//!
//! Each rule of the flag becomes one or several rules of the feature, in the same order:
//!
//! | rule | becomes |
//! |---|---|
//! | a prerequisite | the off variant is forced unless the other feature has one of the values |
//! | `serve` | the variant is forced |
//! | `rollout` | each variant is forced in its range of bucket values |
//! | `experiment` | see [`experiment`] |
//!
//! A rule that cannot decide for any user at the instant becomes nothing, so users get to the next one.

mod experiment;

use super::{Flag, FlagEnvironment, FlagRule, FlagRuleKind, Prerequisite, Rollout};
use crate::bucketing::ranges_of;
use crate::evaluation::NotEnrolled;
use crate::experiment::Experiment;
use crate::feature::{
    ExperimentDefinition, Feature, FeatureDefinition, FeatureRule, ParentCondition,
};
use crate::ids::{EnvironmentName, ExperimentId, FlagKey, RuleId, VariantKey};
use crate::limits::{BYTES_PER_JSON_BYTE, BYTES_PER_PATTERN};
use crate::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A flag, compiled.
#[derive(Debug, Clone)]
pub struct CompiledFlag {
    /// The flag.
    pub key: FlagKey,
    /// The version of its definition.
    pub version: u64,
    /// Whether it is enabled in the environment.
    pub enabled: bool,
    /// The feature as payloads have it, but with the names of segments: see [`super::FlagPayload`].
    pub definition: FeatureDefinition,
    /// The same feature, as the server evaluates it.
    pub feature: Feature,
    /// Where each rule of the feature comes from, in its order.
    pub origins: Vec<RuleOrigin>,
    /// The rules of the flag without a rule of the feature that lets users take part.
    pub left_out: Vec<LeftOutRule>,
    /// The variant of users for whom no rule decides: the off variant if the flag is not enabled.
    pub default_variant: VariantKey,
    /// The memory that it needs, estimated from the size of its JSON and the number of its regular expressions.
    pub memory_bytes: usize,
}

/// Where a rule of a feature comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleOrigin {
    /// The part of the flag.
    pub part: RulePart,
    /// The rule of the flag; none for a prerequisite.
    pub rule: Option<RuleId>,
    /// The prerequisite.
    pub prerequisite: Option<FlagKey>,
    /// The experiment, for all parts of one.
    pub experiment: Option<ExperimentId>,
    /// The variant of the flag; for an experiment, one for each of its variants.
    pub variants: Vec<VariantKey>,
    /// The variants of the experiment, in the same order; none for other parts.
    pub experiment_variants: Vec<VariantKey>,
    /// Whether it decides for all users that reach it.
    pub is_for_all: bool,
}

/// The part of a flag that a rule of a feature comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RulePart {
    /// A prerequisite that is not met.
    Prerequisite,
    /// A rule that serves one variant.
    Serve,
    /// A rollout.
    Rollout,
    /// The released variant of an experiment.
    Release,
    /// An override of an experiment.
    Override,
    /// The split of an experiment.
    Experiment,
}

/// A rule of a flag that lets no user take part at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOutRule {
    /// The rule.
    pub rule: RuleId,
    /// Why.
    pub reason: LeftOut,
}

/// Why a rule lets no user take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// The instant is outside its schedule.
    NotScheduled,
    /// There is no definition of the experiment.
    UnknownExperiment,
    /// There is no definition of a holdout of the experiment.
    UnknownHoldout,
    /// A variant of the experiment has no variant of the flag.
    MissingVariant,
    /// The traffic of the rollout is 0%.
    NoTraffic,
    /// All compiled flags of the environment together need more memory than a function has for them.
    TooLarge,
    /// The experiment enrolls no user.
    #[serde(untagged)]
    NotEnrolled(NotEnrolled),
}

/// Compiles flags at one instant.
#[derive(Debug, Clone)]
pub struct FlagCompiler<'a> {
    flags: BTreeMap<&'a FlagKey, &'a Flag>,
    experiments: BTreeMap<&'a ExperimentId, &'a Experiment>,
    now: Timestamp,
}

/// The rules of a feature with their origins.
type Rules = Vec<(FeatureRule, RuleOrigin)>;

impl<'a> FlagCompiler<'a> {
    /// With the flags that are prerequisites, with the experiments that rules name, and with the holdouts that these list.
    pub fn new(
        flags: impl IntoIterator<Item = &'a Flag>,
        experiments: impl IntoIterator<Item = &'a Experiment>,
        now: Timestamp,
    ) -> Self {
        let experiments = experiments.into_iter();
        Self {
            flags: flags.into_iter().map(|flag| (&flag.key, flag)).collect(),
            experiments: experiments.map(|each| (&each.id, each)).collect(),
            now,
        }
    }

    /// Compiles a flag. None if it is archived, or does not exist in the environment.
    pub fn compile(&self, flag: &Flag, environment: &EnvironmentName) -> Option<CompiledFlag> {
        let environment = flag.served_in(environment)?;
        let default_variant = if environment.enabled {
            &environment.default_variant
        } else {
            &environment.off_variant
        };
        let (mut rules, mut left_out) = (Rules::new(), Vec::new());
        if environment.enabled {
            for prerequisite in &flag.prerequisites {
                rules.push(self.prerequisite(flag, environment, prerequisite));
            }
            for rule in &environment.rules {
                let reason = self.rule(flag, rule, &mut rules).err();
                left_out.extend(reason.map(|reason| LeftOutRule {
                    rule: rule.id.clone(),
                    reason,
                }));
            }
        }
        let (rules, origins): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
        let definition = FeatureDefinition {
            default_value: value_of(flag, default_variant),
            rules,
        };
        let feature = Feature::of_flag(flag.key.as_str(), &definition);
        Some(CompiledFlag {
            key: flag.key.clone(),
            version: flag.version,
            enabled: environment.enabled,
            memory_bytes: memory_bytes(&definition, &feature),
            feature,
            definition,
            origins,
            left_out,
            default_variant: default_variant.clone(),
        })
    }

    /// Compiles a flag without its rules: only prerequisites can decide.
    pub(super) fn compile_without_rules(
        &self,
        flag: &Flag,
        environment: &EnvironmentName,
    ) -> Option<CompiledFlag> {
        let mut bare = flag.clone();
        let rules = &mut bare.environments.get_mut(environment)?.rules;
        let left_out = std::mem::take(rules).into_iter().map(|rule| LeftOutRule {
            rule: rule.id,
            reason: LeftOut::TooLarge,
        });
        let mut compiled = self.compile(&bare, environment)?;
        compiled.left_out.extend(left_out);
        Some(compiled)
    }

    /// The first instant after now at which the compiled flag can differ, if no definition changes until then.
    pub fn next_change(&self, flag: &Flag, environment: &EnvironmentName) -> Option<Timestamp> {
        let instants = self.instants(flag, environment).into_iter();
        instants.filter(|at| *at > self.now).min()
    }

    /// The last instant until now at which the compiled flag could differ although no definition changed.
    pub fn last_change(&self, flag: &Flag, environment: &EnvironmentName) -> Option<Timestamp> {
        let instants = self.instants(flag, environment).into_iter();
        instants.filter(|at| *at <= self.now).max()
    }

    /// The instants at which the compiled flag can differ: those of schedules and ramps.
    fn instants(&self, flag: &Flag, environment: &EnvironmentName) -> Vec<Timestamp> {
        let served = flag.served_in(environment);
        let enabled = served.filter(|environment| environment.enabled);
        let rules = enabled.into_iter().flat_map(|enabled| &enabled.rules);
        let instants = rules.flat_map(|rule| {
            let schedule = [rule.starts_at, rule.ends_at].into_iter().flatten();
            let of_kind = match &rule.kind {
                FlagRuleKind::Serve { .. } => Vec::new(),
                FlagRuleKind::Rollout(rollout) => {
                    rollout.ramp.steps().iter().map(|step| step.at).collect()
                }
                FlagRuleKind::Experiment { experiment, .. } => self.instants_of(experiment),
            };
            schedule.chain(of_kind)
        });
        instants.collect()
    }

    /// The instants at which the rules of an experiment change.
    fn instants_of(&self, id: &ExperimentId) -> Vec<Timestamp> {
        let Some(experiment) = self.experiments.get(id) else {
            return Vec::new();
        };
        let allocation = &experiment.allocation;
        let schedule = &experiment.schedule;
        let steps = allocation.ramp.steps().iter().map(|step| step.at);
        let holdouts = allocation.holdouts.iter();
        let holdouts = holdouts.filter_map(|id| self.experiments.get(id)?.end());
        let bounds = [schedule.starts_at, schedule.ends_at];
        let bounds = bounds.into_iter().flatten();
        bounds.chain(steps).chain(holdouts).collect()
    }

    fn prerequisite(
        &self,
        flag: &Flag,
        environment: &FlagEnvironment,
        prerequisite: &Prerequisite,
    ) -> (FeatureRule, RuleOrigin) {
        let values = self.flags.get(&prerequisite.flag).into_iter();
        let values = values.flat_map(|other| {
            let known = prerequisite.variants.iter();
            let known = known.filter(|key| other.variant(key).is_some());
            known.map(|key| value_of(other, key))
        });
        // A gate would leave the user without a value. The off variant is one, and the same everywhere.
        let parent = ParentCondition {
            id: prerequisite.flag.to_string(),
            condition: json!({"$not": has_one_of(values.collect())}),
            gate: false,
        };
        let rule = FeatureRule {
            parent_conditions: vec![parent],
            force: Some(value_of(flag, &environment.off_variant)),
            ..FeatureRule::default()
        };
        let origin = RuleOrigin {
            prerequisite: Some(prerequisite.flag.clone()),
            variants: vec![environment.off_variant.clone()],
            ..RuleOrigin::new(RulePart::Prerequisite, None)
        };
        (rule, origin)
    }

    /// Adds the rules of the feature for a rule of the flag.
    ///
    /// # Errors
    /// Why no user can take part.
    fn rule(&self, flag: &Flag, rule: &FlagRule, rules: &mut Rules) -> Result<(), LeftOut> {
        if !rule.is_scheduled_at(self.now) {
            return Err(LeftOut::NotScheduled);
        }
        let condition = rule.condition.as_ref();
        let condition = condition.map(|condition| condition.source().clone());
        match &rule.kind {
            FlagRuleKind::Serve { variant } => {
                let origin = RuleOrigin {
                    is_for_all: condition.is_none(),
                    variants: vec![variant.clone()],
                    ..RuleOrigin::new(RulePart::Serve, Some(&rule.id))
                };
                rules.push((forced(flag, rule, variant, condition), origin));
                Ok(())
            }
            FlagRuleKind::Rollout(rollout) => {
                self.rollout(flag, rule, rollout, condition.as_ref(), rules)
            }
            FlagRuleKind::Experiment {
                experiment,
                variants,
            } => self.experiment(flag, rule, experiment, variants, rules),
        }
    }

    fn rollout(
        &self,
        flag: &Flag,
        rule: &FlagRule,
        rollout: &Rollout,
        condition: Option<&Value>,
        rules: &mut Rules,
    ) -> Result<(), LeftOut> {
        let rules_before = rules.len();
        let weights = rollout.weights();
        let ranges = ranges_of(rollout.traffic_at(self.now) / 100.0, &weights);
        for (each, (from, to)) in rollout.variants.iter().zip(ranges) {
            // An empty range is no rule.
            if to <= from {
                continue;
            }
            let mut forced = forced(flag, rule, &each.variant, condition.cloned());
            forced.range = Some((from, to));
            forced.experiment.seed = Some(rollout.hash_seed.clone());
            forced.experiment.hash_version = Some(HASH_VERSION);
            forced.experiment.hash_attribute = Some(rollout.attribute.clone());
            let origin = RuleOrigin {
                variants: vec![each.variant.clone()],
                ..RuleOrigin::new(RulePart::Rollout, Some(&rule.id))
            };
            rules.push((forced, origin));
        }
        (rules.len() > rules_before)
            .then_some(())
            .ok_or(LeftOut::NoTraffic)
    }
}

/// The version of the hash of everything that is compiled.
const HASH_VERSION: u64 = 2;

impl RuleOrigin {
    fn new(part: RulePart, rule: Option<&RuleId>) -> Self {
        Self {
            part,
            rule: rule.cloned(),
            prerequisite: None,
            experiment: None,
            variants: Vec::new(),
            experiment_variants: Vec::new(),
            is_for_all: false,
        }
    }
}

impl CompiledFlag {
    /// The names of the segments that its conditions need.
    pub fn segments(&self) -> BTreeSet<&str> {
        let uses = self.feature.segments();
        uses.map(|each| each.name.as_str()).collect()
    }
}

/// The definition is there twice: for payloads, and compiled.
fn memory_bytes(definition: &FeatureDefinition, feature: &Feature) -> usize {
    let json = serde_json::to_string(definition).map_or(usize::MAX, |text| text.len());
    let patterns = feature.patterns().saturating_mul(BYTES_PER_PATTERN);
    json.saturating_mul(2 * BYTES_PER_JSON_BYTE)
        .saturating_add(patterns)
}

/// The value of a variant, as responses write it.
fn value_of(flag: &Flag, variant: &VariantKey) -> Value {
    let variant = flag.variant(variant);
    variant.map_or(Value::Null, |variant| {
        flag.value_type.written(&variant.value)
    })
}

/// A rule that forces the value of a variant.
fn forced(
    flag: &Flag,
    rule: &FlagRule,
    variant: &VariantKey,
    condition: Option<Value>,
) -> FeatureRule {
    FeatureRule {
        id: Some(rule.id.to_string()),
        force: Some(value_of(flag, variant)),
        experiment: ExperimentDefinition {
            condition,
            ..ExperimentDefinition::default()
        },
        ..FeatureRule::default()
    }
}

/// The condition that another feature has one of these values.
fn has_one_of(values: Vec<Value>) -> Value {
    let (objects, scalars): (Vec<_>, Vec<_>) = values.into_iter().partition(Value::is_object);
    if objects.is_empty() {
        return json!({"value": {"$in": scalars}});
    }
    let equals = |value: Value| json!({ "value": value });
    json!({"$or": objects.into_iter().map(equals).collect::<Vec<_>>()})
}

/// A condition that holds if all of these hold; none for none.
fn all_of(conditions: impl IntoIterator<Item = Value>) -> Option<Value> {
    let mut conditions: Vec<_> = conditions.into_iter().collect();
    match conditions.len() {
        0 | 1 => conditions.pop(),
        _ => Some(json!({ "$and": conditions })),
    }
}
