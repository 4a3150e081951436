//! What the pages of segments, layers and holdouts share.

use crate::api::{Call, Failure};
use crate::desk::{Desk, next};
use crate::form::{Form, buttons, needs_manage};
use crate::layout::note;
use crate::text::{count, json, list, name, text};
use crate::visit::segment;
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::Value;

/// Elements on a page.
pub(super) const PAGE: usize = 25;

/// A list of definitions.
pub(super) struct Listing<'l> {
    /// The page of the list.
    pub(super) page: &'static str,
    /// The folder of the pages of its elements.
    pub(super) folder: &'static str,
    /// The page that makes another one, and its title.
    pub(super) new: (&'static str, &'static str),
    /// What the list has, in a sentence.
    pub(super) about: &'static str,
    /// What stands in place of an empty list.
    pub(super) none: &'static str,
    /// The titles of the columns. The first one has the name and the link.
    pub(super) columns: &'l [&'static str],
}

/// The call for a page of a list.
pub(super) fn page_of(desk: Desk<'_>, route: &'static str, limit: usize) -> Call {
    let call = Call::new("GET", route, &[]).with("limit", Some(limit));
    call.with("cursor", desk.visit.query("cursor"))
}

impl Listing<'_> {
    /// The list, with the cells of each element after its name, and the next page.
    pub(super) fn show<'v>(
        &self,
        desk: Desk<'_>,
        elements: impl Iterator<Item = &'v Value>,
        cells: impl Fn(&Value) -> Vec<Markup>,
        next_page: Option<(&str, &str)>,
    ) -> Markup {
        let elements: Vec<&Value> = elements.collect();
        let (first, others) = self.columns.split_first().unwrap_or((&"", &[]));
        html! {
            @if desk.visit.query("done").is_some() { (note("good", "It is deleted.")) }
            div.bar {
                p { (self.about) }
                @if desk.signed.may(Scope::Manage) { a.button.main href=(desk.visit.link(self.new.0)) { (self.new.1) } }
            }
            @if elements.is_empty() { p.empty { (self.none) } } @else {
                table.cards {
                    thead { tr { @for column in self.columns { th scope="col" { (column) } } } }
                    tbody { @for one in elements { tr {
                        th scope="row" data-label=(first) { (link(desk, self.folder, one)) }
                        @for (column, cell) in others.iter().zip(cells(one)) { td.number data-label=(column) { (cell) } }
                    } } }
                }
            }
            (next(desk, self.page, &[], next_page))
        }
    }
}

/// A link to an element by its id, with its name.
fn link(desk: Desk<'_>, folder: &str, one: &Value) -> Markup {
    let id = text(&one["id"]);
    html! {
        a href=(desk.visit.link(&format!("{folder}/{}", segment(id)))) { (name(one["name"].as_str().unwrap_or(id))) }
        span.id { (name(id)) }
    }
}

/// One definition: its id, a fact, its version and its description, then the links to its forms, then its content.
pub(super) fn one(
    desk: Desk<'_>,
    definition: &Value,
    fact: &Markup,
    folder: &str,
    content: &Markup,
) -> Markup {
    let id = text(&definition["id"]);
    let page = format!("{folder}/{}", segment(id));
    html! {
        @if desk.visit.query("done").is_some() { (note("good", "It is saved.")) }
        p.facts { span.id { (name(id)) } span { (fact) } span { "version " (count(&definition["version"])) } }
        @if let Some(description) = definition["description"].as_str() { p { (name(description)) } }
        (acts(desk, &page, &[("edit", "Change"), ("delete", "Delete")]))
        (content)
        details { summary { "The whole definition as JSON" } (json(definition)) }
    }
}

/// The form that deletes a definition, or what still uses it.
pub(super) struct Deletion<'d> {
    pub(super) definition: &'d Value,
    /// The version that the API compares; null if it compares none.
    pub(super) version: &'d Value,
    /// The page of the definition.
    pub(super) above: &'d str,
    /// What uses it, and what to do about that.
    pub(super) used: Option<Markup>,
    /// What deleting it does.
    pub(super) effect: &'static str,
}

impl Deletion<'_> {
    pub(super) fn show(self, desk: Desk<'_>, failure: Option<&Failure>) -> Markup {
        let form = Form::new(desk, failure);
        html! {
            p.headline { (name(text(&self.definition["name"]))) }
            (form.faults())
            @if let Some(used) = self.used { (used) }
            @else if !desk.signed.may(Scope::Manage) { (needs_manage()) } @else {
                p { (self.effect) }
                form.act method="post" {
                    (form.hidden(self.version))
                    (buttons(desk, "Delete", true, self.above))
                }
            }
        }
    }
}

/// The links to the forms of a definition: their names below its page, and titles. Nothing without the scope.
pub(super) fn acts(desk: Desk<'_>, page: &str, acts: &[(&str, &str)]) -> Markup {
    html! {
        @if desk.signed.may(Scope::Manage) && !acts.is_empty() {
            nav.actions aria-label="Change it" {
                ul { @for (act, title) in acts { li { a.button href=(desk.visit.link(&format!("{page}/{act}"))) { (title) } } } }
            }
        }
    }
}

/// The elements of a list of the API.
pub(super) fn elements<'v>(found: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    list(&found[field]).iter()
}
