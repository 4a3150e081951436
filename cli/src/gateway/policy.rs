//! The answer of an authorizer: read strictly, as the service does, and applied to a method.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Who calls and what the token opens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Permit {
    pub(super) principal_id: String,
    statements: Vec<Statement>,
    context: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
struct Statement {
    allows: bool,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// Why an answer is no permit.
#[derive(Debug, thiserror::Error)]
pub(super) enum PolicyError {
    #[error("the authorizer's answer has the wrong form: {0}")]
    Form(#[from] serde_json::Error),
    #[error("{0:?} is no effect: Allow or Deny")]
    Effect(String),
    #[error("the context value {0} is not a text, number or boolean")]
    Context(String),
    #[error("a statement without Action or Resource")]
    Empty,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    principal_id: String,
    policy_document: Document,
    #[serde(default)]
    context: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    statement: OneOrMore<StatementText>,
}

// Conditions and `Not…` elements would have to be evaluated; refusing them shows that they are not.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct StatementText {
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

impl Permit {
    /// Reads what the authorizer function answered.
    pub(super) fn read(answer: Value) -> Result<Self, PolicyError> {
        let answer: Answer = serde_json::from_value(answer)?;
        let mut statements = Vec::new();
        for statement in answer.policy_document.statement.into_vec() {
            let allows = match statement.effect.as_str() {
                "Allow" => true,
                "Deny" => false,
                _ => return Err(PolicyError::Effect(statement.effect)),
            };
            let actions = statement.action.into_vec();
            let resources = statement.resource.into_vec();
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

    /// Whether the policy opens a method: some statement allows it and none denies it.
    pub(super) fn allows(&self, method_arn: &str) -> bool {
        let applies = |statement: &&Statement| {
            let to_action =
                |action: &String| wildcard_match(&action.to_lowercase(), "execute-api:invoke");
            statement.actions.iter().any(to_action)
                && statement
                    .resources
                    .iter()
                    .any(|arn| wildcard_match(arn, method_arn))
        };
        let mut applicable = self.statements.iter().filter(applies).peekable();
        applicable.peek().is_some() && applicable.all(|statement| statement.allows)
    }

    /// `requestContext.authorizer`: every value a text, whatever the authorizer gave.
    pub(super) fn request_context(&self, latency_ms: u64) -> Map<String, Value> {
        let mut context = self.context.clone();
        context.insert(
            "principalId".to_owned(),
            Value::from(self.principal_id.as_str()),
        );
        context.insert("integrationLatency".to_owned(), Value::from(latency_ms));
        context
    }
}

/// IAM's wildcards: `*` for any characters, slashes and colons included, `?` for exactly one.
pub(super) fn wildcard_match(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how far the text had come when it took up to there.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}
