//! Compiled flags: their features and their results.

use super::*;
use crate::bucketing::bucket;
use crate::condition::NoSegments;
use crate::experiment::Experiment;
use crate::feature::FeatureUser;
use std::collections::BTreeMap;

pub(super) const NOW: &str = "2026-01-15T00:00:00.000000Z";

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn production() -> EnvironmentName {
    EnvironmentName::parse("production").unwrap()
}

/// A flag with boolean values, these rules and these prerequisites.
pub(super) fn simple(key: &str, rules: Value, prerequisites: Value) -> Flag {
    flag(json!({
        "key": key, "version": 3, "name": key, "value_type": "boolean", "prerequisites": prerequisites,
        "variants": [{"key": "off", "value": false}, {"key": "on", "value": true}, {"key": "also-off", "value": false}],
        "environments": {"production": {"enabled": true, "off_variant": "off", "default_variant": "also-off", "rules": rules}},
        "created_at": NOW, "updated_at": NOW
    }))
}

pub(super) fn compiled(flags: &[Flag], experiments: &[Experiment], now: &str) -> CompiledFlags {
    let compiler = FlagCompiler::new(flags, experiments, instant(now));
    let compiled = flags
        .iter()
        .filter_map(|flag| compiler.compile(flag, &production()));
    compiled.collect()
}

/// The variant, the reason and the rule.
fn evaluated(flags: &CompiledFlags, key: &str, attributes: Value) -> (String, FlagReason, String) {
    let user = FeatureUser::new(&attributes, &NoSegments);
    let result = FlagEvaluator::new(flags, user).evaluate(key).unwrap();
    let rule = result.rule.map(RuleId::to_string).unwrap_or_default();
    (result.variant.to_string(), result.reason, rule)
}

#[test]
fn the_first_rule_that_decides_holds_and_the_reason_says_how() {
    let serve = |id: &str, more: Value| {
        let mut rule = json!({"id": id, "type": "serve", "variant": "on"});
        let more = more.as_object().unwrap().clone();
        rule.as_object_mut().unwrap().extend(more);
        rule
    };
    let german = serve("german", json!({"condition": {"country": "DE"}}));
    let later = serve("later", json!({"starts_at": "2026-01-15T00:00:00.000001Z"}));
    let ended = serve("ended", json!({"ends_at": NOW}));
    let all = serve("all", json!({}));
    let flags = compiled(
        &[
            simple("none", json!([]), json!([])),
            simple("static", json!([later, ended, all, german]), json!([])),
            simple("targeted", json!([german]), json!([])),
            simple("both", json!([german, all]), json!([])),
        ],
        &[],
        NOW,
    );
    let german = json!({"id": "u", "country": "DE"});
    let expected =
        |variant: &str, reason, rule: &str| (variant.to_owned(), reason, rule.to_owned());
    for (key, attributes, seen) in [
        (
            "none",
            json!({}),
            expected("also-off", FlagReason::Static, ""),
        ),
        (
            "static",
            json!({}),
            expected("on", FlagReason::Static, "all"),
        ),
        (
            "targeted",
            german.clone(),
            expected("on", FlagReason::TargetingMatch, "german"),
        ),
        (
            "targeted",
            json!({}),
            expected("also-off", FlagReason::Default, ""),
        ),
        (
            "both",
            german,
            expected("on", FlagReason::TargetingMatch, "german"),
        ),
        (
            "both",
            json!({}),
            expected("on", FlagReason::TargetingMatch, "all"),
        ),
    ] {
        assert_eq!(evaluated(&flags, key, attributes), seen, "{key}");
    }
    let left_out = &flags.get("static").unwrap().left_out;
    let left_out = serde_json::to_value(left_out).unwrap();
    assert_eq!(
        left_out,
        json!([{"rule": "later", "reason": "not_scheduled"}, {"rule": "ended", "reason": "not_scheduled"}])
    );
    assert!(
        FlagEvaluator::new(&flags, FeatureUser::new(&Value::Null, &NoSegments))
            .evaluate("x")
            .is_none()
    );
}

#[test]
fn flags_that_are_not_enabled_or_not_in_the_environment() {
    let rule = json!([{"id": "all", "type": "serve", "variant": "on"}]);
    let mut off = simple("off", rule.clone(), json!([]));
    off.environments
        .values_mut()
        .for_each(|each| each.enabled = false);
    let mut archived = simple("archived", rule.clone(), json!([]));
    archived.archived = true;
    let mut elsewhere = simple("elsewhere", rule, json!([]));
    let environments = std::mem::take(&mut elsewhere.environments);
    let staging = EnvironmentName::parse("staging").unwrap();
    elsewhere.environments = environments
        .into_values()
        .map(|each| (staging.clone(), each))
        .collect();
    let flags = compiled(&[off, archived, elsewhere], &[], NOW);
    assert_eq!(flags.iter().count(), 1);
    let seen = evaluated(&flags, "off", json!({}));
    assert_eq!(
        seen,
        ("off".to_owned(), FlagReason::Disabled, String::new())
    );
    let definition = &flags.get("off").unwrap().definition;
    assert_eq!(
        serde_json::to_value(definition).unwrap(),
        json!({"defaultValue": false})
    );
}

#[test]
fn users_without_a_prerequisite_get_the_off_variant() {
    let german =
        json!([{"id": "german", "type": "serve", "variant": "on", "condition": {"country": "DE"}}]);
    let all = json!([{"id": "all", "type": "serve", "variant": "on"}]);
    let needs = |key: &str| json!([{"flag": key, "variants": ["on"]}]);
    let mut object = simple("object", german.clone(), json!([]));
    object.value_type = ValueType::Object;
    for (variant, value) in
        object
            .variants
            .iter_mut()
            .zip([json!({"a": 1}), json!({"a": [2, {}]}), json!({})])
    {
        variant.value = value;
    }
    let flags = compiled(
        &[
            simple("parent", german, json!([])),
            simple("child", all.clone(), needs("parent")),
            simple("grandchild", all.clone(), needs("child")),
            simple("of-object", all.clone(), needs("object")),
            simple("of-nothing", all, needs("unknown")),
            object,
        ],
        &[],
        NOW,
    );
    let german = json!({"country": "DE"});
    for key in ["child", "grandchild", "of-object"] {
        let met = evaluated(&flags, key, german.clone());
        assert_eq!(
            met,
            (
                "on".to_owned(),
                FlagReason::TargetingMatch,
                "all".to_owned()
            ),
            "{key}"
        );
        let unmet = evaluated(&flags, key, json!({"country": "FR"}));
        assert_eq!(
            unmet,
            ("off".to_owned(), FlagReason::Disabled, String::new()),
            "{key}"
        );
    }
    assert_eq!(evaluated(&flags, "of-nothing", german).0, "off");
    let attributes = json!({"country": "FR"});
    let user = FeatureUser::new(&attributes, &NoSegments);
    let mut evaluator = FlagEvaluator::new(&flags, user).traced();
    let trace = evaluator.evaluate("grandchild").unwrap().trace;
    assert_eq!(
        serde_json::to_value(trace).unwrap(),
        json!([{"part": "prerequisite", "prerequisite": "child"}])
    );
    let trace = evaluator.evaluate("parent").unwrap().trace;
    assert_eq!(
        serde_json::to_value(trace).unwrap(),
        json!([{"part": "serve", "rule": "german", "skipped": "condition"}])
    );
}

#[test]
fn a_rollout_divides_the_bucket_values_and_its_ramp_only_adds_users() {
    let rule = json!([{"id": "r", "type": "rollout", "hash_seed": "seed", "attribute": "account.id",
        "variants": [{"variant": "on", "percent": 25.0}, {"variant": "off", "percent": 0.0}, {"variant": "also-off", "percent": 75.0}],
        "traffic_percent": 10.0, "ramp": [{"at": "2026-01-16T00:00:00Z", "traffic_percent": 100.0}]}]);
    let mut flag = simple("f", rule, json!([]));
    flag.environments
        .values_mut()
        .for_each(|each| each.default_variant = each.off_variant.clone());
    let flags = [flag];
    let first = compiled(&flags, &[], NOW);
    let later = compiled(&flags, &[], "2026-01-16T00:00:00Z");
    let mut seen = BTreeMap::<_, u32>::new();
    for account in 0..2_000 {
        let account = format!("ä{account}");
        let place = f64::from(bucket("seed", &account)) / 10_000.0;
        let attributes = json!({"account": {"id": account}});
        let (variant, reason, _) = evaluated(&first, "f", attributes.clone());
        let expected = match place {
            _ if place < 0.025 => ("on", FlagReason::Split),
            _ if (0.25..0.25 + 0.1 * 0.75).contains(&place) => ("also-off", FlagReason::Split),
            _ => ("off", FlagReason::Default),
        };
        assert_eq!((&*variant, reason), expected, "{place}");
        let (ramped, _, _) = evaluated(&later, "f", attributes);
        assert_eq!(ramped, if place < 0.25 { "on" } else { "also-off" });
        *seen.entry(variant).or_default() += 1;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    // Without the attribute, the user does not take part.
    assert_eq!(
        evaluated(&later, "f", json!({"id": "u"})).1,
        FlagReason::Default
    );
    let compiler = FlagCompiler::new([], [], instant(NOW));
    let next = compiler.next_change(&flags[0], &production());
    assert_eq!(next, Some(instant("2026-01-16T00:00:00Z")));
}

#[test]
fn an_experiment_of_accounts_hashes_the_attribute_of_that_name() {
    let experiment = json!({
        "id": "e", "version": 1, "name": "E", "status": "running", "unit": "account", "traffic_percent": 100.0,
        "variants": [{"key": "a", "percent": 50.0}, {"key": "b", "percent": 50.0}], "hash_seed": "seed",
        "overrides": [{"variant": "b", "users": ["a-1"]}, {"variant": "a", "condition": {"$not": {"id": {"$ne": "a-2"}}}}],
        "targeting": {"$or": [{"id": {"$regex": "^a"}, "plan": "pro"}]},
        "metrics": [], "shards": 1, "created_at": NOW, "updated_at": NOW
    });
    let experiment: Experiment = serde_json::from_value(experiment).unwrap();
    let rule = json!([{"id": "r", "type": "experiment", "experiment": "e", "variants": {"a": "off", "b": "on"}}]);
    let flags = [simple("f", rule, json!([]))];
    let flags = compiled(&flags, std::slice::from_ref(&experiment), NOW);
    let variant = |account: &str, plan: &str| {
        let attributes = json!({"id": "the user", "account": account, "plan": plan});
        evaluated(&flags, "f", attributes)
    };
    assert_eq!(
        variant("a-1", ""),
        ("on".to_owned(), FlagReason::TargetingMatch, "r".to_owned())
    );
    assert_eq!(variant("a-2", "").0, "off");
    assert_eq!(variant("a-3", "free").1, FlagReason::Default);
    assert_eq!(variant("b-3", "pro").1, FlagReason::Default);
    for index in 3..50 {
        let account = format!("a-{index}");
        let (seen, reason, _) = variant(&account, "pro");
        let expected = if bucket("seed", &account) < 5_000 {
            "off"
        } else {
            "on"
        };
        assert_eq!((&*seen, reason), (expected, FlagReason::Split));
    }
    let attributes = json!({"id": "the user", "account": "a-3", "plan": "pro"});
    let forced = BTreeMap::from([("e".to_owned(), 1)]);
    let user = FeatureUser {
        forced_variations: Some(&forced),
        ..FeatureUser::new(&attributes, &NoSegments)
    };
    let result = FlagEvaluator::new(&flags, user).evaluate("f").unwrap();
    let exposure = result.exposure.unwrap();
    assert_eq!(
        (exposure.experiment, exposure.variant.as_str()),
        (&experiment.id, "b")
    );
    assert_eq!(
        (exposure.hash_attribute, exposure.hash_used),
        ("account", false)
    );
    // Without a definition, or without a variant for each of its variants, it lets no user take part.
    let rule =
        json!([{"id": "r", "type": "experiment", "experiment": "e", "variants": {"a": "off"}}]);
    let incomplete = [simple("f", rule, json!([]))];
    for (experiments, reason) in [
        (vec![], LeftOut::UnknownExperiment),
        (vec![experiment], LeftOut::MissingVariant),
    ] {
        let flags = compiled(&incomplete, &experiments, NOW);
        assert_eq!(flags.get("f").unwrap().left_out[0].reason, reason);
        assert_eq!(evaluated(&flags, "f", json!({})).1, FlagReason::Static);
    }
}

#[test]
fn a_rollout_without_traffic_is_left_out() {
    let rule = |traffic: f64| {
        json!([{
            "id": "r", "type": "rollout", "hash_seed": "s", "traffic_percent": traffic,
            "variants": [{"variant": "on", "percent": 100.0}],
        }])
    };
    for (traffic, reasons) in [
        (0.0, json!([{"rule": "r", "reason": "no_traffic"}])),
        (0.01, json!([])),
    ] {
        let flags = compiled(&[simple("f", rule(traffic), json!([]))], &[], NOW);
        let left_out = &flags.get("f").unwrap().left_out;
        assert_eq!(
            serde_json::to_value(left_out).unwrap(),
            reasons,
            "{traffic}"
        );
    }
}
