//! The creation and the change of a flag.

use super::{Flag, FlagEnvironment, FlagVariant, Prerequisite, ValueSchema, ValueType};
use crate::ids::{EnvironmentName, FlagKey};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// The fields of a new flag that a caller chooses; all others follow from them.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFlag {
    /// Applications name it by this key.
    pub key: FlagKey,
    /// A name for readers.
    pub name: String,
    /// A description for readers.
    pub description: Option<String>,
    /// The responsible team.
    pub owner: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// The type of the values.
    pub value_type: ValueType,
    /// The variants.
    pub variants: Vec<FlagVariant>,
    /// What the values of objects must look like.
    pub schema: Option<ValueSchema>,
    /// Who gets which variant, by environment.
    pub environments: BTreeMap<EnvironmentName, FlagEnvironment>,
    /// What other flags must be.
    pub prerequisites: Vec<Prerequisite>,
    /// Whether changes need an approval.
    pub requires_approval: bool,
}

impl NewFlag {
    /// The flag at its creation. [`Flag::faults`] says whether it is valid.
    pub fn create(self, now: Timestamp) -> Flag {
        Flag {
            key: self.key,
            version: 1,
            name: self.name,
            description: self.description,
            owner: self.owner,
            tags: self.tags,
            value_type: self.value_type,
            variants: self.variants,
            schema: self.schema,
            environments: self.environments,
            prerequisites: self.prerequisites,
            requires_approval: self.requires_approval,
            archived: false,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A change to a flag. Fields that are `None` stay; `Some(None)` removes an optional value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlagChange {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<Option<String>>,
    /// Another owner.
    pub owner: Option<Option<String>>,
    /// Other tags.
    pub tags: Option<Vec<String>>,
    /// Other variants.
    pub variants: Option<Vec<FlagVariant>>,
    /// Another schema.
    pub schema: Option<Option<ValueSchema>>,
    /// Environments that are added, replaced or removed. All others stay.
    pub environments: BTreeMap<EnvironmentName, Option<FlagEnvironment>>,
    /// Other prerequisites.
    pub prerequisites: Option<Vec<Prerequisite>>,
    /// Whether changes need an approval.
    pub requires_approval: Option<bool>,
    /// Whether it is archived.
    pub archived: Option<bool>,
    /// Why the change is made. Only the history keeps it.
    pub reason: Option<String>,
}

impl FlagChange {
    /// The flag after the change. [`Flag::faults`] says whether it is valid. Equal to the flag before, with its version and
    /// time, if nothing changes.
    pub fn apply(&self, before: &Flag, now: Timestamp) -> Flag {
        let mut after = before.clone();
        set(&mut after.name, self.name.as_ref());
        set(&mut after.description, self.description.as_ref());
        set(&mut after.owner, self.owner.as_ref());
        set(&mut after.tags, self.tags.as_ref());
        set(&mut after.variants, self.variants.as_ref());
        set(&mut after.schema, self.schema.as_ref());
        set(&mut after.prerequisites, self.prerequisites.as_ref());
        set(
            &mut after.requires_approval,
            self.requires_approval.as_ref(),
        );
        set(&mut after.archived, self.archived.as_ref());
        for (name, environment) in &self.environments {
            match environment {
                Some(environment) => {
                    after.environments.insert(name.clone(), environment.clone());
                }
                None => {
                    after.environments.remove(name);
                }
            }
        }
        if after != *before {
            after.version += 1;
            // Versions are ordered in time, whatever the clocks of two processes say.
            after.updated_at = now.max(before.updated_at);
        }
        after
    }
}

impl Flag {
    /// The flag with the content of an earlier version, as its next version. Equal to the flag itself if it has this content.
    /// Whether changes need an approval stays as it is, so that a revert needs none.
    /// [`Self::faults`] says whether it is valid.
    #[must_use]
    pub fn reverted_to(&self, earlier: &Self, now: Timestamp) -> Self {
        let same = Self {
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            requires_approval: self.requires_approval,
            ..earlier.clone()
        };
        if same == *self {
            return same;
        }
        Self {
            version: self.version + 1,
            updated_at: now.max(self.updated_at),
            ..same
        }
    }
}

fn set<T: Clone>(field: &mut T, new: Option<&T>) {
    if let Some(new) = new {
        field.clone_from(new);
    }
}
