//! The header `If-Match`: the version that a change is based on.

use super::problem::Problem;
use lambda_http::Request;
use lambda_http::http::header::IF_MATCH;

/// The version that a caller expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: any version.
    Any,
    /// This one.
    Version(u64),
}

/// Reads the header; none if it is missing.
///
/// # Errors
/// 400 if it is given more than once or is no `ETag`.
pub fn read(request: &Request) -> Result<Option<IfMatch>, Problem> {
    let mut headers = request.headers().get_all(IF_MATCH).iter();
    let Some(header) = headers.next() else {
        return Ok(None);
    };
    if headers.next().is_some() {
        let detail = "The request has more than one `If-Match`. Send one of them.";
        return Err(Problem::malformed("bad_if_match", detail));
    }
    let text = header.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Some(IfMatch::Any));
    }
    let version = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .and_then(|text| text.parse().ok());
    let version = version.ok_or_else(|| {
        let detail = "`If-Match` must be the `ETag` of the version that you change, such as \"3\".";
        Problem::malformed("bad_if_match", detail)
    })?;
    Ok(Some(IfMatch::Version(version)))
}

/// The version that a change needs; none for `*`, which allows any version.
///
/// # Errors
/// 428 without the header, 400 if it is given more than once or is no `ETag`.
pub fn expected_version(request: &Request) -> Result<Option<u64>, Problem> {
    match read(request)?.ok_or_else(Problem::precondition_required)? {
        IfMatch::Any => Ok(None),
        IfMatch::Version(version) => Ok(Some(version)),
    }
}
