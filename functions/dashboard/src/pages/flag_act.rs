//! The pages that say what an act on a flag will do: publish or discard its draft, revert, archive, restore, delete.

use super::flag_texts::read;
use crate::api::Failure;
use crate::desk::{Desk, unknown};
use crate::form::{Form, buttons, changes, needs_manage};
use crate::layout::Page;
use crate::text::{count, list, name, text, time};
use crate::visit::segment;
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::Value;

/// An act on a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Publish,
    Discard,
    Archive,
    Restore,
    Delete,
    /// To this version.
    Revert(u64),
}

impl Act {
    const NAMED: [(&'static str, Self); 5] = [
        ("publish", Self::Publish),
        ("discard", Self::Discard),
        ("archive", Self::Archive),
        ("restore", Self::Restore),
        ("delete", Self::Delete),
    ];

    /// The act with a name, as in paths; `revert-7` is the revert to version 7.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if let Some(version) = text.strip_prefix("revert-") {
            return version.parse().ok().map(Self::Revert);
        }
        let mut named = Self::NAMED.into_iter();
        named.find(|(name, _)| *name == text).map(|(_, act)| act)
    }

    /// The name in paths.
    pub(crate) fn name(self) -> String {
        if let Self::Revert(version) = self {
            return format!("revert-{version}");
        }
        let mut named = Self::NAMED.into_iter();
        let found = named.find(|(_, act)| *act == self);
        found.map_or_else(String::new, |(name, _)| name.to_owned())
    }

    /// The acts that a flag allows, apart from reverts.
    pub(crate) fn of(flag: &Value) -> Vec<Self> {
        let has_draft = !flag["draft"].is_null();
        let is_archived = flag["archived"] == true;
        let fits = |act: &Self| match act {
            Self::Publish | Self::Discard => has_draft,
            Self::Archive => !is_archived,
            Self::Restore | Self::Delete => is_archived,
            Self::Revert(_) => false,
        };
        let all = Self::NAMED.into_iter().map(|(_, act)| act);
        all.filter(fits).collect()
    }

    /// What the button says.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Publish => "Publish the draft".to_owned(),
            Self::Discard => "Discard the draft".to_owned(),
            Self::Archive => "Archive".to_owned(),
            Self::Restore => "Bring back".to_owned(),
            Self::Delete => "Delete".to_owned(),
            Self::Revert(version) => format!("Revert to version {version}"),
        }
    }

    /// What was done.
    pub(crate) fn done(self) -> String {
        match self {
            Self::Publish => {
                "The draft is published. Applications see it within seconds.".to_owned()
            }
            Self::Discard => "The draft is discarded. The flag is as it was.".to_owned(),
            Self::Archive => "The flag is archived. It is evaluated no more.".to_owned(),
            Self::Restore => "The flag is back, and is evaluated again.".to_owned(),
            Self::Delete => "The flag is deleted. Its history is kept.".to_owned(),
            Self::Revert(version) => format!(
                "The flag has the content of version {version} again. Applications see it within seconds."
            ),
        }
    }

    fn effect(self) -> &'static str {
        match self {
            Self::Publish => {
                "The draft becomes the next version of the flag, and applications see it within seconds. You can revert it at any time."
            }
            Self::Discard => "The draft is taken away. The flag stays as it is.",
            Self::Archive => {
                "The flag is hidden and evaluated no more: applications get their own default. You can bring it back."
            }
            Self::Restore => "The flag is evaluated again, with the rules that it had.",
            Self::Delete => {
                "The flag is deleted. Its history is kept, and a new flag can have the same key. There is no way back."
            }
            Self::Revert(_) => {
                "A new version gets the content of the earlier one, in all environments, and applications see it within seconds. It needs no approval, because this version was in use before. You can revert the revert."
            }
        }
    }

    fn is_dangerous(self) -> bool {
        matches!(self, Self::Archive | Self::Delete | Self::Discard)
    }
}

/// The page that says what an act will do, with the form that does it.
///
/// # Errors
/// 404 if there is no such flag.
pub(crate) async fn confirm(
    desk: Desk<'_>,
    key: &str,
    act: &str,
    failure: Option<&Failure>,
) -> Result<Page, Failure> {
    let Some(act) = Act::read(act) else {
        return Ok(unknown());
    };
    let flag = read(desk, key).await?;
    let above = format!("flags/{}", segment(key));
    let form = Form::new(desk, failure);
    let is_possible = matches!(act, Act::Revert(_)) || Act::of(&flag).contains(&act);
    // A draft is published by its number, so that nothing else is published than what the page shows.
    let version = match act {
        Act::Publish => &flag["draft"]["number"],
        _ => &flag["version"],
    };
    let content = html! {
        p.headline { (name(text(&flag["name"]))) }
        p { (act.effect()) }
        (form.faults())
        @if !is_possible { p.note.warn { "The flag is in a state in which this is not possible." } } @else {
            @if matches!(act, Act::Publish | Act::Discard) { (draft(&flag)) }
            @if !desk.signed.may(Scope::Manage) { (needs_manage()) } @else {
                form.act method="post" {
                    (form.hidden(version))
                    @if act == Act::Discard { input type="hidden" name="name" value=(text(&flag["name"])); }
                    @if matches!(act, Act::Archive | Act::Restore | Act::Revert(_)) { (form.reason()) }
                    (buttons(desk, &act.title(), act.is_dangerous(), &above))
                }
            }
        }
    };
    let page = Page::new(act.title(), content).below("flags", "Flags");
    Ok(page.below(above, text(&flag["name"])))
}

/// What a draft would change.
pub(super) fn draft(flag: &Value) -> Markup {
    let draft = &flag["draft"];
    html! {
        p.facts { span { "by " (name(text(&draft["by"]))) } span { (time(&draft["at"])) } span { "of version " (count(&draft["base_version"])) } }
        @if let Some(reason) = draft["reason"].as_str() { p { "Reason: " (name(reason)) } }
        (changes(&draft["changes"]))
    }
}

/// The draft on the page of its flag, and the acts that the flag allows.
pub(super) fn section(desk: Desk<'_>, flag: &Value, page: &str) -> Markup {
    let link = |act: Act| desk.visit.link(&format!("{page}/do/{}", act.name()));
    let (of_draft, others): (Vec<Act>, Vec<Act>) = Act::of(flag)
        .into_iter()
        .partition(|act| matches!(act, Act::Publish | Act::Discard));
    let may = desk.signed.may(Scope::Manage);
    html! {
        @if may {
            nav.actions aria-label="Change the flag" { ul {
                @if flag["archived"] != true { li { a.button href=(desk.visit.link(&format!("{page}/edit"))) { "Change" } } }
                @for act in others { li { a.button href=(link(act)) { (act.title()) } } }
            } }
        }
        @if !flag["draft"].is_null() {
            section.card aria-labelledby="draft" {
                h2 #draft { "Draft" }
                (draft(flag))
                @if flag["requires_approval"] == true { p.help { "Another token than that of the author publishes it." } }
                @if may { p.buttons { @for act in of_draft { a.button href=(link(act)) { (act.title()) } } } }
            }
        } @else if flag["requires_approval"] == true {
            p.faint { "Each change of this flag needs the approval of another token. There is no draft." }
        }
    }
}

/// The evaluations that the API knows of: the last day on which applications asked for the flag by its key.
pub(super) fn last_evaluated(flag: &Value) -> Markup {
    let days: Vec<_> = flag["last_evaluated"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    html! {
        @if !days.is_empty() {
            p.faint { "Last asked for by its key: " @for (place, (environment, day)) in days.iter().enumerate() { @if place > 0 { ", " } (name(environment)) " on " (text(day)) } "." }
        }
    }
}

/// Whether a page of the history offers to revert to a version: not to the last one, and not to that of a deletion.
pub(super) fn can_revert(entries: &Value, place: usize, is_first_page: bool) -> bool {
    let entry = &list(entries)[place];
    !(is_first_page && place == 0) && entry["action"] != "deleted"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_act_has_a_name_that_is_read_back() {
        let named = Act::NAMED.into_iter().map(|(_, act)| act);
        for act in named.chain([Act::Revert(7)]) {
            assert_eq!(Act::read(&act.name()), Some(act));
        }
        assert_eq!(Act::read("revert-"), None);
        assert_eq!(Act::read("publish-7"), None);
    }

    #[test]
    fn an_act_is_offered_only_where_the_flag_allows_it() {
        assert_eq!(Act::of(&json!({})), [Act::Archive]);
        let archived = Act::of(&json!({"archived": true}));
        assert_eq!(archived, [Act::Restore, Act::Delete]);
        let with_draft = Act::of(&json!({"draft": {"number": 1}}));
        assert_eq!(with_draft, [Act::Publish, Act::Discard, Act::Archive]);
    }
}
