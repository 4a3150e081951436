//! Versions, each with the fields that it changed, before and after.

use super::flag_act::can_revert;
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::form::changes;
use crate::layout::Page;
use crate::text::{count, list, name, sentence, text, time, words};
use crate::visit::segment;
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::Value;

/// Versions on a page.
const VERSIONS: usize = 20;

/// The versions of an experiment.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn of_experiment(desk: Desk<'_>, id: &str) -> Result<Page, Failure> {
    let call = page_of(desk, Call::new("GET", "/experiments/{id}/history", &[id]));
    let found = desk.api.call(get_history::handle, call).await?;
    let above = format!("experiments/{}", segment(id));
    let content = entries(desk, &found, &format!("{above}/history"), None);
    let page = Page::new("History", content).below("experiments", "Experiments");
    Ok(page.below(above, id))
}

/// The versions of a flag.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn of_flag(desk: Desk<'_>, key: &str) -> Result<Page, Failure> {
    let call = page_of(desk, Call::new("GET", "/flags/{key}/history", &[key]));
    let found = desk.api.call(get_flag_history::handle, call).await?;
    let above = format!("flags/{}", segment(key));
    let revert = desk.signed.may(Scope::Manage).then_some(&*above);
    let content = entries(desk, &found, &format!("{above}/history"), revert);
    let page = Page::new("History", content).below("flags", "Flags");
    Ok(page.below(above, key))
}

fn page_of(desk: Desk<'_>, call: Call) -> Call {
    let call = call.with("limit", Some(VERSIONS));
    call.with("cursor", desk.visit.query("cursor"))
}

/// The versions. `revert` is the page of the definition below which one can be chosen again.
fn entries(desk: Desk<'_>, found: &Value, page: &str, revert: Option<&str>) -> Markup {
    let is_first_page = desk.visit.query("cursor").is_none();
    html! {
        ol.history { @for (place, entry) in list(&found["entries"]).iter().enumerate() { li {
            h2 { "Version " (count(&entry["version"])) }
            p.facts {
                span { (time(&entry["at"])) } span { "by " (name(text(&entry["by"]))) }
                @if !entry["action"].is_null() { span { (words(&entry["action"])) } }
            }
            @if let Some(reason) = entry["reason"].as_str() { p { "Reason: " (name(reason)) } }
            @if list(&entry["changes"]).is_empty() {
                p.faint { @if entry["version"] == 1 { "The creation." } @else { "No field of the definition was changed." } }
            } @else { (changes(&entry["changes"])) }
            @if let Some(version) = revert.filter(|_| can_revert(&found["entries"], place, is_first_page)).map(|_| &entry["version"]) {
                @let above = revert.unwrap_or_default();
                p { a href=(desk.visit.link(&format!("{above}/do/revert-{version}"))) { "Revert to version " (version) } }
            }
        } } }
        (crate::desk::next(desk, page, &[], crate::desk::cursor(found)))
        @if list(&found["entries"]).is_empty() { p.empty { (sentence("There is no version on this page.")) } }
    }
}
