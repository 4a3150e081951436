//! Sticky buckets: stored variations, which users keep although the definition changes.

use super::compiled::FeatureExperiment;
use super::result::ExperimentResult;
use crate::condition::javascript_text;
use crate::ids::ExperimentId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Stored variations by the attribute and the value that they are stored for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StickyDocuments(BTreeMap<String, StickyDocument>);

/// The stored variations for a value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StickyDocument {
    /// The attribute.
    pub attribute_name: String,
    /// Its value.
    pub attribute_value: String,
    /// The keys of variations by experiments and bucket versions.
    pub assignments: BTreeMap<String, String>,
}

impl FromIterator<StickyDocument> for StickyDocuments {
    fn from_iter<I: IntoIterator<Item = StickyDocument>>(documents: I) -> Self {
        let by_key = |document: StickyDocument| {
            let key = key(&document.attribute_name, &document.attribute_value);
            (key, document)
        };
        Self(documents.into_iter().map(by_key).collect())
    }
}

impl StickyDocuments {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &StickyDocument> {
        self.0.values()
    }

    /// The variation of an experiment that is stored for a user with these attributes, and whether one of a blocked version is
    /// stored.
    pub(super) fn variation(
        &self,
        experiment: &FeatureExperiment,
        attributes: &Value,
    ) -> (Option<usize>, bool) {
        let own = experiment.attribute.value(attributes);
        let own = own.as_deref().unwrap_or(&Value::Null);
        let other = &experiment.stored_for;
        let of_other = other.value(attributes);
        let keys = [
            Some(key(experiment.attribute.name(), &javascript_text(own))),
            of_other.map(|value| key(other.name(), &javascript_text(&value))),
        ];
        let found = keys.iter().flatten().filter_map(|key| self.0.get(key));
        let blocked = |document: &StickyDocument| {
            let mut stored = document.assignments.keys();
            stored.any(|stored| experiment.blocks(stored))
        };
        if found.clone().any(blocked) {
            return (None, true);
        }
        let name = experiment.stored_name();
        let mut found = found.filter_map(|document| document.assignments.get(&name));
        let variation = found.next().and_then(|stored| {
            let mut metas = experiment.meta.iter();
            metas.position(|meta| meta.key.as_ref() == Some(stored))
        });
        (variation, false)
    }

    /// Stores the variation that a user got. Borrowed documents are copied only if it is a new one.
    pub(super) fn store(
        documents: &mut Cow<'_, Self>,
        experiment: &FeatureExperiment,
        result: &ExperimentResult<'_>,
    ) {
        let Some(value) = &result.hash_value else {
            return;
        };
        let value = javascript_text(value);
        let document_key = key(result.hash_attribute, &value);
        let name = experiment.stored_name();
        let stored = documents.0.get(&document_key);
        let stored = stored.and_then(|document| document.assignments.get(&name));
        if stored.is_some_and(|stored| stored == result.key) {
            return;
        }
        let document = documents.to_mut().0.entry(document_key);
        let document = document.or_insert_with(|| StickyDocument {
            attribute_name: result.hash_attribute.to_owned(),
            attribute_value: value.into_owned(),
            assignments: BTreeMap::new(),
        });
        document.assignments.insert(name, result.key.to_owned());
    }
}

impl StickyDocument {
    /// The bucket version of experiments of flags: their payload has none, and SDKs take 0 then. Users keep their variants for
    /// as long as the experiment exists, so there is no other one.
    const BUCKET_VERSION: &str = "__0";

    /// The name of an experiment of a flag in the assignments of documents.
    pub fn name_of(experiment: &ExperimentId) -> String {
        format!("{experiment}{}", Self::BUCKET_VERSION)
    }

    /// The experiment of a flag with this name; none if no such experiment can have it.
    pub fn experiment_of(name: &str) -> Option<ExperimentId> {
        let id = name.strip_suffix(Self::BUCKET_VERSION)?;
        ExperimentId::parse(id).ok()
    }
}

fn key(attribute: &str, value: &str) -> String {
    format!("{attribute}||{value}")
}

impl FeatureExperiment {
    /// The name of a stored variation.
    fn stored_name(&self) -> String {
        format!("{}__{}", self.key, self.bucket_version)
    }

    /// Whether a stored variation is one of a version that is blocked.
    fn blocks(&self, stored: &str) -> bool {
        let version = stored.strip_prefix(&*self.key);
        let version = version.and_then(|rest| rest.strip_prefix("__"));
        version
            .and_then(|text| Some((text, text.parse::<u64>().ok()?)))
            .is_some_and(|(text, version)| {
                version < self.min_bucket_version && version.to_string() == text
            })
    }
}
