//! A search for experiments by their texts.

use super::experiment::Experiment;
use super::limits::MAX_SEARCH_CHARS;
use super::{Invalid, prose};

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
    pub fn matches(&self, experiment: &Experiment) -> bool {
        let documentation = &experiment.documentation;
        let has_tag = |tag: &String| documentation.tags.contains(tag);
        let is_owner = |owner: &String| {
            let own = documentation.owner.as_ref();
            own.is_some_and(|own| own.to_lowercase() == owner.to_lowercase())
        };
        self.tag.as_ref().is_none_or(has_tag)
            && self.owner.as_ref().is_none_or(is_owner)
            && (self.text.as_ref()).is_none_or(|text| has_text(experiment, &text.to_lowercase()))
    }
}

fn has_text(experiment: &Experiment, text: &str) -> bool {
    let documentation = &experiment.documentation;
    let optional = [
        &experiment.description,
        &documentation.hypothesis,
        &documentation.owner,
    ];
    let conclusion = documentation.conclusion.as_ref();
    let notes = conclusion.and_then(|conclusion| conclusion.notes.as_ref());
    let metrics = experiment.analysis.metrics.iter();
    [experiment.id.as_str(), &experiment.name]
        .into_iter()
        .chain(optional.into_iter().flatten().map(String::as_str))
        .chain(documentation.tags.iter().map(String::as_str))
        .chain(notes.map(String::as_str))
        .chain(metrics.map(|metric| metric.key.as_str()))
        .any(|own| own.to_lowercase().contains(text))
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
