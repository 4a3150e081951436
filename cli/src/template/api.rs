//! The REST API in the template: stage, authorizers and gateway responses.

use super::error::TemplateError;
use super::function::members;
use super::node::Node;
use super::preflight::Preflight;
use super::table::list;
use std::collections::BTreeMap;
use std::time::Duration;

/// API Gateway's default for how long a policy is cached.
const DEFAULT_AUTHORIZER_TTL_SECONDS: u64 = 300;

/// The REST API.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Logical id.
    pub logical_id: String,
    /// Name of the stage, the first path segment of its URL in the cloud.
    pub stage: String,
    /// Authorizers by name.
    pub authorizers: BTreeMap<String, TokenAuthorizer>,
    /// The authorizer of routes that do not name one.
    pub default_authorizer: Option<String>,
    /// The gateway's own responses by response type, such as `UNAUTHORIZED`.
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
    /// Preflight responses.
    pub preflights: Vec<Preflight>,
    /// Media types whose bodies are base64 in events.
    pub binary_media_types: Vec<String>,
    /// `stageVariables` of every event.
    pub stage_variables: BTreeMap<String, String>,
}

/// A Lambda authorizer of type TOKEN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAuthorizer {
    /// ARN of the authorizer function.
    pub function_arn: String,
    /// Name of the header with the token.
    pub header: String,
    /// Regular expression that a token must match, or else the function is not called.
    pub validation_expression: Option<String>,
    /// How long a policy is cached.
    pub ttl: Duration,
}

/// A response that the gateway itself makes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayResponse {
    /// The status, if the template changes it.
    pub status: Option<u16>,
    /// Headers with fixed values.
    pub headers: Vec<(String, String)>,
    /// Body templates by content type, in the order of the template.
    pub templates: Vec<(String, String)>,
}

impl Api {
    pub(super) fn read(logical_id: &str, properties: &Node) -> Result<Self, TemplateError> {
        // The keys from `Name` on are ignored: they do not change responses, and the local gateway does not throttle.
        properties.only(&[
            "StageName",
            "Auth",
            "GatewayResponses",
            "BinaryMediaTypes",
            "Variables",
            "MergeDefinitions",
            "DefinitionBody",
            "Name",
            "Description",
            "EndpointConfiguration",
            "FailOnWarnings",
            "TracingEnabled",
            "MethodSettings",
            "AccessLogSetting",
            "OpenApiVersion",
            "AlwaysDeploy",
            "Tags",
        ])?;
        let auth = properties.get("Auth");
        let mut authorizers = BTreeMap::new();
        let mut default_authorizer = None;
        if let Some(auth) = &auth {
            auth.only(&[
                "DefaultAuthorizer",
                "AddDefaultAuthorizerToCorsPreflight",
                "Authorizers",
            ])?;
            default_authorizer = auth
                .get("DefaultAuthorizer")
                .map(|n| n.text())
                .transpose()?;
            for (name, authorizer) in members(auth.get("Authorizers"))? {
                authorizers.insert(name, read_authorizer(&authorizer)?);
            }
        }
        let mut gateway_responses = BTreeMap::new();
        for (kind, response) in members(properties.get("GatewayResponses"))? {
            gateway_responses.insert(kind, read_response(&response)?);
        }
        let mut stage_variables = BTreeMap::new();
        for (name, value) in members(properties.get("Variables"))? {
            stage_variables.insert(name, value.text()?);
        }
        let binary = list(properties.get("BinaryMediaTypes"))?;
        Ok(Self {
            logical_id: logical_id.to_owned(),
            stage: properties.require("StageName")?.text()?,
            authorizers,
            default_authorizer,
            gateway_responses,
            preflights: Preflight::read_all(properties)?,
            stage_variables,
            // SAM writes the slash as `~1`.
            binary_media_types: binary
                .iter()
                .map(|node| Ok(node.text()?.replace("~1", "/")))
                .collect::<Result<_, TemplateError>>()?,
        })
    }
}

fn read_authorizer(authorizer: &Node) -> Result<TokenAuthorizer, TemplateError> {
    authorizer.only(&["FunctionPayloadType", "FunctionArn", "Identity"])?;
    if let Some(kind) = authorizer.get("FunctionPayloadType")
        && kind.text()? != "TOKEN"
    {
        return Err(kind.unexpected("TOKEN, the only authorizer type that runs locally"));
    }
    let identity = authorizer.get("Identity");
    let setting = |key: &str| identity.as_ref().and_then(|identity| identity.get(key));
    if let Some(identity) = &identity {
        identity.only(&["Header", "ValidationExpression", "ReauthorizeEvery"])?;
    }
    let ttl = setting("ReauthorizeEvery")
        .map(|node| node.unsigned())
        .transpose()?;
    Ok(TokenAuthorizer {
        function_arn: authorizer.require("FunctionArn")?.text()?,
        header: match setting("Header") {
            Some(header) => header.text()?,
            None => "Authorization".to_owned(),
        },
        validation_expression: setting("ValidationExpression")
            .map(|node| node.text())
            .transpose()?,
        ttl: Duration::from_secs(ttl.unwrap_or(DEFAULT_AUTHORIZER_TTL_SECONDS)),
    })
}

fn read_response(response: &Node) -> Result<GatewayResponse, TemplateError> {
    response.only(&["StatusCode", "ResponseParameters", "ResponseTemplates"])?;
    let status = match response.get("StatusCode") {
        Some(status) => Some(
            u16::try_from(status.unsigned()?)
                .ok()
                .filter(|code| (200..600).contains(code))
                .ok_or_else(|| status.unexpected("an HTTP status"))?,
        ),
        None => None,
    };
    let mut headers = Vec::new();
    if let Some(parameters) = response.get("ResponseParameters") {
        parameters.only(&["Headers"])?;
        for (name, value) in members(parameters.get("Headers"))? {
            headers.push((name, value.fixed_text()?));
        }
    }
    let mut templates = Vec::new();
    for (content_type, template) in members(response.get("ResponseTemplates"))? {
        templates.push((content_type, template.text()?));
    }
    Ok(GatewayResponse {
        status,
        headers,
        templates,
    })
}
