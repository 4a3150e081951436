//! The template that is deployed.

use assay::serve::BUILT_IN_TEMPLATE;
use assay::template::{LocalNames, Template};
use std::collections::BTreeSet;

fn template() -> Template {
    Template::parse(BUILT_IN_TEMPLATE, &LocalNames::default()).unwrap()
}

#[test]
fn every_route_but_health_needs_a_token_and_names_its_scope() {
    let template = template();
    for (function, route) in template.routes() {
        let open = route.path == "/health";
        assert_eq!(
            template.authorizer_of(route).is_none(),
            open,
            "{}",
            route.path
        );
        assert_eq!(function.scope.is_none(), open, "{}", route.path);
    }
}

#[test]
fn no_two_functions_share_a_binary_or_a_route() {
    let template = template();
    let binaries: BTreeSet<_> = template.functions.values().map(|f| &f.binary).collect();
    assert_eq!(binaries.len(), template.functions.len());
    let routes: BTreeSet<_> = template
        .routes()
        .map(|(_, r)| (&r.method, &r.path))
        .collect();
    assert_eq!(routes.len(), template.routes().count());
}

#[test]
fn a_function_gives_up_before_the_gateway_does() {
    for function in template().functions.values() {
        if function.routes().next().is_some() {
            assert!(
                function.timeout < assay::gateway::INTEGRATION_TIMEOUT,
                "{}",
                function.binary
            );
        }
    }
}

#[test]
fn gateway_responses_are_problems_with_the_status_that_they_are_sent_with() {
    for (kind, response) in template().api.gateway_responses {
        assert_eq!(response.templates.len(), 1, "{kind}");
        let (content_type, body) = &response.templates[0];
        assert_eq!(content_type, "application/problem+json", "{kind}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["request_id"], "$context.requestId", "{kind}");
        assert!(
            problem["code"].is_string() && problem["detail"].is_string(),
            "{kind}"
        );
        let stated = problem.get("status").and_then(serde_json::Value::as_u64);
        assert_eq!(stated, response.status.map(u64::from), "{kind}");
    }
}
