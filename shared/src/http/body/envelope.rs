//! The body of a request as text: its media type, encoding, size and depth, and whether it is JSON.

use crate::http::Request;
use crate::http::problem::Problem;
use domain::limits;
use lambda_http::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// The body of a request: well-formed JSON within the limits of size and depth.
///
/// # Errors
/// 413; 415 for another media type or content encoding; or 400 with the position where the JSON is malformed.
pub fn json(request: &Request) -> Result<&str, Problem> {
    check_content_type(request, is_json)?;
    read(request)
}

/// The body of a request of a page, as [`json`] reads it, also with the media type `text/plain`: browsers send such a
/// request without a preflight request, and while a page is closed.
///
/// # Errors
/// As [`json`].
pub fn json_as_text(request: &Request) -> Result<&str, Problem> {
    check_content_type(request, |essence| {
        essence == "text/plain" || is_json(essence)
    })?;
    read(request)
}

fn read(request: &Request) -> Result<&str, Problem> {
    check_content_encoding(request)?;
    let bytes: &[u8] = request.body().as_ref();
    if bytes.len() > limits::MAX_BODY_BYTES {
        return Err(Problem::too_large(limits::MAX_BODY_BYTES));
    }
    if bytes.is_empty() {
        return Err(Problem::malformed(
            "body_missing",
            "A JSON body is required.",
        ));
    }
    if let Some((name, code)) = byte_order_mark(bytes) {
        let detail = format!(
            "The body begins with the byte-order mark of {name}. Send UTF-8 without a byte-order mark."
        );
        return Err(Problem::malformed(code, detail));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::malformed(
            "not_utf8",
            format!(
                "The body is not UTF-8 from byte {} on.",
                error.valid_up_to()
            ),
        )
    })?;
    // Depth first: it bounds every recursion that follows.
    if depth(text) > limits::MAX_JSON_DEPTH {
        let detail = format!(
            "The body is nested deeper than {} levels.",
            limits::MAX_JSON_DEPTH
        );
        return Err(Problem::malformed("too_deep", detail));
    }
    serde_json::from_str::<&RawValue>(text).map_err(|error| {
        Problem::malformed(
            "malformed_json",
            format!("The body is malformed JSON: {error}."),
        )
    })?;
    Ok(text)
}

/// The digest of a body, by which a repeated creation is recognized: SHA-256 in hexadecimal digits.
pub fn digest(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

fn is_json(essence: &str) -> bool {
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Checks the media type without its parameters.
fn check_content_type(
    request: &Request,
    is_accepted: impl Fn(&str) -> bool,
) -> Result<(), Problem> {
    let Some(content_type) = request.headers().get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = content_type.to_str().unwrap_or("unreadable");
    let essence = text.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    if is_accepted(&essence) {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type(text))
    }
}

/// API Gateway decompresses a gzip body and leaves the header as it is. So a body with this header is not compressed here.
fn check_content_encoding(request: &Request) -> Result<(), Problem> {
    let mut encodings = request.headers().get_all(CONTENT_ENCODING).iter();
    let known = |encoding: &str| {
        ["gzip", "x-gzip", "identity", ""]
            .iter()
            .any(|known| encoding.trim().eq_ignore_ascii_case(known))
    };
    let Some(first) = encodings.next() else {
        return Ok(());
    };
    let first = first.to_str().unwrap_or("unreadable");
    match encodings.next() {
        None if known(first) => Ok(()),
        None => Err(Problem::unsupported_content_encoding(first)),
        Some(_) => Err(Problem::unsupported_content_encoding("several encodings")),
    }
}

/// The name of the encoding whose byte-order mark the body begins with, and the code of the problem.
fn byte_order_mark(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Some(("UTF-8", "malformed_json")),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(("UTF-16", "not_utf8")),
        _ => None,
    }
}

/// The deepest nesting of arrays and objects outside strings.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
