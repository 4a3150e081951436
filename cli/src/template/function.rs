//! Lambda functions in the template.

use super::error::TemplateError;
use super::event_source::{ApiRoute, EventSource};
use super::node::Node;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lambda's default if the template has no timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
const DEFAULT_MEMORY_MB: u64 = 128;

/// A Lambda function.
#[derive(Debug, Clone, PartialEq)]
pub struct LambdaFunction {
    /// Logical id.
    pub logical_id: String,
    /// Name of the binary, from `Metadata.BuildProperties.Binary`.
    pub binary: String,
    /// The scope that a token needs to call its routes, from `Metadata.Scope`.
    pub scope: Option<String>,
    /// Timeout of a call.
    pub timeout: Duration,
    /// Memory in MB.
    pub memory_mb: u64,
    /// Environment variables, including those of `Globals`.
    pub environment: BTreeMap<String, String>,
    /// Its event sources.
    pub events: Vec<EventSource>,
    /// Permissions of its role in addition to writing logs.
    pub statements: Vec<PolicyStatement>,
}

/// A statement of a function's inline policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStatement {
    /// `Allow` or `Deny`.
    pub effect: String,
    /// Actions, such as `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// ARNs of resources.
    pub resources: Vec<String>,
}

impl LambdaFunction {
    /// `globals` is `Globals.Function`. Members of the function replace those of `globals`; environment variables are
    /// merged.
    pub(super) fn read(
        logical_id: &str,
        metadata: &Node,
        properties: &Node,
        globals: Option<&Node>,
    ) -> Result<Self, TemplateError> {
        let setting = |key: &str| {
            properties
                .get(key)
                .or_else(|| globals.and_then(|globals| globals.get(key)))
        };
        let mut environment = BTreeMap::new();
        for owner in globals.into_iter().chain([properties]) {
            let variables = owner.get("Environment").and_then(|e| e.get("Variables"));
            for (name, value) in members(variables)? {
                environment.insert(name, value.text()?);
            }
        }
        let mut events = Vec::new();
        for (_, event) in members(properties.get("Events"))? {
            events.push(EventSource::read(&event)?);
        }
        let mut statements = Vec::new();
        if let Some(policies) = properties.get("Policies") {
            for policy in policies.one_or_more()? {
                read_policy(&policy, &mut statements)?;
            }
        }
        let timeout = setting("Timeout").map(|node| node.unsigned()).transpose()?;
        let memory = setting("MemorySize")
            .map(|node| node.unsigned())
            .transpose()?;
        Ok(Self {
            logical_id: logical_id.to_owned(),
            binary: metadata
                .require("BuildProperties")?
                .require("Binary")?
                .text()?,
            scope: metadata
                .get("Scope")
                .map(|scope| scope.text())
                .transpose()?,
            timeout: timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
            memory_mb: memory.unwrap_or(DEFAULT_MEMORY_MB),
            environment,
            events,
            statements,
        })
    }

    /// The API routes of the function.
    pub fn routes(&self) -> impl Iterator<Item = &ApiRoute> {
        self.events.iter().filter_map(|event| match event {
            EventSource::Api(route) => Some(route),
            _ => None,
        })
    }
}

pub(super) fn members(node: Option<Node>) -> Result<Vec<(String, Node)>, TemplateError> {
    node.map_or(Ok(Vec::new()), |node| node.members())
}

fn read_policy(policy: &Node, statements: &mut Vec<PolicyStatement>) -> Result<(), TemplateError> {
    // Only inline policies are supported. The template does not show what a managed policy or a SAM policy template allows.
    for statement in policy.require("Statement")?.one_or_more()? {
        statements.push(PolicyStatement {
            effect: statement.require("Effect")?.text()?,
            actions: statement.require("Action")?.texts()?,
            resources: statement.require("Resource")?.texts()?,
        });
    }
    Ok(())
}
