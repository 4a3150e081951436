//! What was said about an experiment, and what is to be said after a look.

use super::{Change, Findings, Notification, NotificationKind, NotificationValues, words};
use crate::experiment::{Experiment, Status};
use crate::ids::{MetricKey, VariantKey};
use crate::limits::{MAX_KEPT_NOTIFICATIONS, MAX_NOTIFIED_GUARDRAILS};
use crate::report::{Reason, Verdict};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const HOUR_MICROS: i64 = 3_600 * 1_000_000;
/// How long a verdict must be `keep_running` again before that is said. Near the threshold a verdict goes back and forth.
const UNDECIDED_HOURS: i64 = 24;
/// Hours between two notifications about the verdict. Worse guardrails and sample ratios have notifications of their own, so
/// nothing urgent is late. The final verdict after the end is said at once.
const VERDICT_HOURS: i64 = 6;
/// How long a guardrail or the sample ratio must be good before it can be said again that it is bad.
const RECOVERY_HOURS: i64 = 24;
/// How exactly the state has the time at which something bad was last seen. The state is written for each step.
const SEEN_HOURS: i64 = 1;
/// Hours between two notifications about the ramp.
const RAMP_HOURS: i64 = 1;
/// What happened before is no news at the first look, except what is bad: 3 days, because the daily run looks at experiments
/// that ended.
const NEWS_HOURS: i64 = 72;

/// What was said about an experiment, and its last notifications. A new experiment has the default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NotificationState {
    /// Notifications so far.
    #[serde(default)]
    pub count: u64,
    /// The verdict that was said; none before the first look at results.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    verdict: Option<SaidVerdict>,
    /// The guardrails that were said to be worse, and when that was last seen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    worse_guardrails: BTreeMap<MetricKey, Timestamp>,
    /// When the sample ratio last differed from the weights; none if it does not, or did not for a while.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sample_ratio_mismatch: Option<Timestamp>,
    /// Whether it was said that the ramp is on hold.
    #[serde(default)]
    ramp_on_hold: bool,
    /// When something was last said about the ramp.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ramp_said_at: Option<Timestamp>,
    /// The end that was said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ended_at: Option<Timestamp>,
    /// The last notifications, the newest first.
    #[serde(default)]
    pub last: Vec<Notification>,
}

/// The verdict that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SaidVerdict {
    verdict: Verdict,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    variant: Option<VariantKey>,
    /// When there was a notification about it; none if it was only noted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    said_at: Option<Timestamp>,
    /// Since when the verdict has been `keep_running`, which was not said yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    undecided_since: Option<Timestamp>,
}

/// What follows from a look.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The next state. It is written before anything is sent, if it differs.
    pub state: NotificationState,
    /// What is to be said.
    pub notifications: Vec<Notification>,
}

impl NotificationState {
    /// What follows from a look at the definition, and at the results if they are known.
    pub fn observe(
        &self,
        experiment: &Experiment,
        findings: Option<&Findings>,
        now: Timestamp,
    ) -> Observed {
        let mut state = self.clone();
        let mut changes = Vec::new();
        changes.extend(state.ramp(experiment, now));
        if let Some(findings) = findings {
            changes.extend(state.guardrails(experiment, findings, now));
            changes.extend(state.sample_ratio(experiment, findings, now));
            changes.extend(state.verdict(experiment, findings, now));
        }
        changes.extend(state.end(experiment, now));
        let mut notifications = Vec::new();
        for change in changes {
            state.count += 1;
            notifications.push(change.number(state.count, experiment, now));
        }
        state.last.splice(0..0, notifications.iter().rev().cloned());
        state.last.truncate(MAX_KEPT_NOTIFICATIONS);
        Observed {
            state,
            notifications,
        }
    }

    fn verdict(
        &mut self,
        experiment: &Experiment,
        found: &Findings,
        now: Timestamp,
    ) -> Option<Change> {
        if is_without_finding(found) {
            return None;
        }
        let noted = SaidVerdict {
            verdict: found.verdict,
            reason: found.reason.name().to_owned(),
            variant: found.variant.clone(),
            said_at: None,
            undecided_since: None,
        };
        let known = match self.verdict.take() {
            Some(known) => known,
            // A new experiment has no data, so any decision is news.
            None if is_bad(found) || is_news(began(experiment), now) => SaidVerdict {
                verdict: Verdict::KeepRunning,
                reason: Reason::NoData.name().to_owned(),
                variant: None,
                ..noted.clone()
            },
            None => noted.clone(),
        };
        let is_same = known.verdict == noted.verdict
            && (noted.verdict != Verdict::Ship || known.variant == noted.variant);
        if is_same {
            self.verdict = Some(SaidVerdict {
                undecided_since: None,
                ..known
            });
            return None;
        }
        let is_undecided = noted.verdict == Verdict::KeepRunning;
        let undecided_since = known.undecided_since.unwrap_or(now);
        let is_final = ended(experiment, now)
            .is_some_and(|end| known.said_at.is_none_or(|said_at| said_at < end));
        let is_time = match is_undecided {
            true => hours_after(undecided_since, UNDECIDED_HOURS, now),
            false => {
                let said_at = known.said_at;
                is_final || said_at.is_none_or(|said_at| hours_after(said_at, VERDICT_HOURS, now))
            }
        };
        if !is_time {
            self.verdict = Some(SaidVerdict {
                undecided_since: is_undecided.then_some(undecided_since),
                ..known
            });
            return None;
        }
        let change = Change {
            kind: NotificationKind::VerdictChanged,
            message: words::verdict(experiment, known.verdict, noted.verdict, &found.headline),
            before: known.values(),
            after: noted.values(),
        };
        self.verdict = Some(SaidVerdict {
            said_at: Some(now),
            ..noted
        });
        Some(change)
    }

    fn guardrails(
        &mut self,
        experiment: &Experiment,
        found: &Findings,
        now: Timestamp,
    ) -> Option<Change> {
        let known = &mut self.worse_guardrails;
        known.retain(|key, seen| {
            found.worse_guardrails.contains(key) || !hours_after(*seen, RECOVERY_HOURS, now)
        });
        let listed = |keys: &mut dyn Iterator<Item = &MetricKey>| {
            Some(keys.take(MAX_NOTIFIED_GUARDRAILS).cloned().collect())
        };
        let before = NotificationValues {
            worse_guardrails: listed(&mut known.keys()),
            ..NotificationValues::default()
        };
        let mut new = Vec::new();
        for key in &found.worse_guardrails {
            match known.get_mut(key) {
                Some(seen) => see(seen, now),
                None => {
                    known.insert(key.clone(), now);
                    new.push(key.clone());
                }
            }
        }
        (!new.is_empty()).then(|| Change {
            kind: NotificationKind::GuardrailWorse,
            message: words::guardrail_worse(experiment, &new),
            before,
            after: NotificationValues {
                worse_guardrails: listed(&mut found.worse_guardrails.iter()),
                ..NotificationValues::default()
            },
        })
    }

    fn sample_ratio(
        &mut self,
        experiment: &Experiment,
        found: &Findings,
        now: Timestamp,
    ) -> Option<Change> {
        let values = |is_mismatch| NotificationValues {
            sample_ratio_mismatch: Some(is_mismatch),
            ..NotificationValues::default()
        };
        match (&mut self.sample_ratio_mismatch, found.sample_ratio_mismatch) {
            (Some(seen), true) => see(seen, now),
            (Some(seen), false) if hours_after(*seen, RECOVERY_HOURS, now) => {
                self.sample_ratio_mismatch = None;
            }
            (None, true) => {
                self.sample_ratio_mismatch = Some(now);
                return Some(Change {
                    kind: NotificationKind::SampleRatioMismatch,
                    message: words::sample_ratio_mismatch(experiment),
                    before: values(false),
                    after: values(true),
                });
            }
            (Some(_) | None, false) => {}
        }
        None
    }

    fn ramp(&mut self, experiment: &Experiment, now: Timestamp) -> Option<Change> {
        if ended(experiment, now).is_some() {
            self.ramp_on_hold = false;
            return None;
        }
        let hold = experiment.allocation.ramp_hold.as_ref();
        let is_early = self
            .ramp_said_at
            .is_some_and(|said_at| !hours_after(said_at, RAMP_HOURS, now));
        if hold.is_some() == self.ramp_on_hold || is_early {
            return None;
        }
        let values = |is_held| NotificationValues {
            ramp_on_hold: Some(is_held),
            ..NotificationValues::default()
        };
        let (before, after) = (values(self.ramp_on_hold), values(hold.is_some()));
        let (kind, message) = match hold {
            Some(hold) => (
                NotificationKind::RampHeld,
                words::ramp_held(experiment, hold),
            ),
            None => (
                NotificationKind::RampResumed,
                words::ramp_resumed(experiment),
            ),
        };
        self.ramp_on_hold = hold.is_some();
        self.ramp_said_at = Some(now);
        Some(Change {
            kind,
            message,
            before,
            after: NotificationValues {
                traffic_percent: Some(experiment.allocation.traffic_at(now)),
                ..after
            },
        })
    }

    fn end(&mut self, experiment: &Experiment, now: Timestamp) -> Option<Change> {
        let end = ended(experiment, now);
        if end == self.ended_at {
            return None;
        }
        self.ended_at = end;
        let end = end.filter(|end| is_news(*end, now))?;
        Some(Change {
            kind: NotificationKind::ExperimentEnded,
            message: words::ended(experiment),
            before: NotificationValues {
                ended: Some(false),
                ..NotificationValues::default()
            },
            after: NotificationValues {
                ended: Some(true),
                ended_at: Some(end),
                ..NotificationValues::default()
            },
        })
    }
}

impl SaidVerdict {
    fn values(&self) -> NotificationValues {
        NotificationValues {
            verdict: Some(self.verdict),
            reason: Some(self.reason.clone()),
            variant: self.variant.clone(),
            ..NotificationValues::default()
        }
    }
}

/// The end of an experiment that has run and ended.
fn ended(experiment: &Experiment, now: Timestamp) -> Option<Timestamp> {
    experiment.schedule.started_at?;
    // The clock of the process that has stopped it may be ahead.
    let is_stopped = matches!(experiment.status, Status::Stopped | Status::Archived);
    experiment.end().filter(|end| is_stopped || *end <= now)
}

/// Since when an experiment can have users.
fn began(experiment: &Experiment) -> Timestamp {
    let created_at = experiment.created_at;
    let started_at = experiment.schedule.started_at;
    started_at.map_or(created_at, |started_at| started_at.max(created_at))
}

/// Whether a verdict is said even if it is older than the first look.
fn is_bad(found: &Findings) -> bool {
    found.verdict == Verdict::DoNotTrust
        || matches!(found.reason, Reason::GuardrailWorse | Reason::PrimaryWorse)
}

/// Whether an experiment has ended before there was enough data: it cannot keep running, and nothing was found.
fn is_without_finding(found: &Findings) -> bool {
    found.verdict == Verdict::Stop
        && matches!(
            found.reason,
            Reason::NoData | Reason::NotEnoughData | Reason::NotMeasurable
        )
}

/// Whether what happened at a time is still told at a first look.
pub fn is_news(at: Timestamp, now: Timestamp) -> bool {
    !hours_after(at, NEWS_HOURS, now)
}

/// Whether it is at least this many hours later.
fn hours_after(at: Timestamp, hours: i64, now: Timestamp) -> bool {
    now.micros() - at.micros() >= hours * HOUR_MICROS
}

/// Notes that something bad is still so, in steps.
fn see(seen: &mut Timestamp, now: Timestamp) {
    if hours_after(*seen, SEEN_HOURS, now) {
        *seen = now;
    }
}
