//! What an operator sees: alarms with their sections of the docs, and the dashboard.

use assay::serve::BUILT_IN_TEMPLATE;
use regex::Regex;
use serde_json::Value as Json;
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");

fn of_type(kind: &str) -> BTreeMap<String, Value> {
    let template: Value = serde_yaml_ng::from_str(BUILT_IN_TEMPLATE).unwrap();
    let resources = template["Resources"].as_mapping().unwrap().iter();
    resources
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| {
            (
                id.as_str().unwrap().to_owned(),
                resource["Properties"].clone(),
            )
        })
        .collect()
}

#[test]
fn the_description_of_an_alarm_names_its_section_of_the_docs() {
    let sections: BTreeSet<_> = OPERATIONS
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .filter(|heading| heading.ends_with("Alarm"))
        .map(str::to_owned)
        .collect();
    let alarms = of_type("AWS::CloudWatch::Alarm");
    assert_eq!(alarms.keys().cloned().collect::<BTreeSet<_>>(), sections);
    for (id, alarm) in alarms {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        let anchor = format!(" Runbook: docs/operations.md#{}", id.to_ascii_lowercase());
        assert!(description.ends_with(&anchor), "{id}: {description}");
        // A section begins with the condition and has at least one step.
        let section = OPERATIONS.split(&format!("### {id}\n")).nth(1).unwrap();
        let section = section.split("\n#").next().unwrap();
        assert!(section.trim().split("\n\n").count() >= 2, "{id}");
    }
}

/// The body of the dashboard, with the name of each reference in its place.
fn dashboard() -> (Json, BTreeSet<String>) {
    let mut dashboards = of_type("AWS::CloudWatch::Dashboard");
    let (_, dashboard) = dashboards.pop_first().unwrap();
    let Value::Tagged(body) = &dashboard["DashboardBody"] else {
        panic!("the body of the dashboard is no text with references");
    };
    let text = body.value.as_str().unwrap();
    let reference = Regex::new(r"\$\{([\w:.]+)\}").unwrap();
    let names = reference
        .captures_iter(text)
        .map(|found| found[1].to_owned());
    let names = names.collect();
    let body = serde_json::from_str(&reference.replace_all(text, "$1"));
    (body.unwrap(), names)
}

#[test]
fn the_dashboard_has_every_alarm_every_own_metric_and_every_table() {
    let (body, references) = dashboard();
    for alarm in of_type("AWS::CloudWatch::Alarm").keys() {
        assert!(references.contains(&format!("{alarm}.Arn")), "{alarm}");
    }
    for table in of_type("AWS::DynamoDB::Table").keys() {
        assert!(references.contains(table), "{table}");
    }
    let widgets = body["widgets"].as_array().unwrap();
    let metrics: BTreeSet<_> = widgets
        .iter()
        .flat_map(|widget| {
            widget["properties"]["metrics"]
                .as_array()
                .into_iter()
                .flatten()
        })
        .map(|metric| metric[1].as_str().unwrap())
        .collect();
    for filter in of_type("AWS::Logs::MetricFilter").values() {
        let name = filter["MetricTransformations"][0]["MetricName"]
            .as_str()
            .unwrap();
        assert!(metrics.contains(name), "{name}");
    }
    for name in ["Count", "Latency", "Throttles", "IteratorAge"] {
        assert!(metrics.contains(name), "{name}");
    }
}

#[test]
fn no_two_widgets_of_the_dashboard_overlap() {
    let (body, _) = dashboard();
    let mut taken = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        let number = |name: &str| widget[name].as_u64().unwrap();
        assert!(number("x") + number("width") <= 24, "{widget}");
        for x in number("x")..number("x") + number("width") {
            for y in number("y")..number("y") + number("height") {
                assert!(taken.insert((x, y)), "{widget}");
            }
        }
    }
}
