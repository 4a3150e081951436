//! A second implementation of the rules, written without regard to speed: it reads a definition as JSON and goes through
//! the rules as the API guide lists them. Both give the same variant and reason for random definitions and users.

#![expect(
    clippy::unwrap_used,
    reason = "a test; values that it generates are valid"
)]

use domain::allocation::{Allocation, Release, Variant, Variants};
use domain::analysis_definition::AnalysisDefinition;
use domain::bucketing::{HashVersion, bucket_value};
use domain::condition::{Condition, NoSegments};
use domain::evaluation::evaluate;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::ids::{ExperimentId, UserId, VariantKey};
use domain::overrides::Override;
use domain::ramp::{Ramp, RampStep};
use domain::schedule::Schedule;
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// 100,000 evaluations in all.
const DEFINITIONS: u32 = 20_000;
const CONTEXTS: usize = 5;
const USERS: [&str; 4] = ["ann", "bob", "carol", "dora"];

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn condition() -> impl Strategy<Value = Value> {
    let country = || select(vec!["DE", "FR", "IT"]);
    let clause = prop_oneof![
        country().prop_map(|country| json!({ "country": country })),
        prop::collection::vec(country(), 0..3).prop_map(|list| json!({"country": {"$in": list}})),
        country().prop_map(|country| json!({"country": {"$ne": country}})),
        (0..4).prop_map(|age| json!({"age": {"$gte": age}})),
        (0..4).prop_map(|age| json!({"age": {"$lt": age, "$exists": true}})),
        any::<bool>().prop_map(|exists| json!({"team.name": {"$exists": exists}})),
        select(USERS.to_vec()).prop_map(|user| json!({ "id": user })),
        (0..3).prop_map(|tag| json!({"tags": {"$elemMatch": {"$eq": tag}}})),
    ];
    clause.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({ "$and": all })),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|any| json!({ "$or": any })),
            inner.prop_map(|not| json!({ "$not": not })),
        ]
    })
}

fn an_override(variants: usize) -> impl Strategy<Value = Override> {
    let users = subsequence(USERS.to_vec(), 1..3).prop_map(|users| (users, None));
    let matching = condition().prop_map(|condition| (Vec::new(), Some(condition)));
    (0..variants, prop_oneof![users, matching]).prop_map(|(variant, (users, condition))| Override {
        variant: VariantKey::parse(&format!("v{variant}")).unwrap(),
        users: users
            .iter()
            .map(|user| UserId::parse(user).unwrap())
            .collect(),
        condition: condition.map(|condition| Condition::compile(condition).unwrap()),
    })
}

fn allocation() -> impl Strategy<Value = Allocation> {
    let weights = select(vec![
        vec![50.0, 50.0],
        vec![10.0, 20.0, 70.0],
        vec![33.33, 33.33, 33.33],
        vec![0.0, 100.0],
    ]);
    let traffic = || select(vec![0.0, 1.0, 25.0, 60.0, 100.0]);
    let steps = prop::collection::btree_map(0_i64..10, traffic(), 0..4);
    let overrides = prop::collection::vec(an_override(2), 0..3);
    let targeting = prop::option::of(condition());
    (
        weights,
        traffic(),
        steps,
        overrides,
        targeting,
        "[a-z]{1,4}",
    )
        .prop_map(
            |(weights, traffic_percent, steps, overrides, targeting, seed)| {
                let variant = |(index, percent)| Variant {
                    key: VariantKey::parse(&format!("v{index}")).unwrap(),
                    percent,
                    name: None,
                };
                let variants = weights.into_iter().enumerate().map(variant).collect();
                let step = |(second, traffic_percent)| RampStep {
                    at: at(second),
                    traffic_percent,
                };
                let allocation =
                    Allocation::new(Variants::new(variants).unwrap(), traffic_percent, seed);
                Allocation {
                    ramp: Ramp::new(steps.into_iter().map(step).collect()).unwrap(),
                    overrides,
                    targeting: targeting.map(|condition| Condition::compile(condition).unwrap()),
                    ..allocation
                }
            },
        )
}

fn experiment() -> impl Strategy<Value = Experiment> {
    let status = select(Status::ALL.map(|(_, status)| status).to_vec());
    // Most are running, because the others end at the first rules.
    let status = prop_oneof![3 => Just(Status::Running), 1 => status];
    let time = || prop::option::weighted(0.3, 0_i64..10);
    let release = prop::option::weighted(0.3, Just("v1"));
    (status, time(), time(), allocation(), release).prop_map(
        |(status, start, end, mut allocation, release)| {
            // A release stops the experiment.
            let release = release.filter(|_| matches!(status, Status::Stopped | Status::Archived));
            allocation.release = release.map(|variant| Release {
                variant: VariantKey::parse(variant).unwrap(),
                released_at: at(0),
            });
            let new = NewExperiment {
                id: ExperimentId::parse("e").unwrap(),
                name: "E".to_owned(),
                description: None,
                status: Status::Draft,
                allocation,
                schedule: Schedule::new(start.map(at), end.map(at)),
                analysis: AnalysisDefinition::default(),
                documentation: domain::documentation::Documentation::default(),
                shards: 1,
            };
            Experiment {
                status,
                ..new.create(at(0))
            }
        },
    )
}

fn attributes() -> impl Strategy<Value = Map<String, Value>> {
    let country = prop::option::of(select(vec!["DE", "FR", "IT"]));
    let age = prop::option::of(0..5);
    let team = prop::option::of(Just(json!({"name": "a"})));
    let tags = prop::option::of(prop::collection::vec(0..4, 0..3));
    (country, age, team, tags).prop_map(|(country, age, team, tags)| {
        let all = [
            ("country", country.map(Value::from)),
            ("age", age.map(Value::from)),
            ("team", team),
            ("tags", tags.map(Value::from)),
        ];
        let present = all
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        present.collect()
    })
}

/// The rules in the order of the table of reasons in the API guide.
fn naive(definition: &Value, user: &str, attributes: &Value, now: &str) -> (String, String) {
    let status = definition["status"].as_str().unwrap();
    let control = definition["variants"][0]["key"].as_str().unwrap();
    let is_past = |field: &str| definition[field].as_str().is_some_and(|time| time <= now);
    let control_because = |reason: &str| (control.to_owned(), reason.to_owned());
    if let Some(variant) = definition["release"]["variant"].as_str() {
        return (variant.to_owned(), "released".to_owned());
    }
    if status == "stopped" || status == "archived" {
        return control_because("stopped");
    }
    if status == "running" && is_past("ends_at") {
        return control_because("ended");
    }
    for each in definition["overrides"].as_array().into_iter().flatten() {
        let named = each["users"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|named| named == user);
        let condition = &each["condition"];
        if named || (condition.is_object() && holds(condition, attributes)) {
            return (
                each["variant"].as_str().unwrap().to_owned(),
                "override".to_owned(),
            );
        }
    }
    if status == "draft" {
        return control_because("not_running");
    }
    if status == "paused" {
        return control_because("paused");
    }
    if definition["starts_at"].is_string() && !is_past("starts_at") {
        return control_because("not_started");
    }
    let condition = &definition["targeting"];
    if condition.is_object() && !holds(condition, attributes) {
        return control_because("targeting");
    }
    let mut traffic = definition["traffic_percent"].as_f64().unwrap();
    for step in definition["ramp"].as_array().into_iter().flatten() {
        if step["at"].as_str().unwrap() <= now {
            traffic = step["traffic_percent"].as_f64().unwrap();
        }
    }
    let variants = definition["variants"].as_array().unwrap();
    let bucket = bucket_value(
        definition["hash_seed"].as_str().unwrap(),
        user,
        HashVersion::V2,
    );
    let last_with_share = variants
        .iter()
        .rposition(|variant| variant["percent"].as_f64().unwrap() > 0.0);
    let mut start = 0.0;
    for (index, variant) in variants.iter().enumerate() {
        let mut weight = variant["percent"].as_f64().unwrap() / 100.0;
        let rest: f64 = variants
            .iter()
            .map(|v| v["percent"].as_f64().unwrap() / 100.0)
            .sum();
        if Some(index) == last_with_share && 1.0 - rest > 1e-9 {
            weight += 1.0 - rest;
        }
        if start <= bucket && bucket < start + traffic / 100.0 * weight {
            return (
                variant["key"].as_str().unwrap().to_owned(),
                "split".to_owned(),
            );
        }
        start += weight;
    }
    control_because("traffic")
}

/// Whether a condition with the operators of [`condition`] holds.
fn holds(condition: &Value, attributes: &Value) -> bool {
    condition
        .as_object()
        .unwrap()
        .iter()
        .all(|(name, expected)| match name.as_str() {
            "$and" => expected
                .as_array()
                .unwrap()
                .iter()
                .all(|one| holds(one, attributes)),
            "$or" => {
                let any = expected.as_array().unwrap();
                any.is_empty() || any.iter().any(|one| holds(one, attributes))
            }
            "$not" => !holds(expected, attributes),
            path => {
                let pointer = format!("/{}", path.replace('.', "/"));
                let seen = attributes.pointer(&pointer).cloned().unwrap_or_default();
                match expected.as_object() {
                    // Attributes of the generated users that are compared with a text are texts or missing.
                    None => seen == *expected,
                    Some(operators) => operators
                        .iter()
                        .all(|(name, expected)| operator(name, &seen, expected)),
                }
            }
        })
}

fn operator(name: &str, seen: &Value, expected: &Value) -> bool {
    let number = seen.as_i64().unwrap_or(0);
    match name {
        "$in" => expected.as_array().unwrap().contains(seen),
        "$ne" => seen != expected,
        "$gte" => number >= expected.as_i64().unwrap(),
        "$lt" => number < expected.as_i64().unwrap(),
        "$exists" => seen.is_null() != *expected,
        "$elemMatch" => seen
            .as_array()
            .is_some_and(|all| all.contains(&expected["$eq"])),
        _ => panic!("{name} is not generated"),
    }
}

fn config(cases: u32) -> Config {
    Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    }
}

#[test]
fn two_implementations_of_the_rules_agree_and_every_reason_occurs() {
    let seen = RefCell::new(BTreeMap::<String, u32>::new());
    let context = (select(USERS.to_vec()), attributes(), -1_i64..11);
    let contexts = prop::collection::vec(context, CONTEXTS);
    TestRunner::new(config(DEFINITIONS))
        .run(&(experiment(), contexts), |(experiment, contexts)| {
            let definition = serde_json::to_value(&experiment).unwrap();
            for (user, attributes, now) in contexts {
                let context = EvaluationContext::new(UserId::parse(user).unwrap(), attributes);
                let evaluation = evaluate(&experiment, &context, &NoSegments, at(now));
                let reason = serde_json::to_value(evaluation.reason).unwrap();
                let reason = reason.as_str().unwrap().to_owned();
                let now = at(now).to_string();
                let naive = naive(&definition, user, context.attributes(), &now);
                let own = (evaluation.variant.to_string(), reason.clone());
                prop_assert_eq!(own, naive, "{} at {}", definition, now);
                *seen.borrow_mut().entry(reason).or_default() += 1;
            }
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    let often = seen.iter().filter(|(_, cases)| **cases > 500);
    let often: Vec<_> = often.map(|(reason, _)| reason.as_str()).collect();
    let reasons = [
        "ended",
        "not_running",
        "not_started",
        "override",
        "paused",
        "released",
        "split",
        "stopped",
        "targeting",
        "traffic",
    ];
    assert_eq!(often, reasons, "{seen:?}");
}

#[test]
fn a_ramp_up_never_changes_an_assigned_variant() {
    let steps = prop::collection::btree_map(1_i64..1_000, 0_u32..=100, 1..20);
    let cases = (allocation(), steps, "\\PC{1,20}", 0_u32..=100);
    TestRunner::new(config(2_000))
        .run(&cases, |(allocation, steps, user, first)| {
            let mut traffic: Vec<f64> = steps.values().copied().map(f64::from).collect();
            traffic.push(first.into());
            traffic.sort_by(f64::total_cmp);
            let step = |(second, traffic): (&i64, &f64)| RampStep {
                at: at(*second),
                traffic_percent: *traffic,
            };
            let ramp = steps.keys().zip(&traffic[1..]).map(step).collect();
            let allocation = Allocation {
                traffic_percent: traffic[0],
                ramp: Ramp::new(ramp).unwrap(),
                ..allocation
            };
            let user = UserId::parse(&user).map_err(|_| TestCaseError::reject("no user id"))?;
            let mut assigned = None;
            for (second, pair) in steps.keys().zip(traffic.windows(2)) {
                // The last instant before the step, and its first.
                for (instant, traffic) in [at(*second).plus_micros(-1), at(*second)]
                    .into_iter()
                    .zip(pair)
                {
                    prop_assert_eq!(allocation.traffic_at(instant), *traffic);
                    let variant = allocation
                        .choose(&user, instant)
                        .map(|variant| &variant.key);
                    prop_assert!(assigned.is_none() || assigned == variant);
                    assigned = variant;
                }
            }
            Ok(())
        })
        .unwrap();
}
