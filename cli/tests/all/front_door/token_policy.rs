//! The policy of a token, evaluated as IAM evaluates it. It depends only on the token.

use domain::access::{Grant, Scope};
use domain::client_key::{ClientKey, ClientKeyText, NewClientKey};
use domain::ids::EnvironmentName;
use domain::time::Timestamp;
use proptest::prelude::*;
use shared::http::policy::Authorization;
use shared::http::routes::{ROUTES, Route};
use std::collections::BTreeSet;

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/live";

fn grant(bits: u8) -> Grant {
    let scopes = Scope::ALL.into_iter().enumerate();
    let scopes = scopes.filter(|(index, _)| bits >> index & 1 == 1);
    Grant {
        token_id: "t".to_owned(),
        name: "t".to_owned(),
        scopes: scopes.map(|(_, (_, scope))| scope).collect::<BTreeSet<_>>(),
        created_at: Timestamp::MIN,
        expires_at: None,
        events_per_second: None,
        hides_assignments: false,
        environment: None,
    }
}

fn client_key() -> ClientKey {
    let new = NewClientKey {
        name: "Shop".to_owned(),
        environment: EnvironmentName::parse("staging").unwrap(),
        origins: Vec::new(),
        flag_tags: Vec::new(),
        event_types: Vec::new(),
        events_per_second: 100,
        secure_attributes: None,
        decryption_key: None,
    };
    ClientKey::new(ClientKeyText::from_bits([7; 16]), new, Timestamp::MIN)
}

#[test]
fn the_context_of_a_token_has_its_environment() {
    let staging = Grant {
        environment: EnvironmentName::parse("staging").ok(),
        ..grant(1)
    };
    let policy = serde_json::to_value(Authorization::new(&staging, STAGE)).unwrap();
    assert_eq!(policy["context"]["environment"], "staging");
    let policy = serde_json::to_value(Authorization::new(&grant(1), STAGE)).unwrap();
    assert_eq!(policy["context"].get("environment"), None);
}

#[test]
fn the_context_of_a_client_key_has_its_text_and_environment_and_no_scopes() {
    let policy = Authorization::of_client_key(&client_key(), STAGE);
    let policy = serde_json::to_value(policy).unwrap();
    let key = client_key();
    let expected = serde_json::json!({"client_key": key.key, "environment": "staging"});
    assert_eq!(policy["context"], expected);
    assert_eq!(policy["principalId"], key.id.as_str());
}

/// Whether a policy allows a method. As in IAM, a matching deny overrides any allow.
fn allows(policy: &serde_json::Value, arn: &str) -> bool {
    let statements = policy["policyDocument"]["Statement"].as_array().unwrap();
    let applies = |statement: &&serde_json::Value| {
        let resources = statement["Resource"].as_array().unwrap();
        resources
            .iter()
            .any(|pattern| matches(pattern.as_str().unwrap().as_bytes(), arn.as_bytes()))
    };
    let effects: Vec<_> = statements
        .iter()
        .filter(applies)
        .map(|s| s["Effect"].as_str().unwrap())
        .collect();
    !effects.is_empty() && !effects.contains(&"Deny")
}

/// Matches IAM's wildcards by simple recursion.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        Some((b'?', rest)) => !text.is_empty() && matches(rest, &text[1..]),
        Some((byte, rest)) => text.first() == Some(byte) && matches(rest, &text[1..]),
    }
}

fn path_segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("results".to_owned()),
        Just("assignment".to_owned()),
        Just("assignments".to_owned()),
        Just("experiments".to_owned()),
        Just("*".to_owned()),
        Just("a%2Fassignment%2Fb".to_owned()),
        "[a-zA-Z0-9%._~*?-]{1,12}",
    ]
}

proptest! {
    #[test]
    fn a_policy_allows_exactly_the_routes_of_its_scopes(bits in 0_u8..16, id in path_segment(), user in path_segment()) {
        let grant = grant(bits);
        let policy = serde_json::to_value(Authorization::new(&grant, &format!("{STAGE}/GET/health"))).unwrap();
        for route in ROUTES.iter().filter(|route| route.scope.is_some()) {
            let path = route.path.replace("{id}", &id).replace("{user_id}", &user);
            let arn = format!("{STAGE}/{}{path}", route.method);
            let held = route.scope.is_some_and(|scope| grant.scopes.contains(&scope));
            prop_assert_eq!(allows(&policy, &arn), held, "{} with {:?}", arn, grant.scopes);
            // API Gateway compares a path with its slash at the end. The function refuses it.
            prop_assert_eq!(allows(&policy, &format!("{arn}/")), held, "{}/ with {:?}", arn, grant.scopes);
            // The policy allows no other stage.
            let elsewhere = arn.replace("/live/", "/test/");
            prop_assert!(!allows(&policy, &elsewhere));
        }
    }

    #[test]
    fn a_policy_does_not_depend_on_the_method_that_was_called(bits in 0_u8..16, method in "[A-Z]{3,7}", path in "[a-z*?/%{}0-9]{0,40}") {
        let grant = grant(bits);
        let expected = Authorization::new(&grant, &format!("{STAGE}/GET/experiments"));
        prop_assert_eq!(Authorization::new(&grant, &format!("{STAGE}/{method}/{path}")), expected);
    }

    #[test]
    fn the_policy_of_a_client_key_allows_exactly_the_routes_that_are_open_to_it(id in path_segment(), user in path_segment()) {
        let policy = serde_json::to_value(Authorization::of_client_key(&client_key(), STAGE)).unwrap();
        for route in ROUTES.iter().filter(|route| route.scope.is_some()) {
            let path = route.path.replace("{id}", &id).replace("{user_id}", &user);
            let arn = format!("{STAGE}/{}{path}", route.method);
            prop_assert_eq!(allows(&policy, &arn), route.client_key, "{}", arn);
        }
        let statements = policy["policyDocument"]["Statement"].as_array().unwrap();
        // Without an open route, everything is denied.
        let all = serde_json::json!([format!("{STAGE}/*")]);
        let denies_all = statements.iter().any(|one| one["Effect"] == "Deny" && one["Resource"] == all);
        let is_open = |route: &Route| route.scope.is_some() && route.client_key;
        prop_assert_eq!(denies_all, !ROUTES.iter().any(is_open));
    }

    #[test]
    fn context_values_are_strings_and_do_not_include_the_token(bits in 0_u8..16) {
        let policy = serde_json::to_value(Authorization::new(&grant(bits), STAGE)).unwrap();
        let context = policy["context"].as_object().unwrap();
        prop_assert!(context.values().all(serde_json::Value::is_string));
        let names: Vec<_> = context.keys().map(String::as_str).collect();
        prop_assert_eq!(names, ["scopes", "token_name"]);
    }
}
