//! A metric by parts of the users, and day by day.

use super::answer::{AnalysisSettings, DimensionValue, Metric, Part, Series};
use super::number::{bare_p_value, brief, percent, plain, signed};
use super::paper::{Ink, Paper, Table, short};
use crate::output::grouped;

/// Days that are shown: the latest ones, as many as fit on a screen.
const DAYS: usize = 31;

/// The parts that differ in a line each, or all of them as a table.
pub(super) fn parts(paper: &mut Paper, metric: &Metric, all: bool) {
    let mut alike = Vec::new();
    for dimension in &metric.dimensions {
        if all {
            table(paper, metric, dimension);
        } else if dimension.different.is_empty() {
            if dimension.values.len() > 1 && !alike.contains(&dimension.by.as_str()) {
                alike.push(&dimension.by);
            }
        } else {
            differing(paper, dimension);
        }
    }
    alike.retain(|by| {
        let mut others = metric.dimensions.iter();
        !others.any(|dimension| dimension.by == *by && !dimension.different.is_empty())
    });
    if !alike.is_empty() {
        let text = format!(
            "No part of the users acts differently by {}.",
            alike.join(", ")
        );
        paper.prose(Ink::Faint, "  ", &text);
    }
}

fn differing(paper: &mut Paper, dimension: &DimensionValue) {
    let is_different = |part: &&Part| dimension.different.contains(&part.value);
    let said = dimension.values.iter().filter(is_different).map(|part| {
        let lift = part.relative.map_or_else(String::new, |lift| {
            let (estimate, interval) = signed(lift, 100.0, " %");
            format!(" {estimate} ({interval})")
        });
        let p = part.different_p_value.map(bare_p_value);
        let p = p.map_or_else(String::new, |p| format!(", p = {p}"));
        format!("{}{lift}{p}", part.value)
    });
    let said: Vec<String> = said.collect();
    let text = format!(
        "acts differently by {}, for one look: {}.",
        dimension.by,
        said.join("; ")
    );
    paper.prose(
        Ink::Warning,
        &format!("  {}: ", short(&dimension.variant)),
        &text,
    );
}

fn table(paper: &mut Paper, metric: &Metric, dimension: &DimensionValue) {
    let written = |mean| match metric.kind.as_str() {
        "conversion" => percent(mean),
        _ => plain(mean),
    };
    let together = dimension
        .heterogeneity
        .as_ref()
        .map_or_else(String::new, |test| {
            format!(
                "; the parts are alike with p = {}",
                bare_p_value(test.p_value)
            )
        });
    let text = format!(
        "{} by {}, for one look{together}",
        dimension.variant, dimension.by
    );
    paper.gap();
    paper.prose(Ink::Faint, "  ", &text);
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
    for part in &dimension.values {
        let different = dimension.different.contains(&part.value);
        let lift = part.relative.map(|lift| signed(lift, 100.0, " %"));
        let (estimate, interval) = lift.unwrap_or_default();
        let cells = [
            short(&part.value),
            grouped(part.users[0]),
            grouped(part.users[1]),
            part.means
                .map(|means| written(means[0]))
                .unwrap_or_default(),
            part.means
                .map(|means| written(means[1]))
                .unwrap_or_default(),
            estimate,
            interval,
            part.adjusted_p_value.map(bare_p_value).unwrap_or_default(),
            if different { "different" } else { "" }.to_owned(),
        ];
        rows.row(cells, if different { Ink::Warning } else { Ink::Plain });
    }
    rows.print(paper);
}

/// The result as it stood at the end of each day.
pub(super) fn days(paper: &mut Paper, metric: &Metric, settings: &AnalysisSettings) {
    let Some(series) = &metric.series else {
        return;
    };
    let interval = format!("{} interval", brief(1.0 - settings.alpha, false));
    for (index, comparison) in series.comparisons.iter().enumerate() {
        paper.gap();
        let heading = format!("{} by day, all users so far", comparison.variant);
        paper.prose(Ink::Faint, "  ", &heading);
        let heads = ["day", "users", "lift", &interval, "p"];
        let mut rows = Table::new(heads, &[0]);
        for day in series.days.len().saturating_sub(DAYS)..series.days.len() {
            rows.row(of_day(series, index, day), Ink::Plain);
        }
        rows.print(paper);
    }
}

fn of_day(series: &Series, comparison: usize, day: usize) -> [String; 5] {
    let column = series.comparisons.get(comparison);
    let at = |values: &[Option<f64>]| values.get(day).copied().flatten();
    let lift = column.and_then(|column| {
        Some(super::answer::Interval {
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
        .map(|lift| signed(lift, 100.0, " %"))
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
