//! Whether the numbers can be trusted, how new they are, and how they came about.

use super::answer::{Analysis, DataQuality, EventCounts, Freshness, SampleRatio, VariantUsers};
use super::number::{ago, bare_p_value, brief, minute};
use super::paper::{Ink, Paper, short};
use crate::output::{counted, grouped};
use std::collections::BTreeMap;

/// All labels are as wide as the widest, so that what they label stands in a column.
fn label(text: &str) -> String {
    format!("  {text:<9}  ")
}

/// The checks on the data.
pub(super) fn checks(paper: &mut Paper, data_quality: &DataQuality, variants: &[VariantUsers]) {
    paper.line(Ink::Strong, "Soundness");
    split(paper, &data_quality.sample_ratio);
    for key in &data_quality.variants_without_users {
        let text = format!("Nobody is in `{key}`, which should have a part of the users.");
        paper.prose(Ink::Warning, &label("empty"), &text);
    }
    if data_quality.weights_changed {
        let text = "The shares of the variants changed while users were assigned: sums over all of them compare different kinds of users.";
        paper.prose(Ink::Warning, &label("shares"), text);
    }
    for bias in &data_quality.pre_exposure_imbalance {
        let text = format!(
            "The users of `{}` differed on {} before the experiment began (p = {}).",
            bias.variant,
            bias.metric,
            bare_p_value(bias.p_value)
        );
        paper.prose(Ink::Warning, &label("bias"), &text);
    }
    let outlier_users: Vec<String> = variants
        .iter()
        .filter(|variant| variant.outlier_users > 0)
        .map(|variant| {
            format!(
                "{} in {}",
                grouped(variant.outlier_users),
                short(&variant.key)
            )
        })
        .collect();
    if !outlier_users.is_empty() {
        let text = format!(
            "{} left out, for the number of their events.",
            outlier_users.join(", ")
        );
        paper.prose(Ink::Warning, &label("outlier_users"), &text);
    }
}

fn split(paper: &mut Paper, check: &SampleRatio) {
    let seen: Vec<String> = check.observed.iter().map(|users| grouped(*users)).collect();
    let seen = seen.join(" : ");
    let expected: Vec<String> = check
        .expected
        .iter()
        .map(|users| format!("{users:.1}"))
        .collect();
    let expected = expected.join(" : ");
    let once = check.p_value.map(|p| {
        format!(
            "p = {} for one look, alarm below {}",
            bare_p_value(p),
            check.threshold
        )
    });
    let sequential = check.sequential.as_ref().map(|sequential| {
        format!(
            "p = {} for any number of looks, alarm below {}",
            bare_p_value(sequential.p_value),
            sequential.threshold
        )
    });
    let tests: Vec<String> = once.into_iter().chain(sequential).collect();
    let tests = tests.join("; ");
    let (ink, text) = match check.verdict.as_str() {
        "ok" => (Ink::Plain, format!("{seen} users, as expected ({tests}).")),
        "mismatch" => (
            Ink::Warning,
            format!(
                "{seen} users where {expected} were expected ({tests}). Something loses or adds users on one side; \
                 find it before reading anything into the numbers."
            ),
        ),
        _ => (Ink::Plain, format!("{seen} users, too few to tell.")),
    };
    paper.prose(ink, &label("split"), &text);
}

/// How new the numbers are.
pub(super) fn freshness(paper: &mut Paper, freshness: &Freshness, as_of: &str) {
    let assigned = match (
        &freshness.first_assignment_at,
        &freshness.last_assignment_at,
    ) {
        (Some(first), Some(last)) => {
            format!("users assigned {} to {}", minute(first), minute(last))
        }
        _ => format!("nobody was assigned by {}", minute(as_of)),
    };
    let event = match (&freshness.last_event_at, freshness.seconds_since_last_event) {
        (Some(last), Some(lag)) => format!(
            "last event {}, last received {} before this look",
            minute(last),
            ago(lag)
        ),
        (Some(last), None) => format!("last event {}", minute(last)),
        _ => "no event yet".to_owned(),
    };
    paper.prose(
        Ink::Plain,
        &label("freshness"),
        &format!("{assigned}; {event}."),
    );
    waiting(paper, freshness);
}

/// What is stored and not in the numbers yet.
pub(super) fn waiting(paper: &mut Paper, freshness: &Freshness) {
    if let Some(waiting) = freshness.pending_records.filter(|waiting| *waiting > 0) {
        let text = match waiting {
            1 => "1 event waits to be counted.".to_owned(),
            waiting => format!("{} events wait to be counted.", grouped(waiting)),
        };
        paper.prose(Ink::Warning, &label("waiting"), &text);
    }
}

/// Where the numbers come from, if not from where they usually do.
pub(super) fn source(paper: &mut Paper, answer: &Analysis) {
    if let Some(reason) = &answer.source_reason {
        paper.prose(Ink::Faint, &label("records"), &reason.message);
    }
}

/// Where the stored events went.
pub(super) fn event_accounting(
    paper: &mut Paper,
    event_accounting: &BTreeMap<String, EventCounts>,
) {
    let mut title = "events";
    for (event_type, event_counts) in event_accounting {
        let others = [
            (event_counts.after_end, "after the end"),
            (event_counts.outside_window, "outside the time asked for"),
            (event_counts.other_users, "of users not asked for"),
        ];
        let others: Vec<String> = others
            .iter()
            .filter(|(events, _)| *events > 0)
            .map(|(events, why)| format!(", {} {why}", grouped(*events)))
            .collect();
        let text = format!(
            "{} `{event_type}` counted{}.",
            grouped(event_counts.counted),
            others.concat()
        );
        paper.prose(Ink::Plain, &label(title), &text);
        title = "";
    }
}

/// How it was computed.
pub(super) fn method(paper: &mut Paper, answer: &Analysis) {
    let settings = &answer.analysis_settings;
    let mut parts = vec![
        format!("{} decides", settings.deciding_method),
        format!("level {}", brief(1.0 - settings.alpha, false)),
        format!("correction {}", settings.correction),
    ];
    if settings.cuped {
        parts.push("adjusted by the pre_exposure".to_owned());
    }
    if let Some(users) = settings.planned_users {
        parts.push(format!("planned for {}", counted(users, "user")));
    }
    if let Some(end) = &settings.planned_end {
        parts.push(format!("planned to end {}", minute(end)));
    }
    // Only the fixed method is the one of these tests; the others use their standard error.
    if settings.deciding_method == "fixed" {
        parts.push(format!("conversions by {}", settings.conversion));
        parts.push(format!("all else by {}", settings.mean));
        parts.push(format!("lift by {}", settings.relative));
    }
    let digest: String = answer.digest.chars().take("sha256:".len() + 12).collect();
    paper.prose(
        Ink::Faint,
        &label("method"),
        &format!("{}; {digest}.", parts.join(", ")),
    );
}
