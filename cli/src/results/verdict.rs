//! Prints the decision and its reason.

use super::number::{minute, signed_whole};
use super::report::{Analysis, Decision, ExperimentHeader, Impact};
use super::terminal::{Style, TerminalText, short};
use crate::output::counted;

/// Prints the name and status of the experiment and its number of users.
pub(super) fn title(terminal: &mut TerminalText, about: &ExperimentHeader, users: u64) {
    terminal.write(Style::Strong, &about.name);
    let mut facts = format!(" ({}), {}", about.id, about.status);
    match (&about.started_at, &about.end) {
        (_, Some(end)) => facts += &format!(", ends {}", minute(end)),
        (Some(started), None) => facts += &format!(" since {}", minute(started)),
        _ => {}
    }
    terminal.line(
        Style::Plain,
        &format!("{facts}, {}", counted(users, "user")),
    );
}

/// Prints the time of the report and the filters.
pub(super) fn window(terminal: &mut TerminalText, report: &Analysis) {
    let mut limits = Vec::new();
    for (by, value) in report.dimension.iter().flatten() {
        limits.push(format!("only users with {by} = {value}"));
    }
    if let Some(from) = &report.from {
        limits.push(format!("events from {}", minute(from)));
    }
    if let Some(to) = &report.to {
        limits.push(format!("users and events before {}", minute(to)));
    }
    as_of(terminal, &report.as_of, &limits);
}

/// Prints the time of the report and the filters in text form.
pub(super) fn as_of(terminal: &mut TerminalText, as_of: &str, limits: &[String]) {
    let mut parts = vec![format!("as of {}", minute(as_of))];
    parts.extend_from_slice(limits);
    terminal.line(Style::Faint, &parts.join(", "));
    terminal.gap();
}

/// Prints the verdict, its reason, and its notes.
pub(super) fn verdict(terminal: &mut TerminalText, decision: &Decision) {
    let (word, style) = word(&decision.verdict);
    terminal.badge(style, &word);
    let sentence = if decision.trusted() {
        Style::Strong
    } else {
        Style::Warning
    };
    terminal.prose(sentence, "", &decision.headline);
    let chosen = decision.variant.as_deref();
    let others = decision.variants.iter().filter(|variant| {
        Some(variant.variant.as_str()) != chosen && variant.sentence != decision.headline
    });
    for other in others {
        let label = format!("  {}: ", short(&other.variant));
        let (_, style) = self::word(&other.verdict);
        // The list uses less prominent colours than the verdict.
        let style = match style {
            Style::Ship => Style::Good,
            Style::Alarm => Style::Warning,
            _ => Style::Plain,
        };
        terminal.prose(style, &label, &other.sentence);
    }
    if let Some(days) = decision.days_left {
        let text = format!(
            "At the current traffic, the planned effect can be detected in {}.",
            counted(days, "day")
        );
        terminal.prose(Style::Plain, "", &text);
    }
    if let (Some(impact), Some(variant)) = (&decision.impact, chosen)
        && decision.trusted()
    {
        impact_per_month(terminal, impact, variant);
    }
    for note in &decision.notes {
        terminal.prose(Style::Plain, "- ", note);
    }
}

fn word(verdict: &str) -> (String, Style) {
    let style = match verdict {
        "ship" => Style::Ship,
        "keep_running" => Style::Wait,
        "stop" => Style::Stop,
        _ => Style::Alarm,
    };
    (verdict.replace('_', " ").to_uppercase(), style)
}

fn impact_per_month(terminal: &mut TerminalText, impact: &Impact, variant: &str) {
    let Some(per_month) = impact.per_month else {
        return;
    };
    let unit = match impact.unit.as_str() {
        "value" => format!("of `{}`", impact.metric),
        unit => format!("{unit} (`{}`)", impact.metric),
    };
    let among = impact.users_per_month.map_or_else(String::new, |users| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of users, and `as` stops at the largest"
        )]
        let users = users.round() as u64;
        format!(", with {} per month", counted(users, "user"))
    });
    let text = format!(
        "With `{variant}` for all users: {} {unit} per month ({} to {}){among}.",
        signed_whole(per_month.estimate),
        signed_whole(per_month.ci_lower),
        signed_whole(per_month.ci_upper),
    );
    terminal.prose(Style::Plain, "", &text);
}
