//! The pages that say what a change of an experiment will do: start, pause, resume, stop, release, archive, traffic.

use crate::api::{Call, Failure};
use crate::desk::{Desk, unknown};
use crate::form::{Field, Form, buttons, needs_manage};
use crate::layout::Page;
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
    Layer,
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
    const ALL: [(&'static str, Self); 8] = [
        ("start", Self::Start),
        ("pause", Self::Pause),
        ("resume", Self::Resume),
        ("traffic", Self::Traffic),
        ("layer", Self::Layer),
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
            "draft" => &[Self::Start, Self::Traffic, Self::Layer, Self::Archive],
            "running" => &[
                Self::Traffic,
                Self::Layer,
                Self::Pause,
                Self::Stop,
                Self::Release,
            ],
            "paused" => &[
                Self::Resume,
                Self::Traffic,
                Self::Layer,
                Self::Stop,
                Self::Release,
            ],
            "stopped" => &[Self::Release, Self::Archive],
            _ => &[],
        };
        let is_holdout = !experiment["holdout"].is_null();
        let of_holdouts = [Self::Start, Self::Stop, Self::Archive];
        let fits = |change: &Self| {
            (!is_holdout || of_holdouts.contains(change))
                && (*change != Self::Release || experiment["release"].is_null())
                && (*change != Self::Layer || !experiment["layer"].is_null())
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
            Self::Layer => "Change the part of the layer",
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
            Self::Layer => "The part of the layer is changed.",
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
            Self::Layer => {
                "The experiment keeps the users that it has. More adds users who are free in the layer; less gives the last ones back, and assigned users keep their variant."
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
pub(crate) async fn confirm(
    desk: Desk<'_>,
    id: &str,
    change: &str,
    failure: Option<&Failure>,
) -> Result<Page, Failure> {
    let Some(change) = Change::read(change) else {
        return Ok(unknown());
    };
    let call = Call::new("GET", "/experiments/{id}", &[id]);
    let experiment = desk.api.call(get_experiment::handle, call).await?;
    let is_possible = Change::of(text(&experiment["status"]), &experiment).contains(&change);
    let above = format!("experiments/{}", segment(id));
    let form = Form::new(desk, failure);
    let content = html! {
        p.headline { (name(text(&experiment["name"]))) }
        p { (change.effect()) }
        (form.faults())
        @if !desk.signed.may(Scope::Manage) { (needs_manage()) } @else if !is_possible {
            p.note.warn { "The experiment is " (text(&experiment["status"])) ", so this is not possible." }
        } @else {
            (warnings(change, &experiment))
            form.act method="post" {
                (form.hidden(&experiment["version"]))
                (fields(&form, change, &experiment))
                (form.reason())
                (buttons(desk, change.title(), change.is_dangerous(), &above))
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

fn fields(form: &Form<'_>, change: Change, experiment: &Value) -> Markup {
    let named = |none: &'static str| -> Vec<(&str, &str)> {
        let variants = list(&experiment["variants"]).iter();
        let named = variants.map(|variant| {
            let key = text(&variant["key"]);
            (key, variant["name"].as_str().unwrap_or(key))
        });
        std::iter::once(("", none)).chain(named).collect()
    };
    let layer = &experiment["layer"];
    html! {
        @match change {
            Change::Traffic => {
                p { "Now " (percentage(&experiment["traffic_percent"])) " of all users take part." }
                (form.line(Field { id: "traffic_percent", label: "Percentage of all users", pointer: "/traffic_percent", usual: &experiment["traffic_percent"].to_string(), required: true, ..Field::default() }))
            },
            Change::Layer => {
                p { "Now it has " (percentage(&layer["percent"])) " of all users, in the layer " (name(text(&layer["id"]))) "." }
                input type="hidden" name="layer" value=(text(&layer["id"]));
                (form.line(Field { id: "percent", label: "Percentage of all users", pointer: "/layer/percent", usual: &layer["percent"].to_string(), required: true, ..Field::default() }))
            },
            Change::Stop => {
                @let outcomes: Vec<(&str, String)> = OUTCOMES.iter().map(|(outcome, means)| (*outcome, format!("{}: {means}", outcome.replace('_', " ")))).collect();
                @let outcomes: Vec<(&str, &str)> = std::iter::once(("", "none yet")).chain(outcomes.iter().map(|(outcome, says)| (*outcome, &**says))).collect();
                (form.choice(Field { id: "outcome", label: "Conclusion", pointer: "/conclusion/outcome", ..Field::default() }, &outcomes))
                (form.choice(Field { id: "variant", label: "Variant that won, or that is kept", pointer: "/conclusion/variant", ..Field::default() }, &named("none")))
                (form.area(Field { id: "notes", label: "Notes", pointer: "/conclusion/notes", ..Field::default() }, 3))
            },
            Change::Release => (form.choice(Field { id: "variant", label: "Variant that all users get", pointer: "/release", required: true, ..Field::default() }, &named("choose one"))),
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
        let in_layer = json!({"layer": {"id": "l", "percent": 40.0}});
        assert!(Change::of("draft", &in_layer).contains(&Change::Layer));
        assert!(!Change::of("draft", &experiment).contains(&Change::Layer));
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
