//! Segments: the list, one segment with what uses it, and its forms.

use super::catalog::{Deletion, Listing, PAGE, elements, one, page_of};
use crate::api::{Call, Failure};
use crate::desk::{Desk, cursor};
use crate::form::{Field, Form, buttons, indented};
use crate::layout::Page;
use crate::text::{count, list, name, text, time, words};
use crate::visit::segment as part;
use domain::prose::counted;
use maud::{Markup, html};
use serde_json::Value;

const LISTING: Listing<'static> = Listing {
    page: "segments",
    folder: "segments",
    new: ("new-segment", "New segment"),
    about: "A segment is a named set of users that experiments and flags can use.",
    none: "There is no segment.",
    columns: &["Segment", "Kind", "Users", "Changed"],
};
const KINDS: [(&str, &str); 2] = [
    ("condition", "condition: the users whose attributes match"),
    ("list", "list: the users with these ids"),
];
/// What a form can hold, and where more goes.
const IDS: &str = "One id in each line. A form has room for some thousands. `PATCH /segments/{id}` takes 10,000 at once, and a list has at most 100,000.";
const CONDITION: &str =
    "JSON, such as `{\"country\": {\"$in\": [\"AT\", \"DE\"]}}`. It can name other segments.";

/// The list.
///
/// # Errors
/// What the API says against the query.
pub(crate) async fn list_page(desk: Desk<'_>) -> Result<Page, Failure> {
    let call = page_of(desk, "/segments", PAGE);
    let found = desk.api.call(list_segments::handle, call).await?;
    let cells = |segment: &Value| {
        vec![
            html! { (words(&segment["kind"])) },
            members(segment),
            time(&segment["updated_at"]),
        ]
    };
    let content = LISTING.show(desk, elements(&found, "segments"), cells, cursor(&found));
    Ok(Page::new("Segments", content))
}

fn members(segment: &Value) -> Markup {
    html! {
        @match segment["condition"].is_null() {
            false => code { (segment["condition"].to_string()) },
            true => { (count(&segment["id_count"])) " ids of " code { (text(&segment["attribute"])) } },
        }
    }
}

async fn read(desk: Desk<'_>, id: &str) -> Result<Value, Failure> {
    let call = Call::new("GET", "/segments/{id}", &[id]);
    desk.api.call(get_segment::handle, call).await
}

/// One segment, and what uses it.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn show(desk: Desk<'_>, id: &str) -> Result<Page, Failure> {
    let segment = read(desk, id).await?;
    let fact = html! { (words(&segment["kind"])) };
    let content = html! { p { (members(&segment)) } (used_by(desk, &segment)) };
    let content = one(desk, &segment, &fact, "segments", &content);
    Ok(Page::new(text(&segment["name"]), content).below("segments", "Segments"))
}

/// How many definitions name the segment.
fn number_of_definitions(segment: &Value) -> u64 {
    segment["used_by_count"].as_u64().unwrap_or(0)
}

/// The definitions that name the segment, with links.
fn used_by(desk: Desk<'_>, segment: &Value) -> Markup {
    let users = list(&segment["used_by"]);
    let all = number_of_definitions(segment);
    let more = all.saturating_sub(u64::try_from(users.len()).unwrap_or(u64::MAX));
    html! {
        h2 { "Used by " (counted(all, "definition")) }
        ul { @for user in users {
            @let (kind, id) = (text(&user["kind"]), text(&user["id"]));
            li { (kind) " " a href=(desk.visit.link(&format!("{kind}s/{}", part(id)))) { (name(id)) } }
        } }
        @if more > 0 { p.faint { "And " (more) " more." } }
    }
}

/// The form of a new segment.
pub(crate) fn create(desk: Desk<'_>, failure: Option<&Failure>) -> Page {
    let form = Form::new(desk, failure);
    let content = html! {
        (form.faults())
        (form.framed(&Value::Null, html! {
            (form.texts(&Value::Null))
            (form.line(Field { id: "id", label: "Id, which conditions name", pointer: "/id", required: true, ..Field::default() }))
            (form.choice(Field { id: "kind", label: "Kind; it cannot change", help: "Only the fields of the chosen kind count.", ..Field::default() }, &KINDS))
            (form.area(Field { id: "condition", label: "Condition", pointer: "/condition", help: CONDITION, ..Field::default() }, 6))
            (form.area(Field { id: "ids", label: "Ids of a list", pointer: "/ids", help: IDS, ..Field::default() }, 6))
            (form.line(Field { id: "attribute", label: "Attribute with these ids", pointer: "/attribute", usual: "id", ..Field::default() }))
            (buttons(desk, "Create", false, "segments"))
        }))
    };
    Page::new("New segment", content).below("segments", "Segments")
}

/// The form that changes a segment.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn edit(
    desk: Desk<'_>,
    id: &str,
    failure: Option<&Failure>,
) -> Result<Page, Failure> {
    let segment = read(desk, id).await?;
    let form = Form::new(desk, failure);
    let above = format!("segments/{}", part(id));
    let condition = indented(&segment["condition"]);
    let content = html! {
        p { "The segment is used by " (counted(number_of_definitions(&segment), "definition")) ". A change applies within ten seconds." }
        (form.faults())
        (form.framed(&segment["version"], html! {
            (form.texts(&segment))
            @if segment["condition"].is_null() {
                p { (members(&segment)) " are in the list. It cannot be read back, because only hashes are stored." }
                (form.area(Field { id: "add", label: "Ids to add", pointer: "/ids/add", help: IDS, ..Field::default() }, 6))
                (form.area(Field { id: "remove", label: "Ids to remove", pointer: "/ids/remove", ..Field::default() }, 4))
            } @else {
                (form.area(Field { id: "condition", label: "Condition", pointer: "/condition", usual: &condition, help: CONDITION, required: true }, 10))
            }
            (form.reason())
            (buttons(desk, "Save", false, &above))
        }))
    };
    let page = Page::new("Change the segment", content).below("segments", "Segments");
    Ok(page.below(above, text(&segment["name"])))
}

/// The page that says what deleting a segment does, with the form that does it.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn delete(
    desk: Desk<'_>,
    id: &str,
    failure: Option<&Failure>,
) -> Result<Page, Failure> {
    let segment = read(desk, id).await?;
    let above = format!("segments/{}", part(id));
    let is_used = segment["used_by_count"] != 0;
    let deletion = Deletion {
        definition: &segment,
        version: &segment["version"],
        above: &above,
        used: is_used.then(|| html! {
            p.note.warn { "Definitions name this segment, so it cannot be deleted. Remove it from their conditions, or stop the experiments." }
            (used_by(desk, &segment))
        }),
        effect: "No definition names it. Its history is kept, and a new segment can have the same id. There is no way back.",
    };
    let content = deletion.show(desk, failure);
    let page = Page::new("Delete the segment", content).below("segments", "Segments");
    Ok(page.below(above, text(&segment["name"])))
}
