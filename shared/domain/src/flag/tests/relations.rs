//! Flags and what they name: other flags and experiments; and how they change in time.

use super::*;
use crate::allocation::{Allocation, Variant, Variants};
use crate::analysis_definition::AnalysisDefinition;
use crate::documentation::Documentation;
use crate::experiment::{Experiment, NewExperiment, Status};
use crate::holdout::Holdout;
use crate::json_value::differences;
use crate::limits::STALE_FLAG_DAYS;
use crate::schedule::Schedule;

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

fn day(day: i64) -> Timestamp {
    Timestamp::from_micros(day * DAY_MICROS)
}

fn needing(key: &str, needs: &[(&str, &str)]) -> Flag {
    let mut definition = checkout();
    definition["key"] = key.into();
    let needs = needs.iter();
    definition["prerequisites"] = needs
        .map(|(flag, variant)| json!({"flag": flag, "variants": [variant]}))
        .collect();
    flag(definition)
}

#[test]
fn prerequisites_exist_and_form_no_circle_and_few_levels() {
    let flags = [
        needing("a", &[]),
        needing("b", &[("a", "blue")]),
        needing("c", &[("b", "blue")]),
        needing("d", &[("c", "blue")]),
        needing("e", &[("d", "blue")]),
    ];
    let graph: FlagGraph = flags.iter().collect();
    let faults = |flag: Flag| {
        let faults = graph.faults_of(&flag);
        faults
            .into_iter()
            .map(|fault| (fault.pointer, fault.why.code))
            .collect::<Vec<_>>()
    };
    for flag in &flags {
        assert_eq!(faults(flag.clone()), []);
    }
    let at = |place: &str, code| vec![(format!("/prerequisites/0/{place}"), code)];
    assert_eq!(
        faults(needing("f", &[("x", "blue")])),
        at("flag", "unknown_flag")
    );
    assert_eq!(
        faults(needing("f", &[("a", "red")])),
        at("variants", "unknown_variant")
    );
    assert_eq!(
        faults(needing("f", &[("f", "blue")])),
        at("flag", "prerequisite_circle")
    );
    assert_eq!(
        faults(needing("a", &[("c", "blue")])),
        at("flag", "prerequisite_circle")
    );
    assert_eq!(
        faults(needing("f", &[("e", "blue")])),
        at("flag", "too_deep")
    );
    assert_eq!(
        faults(needing("a", &[("g", "blue")])),
        at("flag", "unknown_flag")
    );
    let mut archived = needing("a", &[]);
    archived.archived = true;
    assert_eq!(faults(archived), [("/archived".to_owned(), "in_use")]);
    let mut fewer = needing("a", &[]);
    fewer.variants.remove(0);
    assert_eq!(faults(fewer), [("/variants".to_owned(), "in_use")]);
    let needed = graph.needed_by(&FlagKey::parse("c").unwrap());
    let needed: Vec<_> = needed.iter().map(FlagKey::as_str).collect();
    assert_eq!(needed, ["a", "b", "c"]);
}

#[test]
fn many_paths_between_flags_are_checked_in_a_short_time() {
    // Ten flags in each level. Each needs all flags of the next one: 10^5 paths.
    let names: Vec<Vec<String>> = (0..5)
        .map(|level| (0..10).map(|index| format!("f{level}-{index}")).collect())
        .collect();
    let flags = (0..5).flat_map(|level| {
        let below = names.get(level + 1).cloned().unwrap_or_default();
        names[level].clone().into_iter().map(move |name| {
            let needs: Vec<_> = below.iter().map(|other| (other.as_str(), "blue")).collect();
            needing(&name, &needs)
        })
    });
    let flags: Vec<_> = flags.collect();
    let graph: FlagGraph = flags.iter().collect();
    for flag in &flags {
        assert_eq!(graph.faults_of(flag), []);
    }
    let faults = graph.faults_of(&needing("top", &[("f0-0", "blue")]));
    assert_eq!(codes(&faults), [("/prerequisites/0/flag", "too_deep")]);
}

fn experiment(keys: [&str; 2], holdout: Option<Holdout>) -> Experiment {
    let variant = |key: &str| Variant {
        key: VariantKey::parse(key).unwrap(),
        percent: 50.0,
        name: None,
    };
    let variants = Variants::new(keys.map(variant).to_vec()).unwrap();
    let mut allocation = Allocation::new(variants, 100.0, "seed".to_owned());
    allocation.holdout = holdout;
    let new = NewExperiment {
        id: ExperimentId::parse("e1").unwrap(),
        name: "E".to_owned(),
        description: None,
        status: Status::Draft,
        allocation,
        exclusion: None,
        schedule: Schedule::new(None, None),
        analysis: AnalysisDefinition::default(),
        documentation: Documentation::default(),
        shards: 1,
    };
    new.create(day(0))
}

#[test]
fn each_variant_of_an_experiment_has_a_variant_of_the_flag() {
    let flag = flag(checkout());
    let faults = |experiments: Vec<Experiment>| {
        let by_id = experiments.into_iter().map(|each| (each.id.clone(), each));
        let faults = flag.faults_of_experiments(&by_id.collect());
        let place = |pointer: &str| pointer.replace("/environments/production/rules/2", "");
        faults
            .into_iter()
            .map(|fault| (place(&fault.pointer), fault.why.code))
            .collect::<Vec<_>>()
    };
    assert_eq!(faults(vec![experiment(["control", "treatment"], None)]), []);
    let fault = |place: &str, code| (place.to_owned(), code);
    assert_eq!(faults(vec![]), [fault("/experiment", "unknown_experiment")]);
    assert_eq!(
        faults(vec![experiment(["control", "other"], None)]),
        [
            fault("/variants/treatment", "unknown_variant"),
            fault("/variants", "missing_variant")
        ]
    );
    let holdout = Holdout {
        percent: 5.0,
        layer: None,
    };
    let holdout = experiment(["control", "treatment"], Some(holdout));
    assert_eq!(faults(vec![holdout]), [fault("/experiment", "is_holdout")]);
}

#[test]
fn a_change_replaces_whole_environments_and_raises_the_version_once() {
    let before = flag(checkout());
    assert_eq!(FlagChange::default().apply(&before, day(5)), before);
    let name = |text| EnvironmentName::parse(text).unwrap();
    let production = before.environments[&name("production")].clone();
    let change = FlagChange {
        owner: Some(Some("web".to_owned())),
        environments: BTreeMap::from([
            (name("staging"), Some(production)),
            (name("production"), None),
        ]),
        ..FlagChange::default()
    };
    let after = change.apply(&before, day(5));
    assert_eq!((after.version, after.updated_at), (2, day(5)));
    let json = |flag: &Flag| serde_json::to_value(flag).unwrap();
    let changes = differences(&json(&before), &json(&after));
    let changed: Vec<_> = changes.iter().map(|change| &*change.pointer).collect();
    let expected = [
        "/environments/production",
        "/environments/staging",
        "/updated_at",
        "/version",
        "/owner",
    ];
    assert_eq!(changed, expected);
}

#[test]
fn a_flag_is_stale_if_it_gives_all_users_one_variant_for_a_long_time() {
    let serve = |variant: &str| json!({"id": variant, "type": "serve", "variant": variant});
    let some = |variant: &str| {
        let mut rule = serve(variant);
        rule["condition"] = json!({"a": 1});
        rule
    };
    let rollout = |percent: f64, to: &str| {
        json!({"id": "r", "type": "rollout", "hash_seed": "s", "traffic_percent": percent,
                                                   "variants": [{"variant": to, "percent": 100.0}]})
    };
    let mut ended = some("green");
    ended["ends_at"] = json!("1970-01-02T00:00:00Z");
    let mut ramp = rollout(0.0, "green");
    ramp["ramp"] = json!([{"at": "2030-01-02T00:00:00Z", "traffic_percent": 50.0}]);
    let experiment = json!({"id": "x", "type": "experiment", "experiment": "e", "variants": {"a": "blue", "b": "blue"}});
    for (rules, variant) in [
        (json!([]), Some("blue")),
        (json!([serve("green"), experiment]), Some("green")),
        (json!([some("green")]), None),
        (json!([some("blue")]), Some("blue")),
        (json!([ended]), Some("blue")),
        (json!([some("green"), serve("green")]), Some("green")),
        (json!([rollout(0.0, "green")]), Some("blue")),
        (json!([rollout(50.0, "green")]), None),
        (json!([rollout(50.0, "blue")]), Some("blue")),
        (json!([ramp]), None),
        (json!([experiment, serve("blue")]), None),
    ] {
        let mut definition = checkout();
        definition["environments"]["production"]["rules"] = rules.clone();
        let mut flag = flag(definition);
        let seen = |flag: &Flag, now| {
            let stale = flag.stale_in(now);
            stale.first().map(|stale| stale.variant.to_string())
        };
        assert_eq!(
            seen(&flag, day(STALE_FLAG_DAYS)).as_deref(),
            variant,
            "{rules}"
        );
        assert_eq!(
            seen(&flag, day(STALE_FLAG_DAYS).plus_micros(-1)),
            None,
            "{rules}"
        );
        flag.environments
            .values_mut()
            .for_each(|each| each.enabled = false);
        assert_eq!(
            seen(&flag, day(STALE_FLAG_DAYS)).as_deref(),
            Some("blue"),
            "{rules}"
        );
        flag.archived = true;
        assert_eq!(seen(&flag, day(STALE_FLAG_DAYS)), None, "{rules}");
    }
}
