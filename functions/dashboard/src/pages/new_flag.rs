//! The form of a new flag.

use crate::api::Failure;
use crate::desk::Desk;
use crate::form::{Field, Form, buttons};
use crate::layout::Page;
use domain::ids::EnvironmentName;
use maud::{Markup, html};
use serde_json::Value;

/// Rows of the form for variants.
pub(crate) const VARIANTS: usize = 4;
const TYPES: [(&str, &str); 5] = [
    ("boolean", "boolean: true or false"),
    ("string", "string: a text"),
    ("integer", "integer: a whole number"),
    ("number", "number"),
    ("object", "object: JSON"),
];

/// The names of the environments of the deployment.
pub(crate) fn environments(desk: Desk<'_>) -> Vec<String> {
    let names = desk.app.environments().iter();
    names.map(EnvironmentName::to_string).collect()
}

/// The form.
pub(crate) fn form(desk: Desk<'_>, failure: Option<&Failure>) -> Page {
    let form = Form::new(desk, failure);
    let content = html! {
        p { "The flag is off in each of its environments until it is switched on. Its rules are added after that." }
        (form.faults())
        (form.framed(&Value::Null, html! {
            fieldset {
                legend { "What it is" }
                (form.line(Field { id: "name", label: "Name", pointer: "/name", required: true, ..Field::default() }))
                (form.line(Field { id: "key", label: "Key, by which applications name it", pointer: "/key", required: true, ..Field::default() }))
                (form.line(Field { id: "description", label: "Description (optional)", pointer: "/description", ..Field::default() }))
                (form.line(Field { id: "owner", label: "Owner (optional)", pointer: "/owner", ..Field::default() }))
                (form.tick("requires_approval", "Each change needs the approval of another token", false))
            }
            fieldset {
                legend { "Variants" }
                (form.choice(Field { id: "value_type", label: "Type of the values; it cannot change", pointer: "/value_type", ..Field::default() }, &TYPES))
                p.help { "Values of a string are written as they are, all others as JSON." }
                @for place in 0..VARIANTS { (variant(&form, place)) }
            }
            fieldset {
                legend { "Environments" }
                @for environment in environments(desk) { (form.tick(&format!("in_{environment}"), &environment, true)) }
                div.row {
                    (form.line(Field { id: "off_variant", label: "Variant while the flag is off", usual: "off", required: true, ..Field::default() }))
                    (form.line(Field { id: "default_variant", label: "Variant of users for whom no rule decides", usual: "off", required: true, ..Field::default() }))
                }
            }
            (buttons(desk, "Create", false, "flags"))
        }))
    };
    Page::new("New flag", content).below("flags", "Flags")
}

fn variant(form: &Form<'_>, place: usize) -> Markup {
    let usual = [("on", "true"), ("off", "false")];
    let (key, value) = usual.get(place).copied().unwrap_or_default();
    let number = place + 1;
    html! {
        div.row {
            (form.line(Field {
                id: &format!("variant{place}"), label: &format!("Key of variant {number}"),
                pointer: &format!("/variants/{place}/key"), usual: key, required: place == 0, ..Field::default()
            }))
            (form.line(Field {
                id: &format!("value{place}"), label: &format!("Value of variant {number}"),
                pointer: &format!("/variants/{place}/value"), usual: value, ..Field::default()
            }))
        }
    }
}
