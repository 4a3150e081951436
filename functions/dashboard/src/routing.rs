//! The page of a path.

use crate::desk::{Desk, failed};
use crate::layout::{Page, note, redirect};
use crate::session::{self, Refused, Signed};
use crate::visit::{Visit, segment};
use crate::{actions, pages};
use percent_encoding::percent_decode_str;
use shared::app::App;
use shared::http::{Problem, Response};

/// Shows a page. Without a session, all pages lead to the sign-in page, and from there back.
///
/// # Errors
/// If the database fails.
pub(crate) async fn get(
    app: &App,
    visit: &Visit<'_>,
    session: Option<Signed>,
) -> Result<Response, Problem> {
    match visit.parts()[..] {
        ["sign-in"] => return Ok(pages::sign_in::show(visit, None).respond(visit, None)),
        ["start"] => return start(app, visit).await,
        _ => {}
    }
    let Some(signed) = session else {
        return Ok(redirect(&to_sign_in(visit), None));
    };
    if visit.page.is_empty() {
        return Ok(redirect(&visit.link("experiments"), None));
    }
    let desk = Desk::new(app, visit, &signed);
    let page = pages::of(desk).await;
    Ok(page.unwrap_or_else(failed).respond(visit, Some(&signed)))
}

/// Does what a form says, if it was sent from a page of this session.
///
/// # Errors
/// If the database fails.
pub(crate) async fn post(
    app: &App,
    visit: &Visit<'_>,
    session: Option<Signed>,
) -> Result<Response, Problem> {
    if !visit.is_from_here() {
        let why = "The form was not sent by a page of this dashboard, so nothing was changed.";
        return Ok(refused(why).respond(visit, session.as_ref()));
    }
    if !visit.has_form() {
        let why = "The form could not be read: it is too large, or no form.";
        return Ok(refused(why).respond(visit, session.as_ref()));
    }
    if visit.parts()[..] == ["sign-in"] {
        return sign_in(app, visit).await;
    }
    let Some(signed) = session else {
        return Ok(redirect(&to_sign_in(visit), None));
    };
    if !signed.sent(visit) {
        let why = "The form is from another session, so nothing was changed. Open the page again.";
        return Ok(refused(why).respond(visit, Some(&signed)));
    }
    if visit.parts()[..] == ["sign-out"] {
        app.store().end_session(signed.secret()).await?;
        let to = visit.link("sign-in");
        return Ok(redirect(&to, Some(&session::no_cookie())));
    }
    let desk = Desk::new(app, visit, &signed);
    match actions::of(desk).await {
        Ok(actions::Done::At(page)) => Ok(redirect(&visit.link(&page), None)),
        Ok(actions::Done::Shown(page)) => Ok(page.respond(visit, Some(&signed))),
        Err(failure) => Ok(failed(failure).respond(visit, Some(&signed))),
    }
}

async fn sign_in(app: &App, visit: &Visit<'_>) -> Result<Response, Problem> {
    match session::sign_in(app, visit.field("token")).await? {
        Ok(cookie) => {
            let to = page_in(visit.field("to"));
            let to = format!("{}?signed-in=yes", visit.link(&to));
            Ok(redirect(&to, Some(&cookie)))
        }
        Err(refused) => {
            let why = match refused {
                Refused::Unknown => "There is no such token, or it is revoked or expired.",
                Refused::WithoutRead => {
                    "This token cannot read experiments: it needs the scope `read`."
                }
            };
            let page = pages::sign_in::show(visit, Some(why)).with_status(403);
            Ok(page.respond(visit, None))
        }
    }
}

async fn start(app: &App, visit: &Visit<'_>) -> Result<Response, Problem> {
    let code = visit.query("code").unwrap_or_default();
    match session::start(app, &code).await? {
        Ok(cookie) => {
            let to = format!("{}?signed-in=yes", visit.link("experiments"));
            Ok(redirect(&to, Some(&cookie)))
        }
        Err(_) => {
            let why = "This start link was used already, or it is too old. Paste a token instead, or start the server again for a new link.";
            let page = pages::sign_in::show(visit, Some(why)).with_status(403);
            Ok(page.respond(visit, None))
        }
    }
}

/// The sign-in page that leads back to this page. The page after the sign-in says if the browser kept no cookie.
fn to_sign_in(visit: &Visit<'_>) -> String {
    if visit.query("signed-in").is_some() {
        return format!("{}?no-cookie=yes", visit.link("sign-in"));
    }
    let page: Vec<String> = visit.page.iter().map(|part| segment(part)).collect();
    match page.is_empty() || visit.is_post {
        true => visit.link("sign-in"),
        false => format!("{}?to={}", visit.link("sign-in"), segment(&page.join("/"))),
    }
}

/// A page of the dashboard from a text that a form has sent back: every part is encoded anew, so it leads nowhere else. To a
/// browser, dots are the folder itself and the one above, also if they are encoded.
fn page_in(text: &str) -> String {
    let parts = text.split('/').filter(|part| !part.is_empty());
    let decoded = parts.map(|part| percent_decode_str(part).decode_utf8_lossy());
    let names = decoded.filter(|part| !matches!(&**part, "." | ".."));
    let page: Vec<String> = names.map(|part| segment(&part)).take(5).collect();
    match page.is_empty() {
        true => "experiments".to_owned(),
        false => page.join("/"),
    }
}

/// The page of a form that is not accepted.
fn refused(why: &str) -> Page {
    Page::new("Not accepted", note("bad", why)).with_status(403)
}

#[cfg(test)]
mod tests {
    use super::page_in;

    #[test]
    fn a_sign_in_leads_to_no_other_place_than_a_page_of_the_dashboard() {
        assert_eq!(page_in("experiments/a%20b"), "experiments/a%20b");
        assert_eq!(page_in(""), "experiments");
        assert_eq!(page_in("//evil.example/x"), "evil.example/x");
        assert_eq!(page_in("https://evil.example"), "https%3A/evil.example");
        assert_eq!(page_in("../%2e%2E/./x"), "x");
        assert_eq!(page_in(".."), "experiments");
        assert_eq!(
            page_in("x\r\nset-cookie: a=b"),
            "x%0D%0Aset-cookie%3A%20a%3Db"
        );
    }
}
