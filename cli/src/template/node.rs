//! A resolved value of the template with its path, so that every error can name the path.

use super::error::TemplateError;
use serde_yaml_ng::Value;

/// A value without intrinsic functions, and its path in the template.
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

    /// The member `key`, or `None` if it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let member = self.value.as_mapping()?.get(key)?;
        (!member.is_null()).then(|| Self::new(member.clone(), format!("{}.{key}", self.path)))
    }

    /// The member `key`, or an error if it is missing.
    pub(super) fn require(&self, key: &str) -> Result<Self, TemplateError> {
        self.get(key).ok_or_else(|| TemplateError::Missing {
            path: format!("{}.{key}", self.path),
        })
    }

    /// A scalar as a string. CloudFormation treats `10` and `"10"` alike.
    pub(super) fn text(&self) -> Result<String, TemplateError> {
        scalar_text(&self.value).ok_or_else(|| self.unexpected("a string, number or boolean"))
    }

    /// The fixed value of a header, which API Gateway expects in single quotes.
    pub(super) fn fixed_text(&self) -> Result<String, TemplateError> {
        let text = self.text()?;
        let fixed = text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''));
        fixed
            .map(str::to_owned)
            .ok_or_else(|| self.unexpected("a fixed value in single quotes"))
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

    /// The items of a list, or a single value as a list of one item, as in IAM policies.
    pub(super) fn one_or_more(&self) -> Result<Vec<Self>, TemplateError> {
        if self.value.is_sequence() {
            self.list()
        } else {
            Ok(vec![self.clone()])
        }
    }

    /// The items of [`Node::one_or_more`] as strings.
    pub(super) fn texts(&self) -> Result<Vec<String>, TemplateError> {
        self.one_or_more()?.iter().map(Self::text).collect()
    }

    /// Members in the order of the template.
    pub(super) fn members(&self) -> Result<Vec<(String, Self)>, TemplateError> {
        let mapping = self
            .value
            .as_mapping()
            .ok_or_else(|| self.unexpected("a mapping"))?;
        mapping
            .iter()
            .map(|(key, value)| {
                let key = scalar_text(key).ok_or_else(|| self.unexpected("strings as keys"))?;
                let path = format!("{}.{key}", self.path);
                Ok((key, Self::new(value.clone(), path)))
            })
            .collect()
    }

    /// Refuses members other than these, so that no setting is ignored without an error.
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
