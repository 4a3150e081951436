//! Users fall where GrowthBook's client SDKs put them: every published case of theirs that concerns
//! bucketing, targeting or features is one reported result.
//!
//! The cases are read from `$ASSAY_REFERENCE_DATA/data/growthbook/cases-0.8.0.json`.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the test reads the published cases; the crate itself reads nothing"
)]

mod features;

use domain::bucketing::{HashVersion, bucket_value, choose, equal_weights, ranges};
use domain::condition::Condition;
use domain::id_list::{IdChunk, IdListIndex, chunk_of};
use domain::ids::SegmentId;
use domain::limits::ID_CHUNKS;
use domain::segment_lookup::{
    ChunkKey, EvaluatedSegment, EvaluatedSegments, LoadedChunks, SegmentLookup,
};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a section of the file is checked by.
type Check = fn(&Value) -> Result<(), String>;

/// The sections with the number of cases that each holds: a file that lost some must not pass for complete.
const SECTIONS: [(&str, usize, Check); 9] = [
    ("hash", 15, hash),
    ("getBucketRange", 13, bucket_range),
    ("chooseVariation", 13, choose_variation),
    ("getEqualWeights", 6, weights),
    ("inNamespace", 16, in_namespace),
    ("evalCondition", 248, condition),
    ("feature", 55, features::feature),
    ("run", 73, features::run),
    ("stickyBucket", 13, features::sticky_bucket),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let Some(data) = std::env::var_os("ASSAY_REFERENCE_DATA").map(PathBuf::from) else {
        eprintln!("growthbook: skipped, ASSAY_REFERENCE_DATA names no folder");
        return ExitCode::SUCCESS;
    };
    let file = data.join("data/growthbook/cases-0.8.0.json");
    let text = std::fs::read_to_string(&file).expect("the file of cases can be read");
    let cases: Value = serde_json::from_str(&text).expect("the file of cases is JSON");
    let trials = SECTIONS
        .into_iter()
        .flat_map(|section| trials(&cases, section));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn trials(cases: &Value, (section, expected, check): (&'static str, usize, Check)) -> Vec<Trial> {
    let cases = cases[section].as_array().cloned().unwrap_or_default();
    let seen = cases.len();
    let mut trials = vec![Trial::test(format!("{section}-all"), move || {
        if seen == expected {
            Ok(())
        } else {
            Err(Failed::from(format!("{seen} cases instead of {expected}")))
        }
    })];
    for (index, case) in cases.into_iter().enumerate() {
        let name = case[0].as_str().filter(|name| !name.is_empty());
        let is_skipped = name.is_some_and(|name| features::is_skipped(section, name));
        let name = name.map_or_else(String::new, |name| format!(" {name}"));
        let trial = Trial::test(format!("{section}-{index}{name}"), move || {
            check(&case).map_err(|why| Failed::from(format!("{case}: {why}")))
        });
        trials.push(trial.with_ignored_flag(is_skipped));
    }
    trials
}

/// `[seed, value, version, place or null]`, to the last bit.
fn hash(case: &Value) -> Result<(), String> {
    let version = match case[2].as_u64() {
        Some(1) => Some(HashVersion::V1),
        Some(2) => Some(HashVersion::V2),
        // There is no way to ask for another: a definition that says so cannot be made.
        _ => None,
    };
    let seen = version.map(|version| bucket_value(&text(&case[0]), &text(&case[1]), version));
    same(seen, case[3].as_f64())
}

/// `[name, [variants, coverage, weights or null], ranges]`, to the sixth digit as published.
fn bucket_range(case: &Value) -> Result<(), String> {
    let variants =
        usize::try_from(case[1][0].as_u64().unwrap_or_default()).expect("a small number");
    let weights = case[1][2].as_array().map_or_else(
        || equal_weights(variants),
        |weights| weights.iter().map(number).collect(),
    );
    let seen = ranges(variants, number(&case[1][1]), &weights);
    let expected = pairs(&case[2]);
    let near = |(a, b): (&(f64, f64), &(f64, f64))| close(a.0, b.0) && close(a.1, b.1);
    if seen.len() == expected.len() && seen.iter().zip(&expected).all(near) {
        Ok(())
    } else {
        Err(format!("{seen:?}"))
    }
}

/// `[name, place, ranges, index or -1]`.
fn choose_variation(case: &Value) -> Result<(), String> {
    let expected = usize::try_from(case[3].as_i64().unwrap_or(-1)).ok();
    same(choose(number(&case[1]), &pairs(&case[2])), expected)
}

/// `[variants, weights]`; what is less than one variant has no weights.
fn weights(case: &Value) -> Result<(), String> {
    let variants = usize::try_from(case[0].as_i64().unwrap_or_default()).unwrap_or(0);
    let seen = equal_weights(variants);
    let expected: Vec<f64> = case[1]
        .as_array()
        .into_iter()
        .flatten()
        .map(number)
        .collect();
    if seen.len() == expected.len() && seen.iter().zip(&expected).all(|(a, b)| close(*a, *b)) {
        Ok(())
    } else {
        Err(format!("{seen:?}"))
    }
}

/// `[name, user, [namespace, start, end], whether the user is in it]`. A namespace has bucket values of its own, by the
/// first version of the hash.
fn in_namespace(case: &Value) -> Result<(), String> {
    let seed = format!("__{}", text(&case[2][0]));
    let place = bucket_value(&seed, &text(&case[1]), HashVersion::V1);
    let range = [(number(&case[2][1]), number(&case[2][2]))];
    same(Some(choose(place, &range).is_some()), case[3].as_bool())
}

/// The published cases whose condition has a fault.
const REFUSED: [&str; 7] = [
    "$in - not array",
    "$nin - not array",
    "$ini - not array",
    "$nini - not array",
    "unknown operator - pass",
    "$regex invalid - pass",
    "$regex invalid - fail",
];

/// `[name, condition, attributes, whether they match, lists by segment?]`. A condition with a fault cannot be made here;
/// in the SDKs it matches no user.
fn condition(case: &Value) -> Result<(), String> {
    let (segments, loaded) = lists(&case[4]);
    let segments = SegmentLookup::new(&segments, &loaded);
    let compiled = Condition::compile(case[1].clone());
    same(
        compiled.is_err(),
        REFUSED.contains(&text(&case[0]).as_str()),
    )?;
    let seen = compiled.is_ok_and(|condition| condition.matches(&case[2], &segments));
    same(Some(seen), case[3].as_bool())
}

/// Id lists with the values of a case, all loaded.
pub(crate) fn lists(lists: &Value) -> (EvaluatedSegments, LoadedChunks) {
    let (mut segments, mut loaded) = (EvaluatedSegments::new(), LoadedChunks::new());
    for (name, values) in lists.as_object().into_iter().flatten() {
        let id = SegmentId::parse(name).expect("a name that is an id");
        let mut index = IdListIndex::new([1; 16]);
        let values = values.as_array().into_iter().flatten();
        let hashes: Vec<u64> = values
            .filter_map(|value| index.hash_of_value(value))
            .collect();
        for chunk in (0..=u8::MAX).take(ID_CHUNKS) {
            index.change(chunk, 1);
            let own: Vec<_> = hashes
                .iter()
                .copied()
                .filter(|hash| chunk_of(*hash) == chunk)
                .collect();
            let key = ChunkKey {
                segment: id.clone(),
                chunk,
                version: 1,
            };
            let (ids, _) = IdChunk::default().changed(&own, &[]);
            loaded.insert(key, ids.into());
        }
        let attribute = vec!["id".into()];
        segments.insert(id, EvaluatedSegment::List { attribute, index }.into());
    }
    (segments, loaded)
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(seen: T, expected: T) -> Result<(), String> {
    if seen == expected {
        Ok(())
    } else {
        Err(format!("{seen:?}"))
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 5e-7
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn pairs(value: &Value) -> Vec<(f64, f64)> {
    let pairs = value.as_array().expect("a list of ranges");
    pairs
        .iter()
        .map(|pair| (number(&pair[0]), number(&pair[1])))
        .collect()
}
