//! The user for whom an experiment is evaluated.

use super::ids::{UnitKind, UserId};
use serde_json::{Map, Value};

/// What a request tells about a user. It is not stored; the dimension values of an assignment are.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationContext {
    /// The user, which the hash is computed from.
    pub user_id: UserId,
    /// An object.
    attributes: Value,
}

impl EvaluationContext {
    /// The attribute that is the user id, as in GrowthBook's SDKs.
    pub const USER_ID_ATTRIBUTE: &'static str = "id";

    /// The attribute that is the id of a unit: that of the user, or the name of the kind of other units.
    pub fn attribute_of(kind: &UnitKind) -> &str {
        if kind.is_user() {
            Self::USER_ID_ATTRIBUTE
        } else {
            kind.as_str()
        }
    }

    /// The attributes of the user, an object.
    pub fn attributes(&self) -> &Value {
        &self.attributes
    }

    /// A user with attributes by name. The user id is added to them.
    pub fn new(user_id: UserId, mut attributes: Map<String, Value>) -> Self {
        let id = Value::from(user_id.as_str());
        attributes.insert(Self::USER_ID_ATTRIBUTE.to_owned(), id);
        Self {
            user_id,
            attributes: Value::Object(attributes),
        }
    }
}
