//! Files of LaunchDarkly.

use super::super::launchdarkly::read;
use super::Imported;
use serde_json::{Value, json};

fn flag(rules: Value) -> Value {
    json!({
        "key": "checkout", "version": 4, "salt": "s", "on": true, "variations": ["old", "new", "fast"], "offVariation": 0,
        "fallthrough": {"variation": 0}, "rules": rules, "targets": [{"variation": 2, "values": ["ann", "bob"]}],
        "contextTargets": [{"contextKind": "user", "variation": 2, "values": []}],
        "prerequisites": [], "clientSide": false, "trackEvents": false,
    })
}

fn imported(rules: Value) -> Imported {
    let file = json!({"flags": {"checkout": flag(rules)}, "segments": {}});
    Imported::new(read(&file.to_string(), "production"))
}

fn with_clause(clause: &Value) -> Imported {
    imported(json!([{"id": "r", "clauses": [clause], "variation": 1}]))
}

#[test]
fn clauses_keep_their_users() {
    let clause = |attribute: &str, op: &str, values: Value| json!({"attribute": attribute, "op": op, "values": values});
    for (clause, yes, no) in [
        (
            clause("country", "in", json!(["DE", "AT"])),
            json!({"country": "AT"}),
            json!({}),
        ),
        (
            clause("key", "in", json!(["u7"])),
            json!({"id": "u7"}),
            json!({"id": "u8"}),
        ),
        (
            clause("/address/city", "in", json!(["Rom"])),
            json!({"address": {"city": "Rom"}}),
            json!({}),
        ),
        (
            clause("groups", "in", json!(["beta"])),
            json!({"groups": ["a", "beta"]}),
            json!({"groups": ["a"]}),
        ),
        (
            clause("email", "endsWith", json!(["@a.example", "@b.example"])),
            json!({"email": "x@b.example"}),
            json!({"email": "@b-example"}),
        ),
        (
            clause("email", "startsWith", json!(["a+b"])),
            json!({"email": ["x", "a+bc"]}),
            json!({"email": "aab"}),
        ),
        (
            clause("x", "contains", json!(["ul"])),
            json!({"x": "multi"}),
            json!({}),
        ),
        (
            clause("x", "matches", json!(["^a[0-9]+$", "^b$"])),
            json!({"x": "a12"}),
            json!({"x": "bb"}),
        ),
        (
            clause("n", "lessThan", json!([5, 9])),
            json!({"n": 8}),
            json!({}),
        ),
        (
            clause("n", "greaterThanOrEqual", json!([5])),
            json!({"n": 5}),
            json!({"n": 4}),
        ),
        (
            clause("v", "semVerEqual", json!(["2"])),
            json!({"v": "2.0.0"}),
            json!({"v": "2.0.1"}),
        ),
        (
            clause("v", "semVerGreaterThan", json!(["1.9.0"])),
            json!({"v": "1.10.0"}),
            json!({"v": "1.9.0"}),
        ),
        (
            clause("v", "semVerLessThan", json!(["1.9.0"])),
            json!({"v": "1.8.0"}),
            json!({}),
        ),
        (
            json!({"attribute": "country", "op": "in", "values": ["DE"], "negate": true}),
            json!({"country": "AT"}),
            json!({}),
        ),
        (
            json!({"attribute": "email", "op": "endsWith", "values": ["x"], "negate": true}),
            json!({"email": "y"}),
            json!({"email": "x"}),
        ),
    ] {
        let imported = with_clause(&clause);
        imported.assert_findings("checkout", &[]);
        assert_eq!(imported.variant("checkout", &yes), "new", "{clause} {yes}");
        assert_eq!(imported.variant("checkout", &no), "old", "{clause} {no}");
        // Targets come before all rules.
        assert_eq!(imported.variant("checkout", &json!({"id": "bob"})), "fast");
    }
    let before = clause("born", "before", json!(["2026-01-01T00:00:00Z"]));
    let imported = with_clause(&before);
    imported.assert_findings("checkout", &[("/rules/0/clauses/0", "compared as texts")]);
    for (born, expected) in [
        (json!("2025-12-31T23:59:59Z"), "new"),
        (json!("2026-01-01T00:00:00Z"), "old"),
        (json!(1_767_225_599_999_i64), "new"),
        (json!(1_767_225_600_000_i64), "old"),
    ] {
        assert_eq!(
            imported.variant("checkout", &json!({"born": born})),
            expected,
            "{born}"
        );
    }
}

#[test]
fn rollouts_keep_their_percentages_and_the_report_says_that_users_move() {
    let mut checkout = flag(json!([{
        "id": "r", "clauses": [{"attribute": "country", "op": "in", "values": ["DE"]}], "description": "Germany",
        "rollout": {"kind": "experiment", "seed": 61, "bucketBy": "key", "variations": [
            {"variation": 0, "weight": 25_000}, {"variation": 1, "weight": 50_000},
            {"variation": 0, "weight": 25_000, "untracked": true}]},
    }]));
    checkout["fallthrough"] = json!({"rollout": {"bucketBy": "company", "variations": [
        {"variation": 1, "weight": 12_345}, {"variation": 2, "weight": 87_655}]}});
    let file = json!({"flags": {"checkout": checkout}});
    let imported = Imported::new(read(&file.to_string(), "production"));
    imported.assert_findings(
        "checkout",
        &[
            ("/rules/0/rollout", "records no exposures"),
            ("/rules/0/rollout", "users get other variants"),
            ("/fallthrough/rollout", "without the attribute `company`"),
            ("/fallthrough/rollout", "users get other variants"),
        ],
    );
    let rules = &imported.body("checkout")["environments"]["production"]["rules"];
    assert_eq!(
        rules[1]["variants"],
        json!([{"variant": "old", "percent": 50.0}, {"variant": "new", "percent": 50.0}])
    );
    assert_eq!(rules[1]["description"], "Germany");
    assert_eq!(rules[2]["variants"][0]["percent"], 12.345);
    assert_eq!(imported.variant("checkout", &json!({"id": "u"})), "new");
}

#[test]
fn items_of_the_rest_api_have_settings_for_each_environment() {
    let off = json!({"on": false, "offVariation": 1, "fallthrough": {"variation": 0}, "rules": [], "targets": []});
    let mut on = off.clone();
    on["on"] = json!(true);
    let item = |key: &str, more: Value| {
        let mut item = json!({
            "key": key, "name": "The flag", "description": "", "kind": "boolean", "tags": ["web", "x".repeat(60)],
            "_maintainer": {"email": "a@shop.example"}, "environments": {"production": on, "test": off},
            "variations": [{"_id": "1", "value": true, "name": "Yes"}, {"_id": "2", "value": false}],
        });
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        item
    };
    let needs = json!({"prerequisites": [{"key": "first", "variation": 0}]});
    let unknown = json!({"prerequisites": [{"key": "nothing", "variation": 0}]});
    let file = json!({"items": [
        item("second", needs), item("first", json!({})), item("third", unknown), item("gone", json!({"archived": true})),
        item("elsewhere", json!({"environments": {"a": {}, "b": {}}})),
    ]});
    let imported = Imported::new(read(&file.to_string(), "production"));
    assert_eq!(imported.variant("second", &json!({})), "on");
    let body = imported.body("second");
    assert_eq!(
        body["prerequisites"],
        json!([{"flag": "first", "variants": ["on"]}])
    );
    assert_eq!(
        (&body["name"], &body["tags"]),
        (&json!("The flag"), &json!(["web"]))
    );
    imported.assert_findings("second", &[("/tags", "50 characters")]);
    imported.assert_findings("third", &[("/tags", ""), ("/prerequisites/0", "`nothing`")]);
    imported.assert_findings("gone", &[("/tags", ""), ("", "archived")]);
    imported.assert_findings(
        "elsewhere",
        &[
            ("/tags", ""),
            ("/environments", "it has: a, b"),
            ("/offVariation", ""),
            ("/fallthrough", ""),
        ],
    );
    for key in ["third", "gone", "elsewhere"] {
        assert!(imported.flag(key).body.is_none(), "{key}");
    }
    let test = Imported::new(read(&file.to_string(), "test"));
    assert_eq!(test.body("first")["environments"]["test"]["enabled"], false);
}

#[test]
fn what_has_no_counterpart_is_reported() {
    for (clause, text) in [
        (
            json!({"attribute": "a", "op": "in", "values": ["b"], "contextKind": "device"}),
            "kind `device`",
        ),
        (
            json!({"attribute": "a.b", "op": "in", "values": ["b"]}),
            "read as a path",
        ),
        (
            json!({"attribute": "a", "op": "near", "values": ["b"]}),
            "`near` has no counterpart",
        ),
        (
            json!({"attribute": "a", "op": "in", "values": []}),
            "no values",
        ),
        (
            json!({"attribute": "a", "op": "lessThan", "values": ["b"]}),
            "not a number",
        ),
        (
            json!({"attribute": "a", "op": "after", "values": ["b"]}),
            "neither a time",
        ),
        (
            json!({"attribute": "a", "op": "matches", "values": ["(a)\\1"]}),
            "The rule is left out",
        ),
    ] {
        with_clause(&clause).assert_findings("checkout", &[("/rules/0", text)]);
    }
    let file = json!({"flags": {"checkout": flag(json!([{
        "id": "r", "variation": 1, "clauses": [{"op": "segmentMatch", "values": ["beta", "staff"], "negate": true}],
    }]))}});
    let flags = read(&file.to_string(), "production").unwrap();
    let rule = &flags[0].body.as_ref().unwrap()["environments"]["production"]["rules"][1];
    assert_eq!(
        rule["condition"],
        json!({"$not": {"$or": [{"$savedGroups": ["beta"]}, {"$savedGroups": ["staff"]}]}})
    );
    assert!(flags[0].findings[0].text.contains("beta, staff"));
    assert!(read("{}", "production").is_err() && read("{", "production").is_err());
}
