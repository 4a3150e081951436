//! The rules of a flag in one environment: their order, quick forms, and all of them as JSON.

use super::flag_rule::{decides, schedule};
use super::flag_texts::{read, save};
use crate::api::Failure;
use crate::desk::{Desk, unknown};
use crate::form::{Field, Form, indented, needs_manage};
use crate::layout::{Page, form_token, note};
use crate::text::{list, name, text};
use crate::visit::segment;
use domain::access::Scope;
use domain::limits::MAX_FLAG_RULES;
use maud::{Markup, html};
use serde_json::Value;

const KINDS: [(&str, &str); 2] = [
    ("rollout", "a percentage of the users of the rule get it"),
    ("serve", "all users of the rule get it"),
];
const PLACES: [(&str, &str); 2] = [("last", "after all others"), ("first", "before all others")];

/// The form that a post of this page was sent by.
fn sent<'d>(desk: Desk<'d>) -> &'d str {
    desk.visit.field("do")
}

/// The page.
///
/// # Errors
/// 404 if there is no such flag.
pub(crate) async fn edit(
    desk: Desk<'_>,
    key: &str,
    environment: &str,
    failure: Option<&Failure>,
) -> Result<Page, Failure> {
    let flag = read(desk, key).await?;
    let settings = &flag["environments"][environment];
    if settings.is_null() {
        return Ok(unknown());
    }
    let above = format!("flags/{}", segment(key));
    let of = |form: &str| failure.filter(|_| sent(desk) == form);
    let is_of_order = !["add", "json"].contains(&sent(desk));
    let content = html! {
        @if let Some(done) = desk.visit.query("done") {
            (note("good", match &*done { "draft" => "The draft is saved. Nothing changes before it is published.", _ => "The rules are changed. Applications see it within seconds." }))
        }
        @if let Some(failure) = failure.filter(|_| is_of_order) { (note("bad", failure.detail())) }
        section aria-labelledby="order" {
            h2 #order { "In this order" }
            p.help { "The first rule that decides for a user holds." }
            (order(desk, &flag, settings))
            @if flag["requires_approval"] == true { p.help { "This flag requires an approval, so each of these forms saves a draft, and the next one takes its place. To change several things at once, use the rules as JSON." } }
        }
        @if desk.signed.may(Scope::Manage) {
            (add(desk, &flag, (environment, settings), of("add"), &above))
            (all(desk, &flag, (environment, settings), of("json"), &above))
        } @else { (needs_manage()) }
    };
    let page = Page::new(format!("Rules in {environment}"), content).below("flags", "Flags");
    Ok(page.below(above, text(&flag["name"])))
}

/// The rules with the buttons that move and remove them.
fn order(desk: Desk<'_>, flag: &Value, settings: &Value) -> Markup {
    let rules = list(&settings["rules"]);
    html! {
        @if rules.is_empty() { p.empty { "There is no rule: all users get " b { (name(text(&settings["default_variant"]))) } "." } }
        ol.rules.editable { @for (place, rule) in rules.iter().enumerate() { li {
            div {
                (decides(rule))
                @if !rule["condition"].is_null() { " if " code { (rule["condition"].to_string()) } }
                (schedule(rule))
                span.id { (name(text(&rule["id"]))) }
            }
            @if desk.signed.may(Scope::Manage) { (small(desk, flag, rule, (place, rules.len()))) }
        } } }
        @if !rules.is_empty() { p { "All other users get " b { (name(text(&settings["default_variant"]))) } "." } }
    }
}

/// The small form of one rule.
fn small(desk: Desk<'_>, flag: &Value, rule: &Value, (place, count): (usize, usize)) -> Markup {
    let id = text(&rule["id"]);
    html! {
        form.small-acts method="post" {
            (form_token(desk.signed))
            input type="hidden" name="version" value=(flag["version"]);
            input type="hidden" name="rule" value=(id);
            @if rule["type"] == "rollout" && rule["ramp"].is_null() {
                label for={ "percent-" (place) } { "%" }
                input id={ "percent-" (place) } name="percent" inputmode="decimal" value=(rule["traffic_percent"]) aria-label={ "Percentage of " (id) };
                button type="submit" name="do" value="percent" { "Set" }
            }
            @if place > 0 { button type="submit" name="do" value="up" aria-label={ "Move " (id) " up" } { "↑" } }
            @if place + 1 < count { button type="submit" name="do" value="down" aria-label={ "Move " (id) " down" } { "↓" } }
            button.danger type="submit" name="do" value="remove" aria-label={ "Remove " (id) } { "Remove" }
        }
    }
}

/// The place of the rule that the form adds, in the list of the rules.
pub(crate) fn place_of_new(first: bool, rules: usize) -> usize {
    if first { 0 } else { rules }
}

/// The variants of a flag, for a choice.
fn variants(flag: &Value) -> Vec<(&str, &str)> {
    let keys = list(&flag["variants"]).iter();
    let keys = keys.map(|variant| text(&variant["key"]));
    keys.map(|key| (key, key)).collect()
}

fn add(
    desk: Desk<'_>,
    flag: &Value,
    (environment, settings): (&str, &Value),
    failure: Option<&Failure>,
    back: &str,
) -> Markup {
    let form = Form::new(desk, failure);
    let rules = list(&settings["rules"]).len();
    let is_first = form.value("place", "last") == "first";
    let at = place_of_new(is_first, rules);
    let rule = format!("/environments/{environment}/rules/{at}");
    let at = |field: &str| format!("{rule}/{field}");
    let variants = variants(flag);
    let (percent, variant) = (at("traffic_percent"), at("variant"));
    html! {
        section aria-labelledby="add" {
            h2 #add { "Add a rule" }
            @if rules >= MAX_FLAG_RULES { p.note.warn { "An environment has at most " (MAX_FLAG_RULES) " rules." } } @else {
                (form.faults())
                form.act.long method="post" action="#add" {
                    (form.hidden(&flag["version"]))
                    input type="hidden" name="do" value="add";
                    div.row {
                        (form.choice(Field { id: "kind", label: "Who gets it", ..Field::default() }, &KINDS))
                        (form.choice(Field { id: "variant", label: "Variant", pointer: &variant, ..Field::default() }, &variants))
                        (form.line(Field { id: "traffic_percent", label: "Percentage, for the first kind", pointer: &percent, usual: "10", ..Field::default() }))
                    }
                    (form.area(Field { id: "condition", label: "Condition: the users of the rule (optional)", pointer: &at("condition"), help: "JSON, such as `{\"country\": \"DE\"}`. Without one, the rule is for all users.", ..Field::default() }, 4))
                    div.row {
                        (form.line(Field { id: "rule_id", label: "Id of the rule", pointer: &at("id"), required: true, ..Field::default() }))
                        (form.choice(Field { id: "place", label: "Place", ..Field::default() }, &PLACES))
                    }
                    div.row {
                        (form.line(Field { id: "starts_at", label: "From, such as 2027-01-15T08:00:00Z (optional)", pointer: &at("starts_at"), ..Field::default() }))
                        (form.line(Field { id: "ends_at", label: "Until (optional)", pointer: &at("ends_at"), ..Field::default() }))
                    }
                    (form.line(Field { id: "description", label: "Description (optional)", pointer: &at("description"), ..Field::default() }))
                    (form.reason())
                    (save(desk, flag, back))
                }
            }
        }
    }
}

fn all(
    desk: Desk<'_>,
    flag: &Value,
    (environment, settings): (&str, &Value),
    failure: Option<&Failure>,
    back: &str,
) -> Markup {
    let form = Form::new(desk, failure);
    let at = |field: &str| format!("/environments/{environment}/{field}");
    let variants = variants(flag);
    let rules = indented(&settings["rules"]);
    html! {
        section aria-labelledby="json" {
            h2 #json { "All rules as JSON" }
            p.help { "With every kind of rule: experiments, ramps, weights, seeds and schedules." }
            (form.faults())
            form.act.long method="post" action="#json" {
                (form.hidden(&flag["version"]))
                input type="hidden" name="do" value="json";
                (form.area(Field { id: "rules", label: "Rules", pointer: &at("rules"), usual: &rules, required: true, ..Field::default() }, 16))
                div.row {
                    (form.choice(Field { id: "default_variant", label: "Variant of users for whom no rule decides", pointer: &at("default_variant"), usual: text(&settings["default_variant"]), ..Field::default() }, &variants))
                    (form.choice(Field { id: "off_variant", label: "Variant while the flag is off", pointer: &at("off_variant"), usual: text(&settings["off_variant"]), ..Field::default() }, &variants))
                }
                (form.line(Field { id: "json_reason", label: "Reason, for the history (optional)", pointer: "/reason", ..Field::default() }))
                (save(desk, flag, back))
            }
        }
    }
}
