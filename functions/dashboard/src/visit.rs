//! What a browser asks for.

use domain::limits::{MAX_FORM_BYTES, MAX_FORM_FIELDS};
use lambda_http::http::header::{HOST, HeaderName, ORIGIN};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use shared::http::Request;

/// Characters of a path segment that need no escape.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A request for a page.
pub(crate) struct Visit<'r> {
    request: &'r Request,
    /// Whether a form was sent.
    pub(crate) is_post: bool,
    /// The parts of the path below `/dashboard`, decoded.
    pub(crate) page: Vec<String>,
    /// The way from this page to the folder of the pages, which every link begins with. Links are relative, so they are right
    /// below any stage, base path and proxy, and the function has to know none of them.
    up: String,
    /// The fields of the form; none if the body is no form or too large.
    form: Option<Vec<(String, String)>>,
}

/// One path segment, percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

impl<'r> Visit<'r> {
    pub(crate) fn read(request: &'r Request) -> Self {
        let page = page_of(request);
        // With a slash at its end, a path is that of a folder, and the browser takes links from there.
        let is_folder = request.raw_http_path().ends_with('/');
        let up = match (page.len(), is_folder) {
            (0, false) => "dashboard/".to_owned(),
            (depth, true) => "../".repeat(depth),
            (depth, false) => "../".repeat(depth - 1),
        };
        let is_post = request.method() == "POST";
        Self {
            request,
            is_post,
            page: page.iter().map(|part| decoded(part)).collect(),
            up,
            form: is_post.then(|| form(request)).flatten(),
        }
    }

    /// The parts of the path, to be matched.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.page.iter().map(String::as_str).collect()
    }

    /// A link to a page, such as `experiments`. Parts with other characters are [`segment`]s.
    pub(crate) fn link(&self, page: &str) -> String {
        // Without `./`, a first part with a colon would be a scheme.
        match self.up.is_empty() {
            true => format!("./{page}"),
            false => format!("{}{page}", self.up),
        }
    }

    /// A parameter of the query; none if it is missing or empty.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let values = self.request.query_string_parameters_ref()?;
        let value = values.first(name)?;
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A field of the form, without spaces around it; empty if it is missing.
    pub(crate) fn field(&self, name: &str) -> &str {
        let mut fields = self.form.iter().flatten();
        let found = fields.find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// Whether the form has a field, also an empty one.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        let mut fields = self.form.iter().flatten();
        fields.any(|(known, _)| known == name)
    }

    /// Whether the body is a form that could be read.
    pub(crate) fn has_form(&self) -> bool {
        self.form.is_some()
    }

    /// A header, if the request has exactly one.
    fn header(&self, name: HeaderName) -> Option<&str> {
        let mut values = self.request.headers().get_all(name).iter();
        let only = values.next().filter(|_| values.next().is_none())?;
        only.to_str().ok()
    }

    /// Whether the form was sent by a page of this origin. Browsers say so in `Sec-Fetch-Site`, which no page can set; those
    /// without it send the `Origin`.
    pub(crate) fn is_from_here(&self) -> bool {
        let site = HeaderName::from_static("sec-fetch-site");
        if self.request.headers().contains_key(&site) {
            return self.header(site) == Some("same-origin");
        }
        let origin = self.header(ORIGIN);
        let host = origin.and_then(|origin| origin.split_once("://"));
        host.is_some_and(|(_, host)| self.header(HOST) == Some(host))
    }

    /// The id of the request, for problems.
    pub(crate) fn request_id(&self) -> &str {
        match self.request.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => {
                context.request_id.as_deref().unwrap_or_default()
            }
            _ => "",
        }
    }
}

/// The parts of the path below `/dashboard`, as they were sent. A custom domain may add a base path in front, so they are
/// counted from the end, along the route.
fn page_of(request: &Request) -> Vec<String> {
    let path = request.raw_http_path().trim_end_matches('/');
    let route = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.resource_path.as_deref(),
        _ => None,
    };
    if route == Some("/dashboard") {
        return Vec::new();
    }
    let rest = path.split_once("/dashboard/").map_or("", |(_, rest)| rest);
    let parts = rest.split('/').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn form(request: &Request) -> Option<Vec<(String, String)>> {
    let content_type = request.headers().get("content-type")?.to_str().ok()?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let bytes: &[u8] = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    };
    if bytes.len() > MAX_FORM_BYTES {
        return None;
    }
    let fields: Vec<_> = form_urlencoded::parse(bytes)
        .take(MAX_FORM_FIELDS + 1)
        // Browsers send each line break as two characters.
        .map(|(name, value)| (name.into_owned(), value.replace("\r\n", "\n")))
        .collect();
    (fields.len() <= MAX_FORM_FIELDS).then_some(fields)
}
