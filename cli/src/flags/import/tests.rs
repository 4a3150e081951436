//! Imports of small files: the flags are valid, and users get the variants that they had in the other system.

mod evidently;
mod flagd;
mod growthbook;
mod launchdarkly;

use super::draft::ImportedFlag;
use super::send::faults;
use domain::condition::NoSegments;
use domain::feature::FeatureUser;
use domain::flag::{CompiledFlags, Flag, FlagCompiler, FlagEvaluator};
use domain::ids::EnvironmentName;
use domain::time::Timestamp;
use serde_json::Value;
use shared::http::input::flag::read_new;

/// The flags of a file in the environment `production`, compiled as the API does.
struct Imported {
    flags: Vec<ImportedFlag>,
    compiled: CompiledFlags,
}

impl Imported {
    fn new(flags: Result<Vec<ImportedFlag>, String>) -> Self {
        let flags = flags.unwrap();
        let now = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
        let bodies = flags.iter().filter_map(|flag| flag.body.as_ref());
        let definitions: Vec<Flag> = bodies
            .map(|body| {
                let text = body.to_string();
                assert_eq!(faults(&text), [""; 0], "{text}");
                read_new(&text).ok().unwrap().create(now)
            })
            .collect();
        let compiler = FlagCompiler::new(&definitions, [], now);
        let environment = EnvironmentName::parse("production").unwrap();
        let compiled = definitions.iter();
        let compiled = compiled.filter_map(|flag| compiler.compile(flag, &environment));
        Self {
            compiled: compiled.collect(),
            flags,
        }
    }

    fn flag(&self, key: &str) -> &ImportedFlag {
        self.flags.iter().find(|flag| flag.key == key).unwrap()
    }

    fn body(&self, key: &str) -> &Value {
        self.flag(key).body.as_ref().unwrap()
    }

    /// The variant of a user with these attributes.
    fn variant(&self, key: &str, attributes: &Value) -> String {
        let user = FeatureUser::new(attributes, &NoSegments);
        let mut evaluator = FlagEvaluator::new(&self.compiled, user);
        evaluator.evaluate(key).unwrap().variant.to_string()
    }

    /// The findings of a flag, each as place and text.
    fn findings(&self, key: &str) -> Vec<(&str, &str)> {
        let findings = self.flag(key).findings.iter();
        findings
            .map(|each| (each.place.as_str(), each.text.as_str()))
            .collect()
    }

    /// Checks that a flag has exactly these findings: their places, and a part of each text.
    fn assert_findings(&self, key: &str, expected: &[(&str, &str)]) {
        let found = self.findings(key);
        let fits = found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|((place, text), (at, part))| place == at && text.contains(part));
        assert!(fits, "{key}: {found:#?}");
    }
}
