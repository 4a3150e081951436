//! The state of the data: whether the numbers can be trusted.

use crate::text::{badge, count, list, name, p_value, percentage, sentence, text, time};
use maud::{Markup, html};
use serde_json::Value;

/// Sample ratio, pending records, phases, outliers and the accounting of events.
pub(crate) fn show(experiment: &Value, report: &Value) -> Markup {
    html! {
        section aria-labelledby="quality" {
            h2 #quality { "Quality of the data" }
            (sample_ratio(report))
            (freshness(&report["freshness"]))
            (phases(experiment))
            (events(report))
        }
    }
}

fn sample_ratio(report: &Value) -> Markup {
    let ratio = &report["data_quality"]["sample_ratio"];
    html! {
        h3 { "Sample ratio " (badge(&ratio["verdict"])) }
        table.cards {
            thead { tr {
                th scope="col" { "Variant" } th scope="col" { "Users" } th scope="col" { "Expected" } th scope="col" { "Outlier users" }
            } }
            tbody { @for (place, variant) in list(&report["variants"]).iter().enumerate() {
                tr {
                    th scope="row" data-label="Variant" { (name(text(&variant["key"]))) }
                    td.number data-label="Users" { (count(&variant["users"])) }
                    td.number data-label="Expected" { (crate::text::amount(&ratio["expected"][place])) }
                    td.number data-label="Outlier users" { (count(&variant["outlier_users"])) }
                }
            } }
        }
        p.how {
            "The users of each variant are compared with the weights"
            @if !ratio["p_value"].is_null() { " (p-value " (p_value(&ratio["p_value"])) ")" }
            ". If they differ by more than chance, users are lost or added in one variant, and no number can be trusted. Outlier users have implausibly many events; they are left out."
        }
        @if !list(&report["data_quality"]["variants_without_users"]).is_empty() { p.note.bad { "A variant with traffic has no users." } }
        @if report["data_quality"]["weights_changed"] == true { p.note.warn { "The weights changed while users were assigned. Each phase is compared with its own weights." } }
    }
}

fn freshness(freshness: &Value) -> Markup {
    html! {
        h3 { "How recent" }
        dl.pairs {
            dt { "Pending records" } dd { (count(&freshness["pending_records"])) }
            @if !freshness["pending_since"].is_null() { dt { "Oldest pending record" } dd { (time(&freshness["pending_since"])) " or earlier" } }
            dt { "First and last assignment" } dd { (time(&freshness["first_assignment_at"])) " to " (time(&freshness["last_assignment_at"])) }
            dt { "Last event (time of the event)" } dd { (time(&freshness["last_event_at"])) }
            @if !freshness["quarantined_users"].is_null() { dt { "Quarantined users" } dd { (count(&freshness["quarantined_users"])) } }
            @if !freshness["overdue_records"].is_null() { dt { "Overdue records" } dd { (count(&freshness["overdue_records"])) } }
        }
        p.how { "Pending records are stored and not in the numbers yet. With 0, the numbers contain everything." }
    }
}

fn phases(experiment: &Value) -> Markup {
    let phases = list(&experiment["phases"]);
    html! {
        @if phases.len() > 1 {
            h3 { "Phases" }
            table.cards {
                thead { tr { th scope="col" { "Since" } th scope="col" { "Traffic" } th scope="col" { "Weights" } } }
                tbody { @for phase in phases { tr {
                    th scope="row" data-label="Since" { (time(&phase["since"])) }
                    td.number data-label="Traffic" { (percentage(&phase["traffic_percent"])) }
                    td data-label="Weights" { @for (place, percent) in list(&phase["percents"]).iter().enumerate() { @if place > 0 { " / " } (percentage(percent)) } }
                } } }
            }
            p.how { "A phase is a time with constant traffic and weights." }
        }
    }
}

fn events(report: &Value) -> Markup {
    let types = report["event_accounting"].as_object();
    html! {
        h3 { "Accounting of events" }
        @match types.filter(|types| !types.is_empty()) {
            None => p.faint { "No events yet." },
            Some(types) => {
                table.cards {
                    thead { tr {
                        th scope="col" { "Event type" } th scope="col" { "Counted" } th scope="col" { "After the end" } th scope="col" { "Of other users" }
                    } }
                    tbody { @for (kind, counts) in types.iter().take(50) { tr {
                        th scope="row" data-label="Event type" { (name(kind)) }
                        td.number data-label="Counted" { (count(&counts["counted"])) }
                        td.number data-label="After the end" { (count(&counts["excluded_by_end"])) }
                        td.number data-label="Of other users" { (count(&counts["other_users"])) }
                    } } }
                }
                @if types.len() > 50 { p { (sentence(&format!("{} more types are in the API.", types.len() - 50))) } }
                p.how { "Each stored event is either counted, or left out for the reason of its column." }
            }
        }
    }
}
