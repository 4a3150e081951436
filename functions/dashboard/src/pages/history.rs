//! Versions, each with the fields that it changed, before and after.

use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::layout::Page;
use crate::text::{NONE, count, list, name, sentence, text, time, words};
use crate::visit::segment;
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
    let content = entries(desk, &found, &format!("{above}/history"));
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
    let content = entries(desk, &found, &format!("{above}/history"));
    let page = Page::new("History", content).below("flags", "Flags");
    Ok(page.below(above, key))
}

fn page_of(desk: Desk<'_>, call: Call) -> Call {
    let call = call.with("limit", Some(VERSIONS));
    call.with("cursor", desk.visit.query("cursor"))
}

fn entries(desk: Desk<'_>, found: &Value, page: &str) -> Markup {
    html! {
        ol.history { @for entry in list(&found["entries"]) { li {
            h2 { "Version " (count(&entry["version"])) }
            p.facts {
                span { (time(&entry["at"])) } span { "by " (name(text(&entry["by"]))) }
                @if !entry["action"].is_null() { span { (words(&entry["action"])) } }
            }
            @if let Some(reason) = entry["reason"].as_str() { p { "Reason: " (name(reason)) } }
            @if list(&entry["changes"]).is_empty() {
                p.faint { @if entry["version"] == 1 { "The creation." } @else { "No field of the definition was changed." } }
            } @else {
                table.cards.diff {
                    thead { tr { th scope="col" { "Field" } th scope="col" { "Before" } th scope="col" { "After" } } }
                    tbody { @for change in list(&entry["changes"]) { tr {
                        th scope="row" data-label="Field" { (name(text(&change["field"]))) }
                        td data-label="Before" { @if change["before"].is_null() { (NONE) } @else { del { (pretty(&change["before"])) } } }
                        td data-label="After" { @if change["after"].is_null() { (NONE) } @else { ins { (pretty(&change["after"])) } } }
                    } } }
                }
            }
        } } }
        (crate::desk::next(desk, page, &[], found["next_cursor"].as_str()))
        @if list(&found["entries"]).is_empty() { p.empty { (sentence("There is no version on this page.")) } }
    }
}

fn pretty(value: &Value) -> Markup {
    match value {
        Value::String(text) => name(text),
        other => {
            let shown = serde_json::to_string_pretty(other).unwrap_or_default();
            html! { code.block { (shown) } }
        }
    }
}
