//! OFREP, OpenFeature's protocol for remote evaluation (version 0.3.0): bodies and errors as its clients read them.
//!
//! Some clients read more strictly than the protocol asks: they need a `variant` with each value, `errorDetails` with each
//! error, and a decimal point in the values of flags with the type `number`.

use super::body;
use super::flag_evaluation::EvaluatedFlag;
use super::flag_user::FlagUser;
use super::input::attributes;
use super::problem::Problem;
use super::response;
use super::{Request, Response};
use crate::app::flag_sets::FlagSet;
use domain::evaluation_context::EvaluationContext;
use domain::flag::{CompiledFlag, FlagReason};
use domain::ids::{ExperimentId, FlagKey, UserId, VariantKey};
use lambda_http::http::StatusCode;
use lambda_http::http::header::RETRY_AFTER;
use serde::Serialize;
use serde_json::{Map, Value};

/// The name of the user id in a context.
const TARGETING_KEY: &str = "targetingKey";

/// The result of a flag.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum FlagResult {
    /// A value.
    Success(Box<Success>),
    /// No value.
    Failure(Failure),
}

/// A flag with its value.
#[derive(Debug, Serialize)]
pub struct Success {
    key: FlagKey,
    reason: FlagReason,
    variant: VariantKey,
    value: Value,
    metadata: Metadata,
}

/// Where a value comes from. OFREP allows only texts, numbers and booleans here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    flag_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<ExperimentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment_variant: Option<VariantKey>,
}

impl From<EvaluatedFlag> for Success {
    fn from(flag: EvaluatedFlag) -> Self {
        let (experiment, experiment_variant) = flag.experiment.unzip();
        Self {
            key: flag.key,
            reason: flag.reason,
            variant: flag.variant,
            value: flag.value,
            metadata: Metadata {
                flag_version: flag.version,
                rule: flag.rule.map(|rule| rule.to_string()),
                experiment,
                experiment_variant,
            },
        }
    }
}

/// An error as OFREP writes it: of one flag, or of a whole request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    error_code: ErrorCode,
    error_details: String,
}

/// The codes of OFREP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ErrorCode {
    ParseError,
    TargetingKeyMissing,
    InvalidContext,
    FlagNotFound,
    General,
}

impl Failure {
    fn new(status: StatusCode, error_code: ErrorCode, details: impl Into<String>) -> Self {
        Self {
            status,
            retry_after: None,
            key: None,
            error_code,
            error_details: details.into(),
        }
    }

    /// The same, about one flag.
    #[must_use]
    pub fn of(self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self
        }
    }

    /// 404: there is no such flag for the caller.
    pub fn flag_not_found(key: &str) -> Self {
        let details = format!("There is no flag `{key}` in this environment.");
        Self::new(StatusCode::NOT_FOUND, ErrorCode::FlagNotFound, details).of(key)
    }

    /// 400: the flag is evaluated by a hash of the user id, and there is none.
    pub fn targeting_key_missing(key: &str) -> Self {
        let details = format!(
            "The rules of `{key}` need a user. Send `{TARGETING_KEY}`, a text that identifies the user."
        );
        let status = StatusCode::BAD_REQUEST;
        Self::new(status, ErrorCode::TargetingKeyMissing, details).of(key)
    }

    /// The response.
    pub fn respond(&self) -> Response {
        // The page of an app must see why a request failed.
        let mut response = response::for_all_pages(response::json(self.status, self));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        let code = match status {
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::ParseError,
            StatusCode::UNPROCESSABLE_ENTITY => ErrorCode::InvalidContext,
            _ => ErrorCode::General,
        };
        // OFREP has no other status for a bad request.
        let status = match code {
            ErrorCode::ParseError | ErrorCode::InvalidContext
                if status != StatusCode::PAYLOAD_TOO_LARGE =>
            {
                StatusCode::BAD_REQUEST
            }
            _ => status,
        };
        Self {
            retry_after: problem.retry_after(),
            ..Self::new(status, code, problem.first_fault())
        }
    }
}

/// The user of a request: `{"context": {"targetingKey": …, …}}`. The attributes are those of the context; the user id is also
/// the attribute `id`.
///
/// # Errors
/// 400 if the body cannot be read or the context is not valid, 413.
pub fn user(request: &Request) -> Result<FlagUser, Failure> {
    let text = body::json(request)?;
    let whole: Value = serde_json::from_str(text)
        .map_err(|error| parse_error(&format!("The body is malformed JSON: {error}.")))?;
    let Value::Object(mut whole) = whole else {
        return Err(parse_error("The body must be an object with a `context`."));
    };
    let context = match whole.remove("context") {
        Some(Value::Object(context)) => context,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(invalid("`context` must be an object.")),
    };
    user_of(context)
}

fn user_of(mut context: Map<String, Value>) -> Result<FlagUser, Failure> {
    let id = match context.get(TARGETING_KEY) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(UserId::parse(text).map_err(|why| {
            invalid(&format!(
                "`{TARGETING_KEY}` is not a user id: {}",
                why.detail
            ))
        })?),
        Some(_) => return Err(invalid(&format!("`{TARGETING_KEY}` must be a text."))),
    };
    // Faults are about the user, whose id the context can also have as `id`.
    if let Some((name, why)) = attributes::check(&context, id.as_ref()).into_iter().next() {
        let place = if name.is_empty() { "context" } else { &name };
        return Err(invalid(&format!("`{place}`: {}", why.detail)));
    }
    if let Some(id) = id {
        let name = EvaluationContext::USER_ID_ATTRIBUTE;
        context.insert(name.to_owned(), id.as_str().into());
    }
    Ok(FlagUser::new(context))
}

fn parse_error(details: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, ErrorCode::ParseError, details)
}

fn invalid(details: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidContext, details)
}

/// Whether a flag cannot be evaluated for a user: flags that are decided by a hash of the user id need one, also if the rules
/// of a prerequisite do.
pub fn lacks_user(set: &FlagSet, flag: &CompiledFlag, user: &FlagUser) -> bool {
    let name = EvaluationContext::USER_ID_ATTRIBUTE;
    user.attributes().get(name).is_none() && set.hashes_users(flag)
}
