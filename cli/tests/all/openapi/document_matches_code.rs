//! openapi.yaml agrees with the constants and types of the code. No server is needed.

use super::document::Document;
use domain::access::Scope;
use domain::experiment::Status;
use domain::flag::{FlagRuleKind, ValueType};
use domain::limits;
use domain::metric::{Direction, Measure, MetricKind, MetricRole};
use domain::notification::NotificationKind;
use domain::plan::PlannedKind;
use domain::prose::grouped_size;
use domain::report::{Correction, DEFAULT_ALPHA, DecidingMethod};
use serde_json::{Value, json};
use shared::http::routes::ROUTES;
use std::collections::BTreeSet;

const METHODS: [&str; 6] = ["get", "head", "put", "post", "patch", "delete"];

#[test]
fn routes_and_scopes_are_exactly_those_of_the_code() {
    let document = Document::load();
    let mut described = BTreeSet::new();
    for (path, item) in document.at("/paths").as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let scopes: Vec<&str> = operation["security"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|scheme| scheme["token"].as_array().unwrap())
                .map(|scope| scope.as_str().unwrap())
                .collect();
            described.insert((
                method.to_uppercase(),
                path.clone(),
                scopes.first().map(ToString::to_string),
            ));
            assert!(scopes.len() <= 1, "{method} {path}: {scopes:?}");
        }
    }
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| {
            let scope = route.scope.map(|scope| Scope::name(scope).to_owned());
            (route.method.to_owned(), route.path.to_owned(), scope)
        })
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn limits_are_those_of_the_code() {
    let document = Document::load();
    let schema = |path: &str| format!("/components/schemas/{path}");
    let limit = |limit: usize| i128::try_from(limit).unwrap();
    for (pointer, expected) in [
        (schema("Variants/maxItems"), limit(limits::MAX_VARIANTS)),
        (schema("NewMetrics/maxItems"), limit(limits::MAX_METRICS)),
        (schema("Dimensions/maxItems"), limit(limits::MAX_DIMENSIONS)),
        (
            schema("AssignUsersRequest/properties/users/maxItems"),
            limit(limits::MAX_USERS_PER_REQUEST),
        ),
        (
            schema("AssignUserRequest/properties/experiments/maxItems"),
            limit(limits::MAX_NAMED_EXPERIMENTS),
        ),
        (
            schema("LayerSummary/properties/experiments/maxItems"),
            limit(limits::MAX_LAYER_EXPERIMENTS),
        ),
        (
            schema("Layer/properties/ranges/maxItems"),
            limit(limits::MAX_LAYER_RANGES),
        ),
        (
            schema("Experiment/properties/layer/properties/ranges/maxItems"),
            limit(limits::MAX_RANGES_PER_EXPERIMENT),
        ),
        (
            schema("Experiment/properties/holdouts/maxItems"),
            limit(limits::MAX_HOLDOUTS),
        ),
        (
            schema("LayerId/maxLength"),
            limit(limits::MAX_EXPERIMENT_ID_CHARS),
        ),
        (
            schema("Experiment/properties/notifications/maxItems"),
            limit(limits::MAX_KEPT_NOTIFICATIONS),
        ),
        (
            schema("Notification/properties/message/maxLength"),
            limit(limits::MAX_NOTIFICATION_CHARS),
        ),
        (
            schema("NotificationValues/properties/worse_guardrails/maxItems"),
            limit(limits::MAX_NOTIFIED_GUARDRAILS),
        ),
        (schema("NewRamp/maxItems"), limit(limits::MAX_RAMP_STEPS)),
        (
            schema("NewRolloutRamp/maxItems"),
            limit(limits::MAX_RAMP_STEPS),
        ),
        (schema("Overrides/maxItems"), limit(limits::MAX_OVERRIDES)),
        (
            schema("Attributes/maxProperties"),
            limit(limits::MAX_DIMENSIONS),
        ),
        (
            schema("DimensionKey/maxLength"),
            limit(limits::MAX_DIMENSION_KEY_CHARS),
        ),
        (
            schema("DimensionLabel/maxLength"),
            limit(limits::MAX_DIMENSION_VALUE_CHARS),
        ),
        (
            schema("EventBatch/properties/events/maxItems"),
            limit(limits::MAX_EVENTS_PER_REQUEST),
        ),
        (
            schema("ImportAssignmentsRequest/properties/assignments/maxItems"),
            limit(limits::MAX_ASSIGNMENTS_PER_REQUEST),
        ),
        (schema("UserId/maxLength"), limit(limits::MAX_USER_ID_BYTES)),
        (
            schema("EventId/maxLength"),
            limit(limits::MAX_EVENT_ID_BYTES),
        ),
        (
            schema("ExperimentId/maxLength"),
            limit(limits::MAX_EXPERIMENT_ID_CHARS),
        ),
        (
            schema("SegmentId/maxLength"),
            limit(limits::MAX_SEGMENT_ID_CHARS),
        ),
        (
            schema("EnvironmentName/maxLength"),
            limit(limits::MAX_ENVIRONMENT_CHARS),
        ),
        (schema("Origin/maxLength"), limit(limits::MAX_ORIGIN_CHARS)),
        (
            schema("CreateClientKeyRequest/properties/origins/maxItems"),
            limit(limits::MAX_ORIGINS),
        ),
        (
            schema("CreateClientKeyRequest/properties/event_types/maxItems"),
            limit(limits::MAX_CLIENT_EVENT_TYPES),
        ),
        (
            schema("CreateClientKeyRequest/properties/events_per_second/maximum"),
            limits::MAX_CLIENT_EVENTS_PER_SECOND.into(),
        ),
        (
            schema("CreateClientKeyRequest/properties/events_per_second/default"),
            limits::DEFAULT_CLIENT_EVENTS_PER_SECOND.into(),
        ),
        (
            schema("AttributeName/maxLength"),
            limit(limits::MAX_ATTRIBUTE_NAME_CHARS),
        ),
        (
            schema("ListedIds/maxItems"),
            limit(limits::MAX_IDS_PER_REQUEST),
        ),
        (
            schema("Segment/properties/id_count/maximum"),
            limit(limits::MAX_SEGMENT_IDS),
        ),
        (
            schema("Segment/properties/used_by/maxItems"),
            limit(limits::MAX_USED_BY_SHOWN),
        ),
        (schema("FlagKey/maxLength"), limit(limits::MAX_KEY_CHARS)),
        (schema("RuleId/maxLength"), limit(limits::MAX_RULE_ID_CHARS)),
        (
            schema("EnvironmentName/maxLength"),
            limit(limits::MAX_ENVIRONMENT_CHARS),
        ),
        (
            schema("NewFlagVariants/maxItems"),
            limit(limits::MAX_VARIANTS),
        ),
        (
            schema("RolloutVariants/maxItems"),
            limit(limits::MAX_VARIANTS),
        ),
        (
            schema("FlagEnvironment/properties/rules/maxItems"),
            limit(limits::MAX_FLAG_RULES),
        ),
        (
            schema("NewFlagEnvironment/properties/rules/anyOf/0/maxItems"),
            limit(limits::MAX_FLAG_RULES),
        ),
        (
            schema("Flag/properties/environments/maxProperties"),
            limit(limits::MAX_ENVIRONMENTS),
        ),
        (
            schema("CreateFlagRequest/properties/environments/anyOf/0/maxProperties"),
            limit(limits::MAX_ENVIRONMENTS),
        ),
        (
            schema("Prerequisites/maxItems"),
            limit(limits::MAX_PREREQUISITES),
        ),
        (
            schema("RevertFlagRequest/properties/version/maximum"),
            limits::MAX_FLAG_INTEGER.into(),
        ),
        (schema("Key/maxLength"), limit(limits::MAX_KEY_CHARS)),
        (schema("EventType/maxLength"), limit(limits::MAX_KEY_CHARS)),
        (schema("Name/maxLength"), limit(limits::MAX_NAME_CHARS)),
        (
            schema("Description/maxLength"),
            limit(limits::MAX_DESCRIPTION_CHARS),
        ),
        (
            schema("ExperimentList/properties/experiments/maxItems"),
            limit(limits::MAX_PAGE),
        ),
        (schema("Cursor/maxLength"), limit(limits::MAX_CURSOR_CHARS)),
        (
            schema("CreateExperimentRequest/properties/shards/maximum"),
            limits::MAX_SHARDS.into(),
        ),
        (
            schema("CreateExperimentRequest/properties/shards/default"),
            limits::DEFAULT_SHARDS.into(),
        ),
        (
            schema("Plan/properties/users/maximum"),
            limits::MAX_PLANNED_USERS.into(),
        ),
        (
            schema("NewPlan/properties/users/maximum"),
            limits::MAX_PLANNED_USERS.into(),
        ),
        (
            schema("PlanRequest/properties/users_per_day/maximum"),
            limits::MAX_PLANNED_USERS.into(),
        ),
        (
            schema("Event/properties/value/maximum"),
            limits::MAX_VALUE_UNITS,
        ),
        (
            schema("Event/properties/value/minimum"),
            -limits::MAX_VALUE_UNITS,
        ),
    ] {
        let described = i128::from(document.at(&pointer).as_i64().unwrap());
        assert_eq!(described, expected, "{pointer}");
    }
    for (bound, expected) in [
        ("minimum", limits::MIN_HOLDOUT_PERCENT),
        ("maximum", limits::MAX_HOLDOUT_PERCENT),
    ] {
        let pointer = schema(&format!("NewHoldout/properties/percent/{bound}"));
        assert_eq!(document.at(&pointer).as_f64(), Some(expected), "{bound}");
    }
    for fraction in ["Quantile", "MetricMargin", "Alpha"] {
        let least = document.at(&schema(&format!("{fraction}/minimum")));
        assert_eq!(least.as_f64(), Some(limits::MIN_FRACTION), "{fraction}");
    }
    for (pointer, expected) in [
        (
            "Event/properties/properties/description",
            limits::MAX_PROPERTIES_BYTES.to_string(),
        ),
        (
            "Event/properties/timestamp/description",
            format!("{} minutes", limits::MAX_FUTURE_MINUTES),
        ),
        (
            "FlagValue/description",
            format!("{} bytes", grouped_size(limits::MAX_FLAG_VALUE_BYTES)),
        ),
        (
            "FlagValue/description",
            format!("{} levels", limits::MAX_FLAG_VALUE_DEPTH),
        ),
        (
            "ValueSchema/description",
            format!("{} bytes", grouped_size(limits::MAX_SCHEMA_BYTES)),
        ),
        (
            "ValueSchema/description",
            format!("{} levels", limits::MAX_SCHEMA_DEPTH),
        ),
        (
            "CreateFlagRequest/description",
            format!("{} bytes", grouped_size(limits::MAX_FLAG_BYTES)),
        ),
        (
            "Flag/properties/stale/description",
            format!("{} days", limits::STALE_FLAG_DAYS),
        ),
        (
            "VariantUsers/properties/outlier_users/description",
            limits::MAX_EVENTS_PER_USER.to_string(),
        ),
        (
            "EventOutcome/properties/errors/description",
            limits::MAX_STORED_EVENTS_PER_USER_DAY.to_string(),
        ),
        (
            "EventOutcome/properties/reason/description",
            format!("{} days", limits::LATE_EVENT_DAYS),
        ),
        (
            "EventOutcome/properties/errors/description",
            limits::MAX_STORED_EVENTS_PER_USER.to_string(),
        ),
    ] {
        let text = document.at(&schema(pointer)).as_str().unwrap();
        assert!(
            text.contains(&expected),
            "{pointer} does not say {expected}"
        );
    }
}

#[test]
fn enumerations_are_those_of_the_code() {
    let document = Document::load();
    let named = |schema: &str, names: Vec<&str>| {
        let described = document.at(&format!("/components/schemas/{schema}/enum"));
        assert_eq!(*described, json!(names), "{schema}");
    };
    named("Status", Status::ALL.map(|(name, _)| name).to_vec());
    named("Kind", MetricKind::NAMES.to_vec());
    named(
        "Notification/properties/kind",
        NotificationKind::ALL.map(|(name, _)| name).to_vec(),
    );
    named("Measure", Measure::ALL.map(|(name, _)| name).to_vec());
    named(
        "DecidingMethod",
        DecidingMethod::ALL.map(|(name, _)| name).to_vec(),
    );
    named("Correction", Correction::ALL.map(|(name, _)| name).to_vec());
    let planned = PlannedKind::ALL.map(|(name, _)| name);
    named("PlanMetric/oneOf/1/properties/kind", planned[1..].to_vec());
    named("ValueType", ValueType::ALL.map(|(name, _)| name).to_vec());
    named("RuleType", FlagRuleKind::NAMES.to_vec());
    named("Role", MetricRole::ALL.map(|(name, _)| name).to_vec());
    named("Direction", Direction::ALL.map(|(name, _)| name).to_vec());
}

#[test]
fn descriptions_of_the_parameters_of_results_state_the_values_of_the_code() {
    let document = Document::load();
    let parameters = document.at("/paths/~1experiments~1{id}~1results/get/parameters");
    let parameter = |name: &str| {
        let mut all = parameters.as_array().unwrap().iter();
        all.find(|parameter| parameter["name"] == name).unwrap()
    };
    let says = |name: &str, expected: String| {
        let text = parameter(name)["description"].as_str().unwrap();
        assert!(text.contains(&expected), "{name} does not say {expected}");
    };
    says("cuped", limits::MAX_USERS_WITH_PRE_EXPOSURE.to_string());
    says(
        "cuped",
        format!("{} days", domain::contribution::PRE_EXPOSURE_DAYS),
    );
    says("alpha", DEFAULT_ALPHA.to_string());
    let correction = parameter("correction")["schema"]["default"].as_str();
    assert_eq!(correction, Some(Correction::default().name()));
}

#[test]
fn schemas_are_valid_and_examples_conform_to_them() {
    let document = Document::load();
    for name in document
        .at("/components/schemas")
        .as_object()
        .unwrap()
        .keys()
    {
        document.check(
            &json!({ "$ref": format!("#/components/schemas/{name}") }),
            None,
        );
    }
    let mut examples = 0;
    document.each("", &mut |pointer, value| {
        let Some(schema) = value.get("schema") else {
            return;
        };
        let named = value.get("examples").and_then(Value::as_object);
        let named = named.into_iter().flat_map(|examples| examples.values());
        let named = named.map(|example| {
            let reference = example["$ref"].as_str().unwrap().trim_start_matches('#');
            document.at(&format!("{reference}/value")).clone()
        });
        for example in value.get("example").cloned().into_iter().chain(named) {
            let wrong = document.faults(schema, &example);
            assert!(wrong.is_empty(), "the example at {pointer}: {wrong:#?}");
            examples += 1;
        }
    });
    assert!(examples >= 10, "only {examples} examples");
}
