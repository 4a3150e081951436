//! Segments, layers and holdouts.

use super::experiments::since;
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::desk::next;
use crate::layout::Page;
use crate::text::{badge, compact, count, json, list, name, percentage, text, time, words};
use crate::visit::segment as part;
use maud::{Markup, html};
use serde_json::Value;

/// Elements on a page.
const PAGE: usize = 25;
/// Experiments among which a page of holdouts looks.
const LOOKED_AT: usize = 100;

fn page_of(desk: Desk<'_>, route: &'static str, limit: usize) -> Call {
    let call = Call::new("GET", route, &[]).with("limit", Some(limit));
    call.with("cursor", desk.visit.query("cursor"))
}

/// The list of segments.
///
/// # Errors
/// What the API says against the query.
pub(crate) async fn segments(desk: Desk<'_>) -> Result<Page, Failure> {
    let call = page_of(desk, "/segments", PAGE);
    let found = desk.api.call(list_segments::handle, call).await?;
    let segments = list(&found["segments"]);
    let content = html! {
        p { "A segment is a named set of users that experiments and flags can use." }
        @if segments.is_empty() { p.empty { "There is no segment." } } @else {
            table.cards {
                thead { tr { th scope="col" { "Segment" } th scope="col" { "Kind" } th scope="col" { "Users" } th scope="col" { "Changed" } } }
                tbody { @for segment in segments { tr {
                    th scope="row" data-label="Segment" { (link(desk, "segments", segment)) }
                    td data-label="Kind" { (words(&segment["kind"])) }
                    td data-label="Users" { (members(segment)) }
                    td data-label="Changed" { (time(&segment["updated_at"])) }
                } } }
            }
        }
        (next(desk, "segments", &[], found["next_cursor"].as_str()))
    };
    Ok(Page::new("Segments", content))
}

/// A link to an element by its id, with its name.
fn link(desk: Desk<'_>, folder: &str, one: &Value) -> Markup {
    let id = text(&one["id"]);
    html! {
        a href=(desk.visit.link(&format!("{folder}/{}", part(id)))) { (name(one["name"].as_str().unwrap_or(id))) }
        span.id { (name(id)) }
    }
}

fn members(segment: &Value) -> Markup {
    html! {
        @match segment["condition"].is_null() {
            false => code { (segment["condition"].to_string()) },
            true => { (count(&segment["id_count"])) " ids of " code { (text(&segment["attribute"])) } },
        }
    }
}

/// One segment, and what uses it.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn segment(desk: Desk<'_>, id: &str) -> Result<Page, Failure> {
    let call = Call::new("GET", "/segments/{id}", &[id]);
    let segment = desk.api.call(get_segment::handle, call).await?;
    let content = html! {
        p.facts { span.id { (name(id)) } span { (words(&segment["kind"])) } span { "version " (count(&segment["version"])) } }
        @if let Some(description) = segment["description"].as_str() { p { (name(description)) } }
        p { (members(&segment)) }
        h2 { "Used by " (count(&segment["used_by_count"])) " definitions" }
        ul { @for user in list(&segment["used_by"]) { li { (compact(user)) } } }
        details { summary { "The whole segment as JSON" } (json(&segment)) }
    };
    Ok(Page::new(text(&segment["name"]), content).below("segments", "Segments"))
}

/// The list of layers.
///
/// # Errors
/// What the API says against the query.
pub(crate) async fn layers(desk: Desk<'_>) -> Result<Page, Failure> {
    let call = page_of(desk, "/layers", PAGE);
    let found = desk.api.call(list_layers::handle, call).await?;
    let layers = list(&found["layers"]);
    let content = html! {
        p { "Experiments of one layer have no users in common." }
        @if layers.is_empty() { p.empty { "There is no layer." } } @else {
            table.cards {
                thead { tr { th scope="col" { "Layer" } th scope="col" { "Experiments" } th scope="col" { "Free" } th scope="col" { "Changed" } } }
                tbody { @for layer in layers { tr {
                    th scope="row" data-label="Layer" { (link(desk, "layers", layer)) }
                    td data-label="Experiments" { (parts(desk, layer)) }
                    td.number data-label="Free" { (percentage(&layer["free_percent"])) }
                    td data-label="Changed" { (time(&layer["updated_at"])) }
                } } }
            }
        }
        (next(desk, "layers", &[], found["next_cursor"].as_str()))
    };
    Ok(Page::new("Layers", content))
}

/// The experiments of a layer with their parts.
fn parts(desk: Desk<'_>, layer: &Value) -> Markup {
    html! {
        ul.plain { @for one in list(&layer["experiments"]) {
            @let id = text(&one["experiment_id"]);
            li { a href=(desk.visit.link(&format!("experiments/{}", part(id)))) { (name(id)) } " " (percentage(&one["percent"])) }
        } }
    }
}

/// One layer.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn layer(desk: Desk<'_>, id: &str) -> Result<Page, Failure> {
    let call = Call::new("GET", "/layers/{id}", &[id]);
    let layer = desk.api.call(get_layer::handle, call).await?;
    let content = html! {
        p.facts { span.id { (name(id)) } span { (percentage(&layer["free_percent"])) " free" } span { "version " (count(&layer["version"])) } }
        @if let Some(description) = layer["description"].as_str() { p { (name(description)) } }
        h2 { "Experiments" }
        (parts(desk, &layer))
        details { summary { "The whole layer as JSON" } (json(&layer)) }
    };
    Ok(Page::new(text(&layer["name"]), content).below("layers", "Layers"))
}

/// The holdouts among the experiments of a page of the API, newest first.
///
/// # Errors
/// What the API says against the query.
pub(crate) async fn holdouts(desk: Desk<'_>) -> Result<Page, Failure> {
    let call = page_of(desk, "/experiments", LOOKED_AT);
    let found = desk.api.call(list_experiments::handle, call).await?;
    let holdouts = list(&found["experiments"]).iter();
    let holdouts: Vec<&Value> = holdouts.filter(|one| !one["holdout"].is_null()).collect();
    let content = html! {
        p { "A holdout keeps a percentage of all users out of experiments, and shows the effect of all of them together." }
        @if holdouts.is_empty() { p.empty { "There is no holdout among the experiments of this page." } } @else {
            table.cards {
                thead { tr { th scope="col" { "Holdout" } th scope="col" { "Status" } th scope="col" { "Held out" } th scope="col" { "Scope" } th scope="col" { "Since" } } }
                tbody { @for one in holdouts { tr {
                    th scope="row" data-label="Holdout" { (link(desk, "experiments", one)) }
                    td data-label="Status" { (badge(&one["status"])) }
                    td.number data-label="Held out" { (percentage(&one["holdout"]["percent"])) }
                    td data-label="Scope" { @match one["holdout"]["layer"].as_str() { Some(layer) => { "layer " (name(layer)) }, None => "all experiments" } }
                    td data-label="Since" { @if one["started_at"].is_null() { "–" } @else { (since(one)) } }
                } } }
            }
        }
        (next(desk, "holdouts", &[], found["next_cursor"].as_str()))
    };
    Ok(Page::new("Holdouts", content))
}
