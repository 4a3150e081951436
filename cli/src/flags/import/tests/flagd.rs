//! Files of flagd.

use super::super::flagd::read;
use super::Imported;
use serde_json::{Value, json};

fn imported(targeting: Value) -> Imported {
    let file = json!({
        "$schema": "https://flagd.dev/schema/v0/flags.json",
        "$evaluators": {"isStaff": {"ends_with": [{"var": "email"}, "@shop.example"]}, "loop": {"$ref": "loop"}},
        "flags": {"color": {
            "state": "ENABLED",
            "variants": {"red": "#f00", "green": "#0f0", "blue": "#00f"},
            "defaultVariant": "red",
            "targeting": targeting,
        }},
    });
    Imported::new(read(&file.to_string(), "production"))
}

#[test]
fn branches_become_rules_in_their_order() {
    let imported = imported(json!({"if": [
        {"$ref": "isStaff"}, "green",
        {"and": [{"in": [{"var": "country"}, ["DE", "AT"]]}, {"!": {"==": [{"var": "plan"}, "free"]}}]},
            {"if": [{">=": [{"var": "age"}, 18]}, "blue"]},
        {"sem_ver": [{"var": "version"}, "^", "2.1.0"]}, "blue",
        {"in": ["beta", {"var": "groups"}]}, "green",
    ]}));
    imported.assert_findings("color", &[]);
    for (attributes, expected) in [
        (json!({"email": "ann@shop.example"}), "green"),
        (json!({"email": "ann@shop-example"}), "red"),
        (json!({"country": "DE", "plan": "pro", "age": 18}), "blue"),
        // The inner `if` has no `else`, so the user gets the default variant and no later branch.
        (
            json!({"country": "DE", "plan": "pro", "version": "2.9.0"}),
            "red",
        ),
        (
            json!({"country": "DE", "plan": "free", "version": "2.9.0"}),
            "blue",
        ),
        (json!({"version": "3.0.0"}), "red"),
        (json!({"version": "20.0.0"}), "red"),
        (json!({"groups": ["beta"]}), "green"),
        (json!({"groups": "the beta group"}), "green"),
        (json!({}), "red"),
    ] {
        assert_eq!(
            imported.variant("color", &attributes),
            expected,
            "{attributes}"
        );
    }
}

#[test]
fn shares_of_fractional_become_a_rollout_with_the_same_percentages() {
    let targeting = json!({"if": [
        {"starts_with": [{"var": "targetingKey"}, "user-"]},
        {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}, ["red", 1], ["blue"], ["green", 2]]},
        "green",
    ]});
    let imported = imported(targeting);
    imported.assert_findings("color", &[("/targeting/if/1", "users get other variants")]);
    let rollout = &imported.body("color")["environments"]["production"]["rules"][0];
    assert_eq!(
        rollout["variants"],
        json!([{"variant": "red", "percent": 25.0}, {"variant": "blue", "percent": 25.0},
               {"variant": "green", "percent": 50.0}])
    );
    let greens = (0..2_000)
        .map(|number| imported.variant("color", &json!({"id": format!("user-{number}")})))
        .filter(|variant| variant == "green")
        .count();
    assert!((900..1_100).contains(&greens), "{greens}");
    assert_eq!(imported.variant("color", &json!({"id": "x"})), "green");
}

#[test]
fn comparisons_keep_their_users() {
    let country = |code: &str| json!({"country": code});
    for (condition, yes, no) in [
        (
            json!({"==": [{"var": ["country"]}, "DE"]}),
            country("DE"),
            json!({}),
        ),
        (
            json!({"!=": [{"var": "country"}, "DE"]}),
            json!({}),
            country("DE"),
        ),
        (
            json!({"===": ["DE", {"var": "country"}]}),
            country("DE"),
            country("AT"),
        ),
        (
            json!({"<": [1, {"var": "n"}, 5]}),
            json!({"n": 2}),
            json!({"n": 5}),
        ),
        (json!({"<": [{"var": "n"}, 5]}), json!({"n": 2}), json!({})),
        (
            json!({"<": [5, {"var": "n"}]}),
            json!({"n": 6}),
            json!({"n": 5}),
        ),
        (
            json!({"or": [false, {"var": "beta"}]}),
            json!({"beta": true}),
            json!({"beta": ""}),
        ),
        (
            json!({"!!": [{"var": "a.b"}]}),
            json!({"a": {"b": 1}}),
            json!({"a": {"b": 0}}),
        ),
        (
            json!({"sem_ver": [{"var": "v"}, ">=", "1.10.0"]}),
            json!({"v": "1.10.0"}),
            json!({"v": "1.9.0"}),
        ),
        (
            json!({"sem_ver": [{"var": "v"}, "<", "1.10.0"]}),
            json!({"v": "1.9.0"}),
            json!({}),
        ),
        (
            json!({"sem_ver": [{"var": "v"}, "~", "1.10.0"]}),
            json!({"v": "1.10.3"}),
            json!({"v": "1.1.0"}),
        ),
        (
            json!({"starts_with": [{"var": "p"}, "a.b"]}),
            json!({"p": "a.bc"}),
            json!({"p": "aXb"}),
        ),
    ] {
        let imported = imported(json!({"if": [condition, "green", "blue"]}));
        imported.assert_findings("color", &[]);
        assert_eq!(
            imported.variant("color", &yes),
            "green",
            "{condition} {yes}"
        );
        assert_eq!(imported.variant("color", &no), "blue", "{condition} {no}");
    }
}

#[test]
fn a_comparison_that_converts_types_is_reported() {
    for (condition, is_reported) in [
        (json!({"==": [{"var": "a"}, 5]}), true),
        (json!({"!=": ["5", {"var": "a"}]}), true),
        (json!({"==": [{"var": "a"}, true]}), true),
        (json!({"==": [{"var": "a"}, " "]}), true),
        (
            json!({"and": [true, {"!": {"or": [{"==": [{"var": "a"}, 1e3]}]}}]}),
            true,
        ),
        (json!({"===": [{"var": "a"}, 5]}), false),
        (json!({"==": [{"var": "a"}, "DE"]}), false),
        (json!({"==": [{"var": "a"}, null]}), false),
        (json!({"in": [{"var": "a"}, [5]]}), false),
    ] {
        let imported = imported(json!({"if": [condition, "green", "blue"]}));
        let finding = [("/targeting/if/0", "convert types")];
        imported.assert_findings("color", if is_reported { &finding } else { &[] });
    }
}

#[test]
fn what_has_no_counterpart_is_reported() {
    for (targeting, place, text) in [
        (
            json!({"if": [{"$ref": "loop"}, "red"]}),
            "/targeting/if/0",
            "evaluators name each other",
        ),
        (
            json!({"if": [{"$ref": "none"}, "red"]}),
            "/targeting/if/0",
            "no evaluator `none`",
        ),
        (
            json!({"if": [{">": [{"var": "$flagd.timestamp"}, 1]}, "red"]}),
            "/targeting/if/0",
            "$flagd.timestamp",
        ),
        (
            json!({"if": [{"some": [{"var": "a"}, true]}, "red"]}),
            "/targeting/if/0",
            "`some` has no counterpart",
        ),
        (
            json!({"if": [{"==": [{"var": ["a", 1]}, 1]}, "red"]}),
            "/targeting/if/0",
            "default value",
        ),
        (
            json!({"if": [{"===": [{"var": "a"}, 1]}, "pink"]}),
            "/targeting/if/1",
            "no variant `pink`",
        ),
        (
            json!({"fractional": [["pink", 1]]}),
            "/targeting",
            "without a variant's name",
        ),
        (
            json!({"cat": ["r", "ed"]}),
            "/targeting",
            "the expression has no counterpart",
        ),
    ] {
        let imported = imported(targeting.clone());
        imported.assert_findings("color", &[(place, text)]);
        assert_eq!(imported.variant("color", &json!({"a": 1})), "red");
    }
}

#[test]
fn names_of_variants_that_are_no_keys_are_changed_and_reported() {
    let long = "v".repeat(128);
    let file = json!({"flags": {"size": {
        "state": "ENABLED", "variants": {"größe L": 1, "": 2, long.as_str(): 3}, "defaultVariant": "größe L",
    }}});
    let imported = Imported::new(read(&file.to_string(), "production"));
    let variants = imported.body("size")["variants"].as_array().unwrap();
    let mut keys: Vec<&str> = variants
        .iter()
        .map(|variant| variant["key"].as_str().unwrap())
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, ["gr--e-L", "variant", long.as_str()]);
    assert_eq!(imported.variant("size", &json!({})), "gr--e-L");
    let renamed = imported.findings("size");
    assert!(
        renamed.len() == 2 && renamed.iter().all(|(_, text)| text.contains("becomes")),
        "{renamed:?}"
    );
}

#[test]
fn disabled_flags_and_missing_defaults_are_reported() {
    let file = json!({"flags": {"new": {
        "state": "DISABLED", "variants": {"yes": true, "no": false}, "defaultVariant": null, "metadata": {"team": "web"},
    }}});
    let imported = Imported::new(read(&file.to_string(), "production"));
    imported.assert_findings(
        "new",
        &[
            ("/metadata", "no counterpart"),
            ("/defaultVariant", "own default"),
            ("/state", "own default"),
        ],
    );
    assert_eq!(imported.variant("new", &json!({})), "no");
    assert_eq!(
        imported.body("new")["environments"]["production"]["enabled"],
        false
    );
}
