//! Prints a metric by dimension and by day.

use super::number::{bare_p_value, brief, percent, plain, signed};
use super::report::{AnalysisSettings, DimensionComparison, DimensionReport, Metric, Series};
use super::terminal::{Style, Table, TerminalText, short};
use crate::output::grouped;

/// Number of days that are shown, so that the table fits on a screen.
const DAYS: usize = 31;

/// Prints a line per dimension, or a table of all its values if `full` is set.
pub(super) fn dimensions(terminal: &mut TerminalText, metric: &Metric, full: bool) {
    let mut alike = Vec::new();
    for dimension in &metric.dimensions {
        if full {
            table(terminal, metric, dimension);
        } else if dimension.different.is_empty() {
            if dimension.values.len() > 1 && !alike.contains(&dimension.by.as_str()) {
                alike.push(&dimension.by);
            }
        } else {
            print_differing(terminal, dimension);
        }
    }
    alike.retain(|by| {
        let mut others = metric.dimensions.iter();
        !others.any(|dimension| dimension.by == *by && !dimension.different.is_empty())
    });
    if !alike.is_empty() {
        let text = format!("The effect does not differ by {}.", alike.join(", "));
        terminal.prose(Style::Faint, "  ", &text);
    }
}

fn print_differing(terminal: &mut TerminalText, dimension: &DimensionReport) {
    let is_different =
        |subgroup: &&DimensionComparison| dimension.different.contains(&subgroup.value);
    let differing = dimension
        .values
        .iter()
        .filter(is_different)
        .map(|subgroup| {
            let lift = subgroup.relative.map_or_else(String::new, |lift| {
                let (estimate, interval) = signed(lift, 100.0, "%");
                format!(" {estimate} ({interval})")
            });
            let p = subgroup.different_p_value.map(bare_p_value);
            let p = p.map_or_else(String::new, |p| format!(", p = {p}"));
            format!("{}{lift}{p}", subgroup.value)
        });
    let differing: Vec<String> = differing.collect();
    let text = format!(
        "the effect differs by {} (fixed test): {}.",
        dimension.by,
        differing.join("; ")
    );
    terminal.prose(
        Style::Warning,
        &format!("  {}: ", short(&dimension.variant)),
        &text,
    );
}

fn table(terminal: &mut TerminalText, metric: &Metric, dimension: &DimensionReport) {
    let written = |mean| match metric.kind.as_str() {
        "conversion" => percent(mean),
        _ => plain(mean),
    };
    let heterogeneity = dimension
        .heterogeneity
        .as_ref()
        .map_or_else(String::new, |test| {
            format!(
                "; test of equal effects: p = {}",
                bare_p_value(test.p_value)
            )
        });
    let text = format!(
        "{} by {} (fixed tests){heterogeneity}",
        dimension.variant, dimension.by
    );
    terminal.gap();
    terminal.prose(Style::Faint, "  ", &text);
    let heads = [
        dimension.by.as_str(),
        "baseline users",
        "users",
        "baseline",
        "variant",
        "lift",
        "interval",
        "corrected p",
        "",
    ];
    let mut rows = Table::new(heads, &[0, 8]);
    for subgroup in &dimension.values {
        let different = dimension.different.contains(&subgroup.value);
        let lift = subgroup.relative.map(|lift| signed(lift, 100.0, "%"));
        let (estimate, interval) = lift.unwrap_or_default();
        let cells = [
            short(&subgroup.value),
            grouped(subgroup.users[0]),
            grouped(subgroup.users[1]),
            subgroup
                .means
                .map(|means| written(means[0]))
                .unwrap_or_default(),
            subgroup
                .means
                .map(|means| written(means[1]))
                .unwrap_or_default(),
            estimate,
            interval,
            subgroup
                .adjusted_p_value
                .map(bare_p_value)
                .unwrap_or_default(),
            if different { "different" } else { "" }.to_owned(),
        ];
        rows.row(
            cells,
            if different {
                Style::Warning
            } else {
                Style::Plain
            },
        );
    }
    rows.print(terminal);
}

/// Prints the cumulative result at the end of each day.
pub(super) fn days(terminal: &mut TerminalText, metric: &Metric, settings: &AnalysisSettings) {
    let Some(series) = &metric.series else {
        return;
    };
    let interval = format!("{} interval", brief(1.0 - settings.alpha, false));
    for (index, comparison) in series.comparisons.iter().enumerate() {
        terminal.gap();
        let heading = format!("{} by day, cumulative", comparison.variant);
        terminal.prose(Style::Faint, "  ", &heading);
        let heads = ["day", "users", "lift", &interval, "p"];
        let mut rows = Table::new(heads, &[0]);
        for day in series.days.len().saturating_sub(DAYS)..series.days.len() {
            rows.row(of_day(series, index, day), Style::Plain);
        }
        rows.print(terminal);
    }
}

fn of_day(series: &Series, comparison: usize, day: usize) -> [String; 5] {
    let column = series.comparisons.get(comparison);
    let at = |values: &[Option<f64>]| values.get(day).copied().flatten();
    let lift = column.and_then(|column| {
        Some(super::report::Interval {
            estimate: at(&column.lift)?,
            ci_lower: at(&column.ci_lower)?,
            ci_upper: at(&column.ci_upper)?,
        })
    });
    let of_variant = series
        .variants
        .iter()
        .find(|variant| column.is_some_and(|column| column.variant == variant.key));
    let users = of_variant.and_then(|variant| variant.users.get(day));
    let (estimate, interval) = lift
        .map(|lift| signed(lift, 100.0, "%"))
        .unwrap_or_default();
    let p = column.and_then(|column| at(&column.p_value));
    [
        series.days.get(day).cloned().unwrap_or_default(),
        users.map(|users| grouped(*users)).unwrap_or_default(),
        estimate,
        interval,
        p.map(bare_p_value).unwrap_or_default(),
    ]
}
