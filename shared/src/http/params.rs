//! Path and query parameters.

use super::Request;
pub use super::body::choice;
use super::body::{Faults, listed};
use super::problem::{Fault, Problem};
use crate::store::cursor::Cursor;
use domain::ids::{ExperimentId, FlagKey, LayerId, SegmentId, UserId};
use domain::{Invalid, decimal, limits};
use lambda_http::RequestExt;
use lambda_http::http::header::ORIGIN;
use lambda_http::request::RequestContext;
use percent_encoding::percent_decode_str;

/// A path parameter, decoded exactly once.
///
/// A REST API passes the path as the client encoded it, so a user id may contain `%2F`. The parameters that the gateway
/// extracts may be decoded already; the path itself, split along the template of the route, is not.
pub fn path<'r>(request: &'r Request, name: &str) -> Option<String> {
    let RequestContext::ApiGatewayV1(context) = request.request_context_ref()? else {
        return None;
    };
    let template = context.resource_path.as_deref()?;
    // From the end: a custom domain may add a base path in front.
    let place = template.rsplit('/').position(|segment| {
        segment
            .strip_prefix('{')
            .and_then(|segment| segment.strip_suffix('}'))
            == Some(name)
    })?;
    let raw: &'r str = request.raw_http_path();
    let segment = raw.rsplit('/').nth(place)?;
    percent_decode_str(segment)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// The experiment id in the path.
///
/// # Errors
/// 404: a text that is no id names no experiment.
pub fn experiment_id(request: &Request) -> Result<ExperimentId, Problem> {
    let text = path(request, "id").unwrap_or_default();
    ExperimentId::parse(&text).map_err(|_| Problem::unknown_experiment(&text))
}

/// The layer id in the path.
///
/// # Errors
/// 404: a text that is no id names no layer.
pub fn layer_id(request: &Request) -> Result<LayerId, Problem> {
    let text = path(request, "id").unwrap_or_default();
    LayerId::parse(&text).map_err(|_| Problem::unknown_layer(&text))
}

/// The id in the path of a layer that may not exist yet.
///
/// # Errors
/// 400.
pub fn new_layer_id(request: &Request) -> Result<LayerId, Problem> {
    let id = LayerId::parse(&path(request, "id").unwrap_or_default());
    id.map_err(|invalid| Problem::bad_parameters(vec![Fault::at("{id}", invalid)]))
}

/// The segment id in the path.
///
/// # Errors
/// 404: a text that is no id names no segment.
pub fn segment_id(request: &Request) -> Result<SegmentId, Problem> {
    let text = path(request, "id").unwrap_or_default();
    SegmentId::parse(&text).map_err(|_| Problem::unknown_segment(&text))
}

/// The key of a flag in the path.
///
/// # Errors
/// 404: a text that is no key names no flag.
pub fn flag_key(request: &Request) -> Result<FlagKey, Problem> {
    let text = path(request, "key").unwrap_or_default();
    FlagKey::parse(&text).map_err(|_| Problem::unknown_flag(&text))
}

/// The user id in the path.
///
/// # Errors
/// What is wrong with the user id.
pub fn user_id(request: &Request) -> Result<UserId, Invalid> {
    let text = path(request, "user_id");
    text.as_deref().map_or_else(
        || {
            Err(Invalid::new(
                "not_utf8",
                "The user id in the path must be percent-encoded UTF-8.",
            ))
        },
        UserId::parse,
    )
}

/// The `Origin` of a request, if it has exactly one.
pub fn origin(request: &Request) -> Option<&str> {
    let mut values = request.headers().get_all(ORIGIN).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    only.to_str().ok()
}

/// Elements on a page, unless the request has a `limit`.
const USUAL_PAGE: usize = 20;

/// The number of elements on a page.
///
/// # Errors
/// If it is not from 1 to [`limits::MAX_PAGE`].
fn page_limit(text: &str) -> Result<usize, Invalid> {
    decimal::whole(text)
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| (1..=limits::MAX_PAGE).contains(limit))
        .ok_or_else(|| {
            Invalid::new(
                "out_of_range",
                format!("Must be a whole number from 1 to {}.", limits::MAX_PAGE),
            )
        })
}

/// Whether a text is the number of a version, as a cursor of a history has it.
pub fn is_version(text: &str) -> bool {
    text.parse::<u64>()
        .is_ok_and(|version| version.to_string() == text)
}

/// A parameter that is `true` or `false`.
///
/// # Errors
/// If it is neither.
pub fn boolean(text: &str) -> Result<bool, Invalid> {
    choice(&[("true", true), ("false", false)])(text)
}

/// The query parameters. Each may be given once, and unknown parameters are faults.
pub struct Query {
    values: Vec<(String, String)>,
    faults: Faults,
}

impl Query {
    /// Reads the query of a request with these allowed parameters.
    pub fn read(request: &Request, known: &[&str]) -> Self {
        let is_known = |name: &str| known.contains(&name);
        Self::read_known(request, is_known, known)
    }

    /// Reads the query of a request with these allowed parameters and all that begin with `prefix`.
    pub fn read_with_prefix(request: &Request, known: &[&str], prefix: &str) -> Self {
        let is_known = |name: &str| {
            known.contains(&name)
                || name
                    .strip_prefix(prefix)
                    .is_some_and(|name| !name.is_empty())
        };
        let pattern = format!("{prefix}NAME");
        let listed: Vec<&str> = [&[pattern.as_str()], known].concat();
        Self::read_known(request, is_known, &listed)
    }

    fn read_known(request: &Request, is_known: impl Fn(&str) -> bool, known: &[&str]) -> Self {
        let mut query = Self {
            values: Vec::new(),
            faults: Faults::default(),
        };
        for (name, value) in request.query_string_parameters().iter() {
            let pointer = format!("?{name}");
            if !is_known(name) {
                let known = if known.is_empty() {
                    "this request takes none".to_owned()
                } else {
                    format!("the parameters are {}", listed(known.iter().copied()))
                };
                let detail = format!("There is no parameter `{name}`; {known}.");
                query
                    .faults
                    .push(pointer, Invalid::new("unknown_parameter", detail));
            } else if query.values.iter().any(|(other, _)| other == name) {
                query.faults.push(
                    pointer,
                    Invalid::new("repeated_parameter", "May be given only once."),
                );
            } else {
                query.values.push((name.to_owned(), value.to_owned()));
            }
        }
        query
    }

    /// An optional parameter, read by `parse`; an empty one counts as missing.
    pub fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let (_, value) = self
            .values
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())?;
        parse(value)
            .map_err(|invalid| self.faults.push(format!("?{name}"), invalid))
            .ok()
    }

    /// The parameters `limit` and `cursor`: the number of elements on a page, and the position after which it starts.
    pub fn page(&mut self, is_position: impl Fn(&str) -> bool) -> (usize, Option<String>) {
        let limit = self.optional("limit", page_limit);
        let cursor = self.optional("cursor", |text| Cursor::decode(text, &is_position));
        let position = cursor.map(|cursor| cursor.0);
        (limit.unwrap_or(USUAL_PAGE), position)
    }

    /// The parameters that begin with `prefix`, without it, in the order of their names. Empty ones count as
    /// missing.
    pub fn prefixed(&self, prefix: &str) -> Vec<(String, String)> {
        let values = self.values.iter().filter(|(_, value)| !value.is_empty());
        let named = values.filter_map(|(name, value)| {
            let name = name.strip_prefix(prefix)?;
            Some((name.to_owned(), value.clone()))
        });
        let mut named: Vec<_> = named.collect();
        named.sort();
        named
    }

    /// Whether a parameter is present and not empty.
    pub fn has(&self, name: &str) -> bool {
        let mut values = self.values.iter();
        values.any(|(known, value)| known == name && !value.is_empty())
    }

    /// Notes a fault of parameters that do not fit each other.
    pub fn fault(&mut self, name: &str, invalid: Invalid) {
        self.faults.push(format!("?{name}"), invalid);
    }

    /// Finishes with a fault found elsewhere, such as in the path, together with the faults of the query.
    pub fn refused(mut self, pointer: &str, invalid: Invalid) -> Problem {
        self.faults.push(pointer, invalid);
        Problem::bad_parameters(self.faults.into_vec())
    }

    /// Finishes reading.
    ///
    /// # Errors
    /// 400 with all faults.
    pub fn finish(self) -> Result<(), Problem> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Problem::bad_parameters(self.faults.into_vec()))
        }
    }
}
