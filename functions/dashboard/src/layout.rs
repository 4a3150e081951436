//! The frame of all pages: head, navigation, content.

use crate::assets;
use crate::headers::protect;
use crate::session::Signed;
use crate::text::{name, sentence};
use crate::visit::Visit;
use lambda_http::Body;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use maud::{DOCTYPE, Markup, html};
use shared::http::Response;

/// The sections of the navigation: page and title.
const SECTIONS: [(&str, &str); 7] = [
    ("experiments", "Experiments"),
    ("flags", "Flags"),
    ("segments", "Segments"),
    ("layers", "Layers"),
    ("holdouts", "Holdouts"),
    ("users", "Users"),
    ("operations", "Operations"),
];

/// A page.
pub(crate) struct Page {
    /// The status of the response.
    pub(crate) status: StatusCode,
    /// The title, also the heading.
    pub(crate) title: String,
    /// The links from the list to this page: page and title.
    pub(crate) trail: Vec<(String, String)>,
    /// What is below the heading.
    pub(crate) content: Markup,
}

impl Page {
    /// A page that was found.
    pub(crate) fn new(title: impl Into<String>, content: Markup) -> Self {
        Self {
            status: StatusCode::OK,
            title: title.into(),
            trail: Vec::new(),
            content,
        }
    }

    /// The same below other pages.
    pub(crate) fn below(mut self, page: impl Into<String>, title: impl Into<String>) -> Self {
        self.trail.push((page.into(), title.into()));
        self
    }

    /// The same with another status.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self
    }

    /// The response.
    pub(crate) fn respond(self, visit: &Visit<'_>, signed: Option<&Signed>) -> Response {
        let html = self.html(visit, signed).into_string();
        let mut response = Response::new(Body::Text(html));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        protect(headers);
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(CONTENT_TYPE, html);
        response
    }

    fn html(&self, visit: &Visit<'_>, signed: Option<&Signed>) -> Markup {
        let section = match visit.page.first().map(String::as_str) {
            None => "experiments".to_owned(),
            // `new-flag` is a page of the flags.
            Some(page) => match page.strip_prefix("new-") {
                Some(one) => format!("{one}s"),
                None => page.to_owned(),
            },
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " – Assay" }
                    link rel="stylesheet" href=(visit.link(&assets::style_page()));
                    link rel="icon" type="image/svg+xml" href=(visit.link(&assets::icon_page()));
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    header.top {
                        span.brand { "Assay" }
                        @if let Some(signed) = signed {
                            nav aria-label="Sections" {
                                ul {
                                    @for (page, title) in SECTIONS {
                                        li { a href=(visit.link(page)) aria-current=[(section == page).then_some("page")] { (title) } }
                                    }
                                }
                            }
                            form.session method="post" action=(visit.link("sign-out")) {
                                (form_token(signed))
                                span.who { "Token: " (name(&signed.grant.name)) }
                                button.quiet type="submit" { "Sign out" }
                            }
                        }
                    }
                    main id="content" tabindex="-1" {
                        @if !self.trail.is_empty() {
                            nav.trail aria-label="Path" {
                                ol { @for (page, title) in &self.trail { li { a href=(visit.link(page)) { (name(title)) } } } }
                            }
                        }
                        h1 { (name(&self.title)) }
                        (self.content)
                    }
                    footer { p { "Assay " (env!("CARGO_PKG_VERSION")) ". All numbers are those of the API." } }
                }
            }
        }
    }
}

/// The hidden field of a form.
pub(crate) fn form_token(signed: &Signed) -> Markup {
    html! { input type="hidden" name="form_token" value=(signed.form_token()); }
}

/// A note above the content: what was done, or what is wrong.
pub(crate) fn note(tone: &str, text: &str) -> Markup {
    let role = if tone == "bad" { "alert" } else { "status" };
    html! { p class={ "note " (tone) } role=(role) { (sentence(text)) } }
}

/// A redirect to another page, with a cookie if there is one.
pub(crate) fn redirect(to: &str, cookie: Option<&str>) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    protect(headers);
    for (name, value) in [(LOCATION, Some(to)), (SET_COOKIE, cookie)] {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
    response
}
