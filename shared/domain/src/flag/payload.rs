//! The payload for client SDKs: the features of an environment without the names of segments.
//!
//! The SDKs know no segments with conditions, so their names are replaced by their conditions. Id lists are stored as hashes
//! and cannot be sent. Features that need one are evaluated by the server only.

use super::compile::CompiledFlag;
use super::compiled_flags::CompiledFlags;
use crate::client_key::SecureAttributes;
use crate::condition::Condition;
use crate::feature::FeatureDefinition;
use crate::ids::FlagKey;
use crate::limits::{MAX_INLINED_BYTES, MAX_SEGMENT_LEVELS};
use crate::segment_graph::SegmentGraph;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The features that client SDKs can evaluate, and those that only the server can.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlagPayload {
    /// The features of the payload.
    pub features: BTreeMap<FlagKey, FeatureDefinition>,
    /// The flags that only the server can evaluate.
    pub remote_only: BTreeMap<FlagKey, RemoteOnly>,
}

/// What one caller gets of a payload.
#[derive(Debug, Default, PartialEq)]
pub struct ClientPayload<'p> {
    /// The features of the flags that the caller sees.
    pub features: BTreeMap<&'p FlagKey, Cow<'p, FeatureDefinition>>,
    /// The flags that the caller sees and only the server can evaluate.
    pub remote_only: BTreeMap<&'p FlagKey, RemoteOnly>,
}

/// Why only the server can evaluate a flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum RemoteOnly {
    /// A condition needs an id list.
    IdList {
        /// The segment.
        segment: String,
    },
    /// A rule needs more of a secure attribute than its hash, or chooses variants by it.
    SecureAttribute,
    /// A condition would be too large with the conditions of its segments.
    TooLarge,
    /// A prerequisite can only be evaluated by the server.
    Prerequisite {
        /// The other flag.
        flag: String,
    },
}

impl RemoteOnly {
    /// The reason, without names of segments and of other flags.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::IdList { .. } => "id_list",
            Self::SecureAttribute => "secure_attribute",
            Self::TooLarge => "too_large",
            Self::Prerequisite { .. } => "prerequisite",
        }
    }
}

impl CompiledFlags {
    /// The payload of these flags.
    pub fn payload(&self, segments: &SegmentGraph) -> FlagPayload {
        let mut payload = FlagPayload::default();
        for flag in self.iter() {
            match flag.portable(segments) {
                Ok(definition) => {
                    payload.features.insert(flag.key.clone(), definition);
                }
                Err(reason) => {
                    payload.remote_only.insert(flag.key.clone(), reason);
                }
            }
        }
        payload.withdraw_users();
        payload
    }
}

impl FlagPayload {
    /// What a caller gets who sees some flags, with hashes instead of the values of secure attributes.
    ///
    /// A feature that needs one which the caller does not get is left out: an SDK would evaluate it in another way than the
    /// server. A prerequisite that is not in the environment hides nothing, because it has no value for the server either.
    pub fn for_client(
        &self,
        sees: impl Fn(&FlagKey) -> bool,
        secure: Option<&SecureAttributes>,
    ) -> ClientPayload<'_> {
        let mut client = ClientPayload::default();
        let remote_only = self.remote_only.iter().filter(|(key, _)| sees(key));
        client.remote_only = remote_only.map(|(key, why)| (key, why.clone())).collect();
        let mut missing = BTreeSet::new();
        for (key, feature) in &self.features {
            if !sees(key) {
                missing.insert(key.as_str());
                continue;
            }
            let feature = match secure {
                None => Ok(Cow::Borrowed(feature)),
                Some(secure) => secure.hashed(feature).map(Cow::Owned),
            };
            match feature {
                Ok(feature) => {
                    client.features.insert(key, feature);
                }
                Err(why) => {
                    missing.insert(key.as_str());
                    client.remote_only.insert(key, why);
                }
            }
        }
        let needing = needing(&self.features, &missing);
        client.features.retain(|key, _| {
            let needed = needing.get(key.as_str());
            if let Some(flag) = needed {
                let flag = (*flag).to_owned();
                client
                    .remote_only
                    .insert(key, RemoteOnly::Prerequisite { flag });
            }
            needed.is_none()
        });
        client
    }

    /// Removes features that need one which only the server can evaluate.
    fn withdraw_users(&mut self) {
        let remote_only = self.remote_only.keys().map(FlagKey::as_str).collect();
        let needing = needing(&self.features, &remote_only).into_iter();
        let withdrawn = needing.map(|(key, flag)| (key.to_owned(), flag.to_owned()));
        for (key, flag) in withdrawn.collect::<Vec<_>>() {
            if let Some((key, _)) = self.features.remove_entry(key.as_str()) {
                let reason = RemoteOnly::Prerequisite { flag };
                self.remote_only.insert(key, reason);
            }
        }
    }
}

/// The features that need one of these keys, directly or not: each with the key of one that it needs. There is a round for each
/// level of prerequisites.
fn needing<'f>(
    features: &'f BTreeMap<FlagKey, FeatureDefinition>,
    keys: &BTreeSet<&str>,
) -> BTreeMap<&'f str, &'f str> {
    let mut needing = BTreeMap::new();
    loop {
        let is_in = |key: &str| keys.contains(key) || needing.contains_key(key);
        let found = features.iter().filter(|(key, _)| !is_in(key.as_str()));
        let found = found.filter_map(|(key, feature)| {
            let rules = feature.rules.iter();
            let mut needed = rules.flat_map(|rule| &rule.parent_conditions);
            let needed = needed.find(|parent| is_in(&parent.id))?;
            Some((key.as_str(), needed.id.as_str()))
        });
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            return needing;
        }
        needing.extend(found);
    }
}

impl CompiledFlag {
    /// The feature without the names of segments.
    ///
    /// # Errors
    /// Why an SDK cannot evaluate it.
    pub fn portable(&self, segments: &SegmentGraph) -> Result<FeatureDefinition, RemoteOnly> {
        let mut definition = self.definition.clone();
        for rule in &mut definition.rules {
            if let Some(condition) = &mut rule.experiment.condition {
                *condition = without_segments(condition, segments)?;
            }
        }
        Ok(definition)
    }
}

/// A condition without the names of segments.
fn without_segments(condition: &Value, segments: &SegmentGraph) -> Result<Value, RemoteOnly> {
    let compiled = Condition::joined(condition.clone());
    if !compiled.is_valid() {
        return Err(RemoteOnly::TooLarge);
    }
    // Also without names: an SDK knows no `$savedGroups`, not even an empty one.
    let mut inliner = Inliner {
        segments,
        bytes_left: MAX_INLINED_BYTES,
    };
    let inlined = inliner.inlined(&compiled, 0)?;
    // The depth is bounded as well.
    let is_valid = Condition::joined(inlined.clone()).is_valid();
    is_valid.then_some(inlined).ok_or(RemoteOnly::TooLarge)
}

struct Inliner<'s> {
    segments: &'s SegmentGraph,
    bytes_left: usize,
}

impl Inliner<'_> {
    fn inlined(&mut self, condition: &Condition, level: usize) -> Result<Value, RemoteOnly> {
        if let Some(list) = condition.segments().iter().find(|each| each.needs_list) {
            let segment = list.name.clone();
            return Err(RemoteOnly::IdList { segment });
        }
        self.replaced(condition.source(), level)
    }

    fn replaced(&mut self, condition: &Value, level: usize) -> Result<Value, RemoteOnly> {
        let Value::Object(fields) = condition else {
            return Ok(condition.clone());
        };
        let mut clauses = Map::new();
        let mut of_segments = Vec::new();
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("$and" | "$or" | "$nor", Value::Array(conditions)) => {
                    let conditions = conditions.iter().map(|each| self.replaced(each, level));
                    let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
                    clauses.insert(name.clone(), conditions.into());
                }
                ("$not", inner) => {
                    clauses.insert(name.clone(), self.replaced(inner, level)?);
                }
                ("$savedGroups", names) => {
                    let names = names.as_array().into_iter().flatten();
                    for name in names.filter_map(Value::as_str) {
                        of_segments.push(self.segment(name, level)?);
                    }
                }
                _ => {
                    clauses.insert(name.clone(), value.clone());
                }
            }
        }
        if of_segments.is_empty() {
            return Ok(Value::Object(clauses));
        }
        if !clauses.is_empty() {
            of_segments.push(Value::Object(clauses));
        }
        Ok(json!({ "$and": of_segments }))
    }

    /// The condition of a segment. As for the server, no user is in a segment that does not exist or is too deep.
    fn segment(&mut self, name: &str, level: usize) -> Result<Value, RemoteOnly> {
        let segment = self.segments.get(name);
        let Some(segment) = segment.filter(|_| level < MAX_SEGMENT_LEVELS) else {
            return Ok(json!({"$not": {}}));
        };
        let Some(condition) = segment.rule.condition() else {
            let segment = name.to_owned();
            return Err(RemoteOnly::IdList { segment });
        };
        let bytes = condition.source().to_string().len();
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.ok_or(RemoteOnly::TooLarge)?;
        if !condition.is_valid() {
            return Ok(json!({"$not": {}}));
        }
        self.inlined(condition, level + 1)
    }
}
