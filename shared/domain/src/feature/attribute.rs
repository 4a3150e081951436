//! Attributes that hashes are computed from.

use super::definition::BucketFilter;
use crate::bucketing::{HashVersion, bucket_value, choose};
use crate::condition::{is_truthy, javascript_text, value_at};
use crate::evaluation_context::EvaluationContext;
use serde_json::Value;
use std::borrow::Cow;

/// The value of a user without the attribute.
static MISSING: Value = Value::Null;

/// An attribute by its name, or by a path of names joined by dots.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    name: Box<str>,
    path: Vec<Box<str>>,
}

impl Attribute {
    /// The attribute with a name; `id` without one.
    pub(super) fn new(name: Option<&str>) -> Self {
        let name = name.filter(|name| !name.is_empty());
        let name = name.unwrap_or(EvaluationContext::USER_ID_ATTRIBUTE);
        let parts = name.split('.').map(Into::into);
        Self {
            path: if name.contains('.') {
                parts.collect()
            } else {
                Vec::new()
            },
            name: name.into(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value that is hashed; none if the user has none, or one that counts as false.
    pub(super) fn value<'a>(&self, attributes: &'a Value) -> Option<Cow<'a, Value>> {
        let value = match attributes.get(&*self.name) {
            Some(value) => Cow::Borrowed(value),
            None if self.path.is_empty() => Cow::Borrowed(&MISSING),
            None => value_at(attributes, &self.path),
        };
        is_truthy(&value).then_some(value)
    }
}

/// The version of a hash by its number; none if there is no such version.
pub(super) fn hash_version(number: Option<u64>, missing: HashVersion) -> Option<HashVersion> {
    match number {
        None | Some(0) => Some(missing),
        Some(1) => Some(HashVersion::V1),
        Some(2) => Some(HashVersion::V2),
        Some(_) => None,
    }
}

/// A hash: the bucket value of a user.
#[derive(Debug, Clone)]
pub(super) struct Hash {
    pub(super) seed: Box<str>,
    pub(super) version: Option<HashVersion>,
}

impl Hash {
    /// The bucket value; none if there is no such version of the hash.
    pub(super) fn bucket_value(&self, value: &Value) -> Option<f64> {
        let version = self.version?;
        Some(bucket_value(&self.seed, &javascript_text(value), version))
    }
}

/// A compiled filter.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    attribute: Attribute,
    hash: Hash,
    ranges: Vec<(f64, f64)>,
}

impl Filter {
    pub(super) fn new(definition: &BucketFilter) -> Self {
        Self {
            attribute: Attribute::new(definition.attribute.as_deref()),
            hash: Hash {
                seed: definition.seed.as_str().into(),
                version: hash_version(definition.hash_version, HashVersion::V2),
            },
            ranges: definition.ranges.clone(),
        }
    }

    /// Whether a user is in one of the ranges.
    pub(super) fn includes(&self, attributes: &Value) -> bool {
        let value = self.attribute.value(attributes);
        let bucket_value = value.and_then(|value| self.hash.bucket_value(&value));
        bucket_value.is_some_and(|bucket_value| choose(bucket_value, &self.ranges).is_some())
    }
}
