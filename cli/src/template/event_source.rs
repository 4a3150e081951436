//! What calls a function: routes of the API, streams of tables, and others that are only named.

use super::error::TemplateError;
use super::node::Node;
use super::table::list;
use std::time::Duration;

/// One entry of a function's `Events`.
#[derive(Debug, Clone, PartialEq)]
pub enum EventSource {
    /// A method of the REST API.
    Api(ApiRoute),
    /// Changes of a table.
    Stream(StreamSource),
    /// Another type, which the local platform does not feed.
    Other {
        /// The type, as `Schedule`.
        kind: String,
    },
}

/// A method and path of the REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRoute {
    /// Logical id of the API.
    pub api: String,
    /// Upper case; `ANY` for all.
    pub method: String,
    /// As `/experiments/{id}`.
    pub path: String,
    /// Who checks the token.
    pub authorizer: RouteAuthorizer,
}

/// Who checks the token of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteAuthorizer {
    /// The API's default authorizer, if it has one.
    Default,
    /// Nobody: the route is open.
    Open,
    /// The authorizer of this name.
    Named(String),
}

/// An event-source mapping of a table's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSource {
    /// ARN of the stream.
    pub stream_arn: String,
    /// `TRIM_HORIZON` or `LATEST`.
    pub starting_position: String,
    /// Most records in a call.
    pub batch_size: u64,
    /// How long to wait for a full batch.
    pub batching_window: Duration,
    /// Calls at a time for one shard.
    pub parallelization_factor: u64,
    /// Whether a failed batch is halved.
    pub bisect_on_error: bool,
    /// Retries of a failed batch; none for no bound.
    pub maximum_retries: Option<u64>,
    /// Age at which a record is given up; none for no bound.
    pub maximum_record_age: Option<Duration>,
    /// Whether the function reports the records that failed.
    pub reports_item_failures: bool,
    /// Event patterns, JSON text each; a record must match one of them.
    pub filters: Vec<String>,
    /// ARN of where failed batches go.
    pub on_failure: Option<String>,
}

impl EventSource {
    pub(super) fn read(event: &Node) -> Result<Self, TemplateError> {
        let kind = event.require("Type")?.text()?;
        let properties = event.require("Properties");
        match kind.as_str() {
            "Api" => Ok(Self::Api(read_route(&properties?)?)),
            "DynamoDB" => Ok(Self::Stream(read_stream(&properties?)?)),
            _ => Ok(Self::Other { kind }),
        }
    }
}

fn read_route(properties: &Node) -> Result<ApiRoute, TemplateError> {
    // Request models, required parameters, API keys and timeouts would have to be obeyed, so they are refused.
    properties.only(&["RestApiId", "Method", "Path", "Auth"])?;
    let path = properties.require("Path")?;
    let authorizer = match properties.get("Auth") {
        None => RouteAuthorizer::Default,
        Some(auth) => {
            auth.only(&["Authorizer"])?;
            match auth.require("Authorizer")?.text()?.as_str() {
                "NONE" => RouteAuthorizer::Open,
                name => RouteAuthorizer::Named(name.to_owned()),
            }
        }
    };
    Ok(ApiRoute {
        api: properties.require("RestApiId")?.text()?,
        method: properties.require("Method")?.text()?.to_uppercase(),
        path: match path.text()? {
            text if text.starts_with('/') => text,
            _ => return Err(path.unexpected("a path that starts with a slash")),
        },
        authorizer,
    })
}

fn read_stream(properties: &Node) -> Result<StreamSource, TemplateError> {
    properties.only(&[
        "Stream",
        "StartingPosition",
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "ParallelizationFactor",
        "BisectBatchOnFunctionError",
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
        "FunctionResponseTypes",
        "FilterCriteria",
        "DestinationConfig",
    ])?;
    let number = |key: &str, default: u64| {
        properties
            .get(key)
            .map_or(Ok(default), |node| node.unsigned())
    };
    // CloudFormation writes "no bound" as -1.
    let bound = |key: &str| {
        properties
            .get(key)
            .map_or(Ok(-1), |node| node.integer())
            .map(|bound| u64::try_from(bound).ok())
    };
    let responses = properties.get("FunctionResponseTypes");
    let responses = responses.map_or(Ok(Vec::new()), |node| node.texts())?;
    let mut filters = Vec::new();
    if let Some(criteria) = properties.get("FilterCriteria") {
        for filter in list(criteria.get("Filters"))? {
            filters.push(filter.require("Pattern")?.text()?);
        }
    }
    let on_failure = properties
        .get("DestinationConfig")
        .and_then(|destination| destination.get("OnFailure"))
        .map(|failure| failure.require("Destination")?.text())
        .transpose()?;
    Ok(StreamSource {
        stream_arn: properties.require("Stream")?.text()?,
        starting_position: properties.require("StartingPosition")?.text()?,
        batch_size: number("BatchSize", 100)?,
        batching_window: Duration::from_secs(number("MaximumBatchingWindowInSeconds", 0)?),
        parallelization_factor: number("ParallelizationFactor", 1)?,
        bisect_on_error: properties
            .get("BisectBatchOnFunctionError")
            .map_or(Ok(false), |node| node.boolean())?,
        maximum_retries: bound("MaximumRetryAttempts")?,
        maximum_record_age: bound("MaximumRecordAgeInSeconds")?.map(Duration::from_secs),
        reports_item_failures: responses
            .iter()
            .any(|kind| kind == "ReportBatchItemFailures"),
        filters,
        on_failure,
    })
}
