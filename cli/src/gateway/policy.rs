//! The policy that an authorizer function returns. It is parsed as strictly as the service does, and applied to methods.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The caller's principal and the methods that its token may call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Policy {
    pub(super) principal_id: String,
    statements: Vec<Statement>,
    context: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
struct Statement {
    allows: bool,
    actions: Vec<Pattern>,
    resources: Vec<Pattern>,
}

/// A text with IAM's wildcards. Most resources differ from a method before the first wildcard.
#[derive(Debug, Clone, PartialEq)]
struct Pattern {
    literal: String,
    /// From the first wildcard on.
    rest: String,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let (literal, rest) = text.split_at(text.find(['*', '?']).unwrap_or(text.len()));
        Self {
            literal: literal.to_owned(),
            rest: rest.to_owned(),
        }
    }

    fn matches(&self, text: &str) -> bool {
        let rest = text.strip_prefix(self.literal.as_str());
        rest.is_some_and(|rest| wildcard_match(&self.rest, rest))
    }
}

/// Why the response of an authorizer is not a valid policy.
#[derive(Debug, thiserror::Error)]
pub(super) enum PolicyError {
    #[error("the authorizer's response has the wrong form: {0}")]
    Form(#[from] serde_json::Error),
    #[error("the effect {0:?} is neither Allow nor Deny")]
    Effect(String),
    #[error("the context value {0} is not a string, number or boolean")]
    Context(String),
    #[error("a statement has no Action or no Resource")]
    Empty,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerResponse {
    principal_id: String,
    policy_document: PolicyDocument,
    #[serde(default)]
    context: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDocument {
    statement: OneOrMore<StatementDocument>,
}

// The local gateway does not evaluate conditions and `Not…` elements, so it refuses a policy that contains them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct StatementDocument {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: String,
    action: OneOrMore<String>,
    resource: OneOrMore<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    More(Vec<T>),
    One(T),
}

impl<T> OneOrMore<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::More(items) => items,
            Self::One(item) => vec![item],
        }
    }
}

impl Policy {
    /// Parses the response of the authorizer function.
    pub(super) fn read(answer: Value) -> Result<Self, PolicyError> {
        let answer: AuthorizerResponse = serde_json::from_value(answer)?;
        let mut statements = Vec::new();
        for statement in answer.policy_document.statement.into_vec() {
            let allows = match statement.effect.as_str() {
                "Allow" => true,
                "Deny" => false,
                _ => return Err(PolicyError::Effect(statement.effect)),
            };
            // The case of an action does not matter.
            let actions = statement.action.into_vec().into_iter();
            let actions = actions.map(|action| Pattern::new(&action.to_lowercase()));
            let actions: Vec<_> = actions.collect();
            let resources = statement.resource.into_vec().into_iter();
            let resources: Vec<_> = resources.map(|arn| Pattern::new(&arn)).collect();
            if actions.is_empty() || resources.is_empty() {
                return Err(PolicyError::Empty);
            }
            statements.push(Statement {
                allows,
                actions,
                resources,
            });
        }
        let mut context = Map::new();
        for (name, value) in answer.context {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => return Err(PolicyError::Context(name)),
            };
            context.insert(name, Value::String(text));
        }
        Ok(Self {
            principal_id: answer.principal_id,
            statements,
            context,
        })
    }

    /// Whether the policy allows a method: at least one statement allows it and none denies it.
    pub(super) fn allows(&self, method_arn: &str) -> bool {
        let applies = |statement: &&Statement| {
            let mut actions = statement.actions.iter();
            let mut resources = statement.resources.iter();
            actions.any(|action| action.matches("execute-api:invoke"))
                && resources.any(|arn| arn.matches(method_arn))
        };
        let mut applicable = self.statements.iter().filter(applies).peekable();
        applicable.peek().is_some() && applicable.all(|statement| statement.allows)
    }
}

/// A policy and the time that it took to get it.
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) policy: Arc<Policy>,
    pub(super) latency_ms: u64,
}

impl Authorization {
    /// The members of `requestContext.authorizer`.
    pub(super) fn context(&self) -> impl Iterator<Item = (String, Value)> {
        let own = self.policy.context.iter();
        let own = own.map(|(name, value)| (name.clone(), value.clone()));
        let principal = Value::from(self.policy.principal_id.as_str());
        own.chain([
            ("principalId".to_owned(), principal),
            ("integrationLatency".to_owned(), self.latency_ms.into()),
        ])
    }
}

/// Matches IAM's wildcards: `*` stands for any characters including slashes and colons, `?` for exactly one character. It
/// allocates nothing: a policy has a resource for each route, and all of them are compared for each request.
fn wildcard_match(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    // Both positions are always at the first byte of a character or within equal characters.
    let (mut p, mut t) = (0, 0);
    // Position of the last `*` in the pattern, and the position in the text up to which it matches.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += character_bytes(byte);
            }
            Some(&expected) if expected == byte => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    let taken = taken + text.get(taken).copied().map_or(1, character_bytes);
                    star = Some((at, taken));
                    p = at + 1;
                    t = taken;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The bytes of a character of UTF-8 with this first byte.
fn character_bytes(first: u8) -> usize {
    match first {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition, without any cleverness.
    fn matches(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => matches(rest, text),
            (Some(('*', rest)), Some((_, after))) => matches(rest, text) || matches(pattern, after),
            (Some(('?', rest)), Some((_, after))) => matches(rest, after),
            (Some((one, rest)), Some((other, after))) => one == other && matches(rest, after),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn wildcards_match_whole_characters(pattern in "[ab*?é😀/]{0,8}", text in "[abé😀è/]{0,8}") {
            let [pattern_chars, text_chars] = [&pattern, &text].map(|one| one.chars().collect::<Vec<_>>());
            let expected = matches(&pattern_chars, &text_chars);
            prop_assert_eq!(wildcard_match(&pattern, &text), expected, "{} {}", pattern, text);
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), expected, "{} {}", pattern, text);
        }
    }
}
