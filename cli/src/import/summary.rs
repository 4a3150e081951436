//! The outcome of an import in text form.

use super::counts::{AssignmentImportCounts, EventImportCounts, ImportCounts};
use crate::output::{counted, grouped};

/// The indentation of a line that continues the previous one.
const CONTINUED: &str = "             ";

/// Describes the outcome, with at most `listed` rejections. `with_assignments` tells whether the import has assignments.
pub(super) fn of(
    counts: &ImportCounts,
    listed: usize,
    seconds: f64,
    with_assignments: bool,
) -> String {
    let rows = counted(counts.rows, "row");
    let mut lines = vec![format!("{rows} read in {seconds:.1} s")];
    if counts.rows == 0 {
        lines.push("the file has a header, but no rows".to_owned());
    }
    assignments(&counts.assignments, &mut lines);
    events(&counts.events, with_assignments, &mut lines);
    if counts.unreadable > 0 {
        let rows = counted(counts.unreadable, "row");
        lines.push(format!("unreadable   {rows}"));
    }
    for rejection in counts.rejections.iter().take(listed) {
        lines.push(format!("  {rejection}"));
    }
    let further = counts.not_imported().saturating_sub(listed as u64);
    if further > 0 && listed > 0 {
        lines.push(format!("  and {} more", grouped(further)));
    }
    lines.join("\n")
}

fn assignments(counts: &AssignmentImportCounts, lines: &mut Vec<String>) {
    if counts.stored + counts.existing + counts.rejected > 0 {
        let mut line = format!(
            "assignments  {} stored, {} existing",
            grouped(counts.stored),
            grouped(counts.existing)
        );
        if counts.existing_in_another_variant > 0 {
            let other = grouped(counts.existing_in_another_variant);
            line += &format!(
                " ({other} in another variant than in the file; the stored variant is kept)"
            );
        }
        lines.push(format!("{line}, {} rejected", grouped(counts.rejected)));
    }
    if counts.later_rows > 0 {
        let rows = counted(counts.later_rows, "later row");
        lines.push(format!(
            "{CONTINUED}{rows} not sent: each user's earliest row is imported"
        ));
    }
    let several = counts.users_with_multiple_variants;
    if several > 0 {
        let users = match several {
            1 => "1 user has rows with more than one variant".to_owned(),
            _ => format!(
                "{} users have rows with more than one variant",
                grouped(several)
            ),
        };
        let what = match counts.excluded_rows {
            0 => "the earliest row is imported. To leave such users out, import into a new experiment with \
                  --exclude-multiple-variants"
                .to_owned(),
            rows => format!("{} excluded", counted(rows, "row")),
        };
        lines.push(format!("{CONTINUED}{users}; {what}"));
    }
}

fn events(counts: &EventImportCounts, with_assignments: bool, lines: &mut Vec<String>) {
    if counts.stored + counts.duplicates + counts.rejected > 0 {
        lines.push(format!(
            "events       {} stored, {}, {} rejected",
            grouped(counts.stored),
            counted(counts.duplicates, "duplicate"),
            grouped(counts.rejected)
        ));
        let uncounted: u64 = counts.not_counted.values().sum();
        let mut line = format!(
            "{CONTINUED}{} counted, {} not counted",
            grouped(counts.counted),
            grouped(uncounted)
        );
        if uncounted > 0 {
            let reason = |(reason, count): (&String, &u64)| {
                format!("{} {}", grouped(*count), reason.replace('_', " "))
            };
            let reasons: Vec<String> = counts.not_counted.iter().map(reason).collect();
            line += &format!(": {}", reasons.join(", "));
        }
        lines.push(line);
        if !with_assignments && counts.not_counted.contains_key("before_assignment") {
            lines.push(format!(
                "{CONTINUED}An event counts only if it is later than the assignment. For events at the same instant, import \
                 assignments and events from one file; see --same-instant"
            ));
        }
    }
    if counts.counted_with_their_assignment > 0 {
        let earlier = counted(counts.counted_with_their_assignment, "earlier event");
        lines.push(format!(
            "{CONTINUED}{earlier} counted when the assignment was stored"
        ));
    }
    if counts.same_instant > 0 {
        let events = match counts.same_instant {
            1 => "1 event has the very time of its user's assignment and was not sent".to_owned(),
            number => format!(
                "{} events have the very time of their user's assignment and were not sent",
                grouped(number)
            ),
        };
        lines.push(format!(
            "{CONTINUED}{events}, because an event counts only if it is later. If such events happened after the assignment, \
             import the file again with --same-instant counts, which stores them one microsecond later. If they happened \
             before it, use --same-instant before"
        ));
    }
    if counts.moved > 0 {
        let events = counted(counts.moved, "event");
        lines.push(format!(
            "{CONTINUED}{events} at the instant of the assignment sent with a time of one microsecond after it"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_thousands_separators_and_singular_forms() {
        let mut counts = ImportCounts {
            rows: 1,
            ..ImportCounts::default()
        };
        counts.assignments.stored = 12_000;
        counts.assignments.users_with_multiple_variants = 1;
        counts.events.duplicates = 1;
        counts.events.same_instant = 4862;
        let text = of(&counts, 20, 0.04, true);
        for expected in [
            "1 row read in 0.0 s",
            "12,000 stored, 0 existing, 0 rejected",
            "1 user has rows with more than one variant",
            "0 stored, 1 duplicate, 0 rejected",
            "4,862 events have the very time",
            "--same-instant counts",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        counts.events.same_instant = 1;
        assert!(of(&counts, 20, 0.04, true).contains("1 event has the very time"));
    }
}
