//! Payloads for client SDKs.

use super::compiled::{NOW, compiled, simple};
use super::*;
use crate::client_key::SecureAttributes;
use crate::condition::NoSegments;
use crate::feature::FeatureDefinition;
use crate::segment::Segment;
use crate::segment_graph::SegmentGraph;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;

#[test]
fn payloads_contain_conditions_of_segments_and_no_flag_that_needs_an_id_list() {
    let segment = |id: &str, rule: Value| {
        let mut segment =
            json!({"id": id, "version": 1, "name": id, "created_at": NOW, "updated_at": NOW});
        segment
            .as_object_mut()
            .unwrap()
            .extend(rule.as_object().unwrap().clone());
        serde_json::from_value::<Segment>(segment).unwrap()
    };
    let matching = |condition: Value| json!({"kind": "condition", "condition": condition});
    let names = |name: &str| json!({"$savedGroups": [name]});
    let twenty: Vec<_> = std::iter::repeat_n("wide0", 20).collect();
    let graph: SegmentGraph = [
        segment("german", matching(json!({"country": "DE"}))),
        segment(
            "young",
            matching(json!({"$savedGroups": ["german"], "age": {"$lt": 30}})),
        ),
        segment(
            "testers",
            json!({"kind": "list", "attribute": "id", "id_count": 1}),
        ),
        segment("some-testers", matching(names("testers"))),
        segment("wide0", matching(json!({"a": "x".repeat(5_000)}))),
        segment("wide", matching(json!({"$or": [{"$savedGroups": twenty}]}))),
        segment("circle", matching(names("circle"))),
    ]
    .into_iter()
    .collect();
    let serve = |condition: Value| json!([{"id": "r", "type": "serve", "variant": "on", "condition": condition}]);
    let flags = [
        simple("plain", serve(json!({"a": 1})), json!([])),
        simple(
            "young",
            serve(json!({"b": 2, "$not": names("young")})),
            json!([]),
        ),
        simple(
            "empty",
            serve(json!({"$savedGroups": [], "a": 1})),
            json!([]),
        ),
        simple("lost", serve(names("unknown")), json!([])),
        simple("circle", serve(names("circle")), json!([])),
        simple(
            "listed",
            serve(json!({"id": {"$inGroup": "testers"}})),
            json!([]),
        ),
        simple("listed-by-segment", serve(names("some-testers")), json!([])),
        simple(
            "needs",
            serve(json!({"a": 1})),
            json!([{"flag": "listed", "variants": ["on"]}]),
        ),
        simple(
            "needs-needs",
            serve(json!({"a": 1})),
            json!([{"flag": "needs", "variants": ["on"]}]),
        ),
        simple("wide", serve(names("wide")), json!([])),
    ];
    let flags = compiled(&flags, &[], NOW);
    let payload = flags.payload(&graph);
    let reasons = serde_json::to_value(&payload.remote_only).unwrap();
    assert_eq!(
        reasons,
        json!({
            "listed": {"reason": "id_list", "segment": "testers"},
            "listed-by-segment": {"reason": "id_list", "segment": "testers"},
            "needs": {"reason": "prerequisite", "flag": "listed"},
            "needs-needs": {"reason": "prerequisite", "flag": "needs"},
            "wide": {"reason": "too_large"}
        })
    );
    let condition = |key: &str| {
        payload.features[key].rules[0]
            .experiment
            .condition
            .clone()
            .unwrap()
    };
    assert_eq!(condition("plain"), json!({"a": 1}));
    assert_eq!(condition("empty"), json!({"a": 1}));
    let young = json!({"$and": [{"country": "DE"}, {"age": {"$lt": 30}}]});
    assert_eq!(
        condition("young"),
        json!({"b": 2, "$not": {"$and": [young]}})
    );
    assert_eq!(condition("lost"), json!({"$and": [{"$not": {}}]}));
    assert!(
        condition("circle")
            .to_string()
            .ends_with(r#"{"$and":[{"$not":{}}]}]}]}]}]}]}"#)
    );
    let needed: Vec<_> = flags.get("young").unwrap().segments().into_iter().collect();
    assert_eq!(needed, ["young"]);
}

/// The flags with these keys and conditions, as a client key with the secure attributes `email` and `home.street` gets them.
fn secured(conditions: &[(&str, Value)]) -> (BTreeMap<String, Value>, Value) {
    let secure = SecureAttributes {
        names: vec!["email".to_owned(), "home.street".to_owned()],
        salt: "a salt of the shop".to_owned(),
    };
    let flag = |(key, condition): &(&str, Value)| {
        let rules = json!([{"id": "r", "type": "serve", "variant": "on", "condition": condition}]);
        simple(key, rules, json!([]))
    };
    let flags: Vec<_> = conditions.iter().map(flag).collect();
    let payload = compiled(&flags, &[], NOW).payload(&SegmentGraph::default());
    let client = payload.for_client(|_| true, Some(&secure));
    let features = client.features.iter().map(|(key, feature)| {
        let condition = feature.rules[0].experiment.condition.clone();
        (key.to_string(), condition.unwrap())
    });
    let left_out = serde_json::to_value(&client.remote_only).unwrap();
    (features.collect(), left_out)
}

#[test]
fn payloads_have_hashes_of_the_values_of_secure_attributes() {
    let conditions = [
        ("text", json!({"email": "ann@example.com", "plan": "pro"})),
        (
            "eq",
            json!({"email": {"$eq": "ann@example.com", "$ne": "b"}}),
        ),
        (
            "in",
            json!({"email": {"$in": ["ann@example.com", null], "$nin": ["b"]}}),
        ),
        (
            "all",
            json!({"email": {"$all": ["ann@example.com"], "$size": {"$gt": 1}}}),
        ),
        (
            "not",
            json!({"$not": {"email": {"$not": {"$eq": "ann@example.com"}}}}),
        ),
        (
            "nested",
            json!({"$or": [{"$and": [{"home.street": "b"}]}, {"$nor": [{"email": null}]}]}),
        ),
        (
            "element",
            json!({"email": {"$elemMatch": {"$eq": "b"}, "$exists": true}}),
        ),
        (
            "plain",
            json!({"home.city": "b", "emails": {"$regex": "b"}}),
        ),
    ];
    let (features, left_out) = secured(&conditions);
    assert_eq!(left_out, json!({}));
    // printf %s 'a salt of the shopann@example.com' | sha256sum
    let ann = "2642630c8e63a56f2447cc7bea334b5fb49f9ae1c75c94cdf476b17e0834f1dc";
    let b = "990648b086540eb9f406a262b3a15d28ae70e4caebc7bb4ee4187da9f709c9f1";
    for (key, condition) in conditions {
        let text = condition.to_string();
        let expected = match key {
            "plain" => text,
            _ => text
                .replace("\"ann@example.com\"", &format!("\"{ann}\""))
                .replace("\"b\"", &format!("\"{b}\"")),
        };
        assert_eq!(features[key].to_string(), expected);
    }
}

#[test]
fn flags_that_need_more_than_a_hash_of_a_secure_attribute_are_left_out() {
    let conditions = [
        json!({"email": {"$regex": "@example"}}),
        json!({"email": {"$regexi": "@example"}}),
        json!({"email": {"$gt": "a"}}),
        json!({"email": {"$vgte": "1.0"}}),
        json!({"email": {"$ini": ["a"]}}),
        json!({"email": {"$alli": ["a"]}}),
        json!({"email": {"$eq": 7}}),
        json!({"email": {"$in": ["a", 7]}}),
        json!({"email": {"$not": {"$regex": "@example"}}}),
        json!({"email": {"$elemMatch": {"host": "example.com"}}}),
        json!({"email": true}),
        json!({"email": ["a"]}),
        json!({"email": {"host": "example.com"}}),
        json!({"email.host": "example.com"}),
        json!({"email.0": "a"}),
        json!({"home": {"street": "a"}}),
        json!({"home": {"$exists": true}}),
        json!({"home.street.length": {"$gt": 3}}),
        json!({"$or": [{"plan": "pro"}, {"$not": {"email": {"$gt": "a"}}}]}),
    ];
    let number = conditions.len();
    let keys: Vec<_> = (0..number).map(|index| format!("f{index:02}")).collect();
    let conditions: Vec<_> = keys.iter().map(String::as_str).zip(conditions).collect();
    let (features, left_out) = secured(&conditions);
    assert_eq!(features, BTreeMap::new());
    for (key, condition) in conditions {
        let expected = json!({"reason": "secure_attribute"});
        assert_eq!(left_out[key], expected, "{condition}");
    }
    // A hash is longer than a short value.
    let many: Vec<_> = (0..10_000).map(|_| "a").collect();
    let (_, left_out) = secured(&[("many", json!({"email": {"$in": many}}))]);
    assert_eq!(left_out["many"], json!({"reason": "too_large"}));
}

#[test]
fn flags_that_choose_by_a_secure_attribute_are_left_out_with_those_that_need_them() {
    let secure = |name: &str| SecureAttributes {
        names: vec![name.to_owned()],
        salt: "a salt of the shop".to_owned(),
    };
    let rollout = json!([{
        "id": "r", "type": "rollout", "attribute": "account", "hash_seed": "s", "traffic_percent": 50,
        "variants": [{"variant": "on", "percent": 100}],
    }]);
    let flags = [
        simple("rollout", rollout, json!([])),
        simple(
            "needs",
            json!([]),
            json!([{"flag": "rollout", "variants": ["on"]}]),
        ),
        simple("other", json!([]), json!([])),
    ];
    let payload = compiled(&flags, &[], NOW).payload(&SegmentGraph::default());
    let client = payload.for_client(|_| true, Some(&secure("account")));
    let keys: Vec<_> = client.features.keys().map(|key| key.as_str()).collect();
    assert_eq!(keys, ["other"]);
    let left_out = serde_json::to_value(&client.remote_only).unwrap();
    assert_eq!(
        left_out,
        json!({
            "needs": {"reason": "prerequisite", "flag": "rollout"},
            "rollout": {"reason": "secure_attribute"}
        })
    );
    let client = payload.for_client(|_| true, Some(&secure("email")));
    assert_eq!(client.features.len(), 3);
    // A flag that the caller does not see hides those that need it.
    let client = payload.for_client(|key| key.as_str() != "rollout", None);
    let keys: Vec<_> = client.features.keys().map(|key| key.as_str()).collect();
    assert_eq!(keys, ["other"]);
    assert_eq!(client.remote_only.len(), 1);
}

/// Values and texts of conditions on a secure attribute: few, so that they are often equal.
fn secret() -> impl Strategy<Value = Value> {
    select(vec![json!("a"), json!("b"), json!("A"), json!(null)])
}

/// What a condition expects of a secure attribute, tests that do not work on hashes included.
fn expectation() -> impl Strategy<Value = Value> {
    let list = || prop::collection::vec(secret(), 0..3);
    let leaf = prop_oneof![
        secret(),
        secret().prop_map(|text| json!({"$eq": text})),
        secret().prop_map(|text| json!({"$ne": text})),
        list().prop_map(|texts| json!({"$in": texts})),
        list().prop_map(|texts| json!({"$nin": texts, "$exists": true})),
        list().prop_map(|texts| json!({"$ini": texts})),
        Just(json!({"$size": 1})),
        Just(json!({"$type": "string"})),
        Just(json!({"$regex": "a"})),
        Just(json!({"$gt": "a"})),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|each| json!({"$not": each})),
            inner.clone().prop_map(|each| json!({"$elemMatch": each})),
            prop::collection::vec(inner, 0..3).prop_map(|each| json!({"$all": each})),
        ]
    })
}

fn conditions() -> impl Strategy<Value = Value> {
    let plain = secret().prop_map(|text| json!({"plan": text}));
    let leaf = prop_oneof![expectation().prop_map(|each| json!({"email": each})), plain];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            inner.clone().prop_map(|each| json!({"$not": each})),
            list().prop_map(|each| json!({"$and": each})),
            list().prop_map(|each| json!({"$or": each})),
            list().prop_map(|each| json!({"$nor": each})),
        ]
    })
}

proptest! {
    #[test]
    fn a_condition_holds_for_hashes_if_and_only_if_it_holds_for_the_values(
        condition in conditions(),
        value in prop_oneof![secret(), prop::collection::vec(secret(), 0..3).prop_map(Value::from)],
        plan in secret(),
    ) {
        let secure = SecureAttributes { names: vec!["email".to_owned()], salt: "a salt of the shop".to_owned() };
        let feature: FeatureDefinition =
            serde_json::from_value(json!({"defaultValue": 0, "rules": [{"force": 1, "condition": condition}]})).unwrap();
        let Ok(hashed) = secure.hashed(&feature) else { return Ok(()) };
        let hash = |value: &Value| value.as_str().map_or_else(|| value.clone(), |text| secure.hash(text).into());
        let hashed_value = match &value {
            Value::Array(elements) => elements.iter().map(hash).collect(),
            value => hash(value),
        };
        let holds = |feature: &FeatureDefinition, email: &Value| {
            let condition = feature.rules[0].experiment.condition.clone().unwrap();
            let attributes = json!({"email": email, "plan": plan});
            Condition::joined(condition).matches(&attributes, &NoSegments)
        };
        prop_assert_eq!(holds(&feature, &value), holds(&hashed, &hashed_value));
    }
}
