//! Parses `template.yaml` into typed resources and resolves intrinsic functions to their local values.
//!
//! The template is the single source of tables, routes, gateway responses, scopes and the names of environment variables.
//! The local platform starts from the parsed template, and tests compare the code with it. Only the needed parts are
//! parsed. An unknown key in them is an error that names its path.

mod api;
mod error;
mod event_source;
mod function;
mod intrinsics;
mod local;
mod node;
mod preflight;
mod table;

pub use api::{Api, GatewayResponse, TokenAuthorizer};
pub use error::TemplateError;
pub use event_source::{ApiRoute, EventSource, RouteAuthorizer, StreamSource};
pub use function::{LambdaFunction, PolicyStatement};
pub use local::LocalNames;
pub use preflight::Preflight;
pub use table::{KeyAttribute, Projection, Table, TableIndex, TableKey};

use intrinsics::Resolver;
use node::{Node, describe};
use serde_yaml_ng::{Mapping, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// The parts of a template that the local platform needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The REST API.
    pub api: Api,
    /// Functions by logical id.
    pub functions: BTreeMap<String, LambdaFunction>,
    /// Tables by logical id.
    pub tables: BTreeMap<String, Table>,
    /// Values of the parameters by name.
    pub parameters: BTreeMap<String, String>,
}

impl Template {
    /// Reads a template file and resolves it with these [`LocalNames`].
    pub fn read(file: &Path, local: &LocalNames) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(file).map_err(|source| TemplateError::File {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(&text, local)
    }

    /// Parses the text of a template and resolves it with these [`LocalNames`].
    pub fn parse(text: &str, local: &LocalNames) -> Result<Self, TemplateError> {
        let document: Value = serde_yaml_ng::from_str(text)?;
        let parameters = read_parameters(section(&document, "Parameters")?, local)?;
        let resources = section(&document, "Resources")?;
        let mut kinds = BTreeMap::new();
        for (id, resource) in resources {
            let kind = resource.get("Type").and_then(Value::as_str);
            let path = || format!("Resources.{}", describe(id));
            let id = id
                .as_str()
                .ok_or_else(|| TemplateError::Missing { path: path() })?;
            let kind = kind.ok_or_else(|| TemplateError::Missing {
                path: format!("{}.Type", path()),
            })?;
            kinds.insert(id.to_owned(), kind.to_owned());
        }
        let resolver = Resolver {
            parameters: &parameters,
            conditions: section(&document, "Conditions")?,
            resources: &kinds,
            local,
        };
        let mut parsed = ParsedResources::default();
        let globals = parsed.globals(section(&document, "Globals")?, &resolver)?;
        for (id, kind) in &kinds {
            if let Some(resource) = resources.get(id.as_str()) {
                parsed.add(id, kind, resource, globals.as_ref(), &resolver)?;
            }
        }
        let api = parsed.api.ok_or_else(|| TemplateError::Missing {
            path: "a resource of type AWS::Serverless::Api".to_owned(),
        })?;
        let text = |value: &Value| node::scalar_text(value).unwrap_or_default();
        Self {
            api,
            functions: parsed.functions,
            tables: parsed.tables,
            parameters: parameters
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        }
        .checked()
    }

    /// The function that runs this binary.
    pub fn function_of(&self, binary: &str) -> Option<&LambdaFunction> {
        self.functions
            .values()
            .find(|function| function.binary == binary)
    }

    /// The function with this ARN.
    pub fn function_with_arn(&self, arn: &str) -> Option<&LambdaFunction> {
        let (_, logical_id) = arn.rsplit_once(':')?;
        self.functions.get(logical_id)
    }

    /// Every route with its function, sorted by the logical id of the function.
    pub fn routes(&self) -> impl Iterator<Item = (&LambdaFunction, &ApiRoute)> {
        let functions = self.functions.values();
        functions.flat_map(|function| function.routes().map(move |route| (function, route)))
    }

    /// The tables for a local engine. A table has a stream only if a function reads it, because the embedded engine takes
    /// about as long to write a stream record as to write the item.
    pub fn local_tables(&self) -> BTreeMap<String, Table> {
        let read = |table: &Table| {
            let events = self
                .functions
                .values()
                .flat_map(|function| &function.events);
            let mut arns = events.filter_map(|event| match event {
                EventSource::Stream(stream) => Some(stream.stream_arn.as_str()),
                _ => None,
            });
            arns.any(|arn| arn.split('/').nth(1) == Some(&table.name))
        };
        let mut tables = self.tables.clone();
        for table in tables.values_mut() {
            if !read(table) {
                table.stream = None;
            }
        }
        tables
    }

    /// The name of the authorizer of a route, or `None` if the route needs no token.
    pub fn authorizer_of<'a>(&'a self, route: &'a ApiRoute) -> Option<&'a str> {
        match &route.authorizer {
            RouteAuthorizer::Open => None,
            RouteAuthorizer::Named(name) => Some(name),
            RouteAuthorizer::Default => self.api.default_authorizer.as_deref(),
        }
    }

    /// Refuses references to resources that do not exist. CloudFormation finds them only at deployment.
    fn checked(self) -> Result<Self, TemplateError> {
        let unknown = |path: String, name: &str| TemplateError::UnknownName {
            path,
            name: name.to_owned(),
        };
        for (function, route) in self.routes() {
            let path = format!("Resources.{}.Properties.Events", function.logical_id);
            if route.api != self.api.logical_id {
                return Err(unknown(path, &route.api));
            }
            if let Some(name) = self.authorizer_of(route)
                && !self.api.authorizers.contains_key(name)
            {
                return Err(unknown(path, name));
            }
        }
        for authorizer in self.api.authorizers.values() {
            if self.function_with_arn(&authorizer.function_arn).is_none() {
                let path = format!("Resources.{}.Properties.Auth", self.api.logical_id);
                return Err(unknown(path, &authorizer.function_arn));
            }
        }
        Ok(self)
    }
}

#[derive(Default)]
struct ParsedResources {
    api: Option<Api>,
    functions: BTreeMap<String, LambdaFunction>,
    tables: BTreeMap<String, Table>,
}

impl ParsedResources {
    /// Returns `Globals.Function`, the only global section that functions inherit from here.
    fn globals(
        &self,
        globals: &Mapping,
        resolver: &Resolver<'_>,
    ) -> Result<Option<Node>, TemplateError> {
        let Some(function) = globals.get("Function") else {
            return Ok(None);
        };
        // Other members may contain references that cannot be resolved locally.
        let mut needed = Mapping::new();
        for key in ["Timeout", "MemorySize", "Environment"] {
            if let Some(value) = function.get(key) {
                needed.insert(key.into(), value.clone());
            }
        }
        let path = "Globals.Function";
        let resolved = resolver.resolve(&Value::Mapping(needed), path)?;
        Ok(resolved.map(|value| Node::new(value, path)))
    }

    fn add(
        &mut self,
        id: &str,
        kind: &str,
        resource: &Value,
        globals: Option<&Node>,
        resolver: &Resolver<'_>,
    ) -> Result<(), TemplateError> {
        let path = format!("Resources.{id}");
        if let Some(condition) = resource.get("Condition").and_then(Value::as_str)
            && !resolver.condition(condition, &path)?
        {
            return Ok(());
        }
        let part = |key: &str, keys: Option<&[&str]>| -> Result<Node, TemplateError> {
            let place = format!("{path}.{key}");
            let value = resource.get(key).cloned();
            let mut value = value.unwrap_or_else(|| Value::Mapping(Mapping::new()));
            if let (Some(keys), Some(members)) = (keys, value.as_mapping_mut()) {
                members.retain(|name, _| name.as_str().is_some_and(|name| keys.contains(&name)));
            }
            let resolved = resolver.resolve(&value, &place)?;
            Ok(Node::new(resolved.unwrap_or(Value::Null), place))
        };
        match kind {
            "AWS::DynamoDB::Table" => {
                let table = Table::read(resolver.local.table_name(id), &part("Properties", None)?)?;
                self.tables.insert(id.to_owned(), table);
            }
            "AWS::Serverless::Function" => {
                let keys = ["Timeout", "MemorySize", "Environment", "Events", "Policies"];
                let properties = part("Properties", Some(&keys))?;
                let metadata = part("Metadata", None)?;
                let function = LambdaFunction::read(id, &metadata, &properties, globals)?;
                self.functions.insert(id.to_owned(), function);
            }
            "AWS::Serverless::Api" => {
                let properties = part("Properties", None)?;
                if self.api.is_some() {
                    return Err(properties.conflict("a second API: only one can run locally"));
                }
                self.api = Some(Api::read(id, &properties)?);
            }
            // A local run needs no alarms, roles, log groups and dashboards.
            _ => {}
        }
        Ok(())
    }
}

fn section<'a>(document: &'a Value, name: &str) -> Result<&'a Mapping, TemplateError> {
    static EMPTY: std::sync::LazyLock<Mapping> = std::sync::LazyLock::new(Mapping::new);
    match document.get(name) {
        None | Some(Value::Null) => Ok(&EMPTY),
        Some(Value::Mapping(members)) => Ok(members),
        Some(other) => Err(TemplateError::Unexpected {
            path: name.to_owned(),
            expected: "a mapping",
            found: describe(other),
        }),
    }
}

fn read_parameters(
    declared: &Mapping,
    local: &LocalNames,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    let mut parameters = BTreeMap::new();
    for (name, parameter) in declared {
        let name = node::scalar_text(name).unwrap_or_default();
        let path = format!("Parameters.{name}");
        let given = local.parameters.get(&name).cloned();
        let default = || parameter.get("Default").and_then(node::scalar_text);
        let text = given
            .or_else(default)
            .ok_or_else(|| TemplateError::Missing {
                path: format!("{path}.Default"),
            })?;
        let kind = parameter.get("Type").and_then(Value::as_str);
        let value = match kind {
            Some(kind) if kind == "CommaDelimitedList" || kind.starts_with("List<") => text
                .split(',')
                .map(|item| Value::String(item.trim().to_owned()))
                .collect(),
            _ => Value::String(text),
        };
        parameters.insert(name, value);
    }
    if let Some(unknown) = local
        .parameters
        .keys()
        .find(|name| !parameters.contains_key(*name))
    {
        return Err(TemplateError::UnknownName {
            path: "Parameters".to_owned(),
            name: unknown.clone(),
        });
    }
    Ok(parameters)
}
