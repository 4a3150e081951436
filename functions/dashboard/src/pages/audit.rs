//! The audit of an experiment: whether its aggregates are exactly those of its raw records.

use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::form::{Form, needs_manage};
use crate::layout::{Page, note};
use crate::text::{badge, count, list, name, sentence, text};
use crate::visit::segment;
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::{Value, json};

/// The page that says what an audit does, with what the API says about one.
///
/// # Errors
/// 404 if there is no such experiment.
pub(crate) async fn show(
    desk: Desk<'_>,
    id: &str,
    outcome: Option<Result<Value, Failure>>,
) -> Result<Page, Failure> {
    let call = Call::new("GET", "/experiments/{id}", &[id]);
    let experiment = desk.api.call(get_experiment::handle, call).await?;
    let status = match &outcome {
        Some(Err(failure)) => failure.status,
        _ => 200,
    };
    let above = format!("experiments/{}", segment(id));
    let content = html! {
        p.headline { (name(text(&experiment["name"]))) }
        p { "An audit reads all raw records of the experiment and compares each number of the aggregates with them. It changes nothing, and takes up to 25 seconds." }
        @match &outcome {
            None => {},
            Some(Err(failure)) => (Form::new(desk, Some(failure)).faults()),
            Some(Ok(audit)) => (compared(audit)),
        }
        @if desk.signed.may(Scope::Manage) {
            form.act method="post" {
                (Form::new(desk, None).hidden(&Value::Null))
                p.buttons {
                    button.main type="submit" { "Audit now" }
                    a.button.quiet href=(desk.visit.link(&above)) { "Back to the experiment" }
                }
            }
        } @else { (needs_manage()) }
        p.help { (sentence("A deployment audits some running experiments each day by itself, and repairs them if records are missing. `assay repair` and `POST /experiments/{id}/audit` with `{\"repair\": true}` repair one at once.")) }
    };
    let page = Page::new("Audit", content).below("experiments", "Experiments");
    let page = page.below(above, text(&experiment["name"]));
    Ok(page.with_status(status))
}

fn compared(audit: &Value) -> Markup {
    let found = match (audit["not_compared"].is_null(), &audit["differing_numbers"]) {
        (false, _) => "not_compared",
        (true, number) if *number == 0 => "ok",
        (true, _) => "mismatch",
    };
    html! {
        section.card role="status" aria-labelledby="found" {
            h2 #found { "Found " (badge(&json!(found))) }
            @for stated in ["not_compared", "left_out"] {
                @if let Some(why) = audit[stated]["message"].as_str() { (note("warn", why)) }
            }
            dl.pairs {
                dt { "Numbers compared" } dd { (count(&audit["numbers"])) }
                dt { "Numbers that differ" } dd { (count(&audit["differing_numbers"])) }
                dt { "Users" } dd { (count(&audit["users"])) }
                dt { "Records" } dd { (count(&audit["records"])) }
                dt { "Quarantined users" } dd { (count(&audit["quarantined_users"])) }
            }
            @if !list(&audit["quarantined"]).is_empty() {
                ul { @for user in list(&audit["quarantined"]) { li { (name(text(&user["user_id"]))) ": " (sentence(text(&user["reason"]))) } } }
            }
            @if !list(&audit["drift"]).is_empty() {
                table.cards {
                    thead { tr { th scope="col" { "Item" } th scope="col" { "Number" } th scope="col" { "Stored" } th scope="col" { "From records" } } }
                    tbody { @for drift in list(&audit["drift"]) { tr {
                        th scope="row" data-label="Item" { (name(text(&drift["item"]))) }
                        td data-label="Number" { (name(text(&drift["number"]))) }
                        td.number data-label="Stored" { (text(&drift["stored"])) }
                        td.number data-label="From records" { (text(&drift["recomputed"])) }
                    } } }
                }
            }
        }
    }
}
