//! The published cases of features, of experiments in them, and of stored variations.

use crate::{lists, same};
use domain::feature::{
    Evaluator, ExperimentDefinition, ExperimentResult, Feature, FeatureDefinition,
    FeatureExperiment, FeatureUser, ParentCondition, StickyDocument, StickyDocuments,
};
use domain::segment_lookup::SegmentLookup;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// The cases that are not checked, by section and the beginning of the name, and why.
const SKIPPED: [(&str, &str, &str); 5] = [
    ("feature", "CB rule with empty contexts (explore)", BANDIT),
    ("feature", "CB rule with no contexts key", BANDIT),
    (
        "feature",
        "CB rule with empty contexts uses marginal",
        BANDIT,
    ),
    (
        "feature",
        "CB rule with empty contexts is overridden",
        BANDIT,
    ),
    ("run", "querystring force", URL),
];
/// No flag of this service becomes a contextual bandit.
const BANDIT: &str = "a contextual bandit, a kind of rule that needs a model beside the features";
/// The server gets no page. Its callers name variations themselves.
const URL: &str = "an SDK reads a variation from the address of the browser's page";

pub(crate) fn is_skipped(section: &str, name: &str) -> bool {
    let mut skipped = SKIPPED.iter();
    let found = skipped.find(|(of, begins, _)| *of == section && name.starts_with(begins));
    found.is_some_and(|(_, _, why)| {
        eprintln!("{section} {name}: skipped, {why}");
        true
    })
}

/// The context of a case.
struct Context {
    attributes: Value,
    features: HashMap<String, Feature>,
    forced_variations: BTreeMap<String, i64>,
    saved_groups: Value,
    qa_mode: bool,
    enabled: bool,
}

fn read<T: DeserializeOwned + Default>(value: &Value) -> T {
    let read = (!value.is_null()).then(|| serde_json::from_value(value.clone()).unwrap());
    read.unwrap_or_default()
}

impl Context {
    fn new(context: &Value) -> Self {
        let features: HashMap<String, FeatureDefinition> = read(&context["features"]);
        let compiled = features
            .into_iter()
            .map(|(key, definition)| (key.clone(), Feature::new(&key, &definition)));
        Self {
            features: compiled.collect(),
            attributes: match &context["attributes"] {
                Value::Null => json!({}),
                attributes => attributes.clone(),
            },
            forced_variations: read(&context["forcedVariations"]),
            saved_groups: context["savedGroups"].clone(),
            qa_mode: context["qaMode"] == true,
            enabled: context["enabled"] != false,
        }
    }

    /// For the user of the case.
    fn evaluator<'c>(
        &'c self,
        lookup: &'c SegmentLookup<'c>,
        sticky: Option<&'c StickyDocuments>,
    ) -> Evaluator<'c> {
        let user = FeatureUser {
            forced_variations: Some(&self.forced_variations),
            sticky,
            experiments_enabled: self.enabled,
            qa_mode: self.qa_mode,
            ..FeatureUser::new(&self.attributes, lookup)
        };
        Evaluator::new(&self.features, user)
    }
}

fn is_on(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && *value != 0 && *value != ""
}

fn result_json(feature: Option<&str>, result: &ExperimentResult<'_>) -> Value {
    let mut json = json!({
        "value": result.value, "variationId": result.variation_id, "inExperiment": result.in_experiment(),
        "hashUsed": result.hash_used, "hashAttribute": result.hash_attribute,
        "hashValue": result.hash_value.as_deref().cloned().unwrap_or_else(|| "".into()),
        "key": result.key, "stickyBucketUsed": result.sticky_bucket_used, "featureId": feature,
    });
    if let Some(bucket) = result.bucket {
        json["bucket"] = bucket.into();
    }
    if let Some(name) = result.name {
        json["name"] = name.into();
    }
    if result.passthrough {
        json["passthrough"] = true.into();
    }
    json
}

/// `[name, context, key, result]`.
pub(crate) fn feature(case: &Value) -> Result<(), String> {
    let key = case[2].as_str().unwrap();
    let mut expected = case[3].clone();
    let expected_key = expected["experiment"]["key"].take();
    let expected_values = expected["experiment"]["variations"].take();
    expected.as_object_mut().unwrap().remove("experiment");
    let context = Context::new(&case[1]);
    let (segments, loaded) = lists(&context.saved_groups);
    let lookup = SegmentLookup::new(&segments, &loaded);
    let result = context.evaluator(&lookup, None).evaluate(key);
    let mut seen = json!({
        "value": result.value, "on": is_on(result.value), "off": !is_on(result.value),
        "source": result.source, "ruleId": result.rule_id,
    });
    if let Some((experiment, result)) = &result.experiment {
        same(Value::from(experiment.key()), expected_key)?;
        same(Some(result.value), expected_values.get(result.variation_id))?;
        seen["experimentResult"] = result_json(Some(key), result);
    }
    same(seen, expected)
}

/// `[name, context, experiment, value, whether the user takes part, whether the hash chose]`.
pub(crate) fn run(case: &Value) -> Result<(), String> {
    let definition: ExperimentDefinition = read(&case[2]);
    let parents: Vec<ParentCondition> = read(&case[2]["parentConditions"]);
    let mut experiment = FeatureExperiment::new(&definition, "")
        .with_parents(&parents)
        .with_active(case[2]["active"] != false);
    if let Some(variation) = case[2]["force"].as_i64() {
        experiment = experiment.with_force(variation);
    }
    let context = Context::new(&case[1]);
    let (segments, loaded) = lists(&context.saved_groups);
    let lookup = SegmentLookup::new(&segments, &loaded);
    let result = context.evaluator(&lookup, None).run(&experiment);
    let seen = json!([result.value, result.in_experiment(), result.hash_used]);
    same(seen, json!([case[3], case[4], case[5]]))
}

/// `[name, context, stored documents, key, result of the experiment or null, documents afterwards]`. The SDKs load the
/// documents of the user's attributes.
pub(crate) fn sticky_bucket(case: &Value) -> Result<(), String> {
    let context = Context::new(&case[1]);
    let stored: Vec<StickyDocument> = read(&case[2]);
    let is_own = |document: &StickyDocument| {
        context.attributes[&document.attribute_name] == *document.attribute_value
    };
    let stored: StickyDocuments = stored.into_iter().filter(is_own).collect();
    let key = case[3].as_str().unwrap();
    let (segments, loaded) = lists(&context.saved_groups);
    let lookup = SegmentLookup::new(&segments, &loaded);
    let mut evaluator = context.evaluator(&lookup, Some(&stored));
    let result = evaluator.evaluate(key);
    let seen = result.experiment.as_ref();
    let seen = seen.map(|(_, result)| result_json(Some(key), result));
    same(seen.unwrap_or_default(), case[4].clone())?;
    let after = evaluator.changed_sticky_documents().unwrap_or(&stored);
    same(serde_json::to_value(after).unwrap(), case[5].clone())
}
