//! Fields of forms, each with what was typed and with what is wrong with it.

use crate::api::Failure;
use crate::desk::Desk;
use crate::layout::{form_token, note};
use crate::text::{list, name, sentence, text};
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::Value;

/// A form, with what the API said against what was sent.
#[derive(Clone, Copy)]
pub(crate) struct Form<'a> {
    desk: Desk<'a>,
    failure: Option<&'a Failure>,
}

/// A field.
#[derive(Clone, Copy, Default)]
pub(crate) struct Field<'t> {
    /// Its name in the form, and its id on the page.
    pub(crate) id: &'t str,
    /// What it is.
    pub(crate) label: &'t str,
    /// The place in the body of the API that it becomes. Faults at this place and below are shown beside the field.
    pub(crate) pointer: &'t str,
    /// What it has before something is typed.
    pub(crate) usual: &'t str,
    /// More about it, in a sentence.
    pub(crate) help: &'t str,
    /// Whether it must be filled in.
    pub(crate) required: bool,
}

impl<'a> Form<'a> {
    pub(crate) fn new(desk: Desk<'a>, failure: Option<&'a Failure>) -> Self {
        Self { desk, failure }
    }

    /// What a field has: what was typed, or else the usual.
    pub(crate) fn value(&self, id: &str, usual: &str) -> String {
        // A page can have several forms. The one that was not sent keeps the usual values.
        match self.desk.visit.has_field(id) {
            true => self.desk.visit.field(id).to_owned(),
            false => usual.to_owned(),
        }
    }

    /// Whether a box is ticked: as it was sent, or else as usual. Browsers send no field for a box that is not ticked.
    pub(crate) fn is_ticked(&self, id: &str, usual: bool) -> bool {
        match self.desk.visit.is_post {
            true => self.desk.visit.has_field(id),
            false => usual,
        }
    }

    /// Everything that is wrong, above the form.
    pub(crate) fn faults(&self) -> Markup {
        html! {
            @if let Some(failure) = self.failure {
                (note("bad", failure.detail()))
                @let faults = failure.faults();
                @if !faults.is_empty() {
                    ul.faults { @for (pointer, detail) in faults { li { code { (pointer) } " " (sentence(detail)) } } }
                }
                @if failure.status == 412 { p { "What you typed is below. Open the page again to see what has changed, and decide anew." } }
            }
        }
    }

    /// The form with its hidden fields, or what is missing for it.
    pub(crate) fn framed(&self, version: &Value, content: Markup) -> Markup {
        html! {
            @if self.desk.signed.may(Scope::Manage) {
                form.act.long method="post" { (self.hidden(version)) (content) }
            } @else { (needs_manage()) }
        }
    }

    /// The hidden fields: the token, and the version of the page on which the reader decides.
    pub(crate) fn hidden(&self, version: &Value) -> Markup {
        let version = match version {
            Value::Null => String::new(),
            number => self.value("version", &number.to_string()),
        };
        html! {
            (form_token(self.desk.signed))
            @if !version.is_empty() { input type="hidden" name="version" value=(version); }
        }
    }

    /// A field of one line.
    pub(crate) fn line(&self, field: Field<'_>) -> Markup {
        let wrong = self.wrong(&field);
        html! {
            div {
                label for=(field.id) { (field.label) }
                input id=(field.id) name=(field.id) value=(self.value(field.id, field.usual)) required[field.required] maxlength="4000" dir="auto"
                    aria-invalid=[wrong.as_ref().map(|_| "true")] aria-describedby=[beside(&field, wrong.as_ref())];
                (described(&field, wrong))
            }
        }
    }

    /// A field of several lines.
    pub(crate) fn area(&self, field: Field<'_>, rows: u8) -> Markup {
        let wrong = self.wrong(&field);
        // A browser leaves out the first line break of the content.
        let content = format!("\n{}", self.value(field.id, field.usual));
        html! {
            div {
                label for=(field.id) { (field.label) }
                textarea id=(field.id) name=(field.id) rows=(rows) required[field.required] spellcheck="false" dir="auto"
                    aria-invalid=[wrong.as_ref().map(|_| "true")] aria-describedby=[beside(&field, wrong.as_ref())] { (content) }
                (described(&field, wrong))
            }
        }
    }

    /// A choice: values with what they say.
    pub(crate) fn choice(&self, field: Field<'_>, options: &[(&str, &str)]) -> Markup {
        let wrong = self.wrong(&field);
        let chosen = self.value(field.id, field.usual);
        html! {
            div {
                label for=(field.id) { (field.label) }
                select id=(field.id) name=(field.id) required[field.required]
                    aria-invalid=[wrong.as_ref().map(|_| "true")] aria-describedby=[beside(&field, wrong.as_ref())] {
                    @for (option, says) in options { option value=(option) selected[chosen == *option] { (says) } }
                }
                (described(&field, wrong))
            }
        }
    }

    /// A box to tick.
    pub(crate) fn tick(&self, id: &str, label: &str, usual: bool) -> Markup {
        html! {
            div.check { input id=(id) type="checkbox" name=(id) value="true" checked[self.is_ticked(id, usual)]; label for=(id) { (label) } }
        }
    }

    /// The name and the description of a definition.
    pub(crate) fn texts(&self, definition: &Value) -> Markup {
        html! {
            (self.line(Field { id: "name", label: "Name", pointer: "/name", usual: text(&definition["name"]), required: true, ..Field::default() }))
            (self.line(Field { id: "description", label: "Description (optional)", pointer: "/description", usual: text(&definition["description"]), ..Field::default() }))
        }
    }

    /// The reason of a change.
    pub(crate) fn reason(&self) -> Markup {
        self.line(Field {
            id: "reason",
            label: "Reason, for the history (optional)",
            pointer: "/reason",
            ..Field::default()
        })
    }

    /// What is wrong with a field: sentences, each with the place below the field.
    fn wrong(&self, field: &Field<'_>) -> Option<Markup> {
        let faults = self.failure.map(Failure::faults).unwrap_or_default();
        let of_field = faults.into_iter().filter_map(|(pointer, detail)| {
            let below = pointer.strip_prefix(field.pointer)?;
            let is_here = !field.pointer.is_empty() && (below.is_empty() || below.starts_with('/'));
            is_here.then_some((below, detail))
        });
        let of_field: Vec<_> = of_field.collect();
        (!of_field.is_empty()).then(|| {
            html! { @for (below, detail) in of_field { @if !below.is_empty() { code { (below) } " " } (sentence(detail)) " " } }
        })
    }
}

/// The ids of the texts that describe a field.
fn beside(field: &Field<'_>, wrong: Option<&Markup>) -> Option<String> {
    let help = (!field.help.is_empty()).then(|| format!("{}-help", field.id));
    let wrong = wrong.map(|_| format!("{}-wrong", field.id));
    let ids: Vec<String> = wrong.into_iter().chain(help).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

fn described(field: &Field<'_>, wrong: Option<Markup>) -> Markup {
    html! {
        @if let Some(wrong) = wrong { p.wrong id={ (field.id) "-wrong" } { (wrong) } }
        @if !field.help.is_empty() { p.help id={ (field.id) "-help" } { (sentence(field.help)) } }
    }
}

/// What stands in place of a form that the token cannot use.
pub(crate) fn needs_manage() -> Markup {
    html! { p.note.warn { "This needs a token with the scope " code { "manage" } "." } }
}

/// The last line of a form: what it does, and the way out.
pub(crate) fn buttons(desk: Desk<'_>, does: &str, is_dangerous: bool, back: &str) -> Markup {
    html! {
        p.buttons {
            button type="submit" class=(if is_dangerous { "danger" } else { "main" }) { (does) }
            a.button.quiet href=(desk.visit.link(back)) { "Do nothing" }
        }
    }
}

/// The fields that a change would replace, before and after.
pub(crate) fn changes(changes: &Value) -> Markup {
    html! {
        table.cards.diff {
            thead { tr { th scope="col" { "Field" } th scope="col" { "Before" } th scope="col" { "After" } } }
            tbody { @for change in list(changes) { tr {
                th scope="row" data-label="Field" { (name(text(&change["field"]))) }
                td data-label="Before" { @if change["before"].is_null() { (crate::text::NONE) } @else { del { (pretty(&change["before"])) } } }
                td data-label="After" { @if change["after"].is_null() { (crate::text::NONE) } @else { ins { (pretty(&change["after"])) } } }
            } } }
        }
    }
}

fn pretty(value: &Value) -> Markup {
    match value {
        Value::String(text) => name(text),
        other => html! { code.block { (indented(other)) } },
    }
}

/// JSON with indents, as a field shows it.
pub(crate) fn indented(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
