//! The page that says what the erasure of a user does.

use crate::desk::Desk;
use crate::layout::{Page, form_token};
use crate::text::name;
use domain::access::Scope;
use domain::limits::ERASED_DAYS;
use maud::html;

/// The page that says what an erasure does, with the form that does it.
pub(crate) fn confirm(desk: Desk<'_>) -> Page {
    let user = match desk.visit.is_post {
        true => desk.visit.field("user_id").to_owned(),
        false => desk.visit.query("id").unwrap_or_default(),
    };
    let content = html! {
        p.headline { (name(&user)) }
        p { "All assignments and events of the user are deleted, and all results are those without the user. For " (ERASED_DAYS) " days, no data of the user is stored. There is no way back." }
        @if !desk.signed.may(Scope::Manage) {
            p.note.warn { "This needs a token with the scope " code { "manage" } "." }
        } @else {
            form.act method="post" action=(desk.visit.link("users/erase")) {
                (form_token(desk.signed))
                input type="hidden" name="user_id" value=(user);
                label for="typed" { "Type the user id to confirm" }
                input #typed name="typed" required autocomplete="off" spellcheck="false" maxlength="256" dir="auto";
                p.buttons {
                    button.danger type="submit" { "Erase" }
                    a.button.quiet href=(desk.visit.link("users")) { "Do nothing" }
                }
            }
        }
    };
    Page::new("Erase a user", content).below("users", "Users")
}
