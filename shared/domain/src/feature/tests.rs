use super::*;
use crate::condition::NoSegments;
use crate::limits::MAX_FEATURE_LEVELS;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

fn features_of(definitions: &Value) -> HashMap<String, Feature> {
    let definitions: BTreeMap<String, FeatureDefinition> =
        serde_json::from_value(definitions.clone()).unwrap();
    let compiled = definitions
        .into_iter()
        .map(|(key, definition)| (key.clone(), Feature::new(&key, &definition)));
    compiled.collect()
}

/// A feature for each level, each with many rules that need the next one.
fn chain(levels: usize) -> Value {
    let level = |level: usize| {
        let parent = json!({"id": format!("f{}", level + 1), "condition": {"value": "never"}});
        let rule = json!({"parentConditions": [parent, parent], "force": "forced"});
        (
            format!("f{level}"),
            json!({"defaultValue": level, "rules": vec![rule; 30]}),
        )
    };
    (0..levels).map(level).collect()
}

#[test]
fn a_feature_that_many_rules_need_is_evaluated_once_and_the_depth_is_bounded() {
    let attributes = json!({});
    let user = FeatureUser::new(&attributes, &NoSegments);
    // Without what is known already, 60 needs at each of 16 levels would be 60^16 evaluations.
    let features = features_of(&chain(MAX_FEATURE_LEVELS));
    let mut evaluator = Evaluator::new(&features, user);
    let result = evaluator.evaluate("f0");
    assert_eq!(
        (result.value, result.source),
        (&json!(0), FeatureSource::DefaultValue)
    );
    // The chain ends at an unknown feature, or at the bound.
    let deeper = features_of(&chain(40));
    let mut evaluator = Evaluator::new(&deeper, user);
    let result = evaluator.evaluate("f0");
    assert_eq!(
        (result.value, result.source),
        (&Value::Null, FeatureSource::CyclicPrerequisite)
    );
    // The circle of one evaluation is none of the next.
    let last = format!("f{}", 40 - MAX_FEATURE_LEVELS);
    let result = evaluator.evaluate(&last);
    assert_eq!(result.source, FeatureSource::DefaultValue);
}

#[test]
fn the_steps_say_why_a_rule_did_not_decide() {
    let features = features_of(&json!({
        "parent": {"defaultValue": false, "rules": [{"force": true, "condition": {"country": "FR"}}]},
        "f": {"defaultValue": 0, "rules": [
            {"force": 1, "parentConditions": [{"id": "parent", "condition": {"value": true}}]},
            {"force": 2, "filters": [{"seed": "s", "ranges": []}]},
            {"force": 3, "condition": {"country": "FR"}},
            {"force": 3, "condition": {"country": {"$in": "no list"}}},
            {"force": 4, "coverage": 0.0},
            {},
            {"variations": [5, 6], "weights": [0.5, 0.5], "coverage": 0.0},
            {"variations": [5, 6], "condition": {"country": "FR"}},
            {"variations": [5], "key": "one"},
            {"variations": [7, 7], "meta": [{"passthrough": true}, {"passthrough": true}]},
            {"id": "last", "force": 8, "range": [0.0, 1.0]},
            {"force": 9}
        ]}
    }));
    let attributes = json!({"id": "u", "country": "DE"});
    let user = FeatureUser::new(&attributes, &NoSegments);
    let mut evaluator = Evaluator::new(&features, user).traced();
    let result = evaluator.evaluate("f");
    assert_eq!(
        (result.value, result.rule_id, result.rule_index),
        (&json!(8), "last", Some(10))
    );
    let steps: Vec<_> = evaluator.steps().iter().map(|step| step.skipped).collect();
    assert_eq!(
        serde_json::to_value(steps).unwrap(),
        json!([
            "prerequisite",
            "filters",
            "condition",
            "condition",
            "traffic",
            "empty",
            "traffic",
            "condition",
            "too_few_variations",
            "passthrough",
            null
        ])
    );
    assert_eq!(
        evaluator.evaluate("other").source,
        FeatureSource::UnknownFeature
    );
    assert!(evaluator.steps().is_empty());
    let forced = BTreeMap::from([("f".to_owned(), json!(null))]);
    let user = FeatureUser {
        forced_values: Some(&forced),
        ..user
    };
    let result = Evaluator::new(&features, user).evaluate("f");
    assert_eq!(
        (result.value, result.source),
        (&Value::Null, FeatureSource::Override)
    );
}

#[test]
fn a_definition_is_written_as_it_was_read() {
    let written = json!({"defaultValue": 1.0, "rules": [{
        "id": "r", "force": null, "range": [0.0, 0.1], "parentConditions": [{"id": "p", "condition": {"value": 1}, "gate": true}],
        "key": "k", "variations": [1, 2], "condition": {"a": 1}, "coverage": 0.5, "weights": [0.5, 0.5],
        "ranges": [[0.0, 0.5], [0.5, 1.0]], "seed": "s", "hashVersion": 2, "hashAttribute": "id", "fallbackAttribute": "device",
        "filters": [{"seed": "s", "ranges": [[0.0, 1.0]], "hashVersion": 2, "attribute": "id"}], "namespace": ["n", 0.0, 1.0],
        "meta": [{"key": "a", "name": "A", "passthrough": true}, {}], "name": "N", "phase": "0",
        "disableStickyBucketing": true, "bucketVersion": 1, "minBucketVersion": 1
    }]});
    let definition: FeatureDefinition = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(definition).unwrap(), written);
    let minimal: FeatureDefinition = serde_json::from_value(json!({})).unwrap();
    assert_eq!(
        serde_json::to_value(minimal).unwrap(),
        json!({"defaultValue": null})
    );
}

/// Values for any field, most of them not of its type.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(0.5),
        json!(u64::MAX),
        json!(""),
        json!("id"),
        json!("a.b"),
        json!("f0"),
        json!([]),
        json!({}),
        json!([0.9, 0.1]),
        json!({"a": {"$in": ["x"]}}),
        json!({"$not": {"value": 1}}),
    ]);
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(Value::from)
    })
}

proptest! {
    #[test]
    fn no_payload_and_no_user_make_an_evaluation_panic(
        fields in prop::collection::vec((select(vec![
            "force", "variations", "weights", "coverage", "ranges", "range", "seed", "hashVersion", "hashAttribute",
            "fallbackAttribute", "meta", "bucketVersion", "minBucketVersion", "condition", "key", "namespace", "filters",
            "parentConditions",
        ]), anything()), 0..8),
        id in anything(),
        sticky in any::<bool>(),
    ) {
        let rule: serde_json::Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // Fields that cannot be read make the payload one with a fault, which is not compiled.
        let Ok(definition) = serde_json::from_value::<FeatureDefinition>(json!({"rules": [rule]})) else { return Ok(()) };
        let features = HashMap::from([("f0".to_owned(), Feature::new("f0", &definition))]);
        let attributes = json!({"id": id, "a": {"b": id}});
        let documents = StickyDocuments::default();
        let user = FeatureUser {
            sticky: sticky.then_some(&documents),
            ..FeatureUser::new(&attributes, &NoSegments)
        };
        Evaluator::new(&features, user).evaluate("f0");
    }
}
