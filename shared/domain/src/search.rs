//! A search for experiments by their texts.

use super::experiment::Experiment;
use super::ids::ExperimentId;
use super::limits::MAX_SEARCH_CHARS;
use super::{Invalid, prose};
use serde::{Deserialize, Serialize};

/// What an experiment must have. A criterion that is absent is met by all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// One of its tags, exactly.
    pub tag: Option<String>,
    /// Its owner, without regard to upper and lower case.
    pub owner: Option<String>,
    /// A part of its id, name, description, hypothesis or owner, of one of its tags or metrics, or of the notes of its
    /// conclusion, without regard to upper and lower case.
    pub text: Option<String>,
}

impl Search {
    /// Whether all experiments match.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an experiment matches.
    pub fn matches_experiment(&self, experiment: &Experiment) -> bool {
        self.is_empty() || self.matches(&experiment.id, &SearchTexts::of(experiment))
    }

    /// Whether an experiment with this id and these texts matches.
    pub fn matches(&self, id: &ExperimentId, texts: &SearchTexts) -> bool {
        let has_tag = |tag: &String| texts.tags.contains(tag);
        let is_owner = |owner: &String| {
            let own = texts.owner.as_ref();
            own.is_some_and(|own| own.to_lowercase() == owner.to_lowercase())
        };
        let has_text = |text: &String| texts.contain(id, &text.to_lowercase());
        self.tag.as_ref().is_none_or(has_tag)
            && self.owner.as_ref().is_none_or(is_owner)
            && self.text.as_ref().is_none_or(has_text)
    }
}

/// The texts of an experiment that a search looks at, besides its id. They are a small part of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchTexts {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    hypothesis: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    tags: Vec<String>,
    /// The notes of the conclusion.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    notes: Option<String>,
    /// The keys of the metrics.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    metrics: Vec<String>,
}

impl SearchTexts {
    /// The texts of an experiment.
    pub fn of(experiment: &Experiment) -> Self {
        let documentation = &experiment.documentation;
        let conclusion = documentation.conclusion.as_ref();
        let metrics = experiment.analysis.metrics.iter();
        Self {
            name: experiment.name.clone(),
            description: experiment.description.clone(),
            hypothesis: documentation.hypothesis.clone(),
            owner: documentation.owner.clone(),
            tags: documentation.tags.clone(),
            notes: conclusion.and_then(|conclusion| conclusion.notes.clone()),
            metrics: metrics.map(|metric| metric.key.to_string()).collect(),
        }
    }

    /// Whether one of the texts or the id contains a text in lower case.
    fn contain(&self, id: &ExperimentId, text: &str) -> bool {
        let optional = [
            &self.description,
            &self.hypothesis,
            &self.owner,
            &self.notes,
        ];
        [id.as_str(), &self.name]
            .into_iter()
            .chain(optional.into_iter().flatten().map(String::as_str))
            .chain(self.tags.iter().chain(&self.metrics).map(String::as_str))
            .any(|own| own.to_lowercase().contains(text))
    }
}

/// A criterion of a search: 1 to [`MAX_SEARCH_CHARS`] characters.
///
/// # Errors
/// If it is longer.
pub fn criterion(text: &str) -> Result<String, Invalid> {
    let chars = text.chars().count();
    if chars <= MAX_SEARCH_CHARS {
        return Ok(text.to_owned());
    }
    let detail = format!(
        "Must have at most {MAX_SEARCH_CHARS} characters; this has {}.",
        prose::grouped_size(chars)
    );
    Err(Invalid::new("too_long", detail))
}
