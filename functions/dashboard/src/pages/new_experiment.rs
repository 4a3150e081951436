//! The form of a new experiment, with its plan.

use crate::api::Failure;
use crate::desk::Desk;
use crate::layout::{Page, form_token, note};
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
pub(crate) fn form(desk: Desk<'_>, planned: Option<Planned>) -> Page {
    let content = html! {
        @match &planned {
            Some(Planned::Refused(failure)) => {
                (note("bad", failure.detail()))
                ul.faults { @for (pointer, detail) in failure.faults() { li { code { (pointer) } " " (sentence(detail)) } } }
            },
            Some(Planned::Calculated { plan, body }) => (calculated(plan.as_ref(), body)),
            None => {},
        }
        @if desk.signed.may(Scope::Manage) { (fields(desk)) } @else {
            p.note.warn { "This needs a token with the scope " code { "manage" } "." }
        }
    };
    Page::new("New experiment", content).below("experiments", "Experiments")
}

/// A labelled field with its value.
fn field(desk: Desk<'_>, id: &str, label: &str, usual: &str, required: bool) -> Markup {
    html! {
        div {
            label for=(id) { (label) }
            input id=(id) name=(id) value=(value(desk, id, usual)) required[required] maxlength="4000" dir="auto";
        }
    }
}

fn value(desk: Desk<'_>, id: &str, usual: &str) -> String {
    match desk.visit.is_post {
        true => desk.visit.field(id).to_owned(),
        false => usual.to_owned(),
    }
}

fn choice(desk: Desk<'_>, id: &str, label: &str, options: &[(&str, &str)]) -> Markup {
    let chosen = value(desk, id, "");
    html! {
        div {
            label for=(id) { (label) }
            select id=(id) name=(id) { @for (option, says) in options { option value=(option) selected[chosen == *option] { (says) } } }
        }
    }
}

const KINDS: [(&str, &str); 3] = [
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

fn fields(desk: Desk<'_>) -> Markup {
    let of_variant = |place: usize| ["control", "treatment"].get(place).copied().unwrap_or("");
    let weight = |place: usize| if place < 2 { "50" } else { "" };
    html! {
        form.act.long method="post" action=(desk.visit.link("new-experiment")) {
            (form_token(desk.signed))
            fieldset {
                legend { "What is tested" }
                (field(desk, "name", "Name", "", true))
                (field(desk, "id", "Id, in paths (optional)", "", false))
                (field(desk, "hypothesis", "Hypothesis: what is expected, and why (optional)", "", false))
                (field(desk, "owner", "Owner (optional)", "", false))
            }
            fieldset {
                legend { "Variants" }
                p.help { "The first one is the control. The weights add up to 100." }
                @for place in 0..VARIANTS {
                    div.row {
                        (field(desk, &format!("variant{place}"), &format!("Key of variant {}", place + 1), of_variant(place), place < 2))
                        (field(desk, &format!("name_of_variant{place}"), &format!("Name of variant {}", place + 1), "", false))
                        (field(desk, &format!("weight{place}"), &format!("Weight of variant {} in %", place + 1), weight(place), place < 2))
                    }
                }
                (field(desk, "traffic_percent", "Percentage of all users that take part", "100", false))
            }
            fieldset {
                legend { "Primary metric: it decides" }
                div.row {
                    (field(desk, "metric", "Key", "purchase", true))
                    (field(desk, "event_type", "Event type", "purchase", true))
                    (choice(desk, "kind", "Statistic", &KINDS))
                    (choice(desk, "direction", "Direction", &DIRECTIONS))
                }
            }
            fieldset {
                legend { "Guardrail: it must not get worse (optional)" }
                div.row {
                    (field(desk, "guardrail", "Key of the guardrail", "", false))
                    (field(desk, "guardrail_event_type", "Event type of the guardrail", "", false))
                    (choice(desk, "guardrail_kind", "Statistic of the guardrail", &KINDS))
                    (choice(desk, "guardrail_direction", "Direction of the guardrail", &WORSE))
                }
            }
            fieldset {
                legend { "Plan: how many users it needs (optional)" }
                div.row {
                    (field(desk, "baseline", "Value in the control: the rate in %, or the mean", "", false))
                    (field(desk, "deviation", "Standard deviation, if it is no conversion", "", false))
                    (field(desk, "effect", "Smallest effect worth finding, in % of it", "", false))
                    (field(desk, "users_per_day", "Users per day", "", false))
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

fn calculated(plan: Option<&Value>, body: &Value) -> Markup {
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
