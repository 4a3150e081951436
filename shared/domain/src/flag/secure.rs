//! Features whose conditions have hashes instead of the values of secure attributes.
//!
//! The application gives its SDK the same hashes, so a condition must hold for the hashes of a user if and only if it holds for
//! the values. That is true of equality, and of lists of texts. A feature with any other test of a secure attribute is evaluated
//! by the server only.

use super::payload::RemoteOnly;
use crate::client_key::SecureAttributes;
use crate::feature::{FeatureDefinition, FeatureRule};
use crate::limits::MAX_JOINED_CONDITION_BYTES;
use serde_json::{Map, Value};

impl SecureAttributes {
    /// The feature with hashes. It has no names of segments.
    ///
    /// # Errors
    /// Why it cannot be evaluated on hashes.
    pub(super) fn hashed(
        &self,
        feature: &FeatureDefinition,
    ) -> Result<FeatureDefinition, RemoteOnly> {
        let mut hashed = feature.clone();
        for rule in &mut hashed.rules {
            let hashes_one = hash_attributes(rule).any(|name| self.overlaps(name));
            let condition = rule.experiment.condition.as_mut();
            let is_hashed = condition.is_none_or(|condition| match self.condition(condition) {
                Some(hashed) => {
                    *condition = hashed;
                    true
                }
                None => false,
            });
            if hashes_one || !is_hashed {
                return Err(RemoteOnly::SecureAttribute);
            }
            // A hash is longer than most values.
            let condition = rule.experiment.condition.as_ref();
            let bytes = condition.map_or(0, |condition| condition.to_string().len());
            if bytes > MAX_JOINED_CONDITION_BYTES {
                return Err(RemoteOnly::TooLarge);
            }
        }
        Ok(hashed)
    }

    /// A condition on the attributes of a user; none if it cannot be evaluated on hashes. The depth of a condition is bounded, so
    /// the recursion is.
    fn condition(&self, condition: &Value) -> Option<Value> {
        let clauses = condition.as_object()?.iter().map(|(name, value)| {
            let value = match (name.as_str(), value) {
                ("$and" | "$or" | "$nor", Value::Array(conditions)) => {
                    let conditions = conditions.iter().map(|each| self.condition(each));
                    conditions.collect::<Option<_>>().map(Value::Array)
                }
                ("$not", inner) => self.condition(inner),
                (path, value) if self.contains(path) => self.expected(value),
                (path, _) if self.overlaps(path) => None,
                (_, value) => Some(value.clone()),
            };
            Some((name.clone(), value?))
        });
        clauses.collect::<Option<Map<_, _>>>().map(Value::Object)
    }

    /// What is expected of the value of a secure attribute.
    fn expected(&self, value: &Value) -> Option<Value> {
        match value {
            Value::String(text) => Some(self.hash(text).into()),
            Value::Null => Some(Value::Null),
            Value::Object(operators) if !operators.is_empty() => {
                let operators = operators.iter().map(|(name, operand)| {
                    let operand = self.operand(name, operand)?;
                    Some((name.clone(), operand))
                });
                operators.collect::<Option<Map<_, _>>>().map(Value::Object)
            }
            _ => None,
        }
    }

    fn operand(&self, operator: &str, operand: &Value) -> Option<Value> {
        let all = |elements: &Value| {
            let elements = elements.as_array()?.iter();
            let hashed = elements.map(|element| self.expected(element));
            hashed.collect::<Option<_>>().map(Value::Array)
        };
        match operator {
            "$eq" | "$ne" if operand.is_object() => None,
            "$eq" | "$ne" | "$not" => self.expected(operand),
            "$in" | "$nin" | "$all" => all(operand),
            "$elemMatch" => self.expected(operand),
            // They test no value.
            "$exists" | "$type" | "$size" => Some(operand.clone()),
            _ => None,
        }
    }
}

/// The attributes that the rule chooses users by.
fn hash_attributes(rule: &FeatureRule) -> impl Iterator<Item = &str> {
    let experiment = &rule.experiment;
    let filters = experiment.filters.iter().flatten();
    let filters = filters.filter_map(|filter| filter.attribute.as_deref());
    let own = [
        experiment.hash_attribute.as_deref(),
        experiment.fallback_attribute.as_deref(),
    ];
    own.into_iter().flatten().chain(filters)
}
