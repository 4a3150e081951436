//! Compares the policy evaluation with a simple implementation of IAM's rules.

use super::support::{Setup, TOKEN, authorizer, policy};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A simple implementation: it converts the pattern to a regular expression.
fn covers(pattern: &str, text: &str) -> bool {
    let expression: String = pattern
        .chars()
        .map(|c| match c {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            other => regex::escape(&other.to_string()),
        })
        .collect();
    regex::Regex::new(&format!("(?s)^{expression}$"))
        .unwrap()
        .is_match(text)
}

fn statements() -> impl Strategy<Value = Vec<(bool, String, String)>> {
    let action = prop_oneof![
        Just("*"),
        Just("execute-api:Invoke"),
        Just("execute-api:invoke"),
        Just("execute-api:*"),
        Just("execute-api:In?oke"),
        Just("execute-api:ManageConnections"),
        Just("dynamodb:*"),
    ];
    let resource = prop_oneof![
        "(\\*|arn:aws:execute-api:us-east-1:\\*:\\*)/dev/(GET|PUT|\\*|\\?\\?\\?)/notes(/\\*|/[ab?*]{1,3})?",
        Just("*".to_owned()),
        Just("arn:aws:execute-api:us-east-1:123456789012:localassay/prod/*".to_owned()),
    ];
    prop::collection::vec(
        (any::<bool>(), action.prop_map(str::to_owned), resource),
        0..4,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_request_is_allowed_if_a_statement_allows_it_and_none_denies_it(
        statements in statements(),
        method in prop_oneof![Just("GET"), Just("PUT")],
        id in "[ab]{1,3}",
    ) {
        let document: Vec<Value> = statements
            .iter()
            .map(|(allow, action, resource)| {
                let effect = if *allow { "Allow" } else { "Deny" };
                json!({ "Effect": effect, "Action": action, "Resource": [resource] })
            })
            .collect();
        let arn = format!("arn:aws:execute-api:us-east-1:123456789012:localassay/dev/{method}/notes/{id}");
        let applies = |(_, action, resource): &&(bool, String, String)| {
            covers(&action.to_lowercase(), "execute-api:invoke") && covers(resource, &arn)
        };
        let applicable: Vec<bool> = statements.iter().filter(applies).map(|s| s.0).collect();
        let expected = if !applicable.is_empty() && applicable.iter().all(|allow| *allow) { 200 } else { 403 };

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async {
            let answer = policy(json!(document));
            let setup = Setup::new().with("authorizer", authorizer(move |_| Ok(answer.clone())));
            let api = setup.start().await;
            let request = api.request(method, &format!("/notes/{id}")).header("authorization", TOKEN);
            request.send().await.unwrap().status().as_u16()
        });
        prop_assert_eq!(status, expected);
    }
}
