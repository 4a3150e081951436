//! An experiment as a rule of a flag: the compiled feature, the payload as text, and the payload without names of segments
//! give a user the variant that the rules of experiments give.

use super::generate::{USERS, at, attributes, condition, config, experiment, holdouts};
use super::segments;
use domain::condition::{Condition, NoSegments};
use domain::evaluation::{
    EvaluationInput, EvaluationReason, NotEnrolled, evaluate_traced, restrict_traced,
};
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::feature::{Evaluator, Feature, FeatureDefinition, FeatureUser};
use domain::flag::{
    CompiledFlags, Flag, FlagCompiler, FlagEvaluator, FlagReason, FlagRuleKind, RemoteOnly,
};
use domain::ids::{EnvironmentName, UserId};
use domain::segment::Segment;
use domain::segment_graph::SegmentGraph;
use domain::segment_lookup::SegmentLookup;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

const CONTEXTS: usize = 5;

/// A flag with one rule, an experiment. Its variants are those of the experiment, and one of all other users.
fn flag(condition: Option<&Value>) -> Flag {
    let keys = ["v0", "v1", "v2", "default"];
    let variants = keys.map(|key| json!({"key": key, "value": format!("value of {key}")}));
    let mut rule = json!({"id": "r", "type": "experiment", "experiment": "e",
        "variants": {"v0": "v0", "v1": "v1", "v2": "v2"}});
    if let Some(condition) = condition {
        rule["condition"] = condition.clone();
    }
    let environment = json!({"enabled": true, "off_variant": "default", "default_variant": "default", "rules": [rule]});
    let flag = json!({"key": "f", "version": 1, "name": "F", "value_type": "string", "variants": variants,
        "environments": {"test": environment},
        "created_at": at(0), "updated_at": at(0)});
    serde_json::from_value(flag).unwrap()
}

fn graph() -> SegmentGraph {
    let all = segments::segments_json();
    let all = all.as_object().unwrap().iter();
    all.map(|(id, segment)| {
        let mut definition =
            json!({"id": id, "version": 1, "name": id, "created_at": at(0), "updated_at": at(0)});
        if segment["ids"].is_array() {
            definition["kind"] = "list".into();
            definition["attribute"] = segment["attribute"].clone();
            definition["id_count"] = 1.into();
        } else {
            definition["kind"] = "condition".into();
            definition["condition"] = segment["condition"].clone();
        }
        serde_json::from_value::<Segment>(definition).unwrap()
    })
    .collect()
}

/// The value by the payload as an SDK reads it.
fn value_of_payload(definition: &FeatureDefinition, user: FeatureUser<'_>) -> Value {
    let text = serde_json::to_string(definition).unwrap();
    let read: FeatureDefinition = serde_json::from_str(&text).unwrap();
    assert_eq!(read, *definition, "a number changed");
    let features = HashMap::from([("f".to_owned(), Feature::new("f", &read))]);
    Evaluator::new(&features, user).evaluate("f").value.clone()
}

#[test]
fn an_experiment_in_a_flag_gives_the_variants_of_the_experiment_alone() {
    compare(1_000);
}

#[test]
#[ignore = "5,000 definitions; `scripts/check soak` runs it"]
fn an_experiment_in_a_flag_gives_its_variants_for_thousands_of_definitions() {
    compare(5_000);
}

/// Compares the experiment alone with the flag and with the payload of SDKs, for users of random definitions.
fn compare(definitions: u32) {
    let seen = RefCell::new(BTreeMap::<String, u32>::new());
    let count = |name: &str| *seen.borrow_mut().entry(name.to_owned()).or_default() += 1;
    let contexts = (select(USERS.to_vec()), attributes(), -1_i64..11);
    let contexts = prop::collection::vec(contexts, CONTEXTS);
    let own_condition = prop::option::weighted(0.2, condition());
    let cases = (experiment(), holdouts(), own_condition, contexts);
    let (evaluated, loaded) = segments::evaluated();
    let graph = graph();
    let environment = EnvironmentName::parse("test").unwrap();
    TestRunner::new(config(definitions))
        .run(
            &cases,
            |(mut experiment, holdouts, own_condition, contexts)| {
                let ids = holdouts.iter().map(|holdout| holdout.id.clone());
                experiment.allocation.holdouts = ids.collect();
                let mut flag = flag(own_condition.as_ref());
                // Variants that the experiment does not have are none of the mapping.
                let production = flag.environments.get_mut(&environment).unwrap();
                if let FlagRuleKind::Experiment { variants, .. } = &mut production.rules[0].kind {
                    variants
                        .retain(|key, _| experiment.allocation.variants.position(key).is_some());
                }
                let definitions = holdouts.iter().chain([&experiment]);
                let by_id = definitions
                    .clone()
                    .map(|each| (each.id.clone(), each.clone()));
                prop_assert_eq!(flag.faults(), []);
                prop_assert_eq!(flag.faults_of_experiments(&by_id.collect()), []);
                let holdouts: Vec<&Experiment> = holdouts.iter().collect();
                let own_condition = own_condition.map(|source| Condition::compile(source).unwrap());
                for (user, attributes, now) in contexts {
                    let now = at(now);
                    let context = EvaluationContext::new(UserId::parse(user).unwrap(), attributes);
                    let lookup = SegmentLookup::new(&evaluated, &loaded);
                    let input = EvaluationInput {
                        definition: &experiment,
                        holdouts: &holdouts,
                        context: &context,
                        now,
                    };
                    let mut trace = Vec::new();
                    let mut expected = evaluate_traced(&input, &lookup, &mut trace);
                    if expected.reason == EvaluationReason::Split {
                        let user = Default::default();
                        expected = restrict_traced(&input, &user, &mut trace).unwrap_or(expected);
                    }
                    let is_targeted = own_condition
                        .as_ref()
                        .is_none_or(|condition| condition.matches(context.attributes(), &lookup));
                    let (variant, reason) = match expected.reason {
                        _ if !is_targeted => ("default", None),
                        EvaluationReason::NotEnrolled(_) => ("default", None),
                        EvaluationReason::Split => {
                            (expected.variant.as_str(), Some(FlagReason::Split))
                        }
                        EvaluationReason::Released => (expected.variant.as_str(), None),
                        EvaluationReason::Override => {
                            (expected.variant.as_str(), Some(FlagReason::TargetingMatch))
                        }
                    };
                    let compiler = FlagCompiler::new([], definitions.clone(), now);
                    let compiled = compiler.compile(&flag, &environment).unwrap();
                    let flags: CompiledFlags = [compiled.clone()].into_iter().collect();
                    let feature_user = FeatureUser::new(context.attributes(), &lookup);
                    let mut evaluator = FlagEvaluator::new(&flags, feature_user).traced();
                    let result = evaluator.evaluate("f").unwrap();
                    prop_assert_eq!(
                        result.variant.as_str(),
                        variant,
                        "{:?}",
                        compiled.definition
                    );
                    if let Some(reason) = reason {
                        prop_assert_eq!(result.reason, reason);
                    }
                    let enrolls = variant != "default" && reason == Some(FlagReason::Split);
                    prop_assert_eq!(result.exposure.is_some(), enrolls);
                    if let Some(exposure) = result.exposure {
                        prop_assert_eq!(exposure.variant, expected.variant);
                    }
                    let value = json!(format!("value of {variant}"));
                    prop_assert_eq!(result.value, &value);
                    prop_assert_eq!(
                        &value_of_payload(&compiled.definition, feature_user),
                        &value
                    );
                    match compiled.portable(&graph) {
                        Ok(portable) => {
                            let user = FeatureUser::new(context.attributes(), &NoSegments);
                            prop_assert_eq!(&value_of_payload(&portable, user), &value);
                            let text = serde_json::to_string(&portable).unwrap();
                            prop_assert!(!text.contains("$savedGroups"), "{text}");
                            count(if compiled.segments().is_empty() {
                                "portable"
                            } else {
                                "inlined"
                            });
                        }
                        Err(reason) => {
                            prop_assert!(matches!(reason, RemoteOnly::IdList { .. }), "{reason:?}");
                            let needs = compiled.segments();
                            prop_assert!(needs.iter().any(|name| *name != "grown"), "{needs:?}");
                            count("remote only");
                        }
                    }
                    if is_targeted {
                        count(&match expected.reason {
                            EvaluationReason::NotEnrolled(NotEnrolled::Holdout) => {
                                "holdout".to_owned()
                            }
                            reason => serde_json::to_value(reason)
                                .unwrap()
                                .as_str()
                                .unwrap()
                                .to_owned(),
                        });
                    }
                    // Until the next change, the feature stays as it is.
                    if let Some(next) = compiler.next_change(&flag, &environment) {
                        prop_assert!(now < next);
                        let last = FlagCompiler::new([], definitions.clone(), next.plus_micros(-1));
                        let last = last.compile(&flag, &environment).unwrap();
                        prop_assert_eq!(last.definition, compiled.definition);
                    }
                }
                Ok(())
            },
        )
        .unwrap();
    let seen = seen.into_inner();
    let often = seen.iter().filter(|(_, cases)| **cases > definitions / 50);
    let often: Vec<_> = often.map(|(name, _)| name.as_str()).collect();
    let all = [
        "ended",
        "excluded",
        "holdout",
        "inlined",
        "layer",
        "not_running",
        "not_started",
        "override",
        "paused",
        "portable",
        "released",
        "remote only",
        "split",
        "stopped",
        "targeting",
        "traffic",
    ];
    assert_eq!(often, all, "{seen:?}");
}
