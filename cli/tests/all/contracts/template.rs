//! The template agrees with the code that it deploys.

use assay::environment::Environments;
use assay::functions::{self, Notifications};
use assay::serve::BUILT_IN_TEMPLATE;
use assay::template::{LocalNames, Projection, Table, TableKey, Template};
use domain::access::Scope;
use shared::config::{Config, VARIABLES};
use shared::http::routes::{PAGES, ROUTES};
use shared::notifications::BUS_VARIABLE;
use shared::store::keys;
use std::collections::{BTreeMap, BTreeSet};

/// The functions that send notifications.
const NOTIFYING: [&str; 3] = ["aggregate", "audit-sample", "backfill"];

fn template() -> Template {
    Template::parse(BUILT_IN_TEMPLATE, &LocalNames::default()).unwrap()
}

#[test]
fn routes_and_their_scopes_are_those_of_the_code() {
    let template = template();
    let declared: BTreeSet<_> = template
        .routes()
        .map(|(function, route)| {
            let (method, path) = (route.method.clone(), route.path.clone());
            (
                function.binary.clone(),
                method,
                path,
                function.scope.clone(),
            )
        })
        .collect();
    let coded: BTreeSet<_> = ROUTES
        .iter()
        .chain(&PAGES)
        .map(|route| {
            let scope = route.scope.map(|scope| scope.name().to_owned());
            (
                route.function.to_owned(),
                route.method.to_owned(),
                route.path.to_owned(),
                scope,
            )
        })
        .collect();
    assert_eq!(declared, coded);
    assert_eq!(ROUTES.len() + PAGES.len(), coded.len());
}

#[test]
fn the_paths_with_preflight_responses_are_those_that_are_open_to_client_keys() {
    let template = template();
    let declared: BTreeSet<&str> = template
        .api
        .preflights
        .iter()
        .map(|preflight| preflight.path.as_str())
        .collect();
    let open = ROUTES.iter().filter(|route| route.client_key);
    assert_eq!(declared, open.map(|route| route.path).collect());
}

#[test]
fn every_scope_is_required_by_a_route() {
    for (name, scope) in Scope::ALL {
        assert!(
            ROUTES.iter().any(|route| route.scope == Some(scope)),
            "{name}"
        );
        assert_eq!(scope.name(), name);
    }
}

#[tokio::test]
async fn every_function_of_the_template_is_wired_and_no_other() {
    let template = template();
    let environments = Environments::new(&template, &LocalNames::default(), "http://127.0.0.1:1");
    let wired: BTreeSet<_> = functions::wire(&environments, &Notifications::default())
        .await
        .unwrap()
        .into_keys()
        .collect();
    let declared: BTreeSet<_> = template
        .functions
        .values()
        .map(|f| f.binary.clone())
        .collect();
    assert_eq!(wired, declared);
}

#[test]
fn only_the_authorizer_has_no_event_source() {
    let template = template();
    let without_events: Vec<_> = template
        .functions
        .values()
        .filter(|f| f.events.is_empty())
        .collect();
    assert_eq!(without_events.len(), 1);
    assert_eq!(without_events[0].binary, "authorizer");
    for authorizer in template.api.authorizers.values() {
        assert_eq!(
            template.function_with_arn(&authorizer.function_arn),
            Some(without_events[0])
        );
    }
}

#[test]
fn every_function_gets_exactly_the_variables_that_the_code_reads() {
    let template = template();
    for function in template.functions.values() {
        let mut expected: BTreeSet<_> = VARIABLES.map(str::to_owned).into();
        if NOTIFYING.contains(&function.binary.as_str()) {
            expected.insert(BUS_VARIABLE.to_owned());
            assert_eq!(
                function.environment[BUS_VARIABLE],
                "assay-local-notifications"
            );
        }
        let given: BTreeSet<_> = function.environment.keys().cloned().collect();
        assert_eq!(given, expected, "{}", function.binary);
        let lookup = |name: &str| function.environment.get(name).cloned();
        Config::read(lookup).unwrap();
        // The code reads each of them.
        for name in VARIABLES {
            let without = |asked: &str| lookup(asked).filter(|_| asked != name);
            assert!(Config::read(without).is_err(), "{name}");
        }
    }
}

#[test]
fn variables_name_the_tables_that_they_are_named_after() {
    let template = template();
    for function in template.functions.values() {
        for (variable, id) in [
            ("EXPERIMENTS_TABLE", "ExperimentsTable"),
            ("ASSIGNMENTS_TABLE", "AssignmentsTable"),
            ("EVENTS_TABLE", "EventsTable"),
            ("AGGREGATES_TABLE", "AggregatesTable"),
            ("TOKENS_TABLE", "TokensTable"),
        ] {
            assert_eq!(function.environment[variable], template.tables[id].name);
        }
    }
}

fn key(key: &TableKey) -> Vec<(&str, &str)> {
    let attributes = key.attributes();
    attributes
        .map(|attribute| (attribute.name.as_str(), attribute.kind.as_str()))
        .collect()
}

type Index<'t> = (&'t str, Vec<(&'t str, &'t str)>, &'t Projection);

fn index(table: &Table) -> Index<'_> {
    assert_eq!(table.indexes.len(), 1);
    indexes(table).remove(0)
}

fn indexes(table: &Table) -> Vec<Index<'_>> {
    let indexes = table.indexes.iter();
    indexes
        .map(|index| (&*index.name, key(&index.key), &index.projection))
        .collect()
}

fn included<const N: usize>(names: [&str; N]) -> Projection {
    let mut names = names.map(str::to_owned).to_vec();
    names.sort();
    Projection::Include(names)
}

#[test]
fn keys_and_indexes_are_those_of_the_code() {
    let tables: BTreeMap<_, _> = template().tables;
    let names: Vec<_> = tables.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "AggregatesTable",
            "AssignmentsTable",
            "EventsTable",
            "ExperimentsTable",
            "TokensTable"
        ]
    );

    use keys::experiments as e;
    let table = &tables["ExperimentsTable"];
    assert_eq!(key(&table.key), [(e::EXPERIMENT_ID, "S"), (e::RECORD, "S")]);
    let by_status = vec![(e::STATUS, "S"), (e::CREATED_AT_ID, "S")];
    let texts = included([e::TEXTS]);
    assert_eq!(
        indexes(table),
        [
            (e::BY_STATUS, by_status.clone(), &Projection::All),
            (e::SEARCH_BY_STATUS, by_status, &texts),
        ]
    );

    use keys::assignments as a;
    let table = &tables["AssignmentsTable"];
    assert_eq!(
        key(&table.key),
        [(a::USER_ID, "S"), (a::EXPERIMENT_ID, "S")]
    );
    let by_experiment = vec![(a::EXPERIMENT_SHARD, "S"), (a::STORED_AT_HASH, "S")];
    let projection = included(["variant", "source", "attributes", "assigned_at"]);
    assert_eq!(index(table), (a::BY_EXPERIMENT, by_experiment, &projection));

    use keys::events as v;
    let table = &tables["EventsTable"];
    assert_eq!(
        key(&table.key),
        [(v::USER_ID, "S"), (v::EXPERIMENT_EVENT, "S")]
    );
    let by_experiment = vec![(v::EXPERIMENT_SHARD, "S"), (v::STORED_AT_EVENT, "S")];
    let projection = included([
        "event_type",
        "value",
        "properties",
        "counted_at",
        "received_at",
    ]);
    assert_eq!(index(table), (v::BY_EXPERIMENT, by_experiment, &projection));

    use keys::aggregates as s;
    let table = &tables["AggregatesTable"];
    assert_eq!(key(&table.key), [(s::PARTITION, "S"), (s::ITEM, "S")]);
    assert!(table.indexes.is_empty());
    assert_eq!(table.ttl_attribute.as_deref(), Some(s::EXPIRES_AT));

    use keys::tokens as t;
    let table = &tables["TokensTable"];
    assert_eq!(key(&table.key), [(t::TOKEN_SHA256, "S")]);
    assert!(table.indexes.is_empty());
    assert_eq!(table.ttl_attribute.as_deref(), Some(t::EXPIRES_AT));
}

#[test]
fn only_tables_of_source_records_have_a_stream_and_events_never_expire() {
    for (id, table) in template().tables {
        let (stream, expires_at) = match id.as_str() {
            "EventsTable" => (Some("NEW_IMAGE"), None),
            "AssignmentsTable" => (Some("NEW_IMAGE"), Some("expires_at")),
            "ExperimentsTable" => (Some("NEW_AND_OLD_IMAGES"), Some("expires_at")),
            _ => (None, Some("expires_at")),
        };
        assert_eq!(table.stream.as_deref(), stream, "{id}");
        assert_eq!(table.ttl_attribute.as_deref(), expires_at, "{id}");
    }
}

#[test]
fn no_role_may_scan_or_access_unnamed_tables_and_only_erasures_aggregates_and_layers_delete() {
    for function in template().functions.values() {
        for statement in &function.statements {
            for action in &statement.actions {
                let permitted = [
                    "GetItem",
                    "BatchGetItem",
                    "PutItem",
                    "Query",
                    "UpdateItem",
                    "ConditionCheckItem",
                ];
                if action == "events:PutEvents" && NOTIFYING.contains(&function.binary.as_str()) {
                    continue;
                }
                let name = action.strip_prefix("dynamodb:").unwrap();
                // Roles that complete an erasure.
                let erasing = ["erase-user", "dashboard", "aggregate", "backfill"];
                let erases = erasing.contains(&function.binary.as_str());
                let erases = erases && ["BatchWriteItem", "DeleteItem"].contains(&name);
                // A backfill can compute aggregates again from the records.
                let aggregates = |resource: &String| resource.ends_with("AggregatesTable");
                let deletes_aggregates =
                    name == "DeleteItem" && statement.resources.iter().all(aggregates);
                // The item that the route is about, and the record that a definition uses a segment.
                let deletes_itself = name == "DeleteItem"
                    && [
                        "change-experiment",
                        "change-flag",
                        "change-segment",
                        "delete-flag",
                        "delete-layer",
                        "delete-segment",
                        "publish-flag",
                        "revert-flag",
                    ]
                    .contains(&function.binary.as_str());
                assert!(
                    permitted.contains(&name) || erases || deletes_aggregates || deletes_itself,
                    "{} may {action}",
                    function.binary
                );
            }
            for resource in &statement.resources {
                assert!(
                    !resource.contains('*'),
                    "{} reaches {resource}",
                    function.binary
                );
            }
        }
    }
}

#[test]
fn the_gateway_and_the_code_accept_the_same_tokens() {
    use domain::access::Token;
    for authorizer in template().api.authorizers.values() {
        let expression = authorizer.validation_expression.clone().unwrap();
        let expression = regex::Regex::new(&expression).unwrap();
        let made = Token::from_bits([0xFB; 32]);
        let long = "a".repeat(128);
        let too_long = "a".repeat(129);
        for token in [
            made.reveal(),
            "assay_-0123456789ABCDef",
            &long,
            &too_long,
            "a".repeat(19).as_str(),
            "with space and more of it",
            "ünïcode-ünïcode-ünïcode",
            "",
        ] {
            let header = format!("Bearer {token}");
            assert_eq!(
                expression.is_match(&header),
                Token::from_header(&header).is_some(),
                "{token}"
            );
        }
    }
}
