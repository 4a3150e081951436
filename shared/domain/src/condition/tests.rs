use super::*;
use crate::limits;
use serde_json::json;

fn matches(condition: &Value, attributes: &Value) -> bool {
    let condition = Condition::compile(condition.clone()).unwrap();
    condition.matches(attributes, &NoSegments)
}

/// The pointers and codes of the faults of a condition.
fn faults(condition: Value) -> Vec<(String, &'static str)> {
    let faults = Condition::compile(condition).unwrap_err().into_iter();
    faults
        .map(|fault| (fault.pointer, fault.why.code))
        .collect()
}

#[test]
fn all_faults_of_a_condition_are_located() {
    let condition = json!({
        "$or": [{"country": {"$in": "DE"}}, 7],
        "$adn": [{"a": 1}],
        "$in": 1,
        "a/b~c": {"$regx": "x"},
        "age": {"$gt": null, "$lte": [1]},
        "bot": {"$exists": 1},
        "list": {"$in": [1, [2]], "$size": "3", "$all": "x"},
        "name": {"$regex": "(a)\\1", "$regexi": 5},
        "nested": {"$elemMatch": {"$or": [{"a": 1}]}},
        "mixed": {"$in": [1], "b": 2},
        "same": {"$eq": [1]},
        "segment": {"$inGroup": 5},
        "type": {"$type": "text"},
        "version": {"$vgt": "", "$vlt": true},
        "": 1,
        "size": 1e300,
    });
    let expected = [
        ("/", "empty"),
        ("/size", "out_of_range"),
        ("/$adn", "unknown_operator"),
        ("/$in", "unknown_operator"),
        ("/$or/0/country/$in", "wrong_type"),
        ("/$or/1", "wrong_type"),
        ("/age/$gt", "wrong_type"),
        ("/age/$lte", "wrong_type"),
        ("/a~1b~0c/$regx", "unknown_operator"),
        ("/bot/$exists", "wrong_type"),
        ("/list/$all", "wrong_type"),
        ("/list/$in/1", "wrong_type"),
        ("/list/$size", "wrong_type"),
        ("/mixed", "mixed_operators"),
        ("/name/$regex", "bad_pattern"),
        ("/name/$regexi", "wrong_type"),
        ("/nested/$elemMatch/$or", "unknown_operator"),
        ("/same/$eq", "wrong_type"),
        ("/segment/$inGroup", "wrong_type"),
        ("/type/$type", "not_a_choice"),
        ("/version/$vgt", "empty"),
        ("/version/$vlt", "wrong_type"),
    ];
    let mut expected = expected.map(|(pointer, code)| (pointer.to_owned(), code));
    expected.sort();
    let mut seen = faults(condition);
    seen.sort();
    assert_eq!(seen, expected);
}

#[test]
fn size_depth_and_number_of_patterns_are_bounded() {
    let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "$not": inner }));
    assert!(Condition::compile(deep(limits::MAX_CONDITION_DEPTH)).is_ok());
    let too_deep = faults(deep(limits::MAX_CONDITION_DEPTH + 1));
    assert_eq!(too_deep, [(String::new(), "too_deep")]);

    let long = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
    assert!(Condition::compile(long(limits::MAX_CONDITION_BYTES)).is_ok());
    let too_long = faults(long(limits::MAX_CONDITION_BYTES + 1));
    assert_eq!(too_long, [(String::new(), "too_long")]);

    let patterns = |number: usize| json!({"$or": vec![json!({"a": {"$regex": "x"}}); number]});
    assert!(Condition::compile(patterns(limits::MAX_PATTERNS)).is_ok());
    let place = format!("/$or/{}/a/$regex", limits::MAX_PATTERNS);
    let too_many = faults(patterns(limits::MAX_PATTERNS + 1));
    assert_eq!(too_many, [(place, "too_many")]);
}

#[test]
fn paths_lead_through_objects_and_arrays() {
    let attributes = json!({"a": {"b": [10, {"c": "x"}]}, "text": "abc"});
    for (condition, expected) in [
        (json!({"a.b.0": 10}), true),
        (json!({"a.b.1.c": "x"}), true),
        (json!({"a.b.length": 2}), true),
        (json!({"a.b.2": null}), true),
        (json!({"a.b.01": 10}), false),
        (json!({"a.b.+0": 10}), false),
        (json!({"a.b.length.x": null}), true),
        (json!({"text.0": null}), true),
        (json!({"a.b": [10, {"c": "x"}]}), true),
    ] {
        assert_eq!(matches(&condition, &attributes), expected, "{condition}");
    }
}

/// Expected values are those that the published JavaScript SDK gives.
#[test]
fn values_of_other_types_compare_as_in_javascript() {
    for (condition, attributes, expected) in [
        (json!({"a": 0}), json!({}), true),
        (json!({"a": 0}), json!({"a": ""}), true),
        (json!({"a": 1}), json!({"a": true}), true),
        (json!({"a": 5}), json!({"a": [5]}), true),
        (json!({"a": "null"}), json!({}), true),
        (json!({"a": "1,2"}), json!({"a": [1, 2]}), true),
        (json!({"a": "12"}), json!({"a": 12.0}), true),
        (json!({"a": true}), json!({"a": "false"}), true),
        (json!({"a": {"$gt": 3}}), json!({"a": ["5"]}), true),
        (json!({"a": {"$gt": "b"}}), json!({"a": ["c"]}), true),
        (json!({"a": {"$lt": 5}}), json!({"a": "x"}), false),
        (json!({"a": {"$gte": 5}}), json!({"a": "x"}), false),
        (json!({"a": {"$eq": 5}}), json!({"a": "5"}), false),
        (json!({"a": {"$in": [null]}}), json!({}), true),
        (json!({"a": {"$regex": "null"}}), json!({}), true),
        (json!({"a": {"$vgt": 1.5}}), json!({"a": "1.10"}), true),
        (
            json!({"a": {"$elemMatch": {"$eq": 0}}}),
            json!({"a": [0]}),
            true,
        ),
        (
            json!({"a": {"$elemMatch": {"$eq": null}}}),
            json!({"a": [null]}),
            false,
        ),
    ] {
        assert_eq!(
            matches(&condition, &attributes),
            expected,
            "{condition} {attributes}"
        );
    }
}

#[test]
fn objects_are_equal_whatever_the_order_of_their_names() {
    let condition = json!({"a": {"x": 1.0, "y": [2]}});
    assert!(matches(&condition, &json!({"a": {"y": [2.0], "x": 1}})));
    assert!(!matches(
        &condition,
        &json!({"a": {"y": [2], "x": 1, "z": 3}})
    ));
}

#[test]
fn a_condition_is_stored_as_it_was_written() {
    let source = json!({"country": {"$in": ["DE", "FR"]}, "age": {"$gte": 18}});
    let condition = Condition::compile(source.clone()).unwrap();
    assert_eq!(serde_json::to_value(&condition).unwrap(), source);
    let read: Condition = serde_json::from_value(source).unwrap();
    assert_eq!(read, condition);
    assert!(read.is_valid());
    let damaged: Condition = serde_json::from_value(json!({"a": {"$x": 1}})).unwrap();
    assert!(!damaged.is_valid());
    assert!(!damaged.matches(&json!({"a": 1}), &NoSegments));
}

#[test]
fn the_attributes_of_a_condition_are_the_names_that_it_reads() {
    let source = json!({
        "country": {"$in": ["DE"], "$not": {"$eq": "FR"}},
        "$or": [{"company.id": 7}, {"$not": {"plan": "free", "$and": [{"age": {"$gte": 18}}]}}],
        "list": {"$elemMatch": {"inner": 1}},
        "$savedGroups": ["beta"],
    });
    let condition = Condition::compile(source).unwrap();
    let names: Vec<&str> = condition.attributes().into_iter().collect();
    assert_eq!(names, ["age", "company", "country", "list", "plan"]);
    let all = Condition::compile(json!({})).unwrap();
    assert!(all.attributes().is_empty());
}
