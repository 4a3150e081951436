mod bounds;
mod compiled;
mod draft;
mod payload;
mod relations;

use super::*;
use crate::limits;
use serde_json::json;

fn flag(json: Value) -> Flag {
    serde_json::from_value(json).unwrap()
}

/// A valid flag with a rule of each kind.
fn checkout() -> Value {
    json!({
        "key": "checkout.button", "version": 1, "name": "Button", "value_type": "string",
        "variants": [{"key": "blue", "value": "#00f"}, {"key": "green", "value": "#0f0", "name": "Green"}],
        "environments": {"production": {
            "enabled": true, "off_variant": "blue", "default_variant": "blue",
            "rules": [
                {"id": "staff", "type": "serve", "variant": "green", "condition": {"email": {"$regex": "@example\\.com$"}}},
                {"id": "slow", "type": "rollout", "hash_seed": "s", "traffic_percent": 10.0,
                 "variants": [{"variant": "green", "percent": 100.0}], "attribute": "account",
                 "ramp": [{"at": "2026-01-02T00:00:00.000000Z", "traffic_percent": 50.0}],
                 "starts_at": "2026-01-01T00:00:00.000000Z", "ends_at": "2026-03-01T00:00:00.000000Z"},
                {"id": "test", "type": "experiment", "experiment": "e1",
                 "variants": {"control": "blue", "treatment": "green"}}
            ]
        }},
        "created_at": "1970-01-01T00:00:00.000000Z", "updated_at": "1970-01-01T00:00:00.000000Z"
    })
}

fn codes(faults: &[FlagFault]) -> Vec<(&str, &str)> {
    let all = faults.iter();
    all.map(|fault| (fault.pointer.as_str(), fault.why.code))
        .collect()
}

#[test]
fn a_flag_is_stored_as_it_was_written() {
    let flag = flag(checkout());
    assert_eq!(serde_json::to_value(&flag).unwrap(), checkout());
    assert!(flag.faults().is_empty(), "{:?}", flag.faults());
    let experiments: Vec<_> = flag
        .experiments()
        .into_iter()
        .map(ExperimentId::as_str)
        .collect();
    assert_eq!(experiments, ["e1"]);
    let minimal = json!({"id": "r", "type": "rollout", "variants": [], "hash_seed": "s"});
    let rule: FlagRule = serde_json::from_value(minimal).unwrap();
    let FlagRuleKind::Rollout(rollout) = rule.kind else {
        panic!("a rollout")
    };
    assert_eq!(
        (rollout.traffic_percent, &*rollout.attribute),
        (100.0, "id")
    );
    serde_json::from_value::<FlagKey>(json!("a/b")).unwrap_err();
}

#[test]
fn every_fault_is_found_at_its_place() {
    for (pointer, value, expected) in [
        ("/variants", json!([]), vec!["/variants"]),
        ("/variants/1/key", json!("blue"), vec!["/variants/1/key"]),
        ("/variants/0/value", json!(1), vec!["/variants/0/value"]),
        (
            "/value_type",
            json!("boolean"),
            vec!["/variants/0/value", "/variants/1/value"],
        ),
        ("/schema", json!({}), vec!["/schema"]),
        (
            "/environments/production/off_variant",
            json!("red"),
            vec!["/environments/production/off_variant"],
        ),
        (
            "/environments/production/default_variant",
            json!("red"),
            vec!["/environments/production/default_variant"],
        ),
        ("/rule/0/variant", json!("red"), vec!["/rule/0/variant"]),
        (
            "/rule/0/condition",
            json!({"a": {"$in": 1}}),
            vec!["/rule/0/condition/a/$in"],
        ),
        ("/rule/0/condition", json!([]), vec!["/rule/0/condition"]),
        ("/rule/1/id", json!("staff"), vec!["/rule/1/id"]),
        (
            "/rule/1/variants/0/percent",
            json!(50.0),
            vec!["/rule/1/variants"],
        ),
        (
            "/rule/1/variants/0/percent",
            json!(101.0),
            vec!["/rule/1/variants/0/percent", "/rule/1/variants"],
        ),
        (
            "/rule/1/variants/0/variant",
            json!("red"),
            vec!["/rule/1/variants/0/variant"],
        ),
        (
            "/rule/1/traffic_percent",
            json!(-1.0),
            vec!["/rule/1/traffic_percent"],
        ),
        ("/rule/1/hash_seed", json!(""), vec!["/rule/1/hash_seed"]),
        ("/rule/1/attribute", json!("$x"), vec!["/rule/1/attribute"]),
        (
            "/rule/1/ramp/0/traffic_percent",
            json!(200.0),
            vec!["/rule/1/ramp/0/traffic_percent"],
        ),
        (
            "/rule/1/ramp/0/on_worse_guardrail",
            json!("hold"),
            vec!["/rule/1/ramp/0/on_worse_guardrail"],
        ),
        (
            "/rule/1/ends_at",
            json!("2026-01-01T00:00:00Z"),
            vec!["/rule/1/ends_at"],
        ),
        (
            "/rule/2/variants/control",
            json!("red"),
            vec!["/rule/2/variants/control"],
        ),
        (
            "/prerequisites",
            json!([{"flag": "a", "variants": []}]),
            vec!["/prerequisites/0/variants"],
        ),
        (
            "/prerequisites",
            json!([{"flag": "a", "variants": ["x"]}, {"flag": "a", "variants": ["y"]}]),
            vec!["/prerequisites/1/flag"],
        ),
    ] {
        let mut definition = checkout();
        let long = |pointer: &str| pointer.replace("/rule/", "/environments/production/rules/");
        let at = long(pointer);
        let (parent, name) = at.rsplit_once('/').unwrap();
        match definition.pointer_mut(parent).unwrap() {
            Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value.clone(),
            parent => parent[name] = value.clone(),
        }
        let mut faults = flag(definition).faults();
        // Without a variant, all its names are unknown.
        faults.retain(|fault| {
            !pointer.starts_with("/variants") || fault.why.code != "unknown_variant"
        });
        let seen: Vec<_> = faults.iter().map(|fault| fault.pointer.clone()).collect();
        let expected: Vec<_> = expected.into_iter().map(long).collect();
        assert_eq!(seen, expected, "{pointer} {value}: {faults:?}");
    }
}

#[test]
fn values_have_the_type_of_the_flag_and_can_be_stored() {
    for (value_type, value, code) in [
        ("integer", json!(1), None),
        ("integer", json!(1.0), Some("wrong_type")),
        (
            "integer",
            json!(9_007_199_254_740_992_i64),
            Some("wrong_type"),
        ),
        ("number", json!(1), None),
        ("number", json!(1e-200), Some("out_of_range")),
        ("object", json!({"a": [1, {"$b": null}]}), None),
        ("object", json!([]), Some("wrong_type")),
        ("object", json!({"$in": []}), Some("bad_characters")),
        ("object", json!({"": 1}), Some("empty")),
        (
            "string",
            json!("x".repeat(limits::MAX_FLAG_VALUE_BYTES)),
            Some("too_long"),
        ),
        ("boolean", json!(null), Some("wrong_type")),
    ] {
        let mut definition = checkout();
        definition["value_type"] = value_type.into();
        definition["variants"] = json!([{"key": "blue", "value": value.clone()}, {"key": "green", "value": value.clone()}]);
        let faults = flag(definition).faults();
        let seen = faults.first().map(|fault| fault.why.code);
        assert_eq!(seen, code, "{value_type} {value}: {faults:?}");
    }
    assert_eq!(ValueType::Number.written(&json!(1)).to_string(), "1.0");
    assert_eq!(ValueType::Integer.written(&json!(1)).to_string(), "1");
}

#[test]
fn sizes_are_bounded() {
    let mut definition = checkout();
    let variant = |index: i32| json!({"key": format!("v{index}"), "value": "x".repeat(limits::MAX_FLAG_VALUE_BYTES - 2)});
    let variants = definition["variants"].as_array_mut().unwrap();
    variants.extend((0..4).map(variant));
    let faults = flag(definition).faults();
    assert_eq!(codes(&faults), [("", "too_long")]);
    let mut definition = checkout();
    let rules = definition["environments"]["production"]["rules"]
        .as_array_mut()
        .unwrap();
    let rule = |index: usize| {
        json!({"id": format!("r{index}"), "type": "serve", "variant": "blue",
                                     "condition": {"a": {"$regex": "x"}}})
    };
    rules.extend((0..limits::MAX_FLAG_RULES).map(rule));
    let faults = flag(definition).faults();
    assert_eq!(
        codes(&faults),
        [
            ("/environments/production/rules", "too_many"),
            ("", "too_many")
        ]
    );
}

#[test]
fn objects_fit_the_schema_of_the_flag() {
    let with = |schema: Value, value: Value| {
        let mut definition = checkout();
        definition["value_type"] = "object".into();
        definition["schema"] = schema;
        definition["variants"] =
            json!([{"key": "blue", "value": value}, {"key": "green", "value": {"size": 1}}]);
        let faults = flag(definition).faults();
        let faults = faults.into_iter();
        let first = faults.map(|fault| (fault.pointer, fault.why.code)).next();
        first.unwrap_or_default()
    };
    let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"size": {"type": "integer"}, "color": {"pattern": "^#"}}, "additionalProperties": false});
    assert_eq!(
        with(schema.clone(), json!({"size": 1, "color": "#f00"})).1,
        ""
    );
    let fault = |pointer: &str, code| (pointer.to_owned(), code);
    assert_eq!(
        with(schema.clone(), json!({"size": 1, "color": "red"})),
        fault("/variants/0/value/color", "schema_mismatch")
    );
    assert_eq!(
        with(schema, json!({"weight": 1})),
        fault("/variants/0/value", "schema_mismatch")
    );
    for (schema, expected) in [
        (json!(true), fault("/schema", "wrong_type")),
        (
            json!({"type": "map"}),
            fault("/schema/type", "not_a_schema"),
        ),
        (
            json!({"allOf": [{"$ref": "#"}]}),
            fault("/schema/allOf/0/$ref", "reference"),
        ),
        (
            json!({"$schema": "http://10.0.0.1/x"}),
            fault("/schema/$schema", "unknown_draft"),
        ),
        (
            json!({"x": "y".repeat(limits::MAX_SCHEMA_BYTES)}),
            fault("/schema", "too_long"),
        ),
        (
            json!({"properties": {"a": {"pattern": "("}}}),
            fault("/schema/properties/a/pattern", "not_a_schema"),
        ),
        // A pattern that takes long without a guarantee of linear time.
        (
            json!({"properties": {"size": {"pattern": "(?=a)b"}}}),
            fault("/schema/properties/size/pattern", "not_a_schema"),
        ),
    ] {
        assert_eq!(
            with(schema.clone(), json!({"size": 1})),
            expected,
            "{schema}"
        );
    }
    let mut deep = json!({});
    for _ in 0..limits::MAX_SCHEMA_DEPTH {
        deep = json!({ "not": deep });
    }
    assert_eq!(with(deep, json!({})), fault("/schema", "too_deep"));
}
