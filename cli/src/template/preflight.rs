//! Preflight responses: methods `OPTIONS` in the definition of the API, which API Gateway answers itself.
//!
//! SAM merges this definition with the routes of the functions (`MergeDefinitions`).

use super::error::TemplateError;
use super::function::members;
use super::node::Node;

const INTEGRATION: &str = "x-amazon-apigateway-integration";
const HEADER_PREFIX: &str = "method.response.header.";

/// The response to the preflight requests of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// The path as the template contains it.
    pub path: String,
    /// The status.
    pub status: u16,
    /// Headers with fixed values.
    pub headers: Vec<(String, String)>,
}

impl Preflight {
    /// The responses in `DefinitionBody` of an API.
    pub(super) fn read_all(api: &Node) -> Result<Vec<Self>, TemplateError> {
        let Some(definition) = api.get("DefinitionBody") else {
            return Ok(Vec::new());
        };
        // Otherwise SAM refuses the routes of the functions.
        let merges = api.require("MergeDefinitions")?;
        if !merges.boolean()? {
            return Err(merges.unexpected("true, because the routes are those of the functions"));
        }
        definition.only(&["openapi", "info", "paths"])?;
        let mut preflights = Vec::new();
        for (path, methods) in members(definition.get("paths"))? {
            methods.only(&["options"])?;
            preflights.push(Self::read(path, &methods.require("options")?)?);
        }
        Ok(preflights)
    }

    fn read(path: String, method: &Node) -> Result<Self, TemplateError> {
        method.only(&["responses", INTEGRATION])?;
        let integration = method.require(INTEGRATION)?;
        integration.only(&["type", "requestTemplates", "responses"])?;
        let kind = integration.require("type")?;
        if kind.text()? != "mock" {
            return Err(kind.unexpected("mock, because functions have routes of their own"));
        }
        // The request template selects the status, and the only response is that of every status.
        let responses = integration.require("responses")?;
        responses.only(&["default"])?;
        let response = responses.require("default")?;
        response.only(&["statusCode", "responseParameters"])?;
        let status = response.require("statusCode")?;
        // API Gateway sends only headers that the method declares.
        let declared = method.require("responses")?.require(&status.text()?)?;
        let declared = declared.get("headers");
        let mut headers = Vec::new();
        for (parameter, value) in members(response.get("responseParameters"))? {
            let name = parameter
                .strip_prefix(HEADER_PREFIX)
                .ok_or_else(|| value.unexpected("the name of a header of the response"))?;
            if declared.as_ref().and_then(|all| all.get(name)).is_none() {
                return Err(value.unexpected("a header that the responses of the method declare"));
            }
            headers.push((name.to_owned(), value.fixed_text()?));
        }
        Ok(Self {
            path,
            status: u16::try_from(status.unsigned()?)
                .ok()
                .filter(|code| (200..600).contains(code))
                .ok_or_else(|| status.unexpected("an HTTP status"))?,
            headers,
        })
    }
}
