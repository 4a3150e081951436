//! The form of a new experiment, with its plan.

use super::audience;
use crate::api::Failure;
use crate::desk::Desk;
use crate::form::{Field, Form, needs_manage};
use crate::layout::Page;
use crate::text::{count, json, lift, list, sentence, share, text};
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::Value;

/// Rows of the form for variants.
pub(crate) const VARIANTS: usize = 4;

/// What the API says about the form.
pub(crate) enum Planned {
    /// The plan, if a smallest effect was given, and the body that would create the experiment.
    Calculated {
        /// The answer of `POST /experiments/plan`.
        plan: Option<Value>,
        /// The body of `POST /experiments`.
        body: Value,
    },
    /// The plan or the experiment was refused.
    Refused(Failure),
}

/// The form, with what it had before.
pub(crate) async fn form(desk: Desk<'_>, planned: Option<Planned>) -> Page {
    let failure = match &planned {
        Some(Planned::Refused(failure)) => Some(failure),
        _ => None,
    };
    let form = Form::new(desk, failure);
    let audience = match &planned {
        Some(Planned::Calculated { body, .. }) if !body["targeting"].is_null() => {
            audience::preview(desk, &body["targeting"]).await
        }
        _ => html! {},
    };
    let content = html! {
        (form.faults())
        @if let Some(Planned::Calculated { plan, body }) = &planned { (calculated(plan.as_ref(), body, &audience)) }
        @if desk.signed.may(Scope::Manage) { (fields(desk, &form)) } @else { (needs_manage()) }
    };
    Page::new("New experiment", content).below("experiments", "Experiments")
}

pub(super) const KINDS: [(&str, &str); 3] = [
    ("conversion", "share of users with an event"),
    ("count", "events per user"),
    ("sum", "sum of values per user"),
];
const DIRECTIONS: [(&str, &str); 2] = [
    ("increase", "more is better"),
    ("decrease", "less is better"),
];
const WORSE: [(&str, &str); 2] = [
    ("decrease", "less is better"),
    ("increase", "more is better"),
];

/// The row of the form that is a metric.
struct MetricRow {
    /// What the names of its fields begin with.
    prefix: &'static str,
    /// Its place in the body.
    pointer: &'static str,
    /// What its labels end with.
    of: &'static str,
    usual: &'static str,
    directions: &'static [(&'static str, &'static str)],
}

const PRIMARY: MetricRow = MetricRow {
    prefix: "",
    pointer: "/metrics/0",
    of: "",
    usual: "purchase",
    directions: &DIRECTIONS,
};
const GUARDRAIL: MetricRow = MetricRow {
    prefix: "guardrail_",
    pointer: "/metrics/1",
    of: " of the guardrail",
    usual: "",
    directions: &WORSE,
};

fn metric(form: &Form<'_>, row: &MetricRow) -> Markup {
    let id = |name: &str| format!("{}{name}", row.prefix);
    let at = |name: &str| format!("{}/{name}", row.pointer);
    let label = |what: &str| format!("{what}{}", row.of);
    let required = row.prefix.is_empty();
    let key = if required { "metric" } else { "guardrail" };
    html! {
        div.row {
            (form.line(Field { id: key, label: &label("Key"), pointer: &at("key"), usual: row.usual, required, ..Field::default() }))
            (form.line(Field { id: &id("event_type"), label: &label("Event type"), pointer: &at("event_type"), usual: row.usual, required, ..Field::default() }))
            (form.choice(Field { id: &id("kind"), label: &label("Statistic"), pointer: &at("kind"), ..Field::default() }, &KINDS))
            (form.choice(Field { id: &id("direction"), label: &label("Direction"), pointer: &at("direction"), ..Field::default() }, row.directions))
        }
    }
}

fn variant(form: &Form<'_>, place: usize) -> Markup {
    let usual = ["control", "treatment"].get(place).copied().unwrap_or("");
    let weight = if place < 2 { "50" } else { "" };
    let at = |name: &str| format!("/variants/{place}/{name}");
    let (number, required) = (place + 1, place < 2);
    html! {
        div.row {
            (form.line(Field { id: &format!("variant{place}"), label: &format!("Key of variant {number}"), pointer: &at("key"), usual, required, ..Field::default() }))
            (form.line(Field { id: &format!("name_of_variant{place}"), label: &format!("Name of variant {number}"), pointer: &at("name"), ..Field::default() }))
            (form.line(Field { id: &format!("weight{place}"), label: &format!("Weight of variant {number} in %"), pointer: &at("percent"), usual: weight, required, ..Field::default() }))
        }
    }
}

fn fields(desk: Desk<'_>, form: &Form<'_>) -> Markup {
    let line = |id, label, pointer, usual| {
        form.line(Field {
            id,
            label,
            pointer,
            usual,
            ..Field::default()
        })
    };
    html! {
        form.act.long method="post" action=(desk.visit.link("new-experiment")) {
            (form.hidden(&Value::Null))
            fieldset {
                legend { "What is tested" }
                (form.line(Field { id: "name", label: "Name", pointer: "/name", required: true, ..Field::default() }))
                (line("id", "Id, in paths (optional)", "/id", ""))
                (line("hypothesis", "Hypothesis: what is expected, and why (optional)", "/hypothesis", ""))
                (line("owner", "Owner (optional)", "/owner", ""))
            }
            fieldset {
                legend { "Variants" }
                p.help { "The first one is the control. The weights add up to 100." }
                @for place in 0..VARIANTS { (variant(form, place)) }
            }
            fieldset {
                legend { "Who takes part" }
                (line("traffic_percent", "Percentage of all users", "/traffic_percent", "100"))
                (form.area(Field {
                    id: "targeting", label: "Condition on their attributes (optional)", pointer: "/targeting",
                    help: "JSON, such as `{\"country\": {\"$in\": [\"AT\", \"DE\"]}}`. The preview says how many recent users match, if their attributes are stored.", ..Field::default()
                }, 3))
                (line("dimensions", "Dimensions, with commas between them (optional): attributes that are stored, and that results are split by", "/dimensions", ""))
            }
            fieldset {
                legend { "Primary metric: it decides" }
                (metric(form, &PRIMARY))
            }
            fieldset {
                legend { "Guardrail: it must not get worse (optional)" }
                (metric(form, &GUARDRAIL))
            }
            fieldset {
                legend { "Plan: how many users it needs (optional)" }
                div.row {
                    (line("baseline", "Value in the control: the rate in %, or the mean", "/metric", ""))
                    (line("deviation", "Standard deviation, if it is no conversion", "/metric/standard_deviation", ""))
                    (line("effect", "Smallest effect worth finding, in % of it", "/minimum_detectable_effect", ""))
                    (line("users_per_day", "Users per day", "/users_per_day", ""))
                }
                p.help { "Without a smallest effect, the experiment has no plan, and its end is open." }
            }
            p.buttons {
                button type="submit" name="do" value="plan" { "Calculate and preview" }
                button.main type="submit" name="do" value="draft" { "Create a draft" }
                button type="submit" name="do" value="start" { "Create and start" }
            }
        }
    }
}

fn calculated(plan: Option<&Value>, body: &Value, audience: &Markup) -> Markup {
    html! {
        section.card aria-labelledby="plan" {
            h2 #plan { "Plan" }
            @match plan {
                None => p.note.warn { "There is no smallest effect worth finding, so there is no plan." },
                Some(plan) => {
                    p.headline { (sentence(text(&plan["sentence"]))) }
                    table.cards {
                        thead { tr { th scope="col" { "Method" } th scope="col" { "Users" } th scope="col" { "Days" } } }
                        tbody { @for (method, how) in [("sequential", "may be looked at every day"), ("fixed", "one look at the end")] { tr {
                            th scope="row" data-label="Method" { (method) span.id { (how) } }
                            td.number data-label="Users" { (count(&plan[method]["users"])) }
                            td.number data-label="Days" { (count(&plan[method]["days"])) }
                        } } }
                    }
                    @if !list(&plan["detectable"]).is_empty() {
                        table.cards {
                            caption { "The smallest effect that can be found after some weeks" }
                            thead { tr { th scope="col" { "Weeks" } th scope="col" { "Users" } th scope="col" { "Sequential" } th scope="col" { "Fixed" } } }
                            tbody { @for row in list(&plan["detectable"]) { tr {
                                th scope="row" data-label="Weeks" { (count(&row["weeks"])) }
                                td.number data-label="Users" { (count(&row["users"])) }
                                td.number data-label="Sequential" { (lift(&row["sequential_lift"])) }
                                td.number data-label="Fixed" { (lift(&row["fixed_lift"])) }
                            } } }
                        }
                    }
                    p.how { "With these users, an effect of the planned size is found with a probability of " (share(&plan["plan"]["power"])) "." }
                },
            }
            (audience)
            details {
                summary { "The same as JSON and with curl" }
                (json(body))
                pre tabindex="0" { code { "curl -X POST \"$API/experiments\" -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  -d " (shell_quoted(&body.to_string())) } }
            }
        }
    }
}

/// A text between single quotes, as a shell reads it.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
