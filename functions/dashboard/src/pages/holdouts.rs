//! Holdouts: the list, and the form of a new one. A holdout is an experiment, so its page is that of an experiment.

use super::catalog::{Listing, elements, page_of};
use super::experiments::since;
use crate::api::Failure;
use crate::desk::{Desk, cursor};
use crate::form::{Field, Form, buttons};
use crate::layout::Page;
use crate::text::{badge, name, percentage};
use maud::html;
use serde_json::Value;

/// Experiments among which a page of holdouts looks.
const LOOKED_AT: usize = 100;
const LISTING: Listing<'static> = Listing {
    page: "holdouts",
    folder: "experiments",
    new: ("new-holdout", "New holdout"),
    about: "A holdout keeps a percentage of all users out of experiments, and shows the effect of all of them together.",
    none: "There is no holdout among the experiments of this page.",
    columns: &["Holdout", "Status", "Held out", "Scope", "Since"],
};
const STATUSES: [(&str, &str); 2] = [
    ("draft", "a draft, which starts later"),
    ("running", "it runs at once"),
];

/// The holdouts among the experiments of a page of the API, newest first.
///
/// # Errors
/// What the API says against the query.
pub(crate) async fn list_page(desk: Desk<'_>) -> Result<Page, Failure> {
    let call = page_of(desk, "/experiments", LOOKED_AT);
    let found = desk.api.call(list_experiments::handle, call).await?;
    let holdouts = elements(&found, "experiments").filter(|one| !one["holdout"].is_null());
    let cells = |one: &Value| {
        vec![
            badge(&one["status"]),
            percentage(&one["holdout"]["percent"]),
            html! { @match one["holdout"]["layer"].as_str() { Some(layer) => { "layer " (name(layer)) }, None => "all experiments" } },
            html! { @if one["started_at"].is_null() { "–" } @else { (since(one)) } },
        ]
    };
    let content = LISTING.show(desk, holdouts, cells, cursor(&found));
    Ok(Page::new("Holdouts", content))
}

/// The form of a new holdout.
pub(crate) fn create(desk: Desk<'_>, failure: Option<&Failure>) -> Page {
    let form = Form::new(desk, failure);
    let content = html! {
        p { "It applies to experiments that start while it runs. Its percentage cannot change, and it cannot be paused." }
        (form.faults())
        (form.framed(&Value::Null, html! {
            (form.line(Field { id: "name", label: "Name", pointer: "/name", required: true, ..Field::default() }))
            (form.line(Field { id: "id", label: "Id (optional)", pointer: "/id", ..Field::default() }))
            (form.line(Field { id: "percent", label: "Percentage of all users that are held out: 0.1 to 20", pointer: "/holdout/percent", usual: "5", required: true, ..Field::default() }))
            (form.line(Field { id: "layer", label: "Id of a layer, if it is for the experiments of one layer only", pointer: "/holdout/layer", ..Field::default() }))
            fieldset {
                legend { "What it measures" }
                div.row {
                    (form.line(Field { id: "metric", label: "Key of the metric", pointer: "/metrics/0/key", usual: "purchase", required: true, ..Field::default() }))
                    (form.line(Field { id: "event_type", label: "Event type", pointer: "/metrics/0/event_type", usual: "purchase", required: true, ..Field::default() }))
                    (form.choice(Field { id: "kind", label: "Statistic", pointer: "/metrics/0/kind", ..Field::default() }, &super::new_experiment::KINDS))
                }
            }
            (form.choice(Field { id: "status", label: "Start", pointer: "/status", ..Field::default() }, &STATUSES))
            (buttons(desk, "Create", false, "holdouts"))
        }))
    };
    Page::new("New holdout", content).below("holdouts", "Holdouts")
}
