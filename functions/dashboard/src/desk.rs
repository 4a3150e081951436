//! What a page needs, and what pages share.

use crate::api::{Api, Failure};
use crate::layout::{Page, note};
use crate::session::Signed;
use crate::text::sentence;
use crate::visit::Visit;
use maud::{Markup, html};
use serde_json::Value;
use shared::app::App;

/// What a page needs: the visit, the session, and the API.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    pub(crate) visit: &'a Visit<'a>,
    pub(crate) signed: &'a Signed,
    pub(crate) api: Api<'a>,
    /// For what no handler reads.
    pub(crate) app: &'a App,
}

impl<'a> Desk<'a> {
    /// The desk of a visit by a session.
    pub(crate) fn new(app: &'a App, visit: &'a Visit<'a>, signed: &'a Signed) -> Self {
        Self {
            visit,
            signed,
            api: Api::new(app, signed, visit.request_id()),
            app,
        }
    }
}

/// The page of a failure, with all faults.
pub(crate) fn failed(failure: Failure) -> Page {
    let title = match failure.status {
        403 => "Not allowed",
        404 => "Not found",
        409 | 412 => "It has changed in the meantime",
        _ => "It did not work",
    };
    let content = html! {
        (note("bad", failure.detail()))
        @if !failure.faults().is_empty() {
            ul.faults { @for (pointer, detail) in failure.faults() { li { code { (pointer) } " " (sentence(detail)) } } }
        }
        p { "Go back to correct it, or open the page again." }
    };
    Page::new(title, content).with_status(failure.status)
}

/// 404.
pub(crate) fn unknown() -> Page {
    let why = "There is no such page. The links above lead to all pages.";
    Page::new("Not found", note("bad", why)).with_status(404)
}

/// The link to the next page of a list, if there is one: the parameter that leads there, with its value.
pub(crate) fn next(desk: Desk<'_>, page: &str, kept: &[&str], to: Option<(&str, &str)>) -> Markup {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in kept {
        if let Some(value) = desk.visit.query(name) {
            query.append_pair(name, &value);
        }
    }
    html! {
        @if let Some((name, value)) = to {
            nav.paging aria-label="Pages" {
                a.button rel="next" href={ (desk.visit.link(page)) "?" (query.append_pair(name, value).finish()) } { "Next page" }
            }
        }
    }
}

/// The parameter of the next page of a list of the API.
pub(crate) fn cursor(found: &Value) -> Option<(&str, &str)> {
    Some(("cursor", found["next_cursor"].as_str()?))
}
