//! What to do, and why.

use super::answer::{About, Analysis, Decision, Impact};
use super::number::{minute, signed_whole};
use super::paper::{Ink, Paper, short};
use crate::output::{counted, grouped};

/// What it is about.
pub(super) fn title(paper: &mut Paper, about: &About, users: u64) {
    paper.write(Ink::Strong, &about.name);
    let mut facts = format!(" ({}), {}", about.id, about.status);
    match (&about.started_at, &about.end) {
        (_, Some(end)) => facts += &format!(", ends {}", minute(end)),
        (Some(started), None) => facts += &format!(" since {}", minute(started)),
        _ => {}
    }
    paper.line(Ink::Plain, &format!("{facts}, {}", counted(users, "user")));
}

/// What was looked at.
pub(super) fn window(paper: &mut Paper, answer: &Analysis) {
    let mut limits = Vec::new();
    for (by, value) in answer.dimension.iter().flatten() {
        limits.push(format!("only users with {by} = {value}"));
    }
    if let Some(from) = &answer.from {
        limits.push(format!("events from {}", minute(from)));
    }
    if let Some(to) = &answer.to {
        limits.push(format!("users and events before {}", minute(to)));
    }
    as_of(paper, &answer.as_of, &limits);
}

/// The instant that is taken for now, and what else limits the view.
pub(super) fn as_of(paper: &mut Paper, as_of: &str, limits: &[String]) {
    let mut parts = vec![format!("as of {}", minute(as_of))];
    parts.extend_from_slice(limits);
    paper.line(Ink::Faint, &parts.join(", "));
    paper.gap();
}

/// The verdict in a word, in a sentence, and what follows from it.
pub(super) fn verdict(paper: &mut Paper, decision: &Decision) {
    let (word, ink) = word(&decision.verdict);
    paper.badge(ink, &word);
    let sentence = if decision.trusted() {
        Ink::Strong
    } else {
        Ink::Warning
    };
    paper.prose(sentence, "", &decision.headline);
    let chosen = decision.variant.as_deref();
    let others = decision.variants.iter().filter(|variant| {
        Some(variant.variant.as_str()) != chosen && variant.sentence != decision.headline
    });
    for other in others {
        let label = format!("  {}: ", short(&other.variant));
        let (_, ink) = self::word(&other.verdict);
        // The colours of the great word are too loud for a list.
        let ink = match ink {
            Ink::Ship => Ink::Good,
            Ink::Alarm => Ink::Warning,
            _ => Ink::Plain,
        };
        paper.prose(ink, &label, &other.sentence);
    }
    if let Some(days) = decision.days_left {
        let text = format!(
            "At the traffic of now it takes {} more to find what was planned.",
            counted(days, "day")
        );
        paper.prose(Ink::Plain, "", &text);
    }
    if let (Some(impact), Some(variant)) = (&decision.impact, chosen)
        && decision.trusted()
    {
        brings(paper, impact, variant);
    }
    for note in &decision.notes {
        paper.prose(Ink::Plain, "- ", note);
    }
}

fn word(verdict: &str) -> (String, Ink) {
    let ink = match verdict {
        "ship" => Ink::Ship,
        "keep_running" => Ink::Wait,
        "stop" => Ink::Stop,
        _ => Ink::Alarm,
    };
    (verdict.replace('_', " ").to_uppercase(), ink)
}

fn brings(paper: &mut Paper, impact: &Impact, variant: &str) {
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
        format!(", of {} users", grouped(users))
    });
    let text = format!(
        "With `{variant}` for everybody: {} {unit} a month (from {} to {}){among}.",
        signed_whole(per_month.estimate),
        signed_whole(per_month.ci_lower),
        signed_whole(per_month.ci_upper),
    );
    paper.prose(Ink::Plain, "", &text);
}
