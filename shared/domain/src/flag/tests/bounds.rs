//! The compiled flags of an environment together: their memory, and which of them hash an attribute.

use super::compiled::{NOW, simple};
use super::*;
use crate::condition::NoSegments;
use crate::experiment::Experiment;
use crate::feature::FeatureUser;
use crate::limits::{MAX_COMPILED_FLAGS_BYTES, MAX_OVERRIDES_BYTES};
use std::collections::BTreeSet;

fn compiled(flags: &[Flag], experiments: &[Experiment]) -> CompiledFlags {
    let now = Timestamp::parse(NOW).unwrap();
    let environment = EnvironmentName::parse("production").unwrap();
    let compiler = FlagCompiler::new(flags, experiments, now);
    CompiledFlags::compile(&compiler, flags, &environment)
}

/// A running experiment whose overrides are as large as they may be.
fn with_large_overrides() -> Experiment {
    let user = |number: usize| format!("{number:0>32}");
    let users: Vec<String> = (0..1_000).map(user).collect();
    let overrides = json!([{"variant": "b", "users": users}]);
    assert!((30_000..MAX_OVERRIDES_BYTES).contains(&overrides.to_string().len()));
    serde_json::from_value(json!({
        "id": "e", "version": 1, "name": "e", "status": "running", "traffic_percent": 100.0, "hash_seed": "e",
        "hash_version": 2, "phases": [], "shards": 1, "created_at": NOW, "updated_at": NOW, "started_at": NOW,
        "variants": [{"key": "a", "percent": 50.0}, {"key": "b", "percent": 50.0}], "overrides": overrides,
    }))
    .unwrap()
}

#[test]
fn flags_that_have_no_room_in_memory_are_compiled_without_rules() {
    let rule = |number: usize| {
        json!({
            "id": format!("r{number}"), "type": "experiment", "experiment": "e", "variants": {"a": "off", "b": "on"},
            "condition": {"group": number},
        })
    };
    let rules: Vec<Value> = (0..20).map(rule).collect();
    let mut flags: Vec<Flag> = (10..22)
        .map(|number| simple(&format!("f{number}"), json!(rules), json!([])))
        .collect();
    let own: usize = flags.iter().map(Flag::bytes).sum();
    assert!(own < limits::MAX_ALL_FLAGS_BYTES / 10);
    // A small flag after them has room again, and one of them needs a small one.
    let serve = json!([{"id": "all", "type": "serve", "variant": "on"}]);
    flags.push(simple("small", serve, json!([])));
    let experiments = [with_large_overrides()];

    let compiled = compiled(&flags, &experiments);
    assert!(compiled.memory_bytes() <= MAX_COMPILED_FLAGS_BYTES);
    let is_whole = |flag: &Flag| compiled.get(flag.key.as_str()).unwrap().left_out.is_empty();
    let whole: Vec<bool> = flags.iter().map(is_whole).collect();
    let first = whole.iter().take_while(|is_whole| **is_whole).count();
    assert!((1..12).contains(&first), "{whole:?}");
    assert!(!whole[first..12].contains(&true) && whole[12], "{whole:?}");

    let left_out = &compiled.get("f21").unwrap().left_out;
    assert_eq!(left_out.len(), rules.len());
    assert!(left_out.iter().all(|each| each.reason == LeftOut::TooLarge));
    let attributes = json!({"id": format!("{:0>32}", 7), "group": 3});
    let user = FeatureUser::new(&attributes, &NoSegments);
    let mut evaluator = FlagEvaluator::new(&compiled, user);
    let mut variant = |key: &str| evaluator.evaluate(key).unwrap().variant.to_string();
    assert_eq!(variant("f10"), "on");
    assert_eq!(variant("f21"), "also-off");
    assert_eq!(variant("small"), "on");
}

#[test]
fn a_flag_hashes_what_the_flags_that_it_needs_hash() {
    let rollout = |attribute: &str| {
        json!([{
            "id": "r", "type": "rollout", "hash_seed": "s", "attribute": attribute,
            "variants": [{"variant": "on", "percent": 100.0}],
        }])
    };
    let needs = |key: &str| json!([{"flag": key, "variants": ["on"]}]);
    let mut off = simple("off", rollout("id"), json!([]));
    off.environments
        .values_mut()
        .for_each(|each| each.enabled = false);
    let flags = [
        simple("users", rollout("id"), json!([])),
        simple("accounts", rollout("account"), json!([])),
        simple("second", json!([]), needs("users")),
        simple("third", rollout("account"), needs("second")),
        simple("other", json!([]), needs("accounts")),
        simple("needs-off", json!([]), needs("off")),
        off,
    ];
    let compiled = compiled(&flags, &[]);
    let keys = |attribute: &str| -> BTreeSet<String> {
        let keys = compiled.hashing(attribute).into_iter();
        keys.map(|key| key.to_string()).collect()
    };
    assert_eq!(
        keys("id").into_iter().collect::<Vec<_>>(),
        ["second", "third", "users"]
    );
    assert_eq!(
        keys("account").into_iter().collect::<Vec<_>>(),
        ["accounts", "other", "third"]
    );
    assert!(keys("device").is_empty());
}
