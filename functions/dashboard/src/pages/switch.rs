//! The page that says what switching a flag on or off in an environment will do.

use crate::api::{Call, Failure};
use crate::desk::{Desk, unknown};
use crate::layout::{Page, form_token};
use crate::text::{name, text};
use crate::visit::segment;
use domain::access::Scope;
use maud::html;

/// The page that says what the switch will do, with the form that does it.
///
/// # Errors
/// 404 if there is no such flag.
pub(crate) async fn confirm(desk: Desk<'_>, key: &str, environment: &str) -> Result<Page, Failure> {
    let call = Call::new("GET", "/flags/{key}", &[key]);
    let flag = desk.api.call(get_flag::handle, call).await?;
    let settings = &flag["environments"][environment];
    if settings.is_null() {
        return Ok(unknown());
    }
    let turns_on = settings["enabled"] != true;
    let above = format!("flags/{}", segment(key));
    let title = if turns_on { "Switch on" } else { "Switch off" };
    let content = html! {
        p.headline { (name(text(&flag["name"]))) " in " (name(environment)) }
        @if turns_on {
            p { "The rules of the environment decide again what each user gets. You can switch it off at any time." }
        } @else {
            p { "All users get the variant " b { (name(text(&settings["off_variant"]))) } ", whatever the rules are. You can switch it on at any time." }
        }
        @if !desk.signed.may(Scope::Manage) {
            p.note.warn { "This needs a token with the scope " code { "manage" } "." }
        } @else {
            form.act method="post" {
                (form_token(desk.signed))
                input type="hidden" name="version" value=(flag["version"]);
                input type="hidden" name="enabled" value=(turns_on);
                label for="reason" { "Reason, for the history (optional)" }
                input #reason name="reason" maxlength="4000" dir="auto";
                p.buttons {
                    button type="submit" class={ @if turns_on { "main" } @else { "danger" } } { (title) }
                    a.button.quiet href=(desk.visit.link(&above)) { "Do nothing" }
                }
            }
        }
    };
    let page = Page::new(title, content).below("flags", "Flags");
    Ok(page.below(above, text(&flag["name"])))
}
