//! Segments: named sets of users that conditions refer to.

use super::condition::Condition;
use super::ids::SegmentId;
use super::limits::MAX_ATTRIBUTE_NAME_CHARS;
use super::time::Timestamp;
use super::{Invalid, prose};
use serde::{Deserialize, Serialize};

/// The definition of a segment, as it is stored and as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Conditions name it by this id.
    pub id: SegmentId,
    /// Number of its changes; the `ETag`.
    pub version: u64,
    /// A name for readers.
    pub name: String,
    /// A description for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Which users are in it.
    #[serde(flatten)]
    pub rule: SegmentRule,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Which users are in a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SegmentRule {
    /// Users whose attributes match.
    Condition {
        /// The condition.
        condition: Condition,
    },
    /// Users for whom an attribute is in a list.
    List {
        /// The attribute, or the path of one: `id` is the user id.
        attribute: String,
        /// The number of ids in the list.
        id_count: usize,
    },
}

impl SegmentRule {
    /// The condition, unless it is a list.
    pub fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Condition { condition } => Some(condition),
            Self::List { .. } => None,
        }
    }

    /// The attribute of a list.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            Self::Condition { .. } => None,
            Self::List { attribute, .. } => Some(attribute),
        }
    }
}

/// A change to a segment. Fields that are `None` stay; `Some(None)` removes an optional value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SegmentChange {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<Option<String>>,
    /// Another condition.
    pub condition: Option<Condition>,
    /// Ids that the list gets or loses.
    pub ids: Option<IdsChange>,
    /// Why the change is made. Only the history keeps it.
    pub reason: Option<String>,
}

/// A change to an id list. No id is in both sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdsChange {
    /// Ids that are in the list afterwards.
    pub add: Vec<String>,
    /// Ids that are not in the list afterwards.
    pub remove: Vec<String>,
}

impl SegmentChange {
    /// The field that the kind of the segment does not have, and why.
    pub fn misfit(&self, before: &Segment) -> Option<(&'static str, Invalid)> {
        match before.rule {
            SegmentRule::List { .. } if self.condition.is_some() => {
                let detail =
                    "The segment is an id list and has no condition. Create another segment.";
                Some(("/condition", Invalid::new("not_a_condition", detail)))
            }
            SegmentRule::Condition { .. } if self.ids.is_some() => {
                let detail = "The segment is a condition and has no ids. Create another segment.";
                Some(("/ids", Invalid::new("not_a_list", detail)))
            }
            _ => None,
        }
    }

    /// The segment with these texts and this condition; the ids are changed where they are stored. Equal to the segment
    /// before, with its version and time, if nothing changes.
    pub fn apply(&self, before: &Segment, now: Timestamp) -> Segment {
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            after.description.clone_from(description);
        }
        if let (Some(new), SegmentRule::Condition { condition }) =
            (&self.condition, &mut after.rule)
        {
            condition.clone_from(new);
        }
        if after != *before {
            after.begin_version(now);
        }
        after
    }
}

impl Segment {
    /// Makes it the next version.
    pub fn begin_version(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated_at = now;
    }
}

/// An id in a list: any text of 1 to 256 bytes without control characters, as a user id.
///
/// # Errors
/// If it is anything else.
pub fn listed_id(text: &str) -> Result<String, Invalid> {
    super::ids::UserId::parse(text).map(String::from)
}

/// The name of an attribute, or a path of names joined by dots.
///
/// # Errors
/// If it is empty, too long, has control characters, or begins with `$`.
pub fn attribute_name(text: &str) -> Result<String, Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("empty", "Must not be empty."));
    }
    let length = text.chars().count();
    if length > MAX_ATTRIBUTE_NAME_CHARS {
        let detail = format!(
            "Must have at most {MAX_ATTRIBUTE_NAME_CHARS} characters; this has {}.",
            prose::grouped_size(length)
        );
        return Err(Invalid::new("too_long", detail));
    }
    if text.starts_with('$') || text.chars().any(char::is_control) {
        let detail = "Must not begin with `$` or contain control characters.";
        return Err(Invalid::new("bad_characters", detail));
    }
    Ok(text.to_owned())
}
