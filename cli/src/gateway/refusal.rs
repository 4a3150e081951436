//! Responses that the gateway itself makes: their types, default statuses and messages, and the changes that the template
//! declares.

use super::request::IncomingRequest;
use super::stage::Stage;
use crate::template::GatewayResponse;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use std::collections::BTreeMap;

/// Why the gateway refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalKind {
    /// The path or the method does not exist. The name is API Gateway's.
    MissingAuthenticationToken,
    Unauthorized,
    AccessDenied,
    AuthorizerFailure,
    AuthorizerConfigurationError,
    RequestTooLarge,
    /// The method ARN is longer than API Gateway accepts. It uses a default response type.
    UriTooLong,
    /// The request could not be read. It uses a default response type.
    BadRequest,
    /// The body is not gzip, although its `Content-Encoding` says so.
    BadRequestBody,
    /// The template names a function that this process does not have.
    ApiConfigurationError,
    IntegrationTimeout,
    /// The function failed, or it returned no proxy response. It uses a default response type.
    BadGateway,
}

impl RefusalKind {
    /// Response type, status, message and `x-amzn-ErrorType` if the template declares no gateway response.
    fn facts(self) -> (&'static str, u16, &'static str, &'static str) {
        match self {
            Self::MissingAuthenticationToken => (
                "MISSING_AUTHENTICATION_TOKEN",
                403,
                "Missing Authentication Token",
                "MissingAuthenticationTokenException",
            ),
            Self::Unauthorized => ("UNAUTHORIZED", 401, "Unauthorized", "UnauthorizedException"),
            Self::AccessDenied => (
                "ACCESS_DENIED",
                403,
                "User is not authorized to access this resource",
                "AccessDeniedException",
            ),
            // The service's message is null here, and its string in a body template is empty.
            Self::AuthorizerFailure => (
                "AUTHORIZER_FAILURE",
                500,
                "",
                "AuthorizerConfigurationException",
            ),
            Self::AuthorizerConfigurationError => (
                "AUTHORIZER_CONFIGURATION_ERROR",
                500,
                "",
                "AuthorizerConfigurationException",
            ),
            Self::RequestTooLarge => (
                "REQUEST_TOO_LARGE",
                413,
                "Request Too Long",
                "BadRequestException",
            ),
            Self::UriTooLong => (
                "DEFAULT_4XX",
                414,
                "Request URI too long",
                "BadRequestException",
            ),
            Self::BadRequest => ("DEFAULT_4XX", 400, "Bad Request", "BadRequestException"),
            Self::BadRequestBody => (
                "BAD_REQUEST_BODY",
                400,
                "Invalid request body",
                "BadRequestException",
            ),
            Self::ApiConfigurationError => (
                "API_CONFIGURATION_ERROR",
                500,
                "Internal server error",
                "InternalServerErrorException",
            ),
            Self::IntegrationTimeout => (
                "INTEGRATION_TIMEOUT",
                504,
                "Endpoint request timed out",
                "InternalServerErrorException",
            ),
            Self::BadGateway => (
                "DEFAULT_5XX",
                502,
                "Internal server error",
                "InternalServerErrorException",
            ),
        }
    }

    /// The response type under which a template can change the response.
    pub(super) fn response_type(self) -> &'static str {
        self.facts().0
    }
}

/// The API's gateway responses.
#[derive(Debug)]
pub(super) struct Refusals {
    declared: BTreeMap<String, GatewayResponse>,
}

const DEFAULT_TEMPLATE: &str = r#"{"message":$context.error.messageString}"#;

impl Refusals {
    pub(super) fn new(declared: BTreeMap<String, GatewayResponse>) -> Self {
        Self { declared }
    }

    /// Builds the response to a refused request.
    pub(super) fn answer(
        &self,
        kind: RefusalKind,
        request: &IncomingRequest,
        stage: &Stage,
    ) -> Response<Body> {
        let (name, status, message, error_type) = kind.facts();
        let class = if status < 500 {
            "DEFAULT_4XX"
        } else {
            "DEFAULT_5XX"
        };
        let declared = self.declared.get(name).or_else(|| self.declared.get(class));
        let accept = request.accept().unwrap_or_default();
        let (content_type, template) = declared
            .and_then(|response| choose(&response.templates, accept))
            .unwrap_or(("application/json", DEFAULT_TEMPLATE));
        let message_string = match message {
            "" => "null".to_owned(),
            message => serde_json::Value::from(message).to_string(),
        };
        let body = substitute(template, &|variable| match variable {
            "requestId" => Some(request.id.as_str()),
            "extendedRequestId" => Some(&request.extended_id),
            "error.message" => Some(message),
            "error.messageString" => Some(&message_string),
            "error.responseType" => Some(name),
            "httpMethod" => Some(request.method.as_str()),
            "path" => Some(&request.path),
            "stage" => Some(&stage.name),
            "apiId" => Some(&stage.api_id),
            "accountId" => Some(&stage.account),
            _ => None,
        });
        let mut response = Response::new(Body::from(body));
        let status = declared
            .and_then(|response| response.status)
            .unwrap_or(status);
        // The status comes from this program or from the checked template, so it is always valid.
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let fixed = [
            ("content-type", content_type),
            ("x-amzn-errortype", error_type),
        ];
        let own = declared
            .map(|response| response.headers.as_slice())
            .unwrap_or_default();
        let own = own
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in fixed.into_iter().chain(own) {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.insert(name, value);
            }
        }
        debug_assert!(headers.contains_key(header::CONTENT_TYPE));
        response
    }
}

/// Chooses the body template for the type that the caller accepts, or else the one for JSON, or else the first.
fn choose<'t>(templates: &'t [(String, String)], accept: &str) -> Option<(&'t str, &'t str)> {
    let named = |wanted: &str| templates.iter().find(|(kind, _)| kind == wanted);
    let chosen = named(accept)
        .or_else(|| named("application/json"))
        .or_else(|| templates.first());
    chosen.map(|(kind, template)| (kind.as_str(), template.as_str()))
}

/// Replaces each `$context.name` by its value. Unknown variables become empty, as in the service.
fn substitute<'v>(template: &str, value: &dyn Fn(&str) -> Option<&'v str>) -> String {
    const PREFIX: &str = "$context.";
    let mut output = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find(PREFIX) {
        output.push_str(&rest[..start]);
        let after = &rest[start + PREFIX.len()..];
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
            .unwrap_or(after.len());
        // A full stop after the name is not part of the name.
        let name = after[..end].trim_end_matches('.');
        output.push_str(value(name).unwrap_or_default());
        rest = &after[name.len()..];
    }
    output.push_str(rest);
    output
}

#[cfg(test)]
mod tests {
    use super::{choose, substitute};

    fn substituted(template: &str) -> String {
        substitute(template, &|name| match name {
            "requestId" => Some("id-1"),
            "error.message" => Some("Oh no"),
            _ => None,
        })
    }

    #[test]
    fn a_variable_ends_where_its_name_ends() {
        assert_eq!(substituted("<$context.requestId>"), "<id-1>");
        assert_eq!(substituted("$context.error.message."), "Oh no.");
        assert_eq!(
            substituted("$context.requestId$context.requestId"),
            "id-1id-1"
        );
    }

    #[test]
    fn other_text_is_kept_and_unknown_variables_become_empty() {
        assert_eq!(substituted("$contex.t costs 5$"), "$contex.t costs 5$");
        assert_eq!(substituted("[$context.nothing]"), "[]");
        assert_eq!(substituted("$context."), "");
    }

    #[test]
    fn the_template_for_the_accepted_type_is_used_or_else_json_or_else_the_first() {
        let own = |kind: &str| (kind.to_owned(), kind.to_owned());
        let templates = [own("text/html"), own("application/json")];
        let chosen = |accept: &str| choose(&templates, accept).map(|(kind, _)| kind);
        assert_eq!(chosen("text/html"), Some("text/html"));
        assert_eq!(chosen("*/*"), Some("application/json"));
        let only = [own("application/problem+json")];
        assert_eq!(
            choose(&only, "text/html").map(|(kind, _)| kind),
            Some("application/problem+json")
        );
        assert_eq!(choose(&[], "*/*"), None);
    }
}
