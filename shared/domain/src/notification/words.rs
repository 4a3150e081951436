//! The sentences of notifications. Names of metrics are texts of callers, so a sentence can contain any of their characters
//! except control characters.

use crate::experiment::{Experiment, Status};
use crate::ids::MetricKey;
use crate::limits::{MAX_NOTIFICATION_CHARS, MAX_NOTIFIED_GUARDRAILS};
use crate::ramp::RampHold;
use crate::report::Verdict;

/// A text in one line, cut to [`MAX_NOTIFICATION_CHARS`].
fn line(text: &str) -> String {
    let printable = |char: char| if char.is_control() { ' ' } else { char };
    let mut line: String = text
        .chars()
        .take(MAX_NOTIFICATION_CHARS)
        .map(printable)
        .collect();
    if text.chars().nth(MAX_NOTIFICATION_CHARS).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

fn spoken(verdict: Verdict) -> String {
    verdict.name().replace('_', " ")
}

pub(super) fn verdict(
    experiment: &Experiment,
    before: Verdict,
    after: Verdict,
    headline: &str,
) -> String {
    let id = &experiment.id;
    line(&match before == after {
        true => format!("The verdict of `{id}` is about another variant: {headline}"),
        false => format!(
            "The verdict of `{id}` changed from “{}” to “{}”: {headline}",
            spoken(before),
            spoken(after)
        ),
    })
}

/// `The guardrail … is` or `the guardrails … are`.
fn guardrails(keys: &[MetricKey]) -> String {
    let shown = keys.iter().take(MAX_NOTIFIED_GUARDRAILS);
    let shown: Vec<_> = shown.map(|key| format!("`{key}`")).collect();
    let more = match keys.len().saturating_sub(MAX_NOTIFIED_GUARDRAILS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match shown.as_slice() {
        [only] => format!("the guardrail {only} is"),
        _ => format!("the guardrails {}{more} are", shown.join(", ")),
    }
}

pub(super) fn guardrail_worse(experiment: &Experiment, keys: &[MetricKey]) -> String {
    let guardrails = guardrails(keys);
    line(&format!(
        "In `{}`, {guardrails} worse than in the control.",
        experiment.id
    ))
}

pub(super) fn sample_ratio_mismatch(experiment: &Experiment) -> String {
    format!(
        "In `{}`, the numbers of users per variant differ from the weights by more than chance, so do not trust its results.",
        experiment.id
    )
}

pub(super) fn ramp_held(experiment: &Experiment, hold: &RampHold) -> String {
    let (guardrails, percent) = (guardrails(&hold.guardrails), hold.traffic_percent);
    line(&format!(
        "The ramp of `{}` is on hold at {percent}% of the users, because {guardrails} worse.",
        experiment.id
    ))
}

pub(super) fn ramp_resumed(experiment: &Experiment) -> String {
    format!("The ramp of `{}` is no longer on hold.", experiment.id)
}

pub(super) fn ended(experiment: &Experiment) -> String {
    let id = &experiment.id;
    match experiment.status {
        Status::Stopped | Status::Archived => format!("The experiment `{id}` was stopped."),
        _ => format!("The experiment `{id}` has reached its planned end."),
    }
}
