//! The form of what a flag is in all environments: texts, variants, prerequisites.

use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::form::{Field, Form, indented};
use crate::layout::Page;
use crate::text::{list, name, text, time};
use crate::visit::segment;
use maud::{Markup, html};
use serde_json::Value;

/// A flag as the API shows it.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn read(desk: Desk<'_>, key: &str) -> Result<Value, Failure> {
    let call = Call::new("GET", "/flags/{key}", &[key]);
    desk.api.call(get_flag::handle, call).await
}

/// The buttons of a change of a flag: at once, or as a draft.
pub(crate) fn save(desk: Desk<'_>, flag: &Value, back: &str) -> Markup {
    html! {
        @if let Some(by) = flag["draft"]["by"].as_str() {
            p.note.warn { "There is a draft by " (name(by)) " of " (time(&flag["draft"]["at"])) ". Another draft takes its place, and a change at once closes it." }
        }
        p.buttons {
            @if flag["requires_approval"] != true { button.main type="submit" name="as" value="change" { "Save" } }
            button type="submit" name="as" value="draft" { "Save as a draft" }
            a.button.quiet href=(desk.visit.link(back)) { "Do nothing" }
        }
        @if flag["requires_approval"] == true { p.help { "This flag requires an approval: another token publishes the draft." } }
    }
}

/// The form.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn edit(
    desk: Desk<'_>,
    key: &str,
    failure: Option<&Failure>,
) -> Result<Page, Failure> {
    let flag = read(desk, key).await?;
    let form = Form::new(desk, failure);
    let above = format!("flags/{}", segment(key));
    let tags: Vec<&str> = list(&flag["tags"]).iter().map(text).collect();
    let (variants, tags) = (indented(&flag["variants"]), tags.join(", "));
    let prerequisites = match flag["prerequisites"].is_null() {
        true => String::new(),
        false => indented(&flag["prerequisites"]),
    };
    let schema = match flag["schema"].is_null() {
        true => String::new(),
        false => indented(&flag["schema"]),
    };
    let content = html! {
        p { "These are the same in all environments. Each environment has its rules on a page of its own." }
        (form.faults())
        (form.framed(&flag["version"], html! {
            (form.texts(&flag))
            (form.line(Field { id: "owner", label: "Owner (optional)", pointer: "/owner", usual: text(&flag["owner"]), ..Field::default() }))
            (form.line(Field { id: "tags", label: "Tags, with commas between them (optional)", pointer: "/tags", usual: &tags, ..Field::default() }))
            (form.area(Field { id: "variants", label: "Variants", pointer: "/variants", usual: &variants, help: "JSON: each has a `key`, a `value` and an optional `name`.", required: true }, 10))
            (form.area(Field { id: "prerequisites", label: "Prerequisites (optional)", pointer: "/prerequisites", usual: &prerequisites, help: "JSON, such as `[{\"flag\": \"payments\", \"variants\": [\"on\"]}]`.", ..Field::default() }, 3))
            @if flag["value_type"] == "object" {
                (form.area(Field { id: "schema", label: "Schema of the values (optional)", pointer: "/schema", usual: &schema, help: "A JSON Schema of draft 2020-12 without references.", ..Field::default() }, 6))
            }
            (form.tick("requires_approval", "Each change needs the approval of another token", flag["requires_approval"] == true))
            (form.reason())
            (save(desk, &flag, &above))
        }))
    };
    let page = Page::new("Change the flag", content).below("flags", "Flags");
    Ok(page.below(above, text(&flag["name"])))
}
