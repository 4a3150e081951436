//! One experiment: the decision first, then the numbers behind it.

use super::change::Change;
use super::experiments::since;
use super::{notifications, quality};
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::layout::{Page, note};
use crate::picture::{decisive, effects};
use crate::text::{
    badge, compact, count, interval, json, lift, list, mean, metric_name, name, p_value,
    percentage, sentence, share, text, time, words,
};
use crate::visit::segment;
use domain::access::Scope;
use futures::future::join;
use maud::{Markup, html};
use serde_json::Value;

/// An experiment with its results.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn show(desk: Desk<'_>, id: &str) -> Result<Page, Failure> {
    let definition = Call::new("GET", "/experiments/{id}", &[id]).with("notifications", Some(true));
    // Days and dimensions are on the pages of the metrics, which bounds this page.
    let results = Call::new("GET", "/experiments/{id}/results", &[id])
        .with("series", Some("none"))
        .with("dimension", Some("none"));
    let (experiment, report) = join(
        desk.api.call(get_experiment::handle, definition),
        desk.api.call(get_results::handle, results),
    )
    .await;
    let mut experiment = experiment?;
    let notifications = experiment["notifications"].take();
    if let Some(fields) = experiment.as_object_mut() {
        fields.remove("notifications");
    }
    let page = format!("experiments/{}", segment(id));
    let content = html! {
        @if let Some(done) = desk.visit.query("done").and_then(|done| Change::read(&done)) {
            (note("good", done.done()))
        }
        (facts(&experiment))
        (actions(desk, &experiment, &page))
        @match &report {
            Ok(report) => {
                (decision(report))
                section aria-labelledby="metrics" {
                    h2 #metrics { "Effect on the metrics" }
                    (effects(report))
                    (metrics(desk, report, &page))
                }
                (quality::show(&experiment, report))
                (power(report))
            }
            Err(failure) => (note("warn", failure.detail())),
        }
        (notifications::show(&notifications))
        (definition_of(&experiment))
        p.more { a href=(desk.visit.link(&format!("{page}/history"))) { "History: who changed what, when and why" } }
        @if desk.signed.may(Scope::Manage) && text(&experiment["status"]) != "draft" {
            p.more { a href=(desk.visit.link(&format!("{page}/audit"))) { "Audit: are the numbers exactly those of the raw records?" } }
        }
    };
    let title = text(&experiment["name"]).to_owned();
    Ok(Page::new(title, content).below("experiments", "Experiments"))
}

fn facts(experiment: &Value) -> Markup {
    html! {
        p.facts {
            (badge(&experiment["status"])) " "
            span.id { (name(text(&experiment["id"]))) }
            @if !experiment["started_at"].is_null() { span { (since(experiment)) } }
            @if !experiment["ends_at"].is_null() { span { "ends " (time(&experiment["ends_at"])) } }
            @if let Some(owner) = experiment["owner"].as_str() { span { "owner " (name(owner)) } }
            span { "version " (count(&experiment["version"])) }
        }
        @if let Some(hypothesis) = experiment["hypothesis"].as_str() { p.hypothesis { "Hypothesis: " (name(hypothesis)) } }
        @if !list(&experiment["warnings"]).is_empty() && text(&experiment["status"]) != "archived" {
            details.warnings {
                summary { "Launch check: " (list(&experiment["warnings"]).len()) " to look at" }
                ul { @for warning in list(&experiment["warnings"]) { li { (sentence(text(&warning["detail"]))) } } }
            }
        }
    }
}

/// What can be done with the experiment now; nothing without the scope.
fn actions(desk: Desk<'_>, experiment: &Value, page: &str) -> Markup {
    let possible = Change::of(text(&experiment["status"]), experiment);
    html! {
        @if desk.signed.may(Scope::Manage) && !possible.is_empty() {
            nav.actions aria-label="Change the experiment" {
                ul { @for change in possible {
                    li { a.button href=(desk.visit.link(&format!("{page}/change/{}", change.name()))) { (change.title()) } }
                } }
            }
        }
    }
}

fn decision(report: &Value) -> Markup {
    let decision = &report["decision"];
    let others = list(&decision["variants"]).iter();
    let others = others.filter(|other| other["sentence"] != decision["headline"]);
    html! {
        section.decision aria-labelledby="decision" {
            h2 #decision { "Decision" }
            p.headline { (badge(&decision["verdict"])) " " (sentence(text(&decision["headline"]))) }
            @for note in list(&decision["notes"]) { p { (sentence(text(note))) } }
            ul.plain { @for other in others { li { (sentence(text(&other["sentence"]))) } } }
            @if let Some(days) = decision["days_left"].as_u64() {
                p { "At the current traffic, the planned effect can be detected in " (domain::prose::counted(days, "day")) "." }
            }
            (impact(&decision["impact"]))
            p.faint { "As of " (time(&report["as_of"])) ", by the " (words(&report["analysis_settings"]["deciding_method"])) " method, from " (words(&report["source"])) "." }
        }
    }
}

fn impact(impact: &Value) -> Markup {
    let month = &impact["per_month"];
    html! {
        @if !month.is_null() {
            p {
                "If all users got the variant: " b { (crate::text::amount(&month["estimate"])) " " (text(&impact["unit"])) " per month" }
                " (" (crate::text::amount(&month["ci_lower"])) " to " (crate::text::amount(&month["ci_upper"])) "), with "
                (crate::text::amount(&impact["users_per_month"])) " users per month."
            }
        } @else if let Some(why) = impact["missing"]["message"].as_str() {
            p.faint { "The impact per month is not known: " (sentence(why)) }
        }
    }
}

/// The table behind the picture: a row for each comparison.
fn metrics(desk: Desk<'_>, report: &Value, page: &str) -> Markup {
    let value_of = |metric: &Value, variant: &Value| {
        let values = list(&metric["variants"]).iter();
        let mut found = values.filter(|value| value["key"] == *variant);
        found
            .next()
            .map(|value| value["mean"].clone())
            .unwrap_or_default()
    };
    html! {
        table.cards {
            caption { "The same numbers as a table" }
            thead { tr {
                th scope="col" { "Metric" } th scope="col" { "Variant" } th scope="col" { "Control" } th scope="col" { "Variant" }
                th scope="col" { "Lift" } th scope="col" { "p-value" } th scope="col" { "Finding" }
            } }
            tbody {
                @for metric in list(&report["metrics"]) {
                    @for comparison in list(&metric["comparisons"]) {
                        tr {
                            th scope="row" data-label="Metric" {
                                a href=(desk.visit.link(&format!("{page}/metrics/{}", segment(text(&metric["key"]))))) { (metric_name(metric)) }
                                span.id { (words(&metric["role"])) ", " (words(&metric["kind"])) }
                            }
                            td data-label="Variant" { (name(text(&comparison["variant"]))) }
                            td.number data-label="Control" { (mean(metric, &value_of(metric, &comparison["baseline"]))) }
                            td.number data-label="Value" { (mean(metric, &value_of(metric, &comparison["variant"]))) }
                            td.number data-label="Lift" {
                                @match comparison["decisive"].is_null() {
                                    false => (interval(decisive(comparison))),
                                    true => span.faint { (sentence(text(&comparison["missing"][0]["message"]))) },
                                }
                            }
                            td.number data-label="p-value" { (p_value(&comparison["decisive"]["adjusted_p_value"])) }
                            td data-label="Finding" { (badge(&comparison["finding"])) }
                        }
                    }
                }
            }
        }
        dl.how {
            dt { "Control and variant" } dd { "the mean per user of each group; for a conversion, the share of users with at least one event." }
            dt { "Lift" } dd { "how much higher the variant is, relative to the control, and in brackets the range that fits the data. A range without 0 shows an effect." }
            dt { "p-value" } dd { "how often a difference as large as this would be seen if there were none, corrected for the number of comparisons. Below " (report_alpha(report)) ", the finding is an effect." }
            dt { "Finding" } dd { "better or worse than the control by the direction of the metric, or undecided so far." }
        }
    }
}

fn report_alpha(report: &Value) -> Markup {
    crate::text::amount(&report["analysis_settings"]["alpha"])
}

fn power(report: &Value) -> Markup {
    let metrics = list(&report["metrics"]).iter();
    let planned = metrics.flat_map(|metric| {
        let comparisons = list(&metric["comparisons"]).iter();
        let known = comparisons.filter(|one| !one["power_to_date"].is_null());
        known.map(move |comparison| (metric, comparison))
    });
    let planned: Vec<_> = planned.collect();
    html! {
        @if !planned.is_empty() {
            section aria-labelledby="power" {
                h2 #power { "Power to date" }
                ul.plain { @for (metric, comparison) in planned {
                    @let power = &comparison["power_to_date"];
                    li {
                        (metric_name(metric)) ", " (name(text(&comparison["variant"]))) ": "
                        b { (share(&power["power"])) } " of " (share(&power["target_power"])) " for a lift of " (lift(&power["minimum_detectable_effect"]))
                        @if !power["additional_users_needed"].is_null() { "; " (count(&power["additional_users_needed"])) " more users are needed" }
                        "."
                    }
                } }
                p.how { "Power is the probability that an effect of the planned size is found with the users so far." }
            }
        }
    }
}

/// Fields of the definition that have a line of their own, if they are there.
const FIELDS: [(&str, &str); 8] = [
    ("description", "Description"),
    ("targeting", "Targeting"),
    ("layer", "Layer"),
    ("holdouts", "Holdouts"),
    ("tags", "Tags"),
    ("plan", "Plan"),
    ("conclusion", "Conclusion"),
    ("release", "Release"),
];

fn field_of(field: &str, value: &Value) -> Markup {
    html! {
        @match field {
            "layer" => { (name(text(&value["id"]))) ", " (percentage(&value["percent"])) " of all users" },
            "holdouts" | "tags" => {
                @for (place, one) in list(value).iter().enumerate() { @if place > 0 { ", " } (name(text(one))) }
            },
            "plan" => {
                (count(&value["users"])) " users, to find a lift of " (lift(&value["minimum_detectable_effect"]))
                @if let Some(metric) = value["metric"].as_str() { " on " (name(metric)) }
                " with a probability of " (share(&value["power"]))
            },
            "conclusion" => {
                (words(&value["outcome"])) @if let Some(variant) = value["variant"].as_str() { ": " (name(variant)) }
                @if let Some(notes) = value["notes"].as_str() { ". " (name(notes)) }
            },
            "release" => { (name(text(&value["variant"]))) " to all users, since " (time(&value["released_at"])) },
            _ => (compact(value)),
        }
    }
}

fn definition_of(experiment: &Value) -> Markup {
    html! {
        section aria-labelledby="definition" {
            h2 #definition { "Definition" }
            table.cards {
                thead { tr { th scope="col" { "Variant" } th scope="col" { "Weight" } } }
                tbody { @for variant in list(&experiment["variants"]) {
                    tr {
                        th scope="row" data-label="Variant" {
                            (name(variant["name"].as_str().unwrap_or(text(&variant["key"]))))
                            @if !variant["name"].is_null() { span.id { (name(text(&variant["key"]))) } }
                        }
                        td.number data-label="Weight" { (percentage(&variant["percent"])) }
                    }
                } }
            }
            dl.pairs {
                dt { "Traffic" } dd { (percentage(&experiment["traffic_percent"])) " of all users" }
                @for (field, title) in FIELDS {
                    @let value = &experiment[field];
                    @if !value.is_null() { dt { (title) } dd { (field_of(field, value)) } }
                }
            }
            details { summary { "The whole definition as JSON" } (json(experiment)) }
        }
    }
}
