//! Prints the data-quality checks, the freshness, the event accounting and the analysis settings.

use super::number::{bare_p_value, brief, duration, minute, one_decimal};
use super::report::{Analysis, DataQuality, EventCounts, Freshness, SampleRatio, VariantUsers};
use super::terminal::{Style, TerminalText, short};
use crate::output::{counted, grouped};
use std::collections::BTreeMap;

/// Pads a label to the width of the longest label.
fn label(text: &str) -> String {
    format!("  {text:<12}  ")
}

/// Prints the data-quality checks.
pub(super) fn checks(
    terminal: &mut TerminalText,
    data_quality: &DataQuality,
    variants: &[VariantUsers],
) {
    terminal.line(Style::Strong, "Data quality");
    sample_ratio(terminal, &data_quality.sample_ratio);
    for key in &data_quality.variants_without_users {
        let text = format!("`{key}` has no users, but its share of the traffic is not zero.");
        terminal.prose(Style::Warning, &label("no users"), &text);
    }
    if data_quality.weights_changed {
        let text = "The weights of the variants changed while users were assigned, so the variants contain different kinds of users.";
        terminal.prose(Style::Warning, &label("weights"), text);
    }
    for imbalance in &data_quality.pre_exposure_imbalance {
        let text = format!(
            "The users of `{}` differ on {} in the pre-exposure period (p = {}).",
            imbalance.variant,
            imbalance.metric,
            bare_p_value(imbalance.p_value)
        );
        terminal.prose(Style::Warning, &label("pre-exposure"), &text);
    }
    let listed = |number: fn(&VariantUsers) -> u64| {
        let variants = variants.iter().filter(|variant| number(variant) > 0);
        let each = variants
            .map(|variant| format!("{} in {}", grouped(number(variant)), short(&variant.key)));
        each.collect::<Vec<_>>().join(", ")
    };
    let outlier_users = listed(|variant| variant.outlier_users);
    if !outlier_users.is_empty() {
        let text = format!("Excluded because of their number of events: {outlier_users}.");
        terminal.prose(Style::Warning, &label("outliers"), &text);
    }
    let excluded_users = listed(|variant| variant.excluded_users);
    if !excluded_users.is_empty() {
        let text = format!("Excluded by the definition: {excluded_users}.");
        terminal.prose(Style::Faint, &label("excluded"), &text);
    }
}

fn sample_ratio(terminal: &mut TerminalText, check: &SampleRatio) {
    let observed: Vec<String> = check.observed.iter().map(|users| grouped(*users)).collect();
    let observed = observed.join(" : ");
    let expected: Vec<String> = check
        .expected
        .iter()
        .map(|users| one_decimal(*users))
        .collect();
    let expected = expected.join(" : ");
    let fixed = check.p_value.map(|p| {
        format!(
            "fixed test: p = {}, alarm below {}",
            bare_p_value(p),
            check.threshold
        )
    });
    let sequential = check.sequential_test.as_ref().map(|sequential| {
        format!(
            "sequential test: p = {}, alarm below {}",
            bare_p_value(sequential.p_value),
            sequential.threshold
        )
    });
    let tests: Vec<String> = fixed.into_iter().chain(sequential).collect();
    let tests = tests.join("; ");
    let (style, text) = match check.verdict.as_str() {
        "ok" => (
            Style::Plain,
            format!("{observed} users, as expected ({tests})."),
        ),
        "mismatch" => (
            Style::Warning,
            format!(
                "{observed} users, but {expected} were expected ({tests}). A variant loses or gains users. Find the cause \
                 before you use the results."
            ),
        ),
        _ => (Style::Plain, format!("{observed} users, too few to test.")),
    };
    terminal.prose(style, &label("sample ratio"), &text);
}

/// Prints how new the data are.
pub(super) fn freshness(terminal: &mut TerminalText, freshness: &Freshness, as_of: &str) {
    let assigned = match (
        &freshness.first_assignment_at,
        &freshness.last_assignment_at,
    ) {
        (Some(first), Some(last)) => {
            format!("users assigned {} to {}", minute(first), minute(last))
        }
        _ => format!("no user was assigned before {}", minute(as_of)),
    };
    let event = match (&freshness.last_event_at, freshness.seconds_since_last_event) {
        (Some(last), Some(seconds)) => format!(
            "last event {}, last received {} before this report",
            minute(last),
            duration(seconds)
        ),
        (Some(last), None) => format!("last event {}", minute(last)),
        _ => "no events".to_owned(),
    };
    terminal.prose(
        Style::Plain,
        &label("freshness"),
        &format!("{assigned}; {event}."),
    );
    pending_records(terminal, freshness);
}

/// Prints the number of stored records that are not yet in the aggregates.
pub(super) fn pending_records(terminal: &mut TerminalText, freshness: &Freshness) {
    if let Some(pending) = freshness.pending_records.filter(|pending| *pending > 0) {
        let text = match pending {
            1 => "1 record is not yet in the aggregates.".to_owned(),
            pending => format!(
                "{} records are not yet in the aggregates.",
                grouped(pending)
            ),
        };
        terminal.prose(Style::Warning, &label("pending"), &text);
    }
    if freshness.quarantined_users > 0 {
        let text = match freshness.quarantined_users {
            1 => "1 user cannot be counted; `assay audit` says why.".to_owned(),
            users => format!(
                "{} users cannot be counted; `assay audit` says why.",
                grouped(users)
            ),
        };
        terminal.prose(Style::Warning, &label("quarantine"), &text);
    }
}

/// Prints why the numbers are computed from the raw records, if they are.
pub(super) fn data_source(terminal: &mut TerminalText, report: &Analysis) {
    if let Some(reason) = &report.source_reason {
        terminal.prose(Style::Faint, &label("source"), &reason.message);
    }
}

/// Prints the event accounting: the number of events by disposition.
pub(super) fn event_accounting(
    terminal: &mut TerminalText,
    event_accounting: &BTreeMap<String, EventCounts>,
) {
    let mut title = "events";
    for (event_type, event_counts) in event_accounting {
        let others = [
            (event_counts.excluded_by_end, "excluded by the end"),
            (event_counts.outside_window, "outside the requested period"),
            (event_counts.other_users, "of other users"),
            (event_counts.excluded_users, "of excluded users"),
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
        terminal.prose(Style::Plain, &label(title), &text);
        title = "";
    }
}

/// Prints the analysis settings.
pub(super) fn analysis_settings(terminal: &mut TerminalText, report: &Analysis) {
    let settings = &report.analysis_settings;
    let mut parts = vec![
        format!("deciding method {}", settings.deciding_method),
        format!("level {}", brief(1.0 - settings.alpha, false)),
        format!("correction {}", settings.correction),
    ];
    if settings.cuped {
        parts.push("CUPED-adjusted".to_owned());
    }
    if let Some(users) = settings.planned_users {
        parts.push(format!("planned for {}", counted(users, "user")));
    }
    if let Some(end) = &settings.planned_end {
        parts.push(format!("planned to end {}", minute(end)));
    }
    // Only the fixed method uses these tests. The other methods use standard errors.
    if settings.deciding_method == "fixed" {
        parts.push(format!("conversions: {}", settings.conversion));
        parts.push(format!("other metrics: {}", settings.mean));
        parts.push(format!("lift: {}", settings.relative));
    }
    let digest: String = report.digest.chars().take("sha256:".len() + 12).collect();
    terminal.prose(
        Style::Faint,
        &label("method"),
        &format!("{}; {digest}.", parts.join(", ")),
    );
}
