//! The user for whom flags are evaluated, as all routes read the user.

use domain::condition::javascript_text;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::{UnitKind, UserId};
use serde_json::{Map, Value};

/// A user for whom flags are evaluated.
#[derive(Debug)]
pub struct FlagUser {
    attributes: Value,
}

impl FlagUser {
    /// A user with these attributes; the user id is the attribute `id`.
    pub fn new(attributes: Map<String, Value>) -> Self {
        Self {
            attributes: Value::Object(attributes),
        }
    }

    /// The attributes, an object.
    pub fn attributes(&self) -> &Value {
        &self.attributes
    }

    /// The unit that an experiment assigns, if the attributes have its id.
    pub(super) fn unit(&self, experiment: &Experiment) -> Option<(UnitKind, UserId)> {
        let kind = &experiment.allocation.unit;
        let name = EvaluationContext::attribute_of(kind);
        let text = javascript_text(self.attributes.get(name)?);
        let unit = UserId::parse(&text).ok()?;
        Some((kind.clone(), unit))
    }

    /// What the rules of experiments are evaluated on, for a unit.
    pub(super) fn context(&self, unit: &UserId) -> EvaluationContext {
        let attributes = self.attributes.as_object().cloned().unwrap_or_default();
        EvaluationContext::new(unit.clone(), attributes)
    }
}
