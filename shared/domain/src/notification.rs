//! Notifications: the changes of an experiment that its owners want to hear about, each of them once.
//!
//! What was said is a state of the experiment. Each look compares it with the definition, and with the results if the look
//! has read them, and gives the next state and what to say. Looks are frequent, so a value that goes back and forth must not
//! cause a notification each time: see the distances below.
//!
//! | module | holds |
//! | --- | --- |
//! | `findings` | what a look at the results has found |
//! | `state` | what was said, and what is to be said |
//! | `words` | the sentences |

mod findings;
mod state;
mod words;

pub use findings::Findings;
pub use state::{NotificationState, Observed, is_news};

use super::experiment::Experiment;
use super::ids::{ExperimentId, MetricKey, VariantKey};
use super::report::Verdict;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// The verdict of the results is another one.
    VerdictChanged,
    /// A guardrail is worse than in the control.
    GuardrailWorse,
    /// The users of the variants differ from the weights by more than chance.
    SampleRatioMismatch,
    /// A guarded ramp is on hold.
    RampHeld,
    /// A ramp is no longer on hold.
    RampResumed,
    /// The experiment was stopped, or has reached its planned end.
    ExperimentEnded,
}

impl NotificationKind {
    /// All kinds with their names.
    pub const ALL: [(&'static str, Self); 6] = [
        ("verdict_changed", Self::VerdictChanged),
        ("guardrail_worse", Self::GuardrailWorse),
        ("sample_ratio_mismatch", Self::SampleRatioMismatch),
        ("ramp_held", Self::RampHeld),
        ("ramp_resumed", Self::RampResumed),
        ("experiment_ended", Self::ExperimentEnded),
    ];

    /// The name, which receivers select by.
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

/// A change, as receivers get it. It has no user id and no token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Different for each notification of a deployment: the experiment's id, `-`, and the number of the notification.
    pub id: String,
    /// What it is about.
    pub kind: NotificationKind,
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Its name.
    pub experiment_name: String,
    /// Which version of the definition was looked at.
    pub version: u64,
    /// When the change was noticed.
    pub at: Timestamp,
    /// The change in one sentence.
    pub message: String,
    /// The values before.
    pub before: NotificationValues,
    /// The values after.
    pub after: NotificationValues,
}

/// The values that a notification is about. The others are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NotificationValues {
    /// The verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// The rule that decided, by its name in the results.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The variant that the verdict is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variant: Option<VariantKey>,
    /// The guardrails that are worse, at most [`super::limits::MAX_NOTIFIED_GUARDRAILS`] of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worse_guardrails: Option<Vec<MetricKey>>,
    /// Whether the sample ratio differs from the weights by more than chance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample_ratio_mismatch: Option<bool>,
    /// Whether the ramp is on hold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ramp_on_hold: Option<bool>,
    /// Percentage of all users that take part.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traffic_percent: Option<f64>,
    /// Whether the experiment has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<bool>,
    /// Its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<Timestamp>,
}

/// A notification that has no id yet.
struct Change {
    kind: NotificationKind,
    message: String,
    before: NotificationValues,
    after: NotificationValues,
}

impl Change {
    fn number(self, number: u64, experiment: &Experiment, at: Timestamp) -> Notification {
        Notification {
            id: format!("{}-{number}", experiment.id),
            kind: self.kind,
            experiment_id: experiment.id.clone(),
            experiment_name: experiment.name.clone(),
            version: experiment.version,
            at,
            message: self.message,
            before: self.before,
            after: self.after,
        }
    }
}

#[cfg(test)]
mod tests;
