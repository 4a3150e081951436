//! Random definitions and users.

use domain::allocation::{Allocation, Release, Variant, Variants};
use domain::analysis_definition::AnalysisDefinition;
use domain::assignment::{Assignment, AssignmentSource};
use domain::condition::Condition;
use domain::exclusion::Exclusion;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::holdout::Holdout;
use domain::ids::{ExperimentId, LayerId, UserId, VariantKey};
use domain::layer::{BucketRange, LayerPercent, LayerShare};
use domain::overrides::Override;
use domain::ramp::{Ramp, RampStep};
use domain::schedule::Schedule;
use domain::stored_user::StoredUser;
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::Config;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Text beyond ASCII shows which units the hash takes.
pub(crate) const USERS: [&str; 5] = ["ann", "bob", "carol", "dora", "Ünïcødé-日本-😀"];

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

pub(crate) fn condition() -> impl Strategy<Value = Value> {
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
        subsequence(vec!["testers", "german", "grown", "core"], 0..3)
            .prop_map(|segments| json!({ "$savedGroups": segments })),
        select(vec!["$inGroup", "$notInGroup"])
            .prop_map(|operator| json!({"country": {operator: "german"}})),
    ];
    clause.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({ "$and": all })),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|any| json!({ "$or": any })),
            inner.prop_map(|not| json!({ "$not": not })),
        ]
    })
}

pub(crate) fn an_override(variants: usize) -> impl Strategy<Value = Override> {
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

pub(crate) fn allocation() -> impl Strategy<Value = Allocation> {
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
                    on_worse_guardrail: None,
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

/// A part of a layer. Most users are in the layer.
pub(crate) fn layer() -> impl Strategy<Value = Option<LayerShare>> {
    let ranges = select(vec![
        vec![(0, 10_000)],
        vec![(0, 4_000), (6_000, 10_000)],
        vec![(2_000, 9_000)],
        vec![],
    ]);
    let share = ("[a-z]{1,3}", ranges).prop_map(|(seed, ranges)| LayerShare {
        id: LayerId::parse("l").unwrap(),
        percent: LayerPercent::parse("50").unwrap(),
        seed,
        ranges: ranges
            .into_iter()
            .map(|(from, to)| BucketRange { from, to })
            .collect(),
    });
    prop::option::weighted(0.4, share)
}

pub(crate) fn created(
    id: &str,
    status: Status,
    allocation: Allocation,
    schedule: Schedule,
) -> Experiment {
    let new = NewExperiment {
        id: ExperimentId::parse(id).unwrap(),
        name: "E".to_owned(),
        description: None,
        status: Status::Draft,
        allocation,
        exclusion: None,
        schedule,
        analysis: AnalysisDefinition::default(),
        documentation: domain::documentation::Documentation::default(),
        shards: 1,
    };
    Experiment {
        status,
        ..new.create(at(0))
    }
}

/// Up to two holdouts with large percentages.
pub(crate) fn holdouts() -> impl Strategy<Value = Vec<Experiment>> {
    let status = prop_oneof![4 => Just(Status::Running), 1 => Just(Status::Draft), 1 => Just(Status::Stopped)];
    let end = prop::option::weighted(0.3, 0_i64..10);
    let percent = select(vec![5.0, 30.0, 60.0]);
    let one = (status, end, percent, "[a-z]{1,3}");
    prop::collection::vec(one, 0..3).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(index, (status, end, percent, seed))| {
            let holdout = Holdout {
                percent,
                layer: None,
            };
            let allocation = Allocation::of_holdout(holdout, seed).unwrap();
            let schedule = Schedule::new(None, end.map(at));
            created(&format!("h{index}"), status, allocation, schedule)
        })
        .collect()
    })
}

/// A user without an assignment in the experiment, but perhaps in others, also of its layer.
pub(crate) fn stored_user() -> impl Strategy<Value = StoredUser> {
    let others = prop::collection::vec(prop::option::of(select(vec!["l", "m"])), 0..2);
    (others, prop::bool::weighted(0.1)).prop_map(|(others, erased)| {
        let others = others.into_iter().enumerate();
        let assignment = |(index, layer): (usize, Option<&str>)| Assignment {
            user_id: UserId::parse("u").unwrap(),
            experiment_id: ExperimentId::parse(&format!("other{index}")).unwrap(),
            variant: VariantKey::parse("v0").unwrap(),
            assigned_at: at(0),
            source: AssignmentSource::Hash,
            experiment_version: 1,
            layer: layer.map(|layer| LayerId::parse(layer).unwrap()),
            attributes: BTreeMap::new(),
        };
        StoredUser::new(others.map(assignment).collect(), erased)
    })
}

pub(crate) fn experiment() -> impl Strategy<Value = Experiment> {
    let status = select(Status::ALL.map(|(_, status)| status).to_vec());
    // Most are running, because the others end at the first rules.
    let status = prop_oneof![3 => Just(Status::Running), 1 => status];
    let time = || prop::option::weighted(0.3, 0_i64..10);
    let release = prop::option::weighted(0.3, Just("v1"));
    let excluded = prop::option::weighted(0.3, condition());
    (
        status,
        time(),
        time(),
        allocation(),
        release,
        layer(),
        excluded,
    )
        .prop_map(
            |(status, start, end, mut allocation, release, layer, excluded)| {
                allocation.layer = layer;
                // A release stops the experiment.
                let release =
                    release.filter(|_| matches!(status, Status::Stopped | Status::Archived));
                allocation.release = release.map(|variant| Release {
                    variant: VariantKey::parse(variant).unwrap(),
                    released_at: at(0),
                });
                let schedule = Schedule::new(start.map(at), end.map(at));
                let exclusion = excluded.map(|condition| Exclusion {
                    condition: Some(Condition::compile(condition).unwrap()),
                    ..Exclusion::default()
                });
                Experiment {
                    exclusion,
                    ..created("e", status, allocation, schedule)
                }
            },
        )
}

pub(crate) fn attributes() -> impl Strategy<Value = Map<String, Value>> {
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

pub(crate) fn config(cases: u32) -> Config {
    Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    }
}
