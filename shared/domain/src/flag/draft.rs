//! Drafts: changes of flags that are saved, and not in use before they are published.

use super::Flag;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A saved change of a flag. A flag has at most one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagDraft {
    /// Names this draft; the `ETag`. A draft that replaces it has another number: that of its time in microseconds.
    pub number: u64,
    /// The version of the flag that it changes.
    pub base_version: u64,
    /// The id of the token that saved it.
    pub by: String,
    /// When it was saved.
    pub at: Timestamp,
    /// Why, in the words of the author.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The flag after the change.
    pub definition: Flag,
}

impl FlagDraft {
    /// A draft of the next version of a flag.
    pub fn new(
        before: &Flag,
        after: Flag,
        (by, reason): (&str, Option<&str>),
        at: Timestamp,
    ) -> Self {
        Self {
            number: u64::try_from(at.micros()).unwrap_or_default(),
            base_version: before.version,
            by: by.to_owned(),
            at,
            reason: reason.map(str::to_owned),
            definition: after,
        }
    }

    /// Whether it can be published: the flag is at the version that it changes, and it changes something.
    pub fn is_open(&self, flag: &Flag) -> bool {
        self.base_version == flag.version && self.definition.version != flag.version
    }

    /// The next version of the flag, when the draft is published.
    pub fn published(&self, now: Timestamp) -> Flag {
        Flag {
            updated_at: now.max(self.definition.updated_at),
            ..self.definition.clone()
        }
    }

    /// Whether a token may publish it: with an approval, another one than that of the author.
    pub fn can_be_published_by(&self, token: &str, flag: &Flag) -> bool {
        !flag.requires_approval || self.by != token
    }
}

impl Flag {
    /// Whether this next version only switches environments off: that needs no approval. Rules may be left out of the change,
    /// because they have no effect before a change switches the environment on again.
    pub fn only_switches_off(&self, before: &Self) -> bool {
        let mut on = self.clone();
        for (name, environment) in &mut on.environments {
            let before = before.environments.get(name);
            if let Some(before) = before.filter(|before| before.enabled && !environment.enabled) {
                environment.enabled = true;
                if environment.rules.is_empty() {
                    environment.rules.clone_from(&before.rules);
                }
            }
        }
        on.version = before.version;
        on.updated_at = before.updated_at;
        on == *before
    }
}
