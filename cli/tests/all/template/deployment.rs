//! The deployed template.

use assay::serve::BUILT_IN_TEMPLATE;
use assay::template::{LocalNames, Template};
use serde_yaml_ng::Value;
use std::collections::BTreeSet;
use std::time::Duration;

fn template() -> Template {
    Template::parse(BUILT_IN_TEMPLATE, &LocalNames::default()).unwrap()
}

#[test]
fn every_route_of_the_api_but_health_and_those_with_a_client_key_in_the_address_needs_a_token_and_names_its_scope()
 {
    let template = template();
    for (function, route) in template.routes() {
        // The key is in the path, or in the query of `/track`.
        let has_key = route.path == "/track" || route.path.contains("{client_key}");
        // The dashboard checks a session.
        let is_page = function.binary == "dashboard";
        let open = route.path == "/health" || has_key || is_page;
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
fn a_functions_timeout_is_shorter_than_the_gateways() {
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
fn gateway_responses_are_problem_documents_with_the_same_status() {
    for (kind, response) in template().api.gateway_responses {
        // The same body for each of the two types, because AWS does not document which of them a client gets.
        let types: Vec<_> = response.templates.iter().map(|(name, _)| name).collect();
        assert_eq!(
            types,
            ["application/json", "application/problem+json"],
            "{kind}"
        );
        let (_, body) = &response.templates[0];
        assert_eq!(*body, response.templates[1].1, "{kind}");
        let content_type = response
            .headers
            .iter()
            .find(|(name, _)| name == "Content-Type");
        assert_eq!(
            content_type.map(|(_, value)| value.as_str()),
            Some("application/problem+json"),
            "{kind}"
        );
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

/// Logical ids of the functions whose metric with this name an alarm uses. Empty if the alarm has a single metric.
fn functions_with_alarm(alarm: &Value, metric: &str) -> Vec<String> {
    let queries = alarm["Properties"]["Metrics"].as_sequence();
    let stats = queries
        .into_iter()
        .flatten()
        .filter_map(|query| query.get("MetricStat"));
    let named = stats.filter(|stat| stat["Metric"]["MetricName"] == metric);
    named
        .map(|stat| match &stat["Metric"]["Dimensions"][0]["Value"] {
            Value::Tagged(reference) => reference.value.as_str().unwrap().to_owned(),
            other => panic!("{other:?} does not refer to a function"),
        })
        .collect()
}

fn alarms() -> Vec<(String, Value)> {
    let template: Value = serde_yaml_ng::from_str(BUILT_IN_TEMPLATE).unwrap();
    let resources = template["Resources"].as_mapping().unwrap();
    let alarms = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    alarms
        .map(|(id, alarm)| (id.as_str().unwrap().to_owned(), alarm.clone()))
        .collect()
}

#[test]
fn no_alarm_uses_more_than_ten_metrics() {
    for (id, alarm) in alarms() {
        let queries = alarm["Properties"]["Metrics"].as_sequence();
        let stats = queries
            .into_iter()
            .flatten()
            .filter(|query| query.get("MetricStat").is_some());
        assert!(stats.count() <= 10, "{id}");
    }
}

#[test]
fn the_docs_contain_the_number_of_alarm_metrics() {
    let metrics: usize = alarms()
        .iter()
        .map(|(_, alarm)| match alarm["Properties"].get("Metrics") {
            None => 1,
            Some(queries) => {
                let queries = queries.as_sequence().unwrap().iter();
                queries
                    .filter(|query| query.get("MetricStat").is_some())
                    .count()
            }
        })
        .sum();
    let readme = include_str!("../../../../README.md");
    assert!(
        readme.contains(&format!("{metrics} alarm metrics")),
        "{metrics}"
    );
    let operations = include_str!("../../../../docs/operations.md");
    assert!(
        operations.contains(&format!("{metrics} metrics at 0.10")),
        "{metrics}"
    );
}

#[test]
fn alarms_cover_errors_of_all_functions_and_durations_of_slow_route_functions() {
    let of = |metric: &str| -> BTreeSet<String> {
        let alarms = alarms();
        let ids = alarms
            .iter()
            .flat_map(|(_, alarm)| functions_with_alarm(alarm, metric));
        ids.collect()
    };
    let template = template();
    let behind_routes = |slowest: Duration| -> BTreeSet<String> {
        let functions = template.functions.iter().filter(|(_, function)| {
            function.routes().next().is_some() && function.timeout > slowest
        });
        functions.map(|(id, _)| id.clone()).collect()
    };
    // The authorizer is excluded, because its "Unauthorized" counts as an error.
    let all = template
        .functions
        .keys()
        .filter(|id| *id != "AuthorizerFunction");
    assert_eq!(of("Errors"), all.cloned().collect());
    assert_eq!(of("Duration"), behind_routes(Duration::from_secs(10)));
}

/// Without the type, SAM gives the function no permission to send messages, and the mapping cannot be created.
#[test]
fn every_failure_destination_has_a_type() {
    let destinations: Vec<_> = BUILT_IN_TEMPLATE
        .lines()
        .filter(|line| line.contains("OnFailure:"))
        .collect();
    assert!(destinations.len() >= 3, "{destinations:?}");
    for destination in destinations {
        assert!(destination.contains("Type: SQS,"), "{destination}");
    }
}
