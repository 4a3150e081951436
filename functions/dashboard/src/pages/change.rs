//! The pages that say what a change of an experiment will do: start, pause, resume, stop, release, archive, traffic.

use crate::api::{Call, Failure};
use crate::desk::{Desk, unknown};
use crate::layout::{Page, form_token};
use crate::text::{list, name, percentage, sentence, text};
use crate::visit::segment;
use domain::access::Scope;
use maud::{Markup, html};
use serde_json::Value;

/// A change of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Start,
    Pause,
    Resume,
    Traffic,
    Stop,
    Release,
    Archive,
}

/// The outcomes of a conclusion, with what they mean.
const OUTCOMES: [(&str, &str); 5] = [
    ("won", "a variant is better, and is kept"),
    ("lost", "the variant is worse, and the control is kept"),
    ("inconclusive", "no effect was found"),
    ("invalid", "the data cannot be trusted"),
    ("stopped_early", "it was stopped before its time"),
];

impl Change {
    const ALL: [(&'static str, Self); 7] = [
        ("start", Self::Start),
        ("pause", Self::Pause),
        ("resume", Self::Resume),
        ("traffic", Self::Traffic),
        ("stop", Self::Stop),
        ("release", Self::Release),
        ("archive", Self::Archive),
    ];

    /// The change with a name, as in paths.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(name, _)| *name == text)
            .map(|(_, change)| change)
    }

    /// The name in paths.
    pub(crate) fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, change)| *change == self)
            .map_or("", |(name, _)| name)
    }

    /// The changes that an experiment in this status allows.
    pub(crate) fn of(status: &str, experiment: &Value) -> Vec<Self> {
        let possible: &[Self] = match status {
            "draft" => &[Self::Start, Self::Traffic, Self::Archive],
            "running" => &[Self::Traffic, Self::Pause, Self::Stop, Self::Release],
            "paused" => &[Self::Resume, Self::Traffic, Self::Stop, Self::Release],
            "stopped" => &[Self::Release, Self::Archive],
            _ => &[],
        };
        let is_holdout = !experiment["holdout"].is_null();
        let of_holdouts = [Self::Start, Self::Stop, Self::Archive];
        let fits = |change: &Self| {
            (!is_holdout || of_holdouts.contains(change))
                && (*change != Self::Release || experiment["release"].is_null())
        };
        possible.iter().copied().filter(fits).collect()
    }

    /// What the button says.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Pause => "Pause",
            Self::Resume => "Resume",
            Self::Traffic => "Change the traffic",
            Self::Stop => "Stop",
            Self::Release => "Release a variant",
            Self::Archive => "Archive",
        }
    }

    /// What was done.
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Start => "The experiment is running. Users are assigned from now on.",
            Self::Pause => "The experiment is paused. No new user is assigned.",
            Self::Resume => "The experiment is running again.",
            Self::Traffic => "The traffic is changed.",
            Self::Stop => "The experiment is stopped.",
            Self::Release => "The variant is released to all users.",
            Self::Archive => "The experiment is archived.",
        }
    }

    /// What it will do, and whether there is a way back.
    fn effect(self) -> &'static str {
        match self {
            Self::Start => {
                "Users are assigned to variants, and their events count. The plan, the start and the keys of the variants cannot change any more. There is a pause, but no way back to a draft."
            }
            Self::Pause => {
                "No new user is assigned. Users who are assigned keep their variant, and their events still count. You can resume at any time."
            }
            Self::Resume => {
                "New users are assigned again. Users who are assigned keep their variant."
            }
            Self::Traffic => {
                "More traffic adds users; less traffic adds no new ones. No assigned user moves. You can change it back."
            }
            Self::Stop => {
                "No user is assigned any more, and events from now on do not count. Assigned users keep getting their variant. A stopped experiment cannot start again."
            }
            Self::Release => {
                "All users get this variant from the next request on, also users with another assignment. A running experiment is stopped, and cannot start again. The release itself can be taken back by the API."
            }
            Self::Archive => "The definition cannot change any more. Its results stay.",
        }
    }

    fn is_dangerous(self) -> bool {
        matches!(self, Self::Stop | Self::Release | Self::Archive)
    }
}

/// The page that says what a change will do, with the form that does it.
///
/// # Errors
/// 404 if there is no such experiment.
pub(crate) async fn confirm(desk: Desk<'_>, id: &str, change: &str) -> Result<Page, Failure> {
    let Some(change) = Change::read(change) else {
        return Ok(unknown());
    };
    let call = Call::new("GET", "/experiments/{id}", &[id]);
    let experiment = desk.api.call(get_experiment::handle, call).await?;
    let is_possible = Change::of(text(&experiment["status"]), &experiment).contains(&change);
    let above = format!("experiments/{}", segment(id));
    let content = html! {
        p.headline { (name(text(&experiment["name"]))) }
        p { (change.effect()) }
        @if !desk.signed.may(Scope::Manage) {
            p.note.warn { "This needs a token with the scope " code { "manage" } "." }
        } @else if !is_possible {
            p.note.warn { "The experiment is " (text(&experiment["status"])) ", so this is not possible." }
        } @else {
            (warnings(change, &experiment))
            form.act method="post" {
                (form_token(desk.signed))
                input type="hidden" name="version" value=(experiment["version"]);
                (fields(change, &experiment))
                label for="reason" { "Reason, for the history (optional)" }
                input #reason name="reason" maxlength="4000" dir="auto";
                p.buttons {
                    button type="submit" class={ @if change.is_dangerous() { "danger" } @else { "main" } } { (change.title()) }
                    a.button.quiet href=(desk.visit.link(&above)) { "Do nothing" }
                }
            }
        }
    };
    let page = Page::new(change.title(), content).below("experiments", "Experiments");
    Ok(page.below(above, text(&experiment["name"])))
}

fn warnings(change: Change, experiment: &Value) -> Markup {
    html! {
        @if change == Change::Start && !list(&experiment["warnings"]).is_empty() {
            div.note.warn {
                p { "Launch check:" }
                ul { @for warning in list(&experiment["warnings"]) { li { (sentence(text(&warning["detail"]))) } } }
            }
        }
    }
}

fn fields(change: Change, experiment: &Value) -> Markup {
    let variants = list(&experiment["variants"]);
    let choice = |id: &str, none: &str, required: bool| {
        html! {
            select id=(id) name=(id) required[required] {
                option value="" { (none) }
                @for variant in variants { option value=(text(&variant["key"])) { (variant["name"].as_str().unwrap_or(text(&variant["key"]))) } }
            }
        }
    };
    html! {
        @match change {
            Change::Traffic => {
                label for="traffic_percent" { "Percentage of all users; now " (percentage(&experiment["traffic_percent"])) }
                input #traffic_percent name="traffic_percent" inputmode="decimal" required value=(experiment["traffic_percent"]);
            },
            Change::Stop => {
                label for="outcome" { "Conclusion" }
                select #outcome name="outcome" { option value="" { "none yet" } @for (outcome, means) in OUTCOMES { option value=(outcome) { (outcome.replace('_', " ")) ": " (means) } } }
                label for="variant" { "Variant that won, or that is kept" }
                (choice("variant", "none", false))
                label for="notes" { "Notes" }
                textarea #notes name="notes" rows="3" maxlength="4000" dir="auto" {}
            },
            Change::Release => {
                label for="variant" { "Variant that all users get" }
                (choice("variant", "choose one", true))
            },
            _ => {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_is_offered_only_where_the_status_allows_it() {
        let experiment = json!({});
        assert!(Change::of("archived", &experiment).is_empty());
        assert!(!Change::of("draft", &experiment).contains(&Change::Stop));
        assert!(!Change::of("running", &experiment).contains(&Change::Start));
        let released = json!({"release": {"variant": "green"}});
        assert_eq!(Change::of("stopped", &released), [Change::Archive]);
        let holdout = json!({"holdout": {"percent": 5.0}});
        assert_eq!(Change::of("running", &holdout), [Change::Stop]);
    }

    #[test]
    fn every_change_has_a_name_that_is_read_back() {
        for (name, change) in Change::ALL {
            assert_eq!(Change::read(name), Some(change));
            assert_eq!(change.name(), name);
        }
        assert_eq!(Change::read("delete"), None);
    }
}
