//! The policy of a token, as IAM reads it: a function of the token alone.

use domain::access::{Grant, Scope};
use domain::time::Timestamp;
use proptest::prelude::*;
use shared::http::policy::Authorization;
use shared::http::routes::ROUTES;
use std::collections::BTreeSet;

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/live";

fn grant(bits: u8) -> Grant {
    let scopes = Scope::ALL.into_iter().enumerate();
    let scopes = scopes.filter(|(place, _)| bits >> place & 1 == 1);
    Grant {
        token_id: "t".to_owned(),
        name: "t".to_owned(),
        scopes: scopes.map(|(_, (_, scope))| scope).collect::<BTreeSet<_>>(),
        created_at: Timestamp::MIN,
        expires_at: None,
    }
}

/// Whether a policy opens a method, read as IAM reads it: a matching deny wins over any allow.
fn opens(policy: &serde_json::Value, arn: &str) -> bool {
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

/// IAM's wildcards, by the plainest recursion.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        Some((b'?', rest)) => !text.is_empty() && matches(rest, &text[1..]),
        Some((byte, rest)) => text.first() == Some(byte) && matches(rest, &text[1..]),
    }
}

fn dimension() -> impl Strategy<Value = String> {
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
    fn a_policy_opens_a_route_exactly_if_its_scope_is_held(bits in 0_u8..16, id in dimension(), user in dimension()) {
        let grant = grant(bits);
        let policy = serde_json::to_value(Authorization::new(&grant, &format!("{STAGE}/GET/health"))).unwrap();
        for route in ROUTES.iter().filter(|route| route.scope.is_some()) {
            let path = route.path.replace("{id}", &id).replace("{user_id}", &user);
            let arn = format!("{STAGE}/{}{path}", route.method);
            let held = route.scope.is_some_and(|scope| grant.scopes.contains(&scope));
            prop_assert_eq!(opens(&policy, &arn), held, "{} with {:?}", arn, grant.scopes);
            // Nor does it open any other stage or API.
            let elsewhere = arn.replace("/live/", "/test/");
            prop_assert!(!opens(&policy, &elsewhere));
        }
    }

    #[test]
    fn a_policy_does_not_depend_on_the_method_that_was_called(bits in 0_u8..16, method in "[A-Z]{3,7}", path in "[a-z*?/%{}0-9]{0,40}") {
        let grant = grant(bits);
        let expected = Authorization::new(&grant, &format!("{STAGE}/GET/experiments"));
        prop_assert_eq!(Authorization::new(&grant, &format!("{STAGE}/{method}/{path}")), expected);
    }

    #[test]
    fn context_values_are_texts_and_the_token_is_not_among_them(bits in 0_u8..16) {
        let policy = serde_json::to_value(Authorization::new(&grant(bits), STAGE)).unwrap();
        let context = policy["context"].as_object().unwrap();
        prop_assert!(context.values().all(serde_json::Value::is_string));
        let names: Vec<_> = context.keys().map(String::as_str).collect();
        prop_assert_eq!(names, ["scopes", "token_name"]);
    }
}
