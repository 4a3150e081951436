//! What there is to watch while an experiment runs: alarms, traffic hour by hour, and rates.

use super::answer::{Alarm, Sequential};
use super::number::{minute, plain};
use super::paper::{Ink, Paper, Table, short};
use crate::output::grouped;
use std::collections::BTreeSet;

/// From little to much; nothing at all is a dot, so that a gap is seen.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Hours that are shown: the latest ones, as many as fit beside the names.
const HOURS: usize = 48;

/// What calls for somebody's attention.
pub(super) fn alarms(paper: &mut Paper, alarms: &[Alarm]) {
    if alarms.is_empty() {
        paper.line(Ink::Good, "No alarm.");
    }
    for alarm in alarms {
        paper.badge(Ink::Alarm, "ALARM");
        paper.prose(Ink::Warning, "  ", &alarm.message);
    }
}

/// Users and events hour by hour: a line for each variant, all of one kind to the same scale.
pub(super) fn traffic(paper: &mut Paper, answer: &Sequential) {
    let traffic = &answer.traffic;
    paper.gap();
    paper.write(Ink::Strong, "Traffic by hour");
    let skipped = traffic.hours.len().saturating_sub(HOURS);
    let (Some(first), Some(last)) = (traffic.hours.get(skipped), traffic.hours.last()) else {
        paper.line(Ink::Faint, "  nothing yet");
        return;
    };
    let text = format!(
        "  from {}, the last hour from {}",
        minute(first),
        minute(last)
    );
    paper.line(Ink::Faint, &text);
    let types: BTreeSet<&String> = traffic
        .variants
        .iter()
        .flat_map(|variant| variant.events.keys())
        .collect();
    let mut table = Table::new(["", "variant", "", "in all", "most"], &[0, 1, 2]);
    let mut rows = |title: &str, columns: Vec<(&str, &[u64])>| {
        let most = columns.iter().flat_map(|(_, hours)| hours.iter()).max();
        let most = most.copied().unwrap_or(0);
        for (index, (key, hours)) in columns.into_iter().enumerate() {
            let title = if index == 0 { title } else { "" };
            let cells = [
                short(title),
                short(key),
                bars(hours, most),
                grouped(hours.iter().sum()),
                grouped(hours.iter().copied().max().unwrap_or(0)),
            ];
            table.row(cells, Ink::Plain);
        }
    };
    let variants = traffic.variants.iter();
    let assigned = variants.map(|variant| {
        (
            variant.key.as_str(),
            variant.assigned.get(skipped..).unwrap_or_default(),
        )
    });
    rows("users assigned", assigned.collect());
    for event_type in types {
        let variants = traffic.variants.iter();
        let events = variants.map(|variant| {
            let hours = variant.events.get(event_type);
            (
                variant.key.as_str(),
                hours
                    .and_then(|hours| hours.get(skipped..))
                    .unwrap_or_default(),
            )
        });
        rows(event_type, events.collect());
    }
    table.print(paper);
}

fn bars(hours: &[u64], most: u64) -> String {
    let bar = |events: &u64| {
        let step = events * (BARS.len() as u64 - 1) / most.max(1);
        let bar = usize::try_from(step).ok().and_then(|step| BARS.get(step));
        match events {
            0 => '·',
            _ => bar.copied().unwrap_or('█'),
        }
    };
    hours.iter().map(bar).collect()
}

/// How often each event comes, for each user.
pub(super) fn rates(paper: &mut Paper, answer: &Sequential) {
    if answer.rates.is_empty() {
        return;
    }
    paper.gap();
    paper.line(Ink::Strong, "Events of a user");
    let mut table = Table::new(["event", "variant", "events"], &[0, 1]);
    for rate in &answer.rates {
        let mut title = short(&rate.event_type);
        for variant in &answer.variants {
            if let Some(per_user) = rate.per_user.get(&variant.key) {
                let cells = [
                    std::mem::take(&mut title),
                    short(&variant.key),
                    plain(*per_user),
                ];
                table.row(cells, Ink::Plain);
            }
        }
    }
    table.print(paper);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_without_anything_looks_like_none_of_the_others() {
        assert_eq!(bars(&[0, 1, 40, 80], 80), "·▁▄█");
        assert_eq!(bars(&[0, 0], 0), "··");
        assert_eq!(bars(&[1], 1), "█");
    }
}
