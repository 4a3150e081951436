//! The version that a change is based on.

use super::Request;
use super::problem::Problem;
use lambda_http::http::header::IF_MATCH;

/// The version in `If-Match`; `None` for `*`, which allows any version.
///
/// # Errors
/// 428 without the header, 400 if it is no version.
pub fn expected_version(request: &Request) -> Result<Option<u64>, Problem> {
    let mut headers = request.headers().get_all(IF_MATCH).iter();
    let header = headers.next().ok_or_else(Problem::precondition_required)?;
    if headers.next().is_some() {
        let detail = "The request has more than one `If-Match`. Send one of them.";
        return Err(Problem::malformed("bad_if_match", detail));
    }
    let text = header.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .and_then(|text| text.parse().ok());
    version.map(Some).ok_or_else(|| {
        let detail = "`If-Match` must be an `ETag` that was read, such as \"3\".";
        Problem::malformed("bad_if_match", detail)
    })
}
