//! The texts about an experiment: hypothesis, owner, tags, links and conclusion. They change no rule.

use super::ids::VariantKey;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The documentation of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Documentation {
    /// What is expected, and why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hypothesis: Option<String>,
    /// The responsible team.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tags: Vec<String>,
    /// Further pages.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub links: Vec<Link>,
    /// What a stopped experiment showed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub conclusion: Option<Conclusion>,
}

/// A page about an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Its address.
    pub url: String,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
}

/// The conclusion from an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conclusion {
    /// The outcome.
    pub outcome: Outcome,
    /// The variant that won, or that is kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variant: Option<VariantKey>,
    /// Remarks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub notes: Option<String>,
    /// When it was written.
    pub concluded_at: Timestamp,
}

/// The outcome of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A treatment is better.
    Won,
    /// The treatments are worse.
    Lost,
    /// No difference was found.
    Inconclusive,
    /// The data cannot be used.
    Invalid,
    /// It was stopped before it could answer its question.
    StoppedEarly,
}

impl Outcome {
    /// All outcomes with their names in the API.
    pub const ALL: [(&'static str, Self); 5] = [
        ("won", Self::Won),
        ("lost", Self::Lost),
        ("inconclusive", Self::Inconclusive),
        ("invalid", Self::Invalid),
        ("stopped_early", Self::StoppedEarly),
    ];
}

/// A change of the texts about an experiment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentationChange {
    /// Another hypothesis.
    pub hypothesis: Option<Option<String>>,
    /// Another owner.
    pub owner: Option<Option<String>>,
    /// Other tags.
    pub tags: Option<Vec<String>>,
    /// Other links.
    pub links: Option<Vec<Link>>,
    /// Another conclusion.
    pub conclusion: Option<Option<NewConclusion>>,
}

/// A conclusion before it has its time.
#[derive(Debug, Clone, PartialEq)]
pub struct NewConclusion {
    /// The outcome.
    pub outcome: Outcome,
    /// The variant that won, or that is kept.
    pub variant: Option<VariantKey>,
    /// Remarks.
    pub notes: Option<String>,
}

impl NewConclusion {
    /// The conclusion, written at an instant.
    pub(super) fn at(self, concluded_at: Timestamp) -> Conclusion {
        Conclusion {
            outcome: self.outcome,
            variant: self.variant,
            notes: self.notes,
            concluded_at,
        }
    }
}
