//! What a valid flag is. All faults are found, with their places in the definition.

use super::fault::{Faults, FlagFault};
use super::{Flag, FlagEnvironment, FlagRule, FlagRuleKind, Rollout, ValueType, schema};
use crate::allocation;
use crate::condition::Condition;
use crate::experiment::Experiment;
use crate::ids::{ExperimentId, VariantKey};
use crate::json_value::{Place, depth};
use crate::limits;
use crate::prose::grouped_size;
use crate::segment;
use crate::segment_graph::{SegmentGraph, too_many_names};
use std::collections::{BTreeMap, BTreeSet};

impl Flag {
    /// The faults of the definition alone. [`super::FlagGraph::faults_of`] finds those of the prerequisites,
    /// [`Self::faults_of_experiments`] those of the experiments, and [`Self::faults_of_segments`] those of the segments.
    pub fn faults(&self) -> Vec<FlagFault> {
        let mut faults = Faults::default();
        let root = Place::root();
        self.check_variants(&root.field("variants"), &mut faults);
        self.check_schema(&root, &mut faults);
        self.check_prerequisites(&root.field("prerequisites"), &mut faults);
        let place = root.field("environments");
        let most = limits::MAX_ENVIRONMENTS;
        faults.limit(&place, self.environments.len(), most, "environments");
        for (name, environment) in &self.environments {
            self.check_environment(environment, &place.field(name.as_str()), &mut faults);
        }
        let most = limits::MAX_FLAG_EXPERIMENTS;
        faults.limit(&root, self.experiments().len(), most, "experiments");
        let conditions = || self.conditions().map(|(_, condition)| condition);
        if let Some(why) = too_many_names(conditions()) {
            faults.note(&root, why);
        }
        let patterns = conditions().map(Condition::patterns).sum();
        let what = "patterns in all conditions together";
        faults.limit(&root, patterns, limits::MAX_PATTERNS, what);
        self.check_size(&root, &mut faults);
        faults.0
    }

    /// The bytes of compact JSON that count for the limits: those of the definition if it were archived and off in all
    /// environments, in any version. A flag at a limit can therefore still be switched off and archived.
    pub fn bytes(&self) -> usize {
        let mut longest = self.clone();
        longest.version = u64::MAX;
        longest.archived = true;
        for environment in longest.environments.values_mut() {
            environment.enabled = false;
        }
        serde_json::to_vec(&longest).map_or(usize::MAX, |json| json.len())
    }

    fn check_size(&self, root: &Place, faults: &mut Faults) {
        let bytes = self.bytes();
        if bytes > limits::MAX_FLAG_BYTES {
            let detail = format!(
                "A flag may have at most {} bytes as compact JSON; this has {}.",
                grouped_size(limits::MAX_FLAG_BYTES),
                grouped_size(bytes)
            );
            faults.add(root, "too_long", detail);
        }
    }

    fn check_variants(&self, place: &Place, faults: &mut Faults) {
        if self.variants.is_empty() || self.variants.len() > limits::MAX_VARIANTS {
            let most = limits::MAX_VARIANTS;
            faults.add(
                place,
                "wrong_number",
                format!("A flag has 1 to {most} variants."),
            );
        }
        let mut keys = BTreeSet::new();
        for (index, variant) in self.variants.iter().enumerate() {
            let place = place.element(index);
            if !keys.insert(&variant.key) {
                let detail = format!(
                    "The key `{}` is used more than once; keys must be unique.",
                    variant.key
                );
                faults.add(&place.field("key"), "duplicate_key", detail);
            }
            self.value_type
                .check(&variant.value, &place.field("value"), faults);
        }
    }

    fn check_schema(&self, root: &Place, faults: &mut Faults) {
        let Some(schema) = &self.schema else {
            return;
        };
        let place = root.field("schema");
        if self.value_type != ValueType::Object {
            let detail = "Only flags whose `value_type` is `object` have a schema. Leave it out.";
            faults.add(&place, "not_an_object", detail);
            return;
        }
        match schema.compile(&place) {
            Ok(validator) => {
                for (index, variant) in self.variants.iter().enumerate() {
                    let place = root.field("variants").element(index).field("value");
                    // A deeper one is a fault already, and the check is recursive.
                    if depth(&variant.value) <= limits::MAX_FLAG_VALUE_DEPTH {
                        let misfits = schema::misfits(&validator, &variant.value, &place);
                        faults.extend(misfits);
                    }
                }
            }
            Err(found) => faults.extend(found),
        }
    }

    fn check_prerequisites(&self, place: &Place, faults: &mut Faults) {
        let most = limits::MAX_PREREQUISITES;
        faults.limit(place, self.prerequisites.len(), most, "prerequisites");
        let mut named = BTreeSet::new();
        for (index, prerequisite) in self.prerequisites.iter().enumerate() {
            let place = place.element(index);
            let flag = &prerequisite.flag;
            if !named.insert(flag) {
                let detail = format!(
                    "The flag `{flag}` is named more than once. List its variants together."
                );
                faults.add(&place.field("flag"), "duplicate_key", detail);
            }
            if prerequisite.variants.is_empty() {
                let detail = "Name at least one variant that the flag must have.";
                faults.add(&place.field("variants"), "empty", detail);
            }
        }
    }

    fn check_environment(&self, environment: &FlagEnvironment, place: &Place, faults: &mut Faults) {
        self.check_variant(
            &environment.off_variant,
            &place.field("off_variant"),
            faults,
        );
        let default_place = place.field("default_variant");
        self.check_variant(&environment.default_variant, &default_place, faults);
        let place = place.field("rules");
        faults.limit(
            &place,
            environment.rules.len(),
            limits::MAX_FLAG_RULES,
            "rules",
        );
        let mut ids = BTreeSet::new();
        for (index, rule) in environment.rules.iter().enumerate() {
            let place = place.element(index);
            if !ids.insert(&rule.id) {
                let detail = format!(
                    "The id `{}` is used more than once; ids must be unique.",
                    rule.id
                );
                faults.add(&place.field("id"), "duplicate_id", detail);
            }
            self.check_rule(rule, &place, faults);
        }
    }

    fn check_rule(&self, rule: &FlagRule, place: &Place, faults: &mut Faults) {
        if let (Some(start), Some(end)) = (rule.starts_at, rule.ends_at)
            && end <= start
        {
            let detail = format!("Must be after `starts_at`, {start}.");
            faults.add(&place.field("ends_at"), "not_in_order", detail);
        }
        if let Some(condition) = rule.condition.as_ref().filter(|each| !each.is_valid()) {
            let place = place.field("condition");
            let found = Condition::compile(condition.clone().into()).err();
            let found = found.into_iter().flatten();
            faults.extend(found.map(|fault| FlagFault::of_condition(&place, fault)));
        }
        match &rule.kind {
            FlagRuleKind::Serve { variant } => {
                self.check_variant(variant, &place.field("variant"), faults);
            }
            FlagRuleKind::Rollout(rollout) => self.check_rollout(rollout, place, faults),
            FlagRuleKind::Experiment { variants, .. } => {
                let place = place.field("variants");
                faults.limit(&place, variants.len(), limits::MAX_VARIANTS, "variants");
                for (of_experiment, variant) in variants {
                    self.check_variant(variant, &place.field(of_experiment.as_str()), faults);
                }
            }
        }
    }

    fn check_rollout(&self, rollout: &Rollout, place: &Place, faults: &mut Faults) {
        let variants_place = place.field("variants");
        if rollout.variants.is_empty() || rollout.variants.len() > limits::MAX_VARIANTS {
            let detail = format!("A rollout has 1 to {} variants.", limits::MAX_VARIANTS);
            faults.add(&variants_place, "wrong_number", detail);
        }
        let mut keys = BTreeSet::new();
        for (index, each) in rollout.variants.iter().enumerate() {
            let place = variants_place.element(index);
            self.check_variant(&each.variant, &place.field("variant"), faults);
            if !keys.insert(&each.variant) {
                let detail = format!("The variant `{}` is named more than once.", each.variant);
                faults.add(&place.field("variant"), "duplicate_key", detail);
            }
            check_percent(each.percent, &place.field("percent"), faults);
        }
        if let Some(why) =
            allocation::fault_of_sum(rollout.variants.iter().map(|each| each.percent))
        {
            faults.note(&variants_place, why);
        }
        check_percent(
            rollout.traffic_percent,
            &place.field("traffic_percent"),
            faults,
        );
        if let Err(why) = segment::attribute_name(&rollout.attribute) {
            faults.note(&place.field("attribute"), why);
        }
        check_seed(&rollout.hash_seed, &place.field("hash_seed"), faults);
        for (index, step) in rollout.ramp.steps().iter().enumerate() {
            let place = place.field("ramp").element(index);
            check_percent(
                step.traffic_percent,
                &place.field("traffic_percent"),
                faults,
            );
            if step.on_worse_guardrail.is_some() {
                let detail = "A rollout measures no guardrails. Use a rule of the type `experiment`, whose ramp can depend \
                              on them.";
                faults.add(&place.field("on_worse_guardrail"), "no_guardrail", detail);
            }
        }
    }

    fn check_variant(&self, key: &VariantKey, place: &Place, faults: &mut Faults) {
        if self.variant(key).is_none() {
            let keys = self.variants.iter().map(|each| format!("`{}`", each.key));
            let keys: Vec<_> = keys.collect();
            let detail = format!(
                "There is no variant `{key}`; the variants are {}.",
                keys.join(", ")
            );
            faults.add(place, "unknown_variant", detail);
        }
    }

    /// The faults of the experiments that the rules name. Each must be one of these, and each of its variants must have a
    /// variant of the flag.
    pub fn faults_of_experiments(
        &self,
        experiments: &BTreeMap<ExperimentId, Experiment>,
    ) -> Vec<FlagFault> {
        let mut faults = Faults::default();
        for (place, rule) in self.rules() {
            if let FlagRuleKind::Experiment {
                experiment,
                variants,
            } = &rule.kind
            {
                let named = experiments.get(experiment);
                check_experiment(experiment, named, variants, &place, &mut faults);
            }
        }
        faults.0
    }

    /// The faults of the segments that the conditions name.
    pub fn faults_of_segments(&self, segments: &SegmentGraph) -> Vec<FlagFault> {
        let conditions = self.conditions();
        conditions
            .flat_map(|(place, condition)| {
                let faults = segments.faults_of_names(condition).into_iter();
                faults.map(move |fault| FlagFault::of_condition(&place, fault))
            })
            .collect()
    }
}

fn check_experiment(
    id: &ExperimentId,
    experiment: Option<&Experiment>,
    variants: &BTreeMap<VariantKey, VariantKey>,
    place: &Place,
    faults: &mut Faults,
) {
    let Some(experiment) = experiment else {
        let detail = format!("There is no experiment `{id}`. Create it with `POST /experiments`.");
        faults.add(&place.field("experiment"), "unknown_experiment", detail);
        return;
    };
    if experiment.allocation.holdout.is_some() {
        let detail = format!(
            "`{id}` is a holdout. It applies to experiments, and chooses no variant of a flag."
        );
        faults.add(&place.field("experiment"), "is_holdout", detail);
        return;
    }
    let place = place.field("variants");
    let known = &experiment.allocation.variants;
    for key in variants.keys().filter(|key| known.position(key).is_none()) {
        let detail = format!(
            "The experiment `{id}` has no variant `{key}`; its variants are {}.",
            known.listed()
        );
        faults.add(&place.field(key.as_str()), "unknown_variant", detail);
    }
    for variant in known.as_slice() {
        if !variants.contains_key(&variant.key) {
            let detail = format!(
                "Must have a variant of the flag for each variant of the experiment; `{}` is missing.",
                variant.key
            );
            faults.add(&place, "missing_variant", detail);
        }
    }
}

fn check_percent(percent: f64, place: &Place, faults: &mut Faults) {
    if !(0.0..=100.0).contains(&percent) {
        let detail = "Must be a number from 0 to 100.";
        faults.add(place, "not_a_percentage", detail);
    }
}

fn check_seed(seed: &str, place: &Place, faults: &mut Faults) {
    let length = seed.chars().count();
    if length == 0 || length > limits::MAX_NAME_CHARS || seed.chars().any(char::is_control) {
        let detail = format!(
            "Must have 1 to {} characters without control characters.",
            limits::MAX_NAME_CHARS
        );
        faults.add(place, "bad_characters", detail);
    }
}
