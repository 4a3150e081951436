//! The sign-in page.

use crate::layout::{Page, note};
use crate::visit::Visit;
use maud::html;

/// The form for a token, with what went wrong before.
pub(crate) fn show(visit: &Visit<'_>, wrong: Option<&str>) -> Page {
    let to = match visit.is_post {
        true => visit.field("to").to_owned(),
        false => visit.query("to").unwrap_or_default(),
    };
    let no_cookie = visit.query("no-cookie").map(|_| {
        "The browser did not keep the session. Open the dashboard by `https`, or on this machine by `http://127.0.0.1` or `http://localhost`."
    });
    let content = html! {
        @if let Some(why) = wrong.or(no_cookie) { (note("bad", why)) }
        form.sign-in.card method="post" action=(visit.link("sign-in")) {
            input type="hidden" name="to" value=(to);
            label for="token" { "Token" }
            input #token type="password" name="token" required minlength="20" maxlength="128" autocomplete="off" spellcheck="false" aria-describedby="token-help";
            p.help #token-help {
                "Paste a token of the API. It is checked once and not kept: the browser gets a session that ends after 12 hours, when you sign out, or when the token is revoked. What you can see and change here follows from the scopes of the token."
            }
            button type="submit" { "Sign in" }
        }
        p.faint { code { "assay serve" } " prints a link that signs in once. For a deployment, " code { "assay token create" } " creates a token." }
    };
    Page::new("Sign in", content)
}
