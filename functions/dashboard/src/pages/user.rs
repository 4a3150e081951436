//! One user: why does this user see that?

use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::layout::Page;
use crate::text::{NONE, amount, badge, compact, count, list, name, sentence, text, time, words};
use crate::visit::segment;
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::{Value, json};

/// Events on a page, newest first.
const EVENTS: usize = 100;

/// The form for a user id, and what is stored about the user of the query.
///
/// # Errors
/// What the API says against the user id.
pub(crate) async fn show(desk: Desk<'_>) -> Result<Page, Failure> {
    let Some(user) = desk.visit.query("id") else {
        return Ok(Page::new("Users", find(desk)));
    };
    let call = Call::new("GET", "/users/{user_id}", &[&user]);
    let call = call.with("cursor", desk.visit.query("cursor"));
    let found = desk.api.call(export_user::handle, call).await?;
    let traced = trace(desk, &user).await;
    let content = html! {
        (find(desk))
        @if !found["erased"].is_null() {
            p.note.warn { "This user was erased. No data of the user is stored until " (time(&found["erased"]["until"])) "." }
        }
        (assignments(desk, &found))
        (why(desk, &user, traced))
        (events(desk, &found))
        @if desk.signed.may(Scope::Manage) {
            section aria-labelledby="erase" {
                h2 #erase { "Erase" }
                p { a.button.danger href={ (desk.visit.link("users/erase")) "?" (form_urlencoded::Serializer::new(String::new()).append_pair("id", &user).finish()) } { "Erase this user" } }
            }
        }
    };
    Ok(Page::new(format!("User {user}"), content).below("users", "Users"))
}

fn find(desk: Desk<'_>) -> Markup {
    html! {
        @if desk.visit.query("erased").is_some() {
            (crate::layout::note("good", "The user is erased from all records and aggregates."))
        }
        form.search method="get" action=(desk.visit.link("users")) role="search" {
            div.wide { label for="id" { "User id" } input #id name="id" value=(desk.visit.query("id").unwrap_or_default()) required maxlength="256" dir="auto" autocomplete="off"; }
            button type="submit" { "Find" }
        }
        @if !desk.signed.may(Scope::Manage) { p.help { "The data of a user needs a token with the scope " code { "manage" } "." } }
    }
}

fn assignments(desk: Desk<'_>, found: &Value) -> Markup {
    let assignments = list(&found["assignments"]);
    html! {
        section aria-labelledby="assignments" {
            h2 #assignments { "Assignments" }
            @if assignments.is_empty() { p.empty { "No assignment is stored." } } @else {
                table.cards {
                    thead { tr { th scope="col" { "Experiment" } th scope="col" { "Variant" } th scope="col" { "Assigned" } th scope="col" { "By" } th scope="col" { "Counts as" } } }
                    tbody { @for one in assignments {
                        @let id = text(&one["experiment_id"]);
                        tr {
                            th scope="row" data-label="Experiment" { a href=(desk.visit.link(&format!("experiments/{}", segment(id)))) { (name(id)) } }
                            td data-label="Variant" { (name(text(&one["variant"]))) }
                            td data-label="Assigned" { (time(&one["assigned_at"])) }
                            td data-label="By" { (words(&one["source"])) ", version " (count(&one["experiment_version"])) }
                            td data-label="Counts as" { (counts_as(found, id)) }
                        }
                    } }
                }
            }
            @if !list(&found["segments"]).is_empty() {
                p { "In the lists of " @for (place, id) in list(&found["segments"]).iter().enumerate() { @if place > 0 { ", " } a href=(desk.visit.link(&format!("segments/{}", segment(text(id))))) { (name(text(id))) } } "." }
            }
        }
    }
}

/// Whether the user is in the results of an experiment.
fn counts_as(found: &Value, experiment: &str) -> Markup {
    let mut sums = list(&found["sums"]).iter();
    let sum = sums.rfind(|sum| text(&sum["experiment_id"]) == experiment);
    let word = match sum {
        None => "not counted yet",
        Some(sum) if sum["outlier"] == true => "outlier, left out",
        Some(sum) if sum["excluded"] == true => "excluded",
        Some(sum) if sum["enrolment"].is_null() => "not enrolled",
        Some(_) => "counted",
    };
    html! { (word) }
}

/// What a request for the assignment would answer, without storing anything.
async fn trace(desk: Desk<'_>, user: &str) -> Option<Result<Value, Failure>> {
    let experiment = desk.visit.query("experiment")?;
    let values = [experiment.as_str(), user];
    let call = Call::new("GET", "/experiments/{id}/assignment/{user_id}", &values);
    let call = call.with("enroll", Some("false"));
    Some(desk.api.call(assign::handle, call).await)
}

fn why(desk: Desk<'_>, user: &str, traced: Option<Result<Value, Failure>>) -> Markup {
    html! {
        @if desk.signed.may(Scope::Assign) {
            section aria-labelledby="why" {
                h2 #why { "Why this variant?" }
                form.search method="get" action={ (desk.visit.link("users")) "#why" } {
                    input type="hidden" name="id" value=(user);
                    div { label for="experiment" { "Experiment id" } input #experiment name="experiment" required maxlength="64" value=(desk.visit.query("experiment").unwrap_or_default()); }
                    button type="submit" { "Explain" }
                }
                p.help { "Nothing is stored." }
                @match traced {
                    None => {},
                    Some(Err(failure)) => (crate::layout::note("bad", failure.detail())),
                    Some(Ok(answer)) => div.card role="status" {
                        p.headline { (name(text(&answer["variant"]))) " " (badge(&json!(text(&answer["reason"])))) }
                        ol.rules { @for step in list(&answer["trace"]) { li { (step_of(step)) } } }
                    },
                }
            }
        }
    }
}

fn step_of(step: &Value) -> Markup {
    html! {
        @if let Some(rule) = step["rule"].as_str() { b { (rule.replace('_', " ")) } " " }
        @for (field, value) in step.as_object().into_iter().flatten().filter(|(field, _)| *field != "rule") {
            span.faint { (field.replace('_', " ")) ": " (compact(value)) " " }
        }
    }
}

fn events(desk: Desk<'_>, found: &Value) -> Markup {
    let mut events: Vec<&Value> = list(&found["events"]).iter().collect();
    events.sort_by(|one, other| text(&other["counted_at"]).cmp(text(&one["counted_at"])));
    let more = events.len().saturating_sub(EVENTS);
    html! {
        section aria-labelledby="events" {
            h2 #events { "Events" }
            @if !found["event_count"].is_null() { p { (count(&found["event_count"]["total"])) " stored in all." } }
            @if events.is_empty() { p.empty { "No event is stored." } } @else {
                table.cards {
                    thead { tr { th scope="col" { "Time" } th scope="col" { "Event" } th scope="col" { "Value" } th scope="col" { "Counts for" } } }
                    tbody { @for event in events.into_iter().take(EVENTS) { tr {
                        td data-label="Time" { (time(&event["counted_at"])) }
                        th scope="row" data-label="Event" { (name(text(&event["type"]))) span.id { (name(text(&event["event_id"]))) } }
                        td.number data-label="Value" { (amount(&event["value"])) }
                        td data-label="Counts for" {
                            @match event["experiment_id"].as_str() {
                                Some(id) => a href=(desk.visit.link(&format!("experiments/{}", segment(id)))) { (name(id)) },
                                None => (NONE),
                            }
                        }
                    } } }
                }
                @if more > 0 { p { (sentence(&format!("{more} earlier events of this page are in the API: `GET /users/{{user_id}}`."))) } }
            }
            (crate::desk::next(desk, "users", &["id"], crate::desk::cursor(found)))
        }
    }
}
