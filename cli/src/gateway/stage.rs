//! The stage of the API: the names that ARNs and events contain.

use crate::template::{LocalNames, Template};
use axum::http::{HeaderMap, header};
use serde_json::Value;
use std::collections::BTreeMap;

/// A stage of the API.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) api_id: String,
    pub(super) account: String,
    pub(super) region: String,
    /// Null if the stage has no variables.
    pub(super) variables: Value,
    binary_media_types: Vec<String>,
}

impl Stage {
    pub(super) fn new(template: &Template, local: &LocalNames) -> Self {
        Self {
            name: template.api.stage.clone(),
            // The service also uses ids of ten characters.
            api_id: "localassay".to_owned(),
            account: local.account.clone(),
            region: local.region.clone(),
            variables: variables(&template.api.stage_variables),
            binary_media_types: template.api.binary_media_types.clone(),
        }
    }

    /// ARN of a method and a path, as authorizers and policies contain it.
    pub(super) fn method_arn(&self, method: &str, path: &str) -> String {
        let Self {
            name,
            api_id,
            account,
            region,
            ..
        } = self;
        let path = path.strip_prefix('/').unwrap_or(path);
        format!("arn:aws:execute-api:{region}:{account}:{api_id}/{name}/{method}/{path}")
    }

    /// Whether events contain the body of a request with these headers as base64.
    pub(super) fn is_binary_body(&self, headers: &HeaderMap) -> bool {
        let content_type = headers.get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        self.is_binary(content_type.unwrap_or("application/json"))
    }

    /// Whether events contain bodies of this type as base64.
    pub(super) fn is_binary(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        self.binary_media_types.iter().any(|binary| {
            binary == "*/*"
                || binary.eq_ignore_ascii_case(essence)
                || binary.strip_suffix("/*").is_some_and(|kind| {
                    essence
                        .split('/')
                        .next()
                        .is_some_and(|own| own.eq_ignore_ascii_case(kind))
                })
        })
    }
}

fn variables(declared: &BTreeMap<String, String>) -> Value {
    if declared.is_empty() {
        return Value::Null;
    }
    let members = declared.iter();
    let members = members.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(members.collect())
}
