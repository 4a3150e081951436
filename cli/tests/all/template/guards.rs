//! Settings of the template that protect data and keep one kind of request from starving another.

use assay::serve::BUILT_IN_TEMPLATE;
use assay::template::{LocalNames, Template};
use regex::Regex;
use serde_yaml_ng::Value;
use shared::store::keys;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn resources() -> BTreeMap<String, Value> {
    let template: Value = serde_yaml_ng::from_str(BUILT_IN_TEMPLATE).unwrap();
    let resources = template["Resources"].as_mapping().unwrap().iter();
    resources
        .map(|(id, resource)| (id.as_str().unwrap().to_owned(), resource.clone()))
        .collect()
}

fn of_type(kind: &str) -> BTreeMap<String, Value> {
    let mut found = resources();
    found.retain(|_, resource| resource["Type"] == kind);
    found
}

/// The argument of an intrinsic function such as `!Ref`.
fn argument(value: &Value) -> &str {
    match value {
        Value::Tagged(tagged) => tagged.value.as_str().unwrap(),
        other => panic!("{other:?} is no intrinsic function"),
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The fields of all log lines in these folders.
fn logged_fields(folders: &[PathBuf]) -> BTreeSet<String> {
    let line = Regex::new(r"tracing::(?:info|warn|error)!\s*\(([^;]*?)\);").unwrap();
    let text = Regex::new(r#""[^"]*""#).unwrap();
    let field = Regex::new(r"^[%?]?([a-z_]+)\s*(?:=|$)").unwrap();
    let mut fields = BTreeSet::new();
    for file in folders.iter().flat_map(|folder| rust_files(folder)) {
        let source = std::fs::read_to_string(file).unwrap();
        for arguments in line.captures_iter(&source) {
            let arguments = text.replace_all(&arguments[1], "");
            for argument in arguments.split(',') {
                let found = field.captures(argument.trim());
                fields.extend(found.map(|found| found[1].to_owned()));
            }
        }
    }
    fields
}

/// The fields of the access log.
fn access_log_fields() -> BTreeSet<String> {
    let format = &resources()["Api"]["Properties"]["AccessLogSetting"]["Format"];
    let format: serde_json::Value = serde_json::from_str(format.as_str().unwrap()).unwrap();
    format.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn metric_filters_read_fields_that_the_code_logs() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = Regex::new(r"\$\.([A-Za-z_]+)").unwrap();
    let filters = of_type("AWS::Logs::MetricFilter");
    assert!(filters.len() >= 5, "{filters:?}");
    for (id, filter) in filters {
        let properties = &filter["Properties"];
        let group = argument(&properties["LogGroupName"]);
        let logged = if group == "AccessLogGroup" {
            access_log_fields()
        } else {
            let name = &resources()[group]["Properties"]["LogGroupName"];
            let function = argument(name).rsplit('/').next().unwrap().to_owned();
            let function = repository.join("functions").join(function).join("src");
            logged_fields(&[function, repository.join("shared/src")])
        };
        let value = &properties["MetricTransformations"][0]["MetricValue"];
        let texts = [&properties["FilterPattern"], value].map(|text| text.as_str().unwrap());
        let read: BTreeSet<String> = texts
            .iter()
            .flat_map(|text| named.captures_iter(text))
            .map(|found| found[1].to_owned())
            .collect();
        assert!(!read.is_empty(), "{id}");
        let missing: Vec<_> = read.difference(&logged).collect();
        assert!(
            missing.is_empty(),
            "{id} reads {missing:?}, which no code logs"
        );
    }
}

#[test]
fn every_metric_of_a_filter_has_an_alarm() {
    let of_filters: BTreeSet<String> = of_type("AWS::Logs::MetricFilter")
        .values()
        .map(|filter| &filter["Properties"]["MetricTransformations"][0]["MetricName"])
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let of_alarms: BTreeSet<String> = of_type("AWS::CloudWatch::Alarm")
        .values()
        .map(|alarm| &alarm["Properties"])
        .filter(|alarm| matches!(&alarm["Namespace"], Value::Tagged(_)))
        .map(|alarm| alarm["MetricName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(of_filters, of_alarms);
}

/// Method settings by method and path, without the one of the stage.
fn limits() -> BTreeMap<(String, String), (f64, f64)> {
    let settings = &resources()["Api"]["Properties"]["MethodSettings"];
    let mut limits = BTreeMap::new();
    for setting in settings.as_sequence().unwrap() {
        let text = |name: &str| setting[name].as_str().unwrap().to_owned();
        let number = |name: &str| setting[name].as_f64();
        if let (Some(rate), Some(burst)) = (
            number("ThrottlingRateLimit"),
            number("ThrottlingBurstLimit"),
        ) {
            let path = text("ResourcePath").replace("~1", "/");
            let path = path.trim_start_matches("//").trim_start_matches('/');
            limits.insert((text("HttpMethod"), format!("/{path}")), (rate, burst));
        }
    }
    limits
}

#[test]
fn every_route_except_those_of_visitors_and_lists_has_a_limit_of_its_own() {
    let without = [
        ("GET", "/health"),
        ("HEAD", "/health"),
        ("GET", "/experiments"),
        ("GET", "/experiments/{id}"),
        ("GET", "/layers"),
        ("GET", "/layers/{id}"),
        ("GET", "/segments"),
        ("GET", "/segments/{id}"),
        ("GET", "/flags"),
        ("GET", "/flags/{key}"),
        ("GET", "/experiments/{id}/assignment/{user_id}"),
        ("POST", "/assignments"),
        ("POST", "/experiments/{id}/assignments:evaluate"),
        ("POST", "/events"),
        ("POST", "/ofrep/v1/evaluate/flags/{key}"),
        ("POST", "/ofrep/v1/evaluate/flags"),
        ("GET", "/api/features/{client_key}"),
        ("POST", "/api/eval/{client_key}"),
        ("POST", "/track"),
        ("GET", "/sticky/{client_key}"),
        ("POST", "/sticky/{client_key}"),
    ];
    let template = Template::parse(BUILT_IN_TEMPLATE, &LocalNames::default()).unwrap();
    let routes = template.routes();
    let expected: BTreeSet<_> = routes
        .map(|(_, route)| (route.method.clone(), route.path.clone()))
        .filter(|(method, path)| !without.contains(&(method.as_str(), path.as_str())))
        .collect();
    let limits = limits();
    assert_eq!(limits.keys().cloned().collect::<BTreeSet<_>>(), expected);
    // The requests that a limit lets in at once and within the timeout of 25 seconds. An account has 1,000 instances.
    let instances = |method: &str, path: &str| {
        let (rate, burst) = limits[&(method.to_owned(), path.to_owned())];
        burst + 25.0 * rate
    };
    let reading = instances("GET", "/experiments/{id}/results")
        + instances("POST", "/experiments/plan")
        + instances("POST", "/experiments/{id}/audit")
        + instances("GET", "/dashboard/{page+}");
    assert!(reading < 1_000.0, "{reading}");
}

#[test]
fn concurrency_is_reserved_for_assignments_and_limited_for_reading_by_parameters() {
    let mut by_parameter = BTreeMap::<String, Vec<String>>::new();
    for (id, function) in of_type("AWS::Serverless::Function") {
        if let Value::Tagged(condition) = &function["Properties"]["ReservedConcurrentExecutions"] {
            assert!(condition.tag == "If", "{id}");
            let choices = condition.value.as_sequence().unwrap();
            assert_eq!(argument(&choices[2]), "AWS::NoValue", "{id}");
            let parameter = argument(&choices[1]).to_owned();
            by_parameter.entry(parameter).or_default().push(id);
        }
    }
    assert_eq!(
        by_parameter["AssignmentConcurrency"],
        ["AssignFunction", "AuthorizerFunction"]
    );
    let reading = [
        "AuditFunction",
        "GetResultsFunction",
        "PlanExperimentFunction",
    ];
    assert_eq!(by_parameter["ReadingConcurrency"], reading);
    assert_eq!(by_parameter.len(), 2);
}

#[test]
fn no_update_of_a_stack_replaces_or_deletes_a_table() {
    let tables = of_type("AWS::DynamoDB::Table");
    assert_eq!(tables.len(), 5);
    for (id, table) in tables {
        // A failed first deployment leaves no table.
        assert_eq!(table["DeletionPolicy"], "RetainExceptOnCreate", "{id}");
        assert_eq!(table["UpdateReplacePolicy"], "Retain", "{id}");
        let properties = &table["Properties"];
        assert_eq!(
            argument(&properties["DeletionProtectionEnabled"]),
            "DeletionProtection",
            "{id}"
        );
    }
    let policy = include_str!("../../../../infra/stack-policy.json");
    let policy: serde_json::Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let denied = statements
        .iter()
        .find(|statement| statement["Effect"] == "Deny");
    let denied = denied.unwrap();
    assert_eq!(
        denied["Action"],
        serde_json::json!(["Update:Replace", "Update:Delete"])
    );
    assert_eq!(denied["Resource"], "*");
    let types = &denied["Condition"]["StringEquals"]["ResourceType"];
    assert_eq!(types, &serde_json::json!(["AWS::DynamoDB::Table"]));
    let deploy = include_str!("../../../../scripts/deploy");
    assert!(deploy.contains("protect \"$stack\""));
    let stacks = include_str!("../../../../scripts/deploy.d/stacks.py");
    assert!(stacks.contains("infra/stack-policy.json"));
}

/// With the permission to write any item of the tokens table, a function could give itself any scope.
#[test]
fn the_only_items_of_the_tokens_table_that_a_function_writes_are_budgets_and_sessions() {
    let named = |names: &[&str]| -> Vec<Value> {
        let patterns = names.iter().map(|name| Value::String(format!("{name}*")));
        patterns.collect()
    };
    let budgets = named(&[keys::tokens::BUDGET]);
    let sessions = [
        named(&[keys::tokens::SESSION]),
        named(&[keys::tokens::SESSION, keys::tokens::START_CODE]),
    ];
    let mut writers = Vec::new();
    for (id, function) in of_type("AWS::Serverless::Function") {
        let policies = function["Properties"]["Policies"].as_sequence();
        let statements = policies.into_iter().flatten();
        let statements = statements.flat_map(|policy| policy["Statement"].as_sequence().unwrap());
        for statement in statements {
            let of_tokens = matches!(&statement["Resource"], Value::Tagged(_))
                && argument(&statement["Resource"]) == "TokensTable.Arn";
            let actions = statement["Action"].as_sequence().unwrap();
            if of_tokens && actions.iter().any(|action| action != "dynamodb:GetItem") {
                let condition = &statement["Condition"]["ForAllValues:StringLike"];
                let keys = &condition["dynamodb:LeadingKeys"];
                let keys = keys.as_sequence().unwrap();
                match id.as_str() {
                    "DashboardFunction" => assert!(sessions.contains(keys), "{keys:?}"),
                    _ => assert_eq!(*keys, budgets, "{id}"),
                }
                writers.push(id.clone());
            }
        }
    }
    let expected = [
        "DashboardFunction",
        "DashboardFunction",
        "GetStickyBucketsFunction",
        "RecordEventsFunction",
        "RecordSdkEventsFunction",
        "RecordStickyBucketsFunction",
    ];
    assert_eq!(writers, expected);
}
