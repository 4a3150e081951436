//! A resolved part of the template that knows where it stands, so that every complaint names the place.

use super::error::TemplateError;
use serde_yaml_ng::Value;

/// A value without intrinsic functions, and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    value: Value,
    path: String,
}

impl Node {
    pub(super) fn new(value: Value, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { value, path }
    }

    /// The member `key`, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let member = self.value.as_mapping()?.get(key)?;
        (!member.is_null()).then(|| Self::new(member.clone(), format!("{}.{key}", self.path)))
    }

    /// The member `key`, which has to be there.
    pub(super) fn require(&self, key: &str) -> Result<Self, TemplateError> {
        self.get(key).ok_or_else(|| TemplateError::Missing {
            path: format!("{}.{key}", self.path),
        })
    }

    /// A scalar as text; CloudFormation makes no difference between `10` and `"10"`.
    pub(super) fn text(&self) -> Result<String, TemplateError> {
        scalar_text(&self.value).ok_or_else(|| self.unexpected("a text, number or boolean"))
    }

    pub(super) fn integer(&self) -> Result<i64, TemplateError> {
        self.text()?
            .parse()
            .map_err(|_| self.unexpected("a whole number"))
    }

    pub(super) fn unsigned(&self) -> Result<u64, TemplateError> {
        self.text()?
            .parse()
            .map_err(|_| self.unexpected("a whole number, zero or more"))
    }

    pub(super) fn boolean(&self) -> Result<bool, TemplateError> {
        match self.text()?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.unexpected("true or false")),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Self>, TemplateError> {
        let items = self
            .value
            .as_sequence()
            .ok_or_else(|| self.unexpected("a list"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, item)| Self::new(item.clone(), format!("{}[{index}]", self.path)))
            .collect())
    }

    /// A list, or a single value in place of a list of one, as IAM policies allow.
    pub(super) fn one_or_more(&self) -> Result<Vec<Self>, TemplateError> {
        if self.value.is_sequence() {
            self.list()
        } else {
            Ok(vec![self.clone()])
        }
    }

    /// Texts of [`Node::one_or_more`].
    pub(super) fn texts(&self) -> Result<Vec<String>, TemplateError> {
        self.one_or_more()?.iter().map(Self::text).collect()
    }

    /// Members in the order in which they stand.
    pub(super) fn members(&self) -> Result<Vec<(String, Self)>, TemplateError> {
        let mapping = self
            .value
            .as_mapping()
            .ok_or_else(|| self.unexpected("a mapping"))?;
        mapping
            .iter()
            .map(|(key, value)| {
                let key = scalar_text(key).ok_or_else(|| self.unexpected("texts as keys"))?;
                let path = format!("{}.{key}", self.path);
                Ok((key, Self::new(value.clone(), path)))
            })
            .collect()
    }

    /// Refuses members other than these: what is not obeyed must not be passed over in silence.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), TemplateError> {
        for (key, member) in self.members()? {
            if !known.contains(&key.as_str()) {
                return Err(TemplateError::UnknownKey { path: member.path });
            }
        }
        Ok(())
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> TemplateError {
        TemplateError::Unexpected {
            path: self.path.clone(),
            expected,
            found: describe(&self.value),
        }
    }

    pub(super) fn conflict(&self, reason: impl Into<String>) -> TemplateError {
        TemplateError::Conflict {
            path: self.path.clone(),
            reason: reason.into(),
        }
    }
}

pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Tagged(tagged) => tagged.tag.to_string(),
        scalar => format!("{:?}", scalar_text(scalar).unwrap_or_default()),
    }
}
