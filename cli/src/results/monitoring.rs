//! Prints the monitoring of a running experiment: alarms, traffic by hour, and event rates.

use super::number::{minute, plain};
use super::report::{Alarm, Monitoring};
use super::terminal::{Style, Table, TerminalText, short};
use crate::output::grouped;
use std::collections::BTreeSet;

/// Bars from few to many events. An hour without events is a dot, so that a gap is visible.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Number of hours that are shown. More do not fit beside the names.
const HOURS: usize = 48;

/// Prints the alarms.
pub(super) fn alarms(terminal: &mut TerminalText, alarms: &[Alarm]) {
    if alarms.is_empty() {
        terminal.line(Style::Good, "No alarm.");
    }
    for alarm in alarms {
        terminal.badge(Style::Alarm, "ALARM");
        terminal.prose(Style::Warning, "  ", &alarm.message);
    }
}

/// Prints users and events by hour: one line per variant. All lines of an event type use the same scale.
pub(super) fn traffic(terminal: &mut TerminalText, report: &Monitoring) {
    let traffic = &report.traffic;
    terminal.gap();
    terminal.write(Style::Strong, "Traffic by hour");
    let skipped = traffic.hours.len().saturating_sub(HOURS);
    let (Some(first), Some(last)) = (traffic.hours.get(skipped), traffic.hours.last()) else {
        terminal.line(Style::Faint, "  no data");
        return;
    };
    let text = format!("  first hour {}, last hour {}", minute(first), minute(last));
    terminal.line(Style::Faint, &text);
    let types: BTreeSet<&String> = traffic
        .variants
        .iter()
        .flat_map(|variant| variant.events.keys())
        .collect();
    let mut table = Table::new(["", "variant", "", "total", "maximum"], &[0, 1, 2]);
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
            table.row(cells, Style::Plain);
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
    table.print(terminal);
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

/// Prints the number of events per user by event type and variant.
pub(super) fn rates(terminal: &mut TerminalText, report: &Monitoring) {
    if report.rates.is_empty() {
        return;
    }
    terminal.gap();
    terminal.line(Style::Strong, "Events per user");
    let mut table = Table::new(["event", "variant", "events"], &[0, 1]);
    for rate in &report.rates {
        let mut title = short(&rate.event_type);
        for variant in &report.variants {
            if let Some(per_user) = rate.per_user.get(&variant.key) {
                let cells = [
                    std::mem::take(&mut title),
                    short(&variant.key),
                    plain(*per_user),
                ];
                table.row(cells, Style::Plain);
            }
        }
    }
    table.print(terminal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_without_events_differs_from_all_other_hours() {
        assert_eq!(bars(&[0, 1, 40, 80], 80), "·▁▄█");
        assert_eq!(bars(&[0, 0], 0), "··");
        assert_eq!(bars(&[1], 1), "█");
    }
}
