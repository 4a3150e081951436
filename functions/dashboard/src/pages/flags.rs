//! Feature flags: the list, and one flag with its rules and an evaluation.

use super::flag_act::{Act, last_evaluated, section};
use super::flag_rule::{decides, schedule};
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::desk::{cursor, next};
use crate::layout::{Page, note};
use crate::text::{badge, compact, count, json, list, name, sentence, text, time, words};
use crate::visit::segment;
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::{Value, json};

/// Flags on a page.
const FLAGS: usize = 25;

/// The list.
///
/// # Errors
/// What the API says against the query.
pub(crate) async fn list_page(desk: Desk<'_>) -> Result<Page, Failure> {
    let query = |name: &str| desk.visit.query(name);
    let call = Call::new("GET", "/flags", &[])
        .with("limit", Some(FLAGS))
        .with("archived", query("archived"))
        .with("stale", query("stale"))
        .with("tag", query("tag"))
        .with("owner", query("owner"))
        .with("cursor", query("cursor"));
    let found = desk.api.call(list_flags::handle, call).await?;
    let flags = list(&found["flags"]);
    let content = html! {
        @if query("done").is_some() { (note("good", &Act::Delete.done())) }
        @if desk.signed.may(Scope::Manage) { p.end { a.button.main href=(desk.visit.link("new-flag")) { "New flag" } } }
        form.search method="get" action=(desk.visit.link("flags")) role="search" {
            div { label for="owner" { "Owner" } input #owner name="owner" value=(query("owner").unwrap_or_default()) maxlength="200"; }
            div { label for="tag" { "Tag" } input #tag name="tag" value=(query("tag").unwrap_or_default()) maxlength="50"; }
            div.check { input #stale type="checkbox" name="stale" value="true" checked[query("stale").is_some()]; label for="stale" { "only stale" } }
            div.check { input #archived type="checkbox" name="archived" value="true" checked[query("archived").is_some()]; label for="archived" { "archived too" } }
            button type="submit" { "Search" }
        }
        @if flags.is_empty() { p.empty { "No flag fits." } } @else {
            table.cards {
                thead { tr { th scope="col" { "Flag" } th scope="col" { "Type" } th scope="col" { "Environments" } th scope="col" { "Changed" } } }
                tbody { @for flag in flags { tr {
                    th scope="row" data-label="Flag" {
                        a href=(desk.visit.link(&format!("flags/{}", segment(text(&flag["key"]))))) { (name(text(&flag["name"]))) }
                        span.id { (name(text(&flag["key"]))) }
                        @if flag["archived"] == true { " " (badge(&json!("archived"))) }
                        @if !list(&flag["stale"]).is_empty() { " " (badge(&json!("stale"))) }
                    }
                    td data-label="Type" { (words(&flag["value_type"])) }
                    td data-label="Environments" { @for (environment, settings) in environments(flag) {
                        span.environment { (name(environment)) " " (switch(settings)) }
                    } }
                    td data-label="Changed" { (time(&flag["updated_at"])) }
                } } }
            }
        }
        (next(desk, "flags", &["archived", "stale", "tag", "owner"], cursor(&found)))
    };
    Ok(Page::new("Flags", content))
}

fn environments(flag: &Value) -> impl Iterator<Item = (&String, &Value)> {
    flag["environments"].as_object().into_iter().flatten()
}

/// Whether an environment is on, in a word.
fn switch(settings: &Value) -> Markup {
    badge(&json!(if settings["enabled"] == true {
        "on"
    } else {
        "off"
    }))
}

/// What the last form has done.
fn said(done: &str) -> String {
    match (done, Act::read(done)) {
        ("on", _) => "The flag is on. Applications see it within seconds.".to_owned(),
        ("off", _) => "The flag is off. Applications see it within seconds.".to_owned(),
        ("draft", _) => "The draft is saved. Nothing changes before it is published.".to_owned(),
        ("created", _) => "The flag is there, and off. Add its rules, and switch it on.".to_owned(),
        (_, Some(act)) => act.done(),
        _ => "The flag is changed. Applications see it within seconds.".to_owned(),
    }
}

/// One flag.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn show(desk: Desk<'_>, key: &str) -> Result<Page, Failure> {
    let call = Call::new("GET", "/flags/{key}", &[key]);
    let flag = desk.api.call(get_flag::handle, call).await?;
    let page = format!("flags/{}", segment(key));
    let trace = evaluation(desk, key).await;
    let content = html! {
        @if let Some(done) = desk.visit.query("done") {
            (note("good", &said(&done)))
        }
        p.facts {
            span.id { (name(key)) } span { (words(&flag["value_type"])) } span { "version " (count(&flag["version"])) }
            @if let Some(owner) = flag["owner"].as_str() { span { "owner " (name(owner)) } }
            @if flag["archived"] == true { (badge(&json!("archived"))) }
        }
        @if let Some(description) = flag["description"].as_str() { p { (name(description)) } }
        (last_evaluated(&flag))
        (section(desk, &flag, &page))
        @for stale in list(&flag["stale"]) {
            p.note.warn { "Stale in " (name(text(&stale["environment"]))) ": all users get " (name(text(&stale["variant"]))) " since " (time(&stale["unchanged_since"])) ". The code can use the value, and the flag can go." }
        }
        section aria-labelledby="environments" {
            h2 #environments { "Environments" }
            @for (environment, settings) in environments(&flag) { (of_environment(desk, &flag, &page, environment, settings)) }
        }
        (variants(&flag))
        (evaluate_form(desk, &flag, trace))
        details { summary { "The whole definition as JSON" } (json(&flag)) }
        p.more { a href=(desk.visit.link(&format!("{page}/history"))) { "History: who changed what, when and why" } }
    };
    Ok(Page::new(text(&flag["name"]), content).below("flags", "Flags"))
}

fn of_environment(
    desk: Desk<'_>,
    flag: &Value,
    page: &str,
    environment: &str,
    settings: &Value,
) -> Markup {
    let rules = list(&settings["rules"]);
    let turn = if settings["enabled"] == true {
        "Switch off"
    } else {
        "Switch on"
    };
    html! {
        div.card {
            h3 { (name(environment)) " " (switch(settings)) }
            @if desk.signed.may(Scope::Manage) && flag["archived"] != true {
                p.buttons {
                    a.button href=(desk.visit.link(&format!("{page}/switch/{}", segment(environment)))) { (turn) " in " (name(environment)) }
                    a.button href=(desk.visit.link(&format!("{page}/rules/{}", segment(environment)))) { "Rules in " (name(environment)) }
                }
            }
            ol.rules {
                @for rule in rules { li {
                    (decides(rule))
                    @if !rule["condition"].is_null() { " if " code { (rule["condition"].to_string()) } }
                    (schedule(rule))
                    span.id { (name(text(&rule["id"]))) }
                    @if let Some(description) = rule["description"].as_str() { span.faint { (name(description)) } }
                } }
                li { (if rules.is_empty() { "All users get " } else { "All other users get " }) b { (name(text(&settings["default_variant"]))) } }
            }
            p.faint { "While it is off, all users get " b { (name(text(&settings["off_variant"]))) } "." }
        }
    }
}

fn variants(flag: &Value) -> Markup {
    html! {
        section aria-labelledby="variants" {
            h2 #variants { "Variants" }
            table.cards {
                thead { tr { th scope="col" { "Variant" } th scope="col" { "Value" } } }
                tbody { @for variant in list(&flag["variants"]) { tr {
                    th scope="row" data-label="Variant" { (name(text(&variant["key"]))) }
                    td data-label="Value" { (compact(&variant["value"])) }
                } } }
            }
        }
    }
}

/// What the API says about the user of the query; none if the query has no user.
async fn evaluation(desk: Desk<'_>, key: &str) -> Option<Result<Value, String>> {
    let attributes = desk.visit.query("attributes");
    let user = desk.visit.query("user");
    if user.is_none() && attributes.is_none() {
        return None;
    }
    let mut all = match serde_json::from_str(attributes.as_deref().unwrap_or("{}")) {
        Ok(Value::Object(all)) => all,
        _ => {
            return Some(Err(
                "The attributes must be a JSON object, such as `{\"country\": \"DE\"}`.".to_owned(),
            ));
        }
    };
    if let Some(user) = user {
        all.insert("id".to_owned(), Value::String(user));
    }
    let mut body = json!({ "attributes": all });
    if let Some(environment) = desk.visit.query("environment") {
        body["environment"] = Value::String(environment);
    }
    let call = Call::new("POST", "/flags/{key}/evaluate", &[key]).body(body);
    let answer = desk.api.call(explain_flag::handle, call).await;
    Some(answer.map_err(|failure| failure.detail().to_owned()))
}

fn evaluate_form(desk: Desk<'_>, flag: &Value, evaluated: Option<Result<Value, String>>) -> Markup {
    let value = |name: &str| desk.visit.query(name).unwrap_or_default();
    html! {
        section aria-labelledby="evaluate" {
            h2 #evaluate { "What does a user get?" }
            form.search method="get" action="#evaluate" {
                div { label for="user" { "User id" } input #user name="user" value=(value("user")) maxlength="256" dir="auto"; }
                div { label for="environment" { "Environment" }
                    select #environment name="environment" { @for (environment, _) in environments(flag) { option value=(environment) selected[value("environment") == *environment] { (environment) } } }
                }
                div.wide { label for="attributes" { "Attributes as JSON" } input #attributes name="attributes" value=(value("attributes")) placeholder="{\"country\": \"DE\"}" maxlength="4000"; }
                button type="submit" { "Evaluate" }
            }
            p.help { "Nothing is stored." }
            @match evaluated {
                None => {},
                Some(Err(why)) => (note("bad", &why)),
                Some(Ok(answer)) => (traced(&answer)),
            }
        }
    }
}

/// Why a part of a flag did not decide.
fn skipped(why: &Value) -> String {
    match text(why) {
        "prerequisite" => "another flag has not the value that it must have".to_owned(),
        "condition" => "the attributes do not match".to_owned(),
        "filters" => "the user is outside the layer, or is held out".to_owned(),
        "traffic" => "the user is outside the traffic".to_owned(),
        "no_hash_attribute" => "the attribute that is hashed is missing".to_owned(),
        _ => words(why),
    }
}

fn traced(answer: &Value) -> Markup {
    html! {
        div.card role="status" {
            p.headline { "The user gets " b { (name(text(&answer["variant"]))) } ", value " (compact(&answer["value"])) }
            p.faint { "Reason: " (words(&answer["reason"]).to_lowercase()) ", version " (count(&answer["version"])) }
            ol.rules { @for step in list(&answer["trace"]) { li {
                (words(&step["part"])) " "
                @for which in ["rule", "prerequisite"] { @if let Some(which) = step[which].as_str() { b { (name(which)) } " " } }
                @match step["skipped"].is_null() {
                    true => "decided",
                    false => span.faint { "did not decide: " (skipped(&step["skipped"])) },
                }
            } } }
            @for rule in list(&answer["left_out"]) { p.faint { "Left out: " (sentence(&rule.to_string())) } }
        }
    }
}
