//! Responses of Evidently.

use super::super::evidently::read;
use super::Imported;
use serde_json::{Value, json};

fn feature(more: Value) -> Value {
    let mut feature = json!({
        "arn": "arn:aws:evidently:eu-central-1:123456789012:project/shop/feature/price", "name": "price",
        "description": "Price in cents", "project": "shop", "status": "AVAILABLE", "valueType": "LONG",
        "evaluationStrategy": "ALL_RULES", "createdTime": "2024-01-01T00:00:00Z", "lastUpdatedTime": "2024-01-01T00:00:00Z",
        "defaultVariation": "normal", "tags": {"team": "web", "aws:cloudformation:stack-id": "x".repeat(80)},
        "variations": [{"name": "normal", "value": {"longValue": "100"}}, {"name": "low", "value": {"longValue": 80}}],
        "entityOverrides": {"ann": "low", "bob": "low", "cid": "normal"},
        "evaluationRules": [{"name": "spring", "type": "aws.evidently.splits"}],
    });
    feature
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    feature
}

#[test]
fn variations_and_overrides_are_carried_over_and_splits_are_reported() {
    let list = json!({"features": [{"name": "price", "status": "AVAILABLE"}, {"name": "other"}]});
    let one = json!({"feature": feature(json!({}))});
    let dump = format!("{list}\n{one}\n{list}");
    let imported = Imported::new(read(&dump, "production"));
    assert_eq!(imported.variant("price", &json!({"id": "bob"})), "low");
    assert_eq!(imported.variant("price", &json!({"id": "cid"})), "normal");
    assert_eq!(imported.variant("price", &json!({"id": "eve"})), "normal");
    let body = imported.body("price");
    assert_eq!(body["value_type"], "integer");
    assert_eq!(body["variants"][0]["value"], 100);
    assert_eq!(body["tags"], json!(["team=web"]));
    imported.assert_findings(
        "price",
        &[
            (
                "/evaluationRules/0",
                "the launch `spring` is left out: its split is not in the file",
            ),
            ("/tags", "50 characters"),
        ],
    );
    imported.assert_findings(
        "other",
        &[("/variations", "Add the response of get-feature")],
    );
}

#[test]
fn values_have_the_type_of_their_field() {
    for (name, values, value_type, expected) in [
        (
            "BOOLEAN",
            [json!({"boolValue": true}), json!({"boolValue": false})],
            "boolean",
            json!(true),
        ),
        (
            "STRING",
            [json!({"stringValue": "a"}), json!({"stringValue": ""})],
            "string",
            json!("a"),
        ),
        (
            "DOUBLE",
            [json!({"doubleValue": 1.5}), json!({"doubleValue": 2})],
            "number",
            json!(1.5),
        ),
    ] {
        let variations = [("normal", &values[0]), ("low", &values[1])];
        let variations = variations.map(|(name, value)| json!({"name": name, "value": value}));
        let more = json!({"valueType": name, "variations": variations, "evaluationStrategy": "DEFAULT_VARIATION"});
        let imported = Imported::new(read(&json!([feature(more)]).to_string(), "production"));
        let body = imported.body("price");
        assert_eq!(
            (&body["value_type"], &body["variants"][0]["value"]),
            (&json!(value_type), &expected)
        );
        assert!(imported.findings("price")[0].1.contains("not in use"));
    }
    let wrong = json!({"variations": [{"name": "normal", "value": {"blobValue": "x"}}]});
    let imported = Imported::new(read(&json!([feature(wrong)]).to_string(), "production"));
    assert!(imported.flag("price").body.is_none());
    assert!(read("{}", "production").is_err() && read("", "production").is_err());
}

#[test]
fn many_overrides_become_several_rules() {
    let users = (0..600).map(|number| (format!("user-{number}"), json!("low")));
    let users: serde_json::Map<String, Value> = users.collect();
    let imported = Imported::new(read(
        &feature(json!({"entityOverrides": users})).to_string(),
        "production",
    ));
    let rules = &imported.body("price")["environments"]["production"]["rules"];
    let ids: Vec<&str> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["overrides-low", "overrides-low-2", "overrides-low-3"]);
    assert_eq!(imported.variant("price", &json!({"id": "user-599"})), "low");
}
