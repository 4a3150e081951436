//! Payloads of GrowthBook.

use super::super::growthbook::read;
use super::Imported;
use domain::bucketing::bucket;
use domain::condition::NoSegments;
use domain::feature::{Evaluator, Feature, FeatureDefinition, FeatureUser};
use serde_json::{Value, json};
use std::collections::HashMap;

fn payload() -> Value {
    json!({
        "status": 200,
        "dateUpdated": "2026-05-01T00:00:00Z",
        "savedGroups": {"grp_staff": ["u1", "u2"]},
        "features": {
            "banner": {"defaultValue": "none", "rules": [
                {"id": "fr_1", "condition": {"id": {"$inGroup": "grp_staff"}}, "force": "preview"},
                {"id": "fr_2", "key": "banner-test", "seed": "banner-seed", "hashVersion": 2, "hashAttribute": "id",
                 "variations": ["none", "red", "none"], "weights": [0.5, 0.3, 0.2], "coverage": 0.6, "phase": "1",
                 "meta": [{"key": "0"}, {"key": "1"}, {"key": "placebo"}], "condition": {"country": {"$in": ["DE", "AT"]}}},
            ]},
            "dark-mode": {"defaultValue": false, "rules": [
                {"id": "fr_3", "force": true, "coverage": 0.25, "hashAttribute": "company", "seed": "dark", "hashVersion": 2},
                {"id": "fr_4", "force": true, "coverage": 0.5, "hashAttribute": "id"},
                {"id": "fr_5", "variations": [true, false], "namespace": ["checkout", 0, 0.5]},
            ]},
            "needs-dark": {"defaultValue": 1, "rules": [
                {"parentConditions": [{"id": "dark-mode", "condition": {"value": true}, "gate": true}]},
                {"condition": {"version": {"$vgte": "2.0.0"}}, "force": 2, "note": "x"},
            ]},
            "list": {"defaultValue": [1, 2]},
            "bad key": {"defaultValue": true},
        },
    })
}

/// The value in GrowthBook's own model.
fn original(features: &HashMap<String, Feature>, key: &str, attributes: &Value) -> Value {
    let user = FeatureUser::new(attributes, &NoSegments);
    Evaluator::new(features, user).evaluate(key).value.clone()
}

fn originals() -> HashMap<String, Feature> {
    let payload = payload();
    let features = payload["features"].as_object().unwrap().iter();
    features
        .map(|(key, feature)| {
            let definition: FeatureDefinition = serde_json::from_value(feature.clone()).unwrap();
            (key.clone(), Feature::new(key, &definition))
        })
        .collect()
}

fn imported() -> Imported {
    Imported::new(read(&payload().to_string(), "production"))
}

#[test]
fn users_of_version_2_of_the_hash_keep_their_values() {
    let (imported, originals) = (imported(), originals());
    let value_of = |key: &str, variant: &str| {
        let variants = imported.body(key)["variants"].as_array().unwrap();
        let found = variants.iter().find(|each| each["key"] == *variant);
        found.unwrap()["value"].clone()
    };
    let mut seen = HashMap::<String, u32>::new();
    for number in 0..4_000 {
        let attributes = json!({"id": format!("user-{number}-ü"), "country": "DE"});
        let variant = imported.variant("banner", &attributes);
        let value = original(&originals, "banner", &attributes);
        assert_eq!(value_of("banner", &variant), value, "{attributes}");
        *seen.entry(variant).or_default() += 1;
    }
    assert!(seen["red"] > 500 && seen["placebo"] > 300, "{seen:?}");
    let mut on = 0;
    for number in 0..4_000 {
        let company = format!("company-{number}");
        // A rollout has no users at the very end of its range, and this is in the report.
        if bucket("dark", &company) == 2_500 {
            continue;
        }
        let attributes = json!({"company": company});
        let variant = imported.variant("dark-mode", &attributes);
        let value = original(&originals, "dark-mode", &attributes);
        assert_eq!(value_of("dark-mode", &variant), value, "{attributes}");
        on += u32::from(variant == "on");
    }
    assert!((800..1_200).contains(&on), "{on}");
}

#[test]
fn conditions_groups_and_prerequisites_are_carried_over() {
    let imported = imported();
    assert_eq!(imported.variant("banner", &json!({"id": "u2"})), "preview");
    assert_eq!(
        imported.variant("banner", &json!({"id": "u3", "country": "FR"})),
        "none"
    );
    assert_eq!(
        imported.body("needs-dark")["prerequisites"],
        json!([{"flag": "dark-mode", "variants": ["on"]}])
    );
    let rules = &imported.body("needs-dark")["environments"]["production"]["rules"];
    assert_eq!(rules.as_array().unwrap().len(), 1, "{rules}");
}

#[test]
fn what_has_no_counterpart_is_reported() {
    let imported = imported();
    imported.assert_findings("banner", &[("/rules/1", "records no exposures")]);
    imported.assert_findings(
        "dark-mode",
        &[
            ("/rules/0/coverage", "1 of 10,000"),
            ("/rules/1/hashVersion", "users get other variants"),
            (
                "/rules/2",
                "`namespace` has no counterpart. The rule is left out",
            ),
        ],
    );
    imported.assert_findings(
        "needs-dark",
        &[
            ("/rules/0", "instead of no value"),
            ("/rules/1/note", "no counterpart"),
        ],
    );
    imported.assert_findings("list", &[("", "Arrays")]);
    imported.assert_findings("bad key", &[("", "the key is not allowed")]);
    assert!(imported.flag("list").body.is_none() && imported.flag("bad key").body.is_none());
    let encrypted = read(&json!({"encryptedFeatures": "x"}).to_string(), "production");
    assert!(encrypted.unwrap_err().contains("encrypted"));
    assert!(read("[]", "production").is_err());
}
