//! The style sheet and the icon. Their paths have a digest of the content, so that browsers keep them until they change.

use crate::headers::protect;
use crate::visit::Visit;
use lambda_http::Body;
use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use sha2::{Digest, Sha256};
use shared::http::Response;
use std::sync::LazyLock;

const STYLE: &str = include_str!("assets/style.css");
const ICON: &str = include_str!("assets/icon.svg");

static STYLE_PAGE: LazyLock<String> = LazyLock::new(|| page("style.css", STYLE));
static ICON_PAGE: LazyLock<String> = LazyLock::new(|| page("icon.svg", ICON));

fn page(name: &str, content: &str) -> String {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(content)[..6]);
    format!("assets/{digest}/{name}")
}

/// The page of the style sheet.
pub(crate) fn style_page() -> String {
    STYLE_PAGE.clone()
}

/// The page of the icon.
pub(crate) fn icon_page() -> String {
    ICON_PAGE.clone()
}

/// The asset that a visit asks for. It needs no session.
pub(crate) fn answer(visit: &Visit<'_>) -> Option<Response> {
    let ["assets", digest, name] = visit.parts()[..] else {
        return None;
    };
    let (content, kind, page) = match name {
        "style.css" => (STYLE, "text/css; charset=utf-8", &*STYLE_PAGE),
        "icon.svg" => (ICON, "image/svg+xml", &*ICON_PAGE),
        _ => return None,
    };
    let mut response = Response::new(Body::Text(content.to_owned()));
    let headers = response.headers_mut();
    protect(headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // During a deployment, an old page can ask a new function: that answer is not kept.
    if *page == format!("assets/{digest}/{name}") {
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(CACHE_CONTROL, forever);
    }
    Some(response)
}
