//! What calls a function: routes of the API, streams of tables, and other event sources, which are only named.

use super::error::TemplateError;
use super::node::Node;
use super::table::list;
use std::time::Duration;

/// One entry of a function's `Events`.
#[derive(Debug, Clone, PartialEq)]
pub enum EventSource {
    /// A method of the REST API.
    Api(ApiRoute),
    /// The stream of a table.
    Stream(StreamSource),
    /// Another type. The local platform does not deliver its events.
    Other {
        /// The type, such as `Schedule`.
        kind: String,
    },
}

/// A method and path of the REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRoute {
    /// Logical id of the API.
    pub api: String,
    /// HTTP method in upper case, or `ANY`.
    pub method: String,
    /// Path, such as `/experiments/{id}`.
    pub path: String,
    /// Which authorizer checks the token.
    pub authorizer: RouteAuthorizer,
}

/// Which authorizer checks the token of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteAuthorizer {
    /// The API's default authorizer, if it has one.
    Default,
    /// No authorizer. The route needs no token.
    Open,
    /// The authorizer with this name.
    Named(String),
}

/// An event-source mapping for a table's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSource {
    /// ARN of the stream.
    pub stream_arn: String,
    /// `TRIM_HORIZON` or `LATEST`.
    pub starting_position: String,
    /// Maximum number of records in a call.
    pub batch_size: u64,
    /// Maximum wait for a full batch.
    pub batching_window: Duration,
    /// Number of concurrent calls for one shard.
    pub parallelization_factor: u64,
    /// Whether a failed batch is split into halves.
    pub bisect_on_error: bool,
    /// Maximum retries of a failed batch, or `None` for no limit.
    pub maximum_retries: Option<u64>,
    /// Maximum age of a record, or `None` for no limit. Older records are discarded.
    pub maximum_record_age: Option<Duration>,
    /// Whether the function's response names the records that failed.
    pub reports_item_failures: bool,
    /// Event patterns as JSON. A record must match at least one of them.
    pub filters: Vec<String>,
    /// ARN of the destination of failed batches.
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
    // The local gateway does not implement request models, required parameters, API keys and timeouts, so it refuses them.
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
    // CloudFormation uses -1 for "no limit".
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
