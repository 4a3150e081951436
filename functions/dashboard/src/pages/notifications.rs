//! The last notifications about an experiment.

use crate::text::{badge, list, sentence, text, time};
use maud::{Markup, html};
use serde_json::Value;

/// The notifications, the newest first.
pub(crate) fn show(notifications: &Value) -> Markup {
    html! {
        section aria-labelledby="notifications" {
            h2 #notifications { "Notifications" }
            @if list(notifications).is_empty() {
                p.faint { "None so far. A changed verdict, a worse guardrail, a wrong sample ratio, a held ramp and the end are each told once." }
            } @else {
                ul.plain { @for one in list(notifications) { li {
                    (time(&one["at"])) " " (badge(&one["kind"])) " " (sentence(text(&one["message"])))
                } } }
            }
        }
    }
}
