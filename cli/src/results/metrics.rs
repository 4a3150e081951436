//! Prints each metric: its value in every variant, and the comparison of every variant with the baseline.

use super::number::{bare_p_value, brief, chance, p_value, percent, plain, signed};
use super::report::{Analysis, AnalysisSettings, Comparison, Metric, VariantValue};
use super::terminal::{Style, Table, TerminalText, short};
use super::{breakdowns, comparison_notes};
use crate::output::grouped;

/// Prints all metrics: first the primary ones, then the guardrails, then the others.
pub(super) fn tables(terminal: &mut TerminalText, report: &Analysis, full_dimensions: bool) {
    let declared = report.metrics.iter().any(|metric| metric.role == "primary");
    let mut metrics: Vec<(usize, &Metric)> = report.metrics.iter().enumerate().collect();
    metrics.sort_by_key(|(index, metric)| match metric.role.as_str() {
        "primary" => 0,
        // If no metric is primary, the first one decides.
        _ if !declared && *index == 0 => 0,
        "guardrail" => 1,
        _ => 2,
    });
    for (_, metric) in metrics {
        terminal.gap();
        heading(terminal, metric);
        by_variant(terminal, metric, report);
        comparison_notes::lines(terminal, metric, report);
        breakdowns::dimensions(terminal, metric, full_dimensions);
        breakdowns::days(terminal, metric, &report.analysis_settings);
    }
    if report.metrics.is_empty() {
        terminal.gap();
        terminal.line(
            Style::Faint,
            "No metric is declared, and no event has been recorded.",
        );
    }
}

fn heading(terminal: &mut TerminalText, metric: &Metric) {
    let better = if metric.direction == "decrease" {
        "less"
    } else {
        "more"
    };
    let allowed = metric
        .margin
        .map(|margin| format!("; the margin is {}", brief(margin, false)))
        .unwrap_or_default();
    let text = format!(
        "{}: {}; {better} is better{allowed}",
        metric.role,
        measured(metric)
    );
    terminal.heading(metric.name.as_ref().unwrap_or(&metric.key), &text);
}

/// Describes what the metric measures.
fn measured(metric: &Metric) -> String {
    let of = |measure: &str, event_type: &str| match measure {
        "conversion" => format!("users with `{event_type}`"),
        "count" => format!("number of `{event_type}`"),
        _ => format!("value of `{event_type}`"),
    };
    let own = of(
        metric.measure.as_deref().unwrap_or_default(),
        &metric.event_type,
    );
    match metric.kind.as_str() {
        "conversion" => format!("users with at least one `{}`", metric.event_type),
        "count" => format!("`{}` events per user", metric.event_type),
        "sum" => format!("sum of the values of `{}` per user", metric.event_type),
        "ratio" => {
            let below = metric
                .denominator
                .as_ref()
                .map_or_else(String::new, |below| of(&below.measure, &below.event_type));
            format!("{own} divided by {below}")
        }
        "quantile" => {
            let quantile = brief(metric.quantile.unwrap_or(0.5), false);
            format!("{quantile} quantile over users of the {own}")
        }
        _ => own,
    }
}

const COLUMNS: usize = 9;

fn by_variant(terminal: &mut TerminalText, metric: &Metric, report: &Analysis) {
    let settings = &report.analysis_settings;
    let interval = format!("{} interval", brief(1.0 - settings.alpha, false));
    let heads: [&str; COLUMNS] = [
        "variant",
        "users",
        "converted",
        match metric.kind.as_str() {
            "conversion" => "rate",
            "ratio" => "ratio",
            "quantile" => "quantile",
            _ => "mean",
        },
        "difference",
        "lift",
        &interval,
        match settings.deciding_method.as_str() {
            "bayesian" => "chance to win",
            _ if corrected(metric) => "corrected p",
            _ => "p",
        },
        "",
    ];
    let mut table = Table::new(heads, &[0, 8]);
    for value in &metric.variants {
        let comparison = metric.comparisons.iter().find(|c| c.variant == value.key);
        let (cells, style) = row(metric, value, comparison, report);
        table.row(cells, style);
    }
    table.print(terminal);
}

/// Whether the correction for multiple comparisons changed a p-value.
fn corrected(metric: &Metric) -> bool {
    let decisive = metric.comparisons.iter().flat_map(|c| &c.decisive);
    decisive
        .into_iter()
        .any(|decisive| decisive.adjusted_p_value > decisive.p_value)
}

fn row(
    metric: &Metric,
    value: &VariantValue,
    comparison: Option<&Comparison>,
    report: &Analysis,
) -> ([String; COLUMNS], Style) {
    let rate = metric.kind == "conversion";
    let written = |mean| if rate { percent(mean) } else { plain(mean) };
    let mut cells = <[String; COLUMNS]>::default();
    cells[0] = short(&value.key);
    cells[1] = grouped(value.users);
    cells[2] = grouped(value.converted);
    cells[3] = value.mean.map(written).unwrap_or_default();
    let Some(comparison) = comparison else {
        let control = metric.variants.first().map(|value| &value.key);
        // The control is the usual baseline. Only another baseline is marked.
        if control != Some(&value.key) {
            cells[8] = "baseline".to_owned();
        }
        return (cells, Style::Plain);
    };
    let decisive = comparison.decisive.as_ref();
    let fixed = comparison.absolute.as_ref().map(|test| test.interval);
    // The Bayesian method has no difference in the metric's unit. The estimate is the same in all methods.
    let difference = decisive.and_then(|decisive| decisive.absolute).or(fixed);
    if let Some(difference) = difference {
        let (scale, unit) = if rate { (100.0, " pp") } else { (1.0, "") };
        cells[4] = signed(difference, scale, unit).0;
    }
    if let Some(lift) = decisive.and_then(|decisive| decisive.relative) {
        (cells[5], cells[6]) = signed(lift, 100.0, "%");
    }
    cells[7] = certainty(comparison, &report.analysis_settings);
    // If the data cannot be trusted, no finding is shown.
    if !report.decision.trusted() {
        return (cells, Style::Plain);
    }
    let (word, style) = finding(comparison);
    word.clone_into(&mut cells[8]);
    (cells, style)
}

fn certainty(comparison: &Comparison, settings: &AnalysisSettings) -> String {
    if settings.deciding_method == "bayesian" {
        let chance_to_win = comparison.bayesian.as_ref().map(|view| view.chance_to_win);
        return chance_to_win.map(chance).unwrap_or_default();
    }
    match &comparison.decisive {
        // Only the uncorrected p-value has a logarithm, which is needed for very small values.
        Some(decisive) if decisive.adjusted_p_value <= decisive.p_value => {
            p_value(decisive.p_value, decisive.log10_p_value)
        }
        Some(decisive) => bare_p_value(decisive.adjusted_p_value),
        None => String::new(),
    }
}

fn finding(comparison: &Comparison) -> (&str, Style) {
    let harm = comparison
        .non_inferiority
        .as_ref()
        .map(|margin| margin.shown);
    match (comparison.finding.as_str(), harm) {
        ("better", _) => ("better", Style::Good),
        ("worse", _) => ("worse", Style::Bad),
        ("undecided", Some(true)) => ("no harm", Style::Plain),
        ("undecided", Some(false)) => ("harm possible", Style::Plain),
        ("undecided", None) => ("undecided", Style::Plain),
        ("not_enough_data", _) => ("not enough data", Style::Faint),
        ("not_measurable", _) => ("not measurable", Style::Faint),
        (other, _) => (other, Style::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn table(verdict: &str) -> String {
        let values =
            |key: &str, rate: f64| json!({"key": key, "users": 1000, "converted": 1, "mean": rate});
        let lift = json!({"estimate": 0.5, "ci_lower": 0.3, "ci_upper": 0.7});
        let comparison = json!({
            "variant": "b", "baseline": "a", "finding": "better",
            "decisive": {"absolute": lift, "relative": lift, "p_value": 0.001, "log10_p_value": -3.0, "adjusted_p_value": 0.001},
        });
        let report: Json = json!({
            "experiment": {"id": "e", "name": "E", "status": "running"},
            "as_of": "2026-01-01T00:00:00.000000Z",
            "decision": {"verdict": verdict, "headline": "Because."},
            "freshness": {}, "variants": [],
            "data_quality": {"sample_ratio": {"verdict": "ok", "observed": [], "expected": [], "threshold": 0.001}},
            "metrics": [{
                "key": "buys", "kind": "conversion", "event_type": "buy", "role": "primary", "direction": "increase",
                "variants": [values("a", 0.1), values("b", 0.15)], "comparisons": [comparison],
            }],
            "analysis_settings": {"deciding_method": "sequential", "alpha": 0.05, "correction": "holm", "conversion": "", "mean": "", "relative": ""},
            "digest": "sha256:0",
        });
        let mut terminal = TerminalText::new(true);
        tables(
            &mut terminal,
            &serde_json::from_value(report).unwrap(),
            false,
        );
        terminal.text()
    }

    #[test]
    fn a_winner_is_coloured_only_if_the_data_can_be_trusted() {
        let green = "\u{1b}[32m";
        let trusted = table("ship");
        assert!(
            trusted.contains(green) && trusted.contains("  better\u{1b}[0m"),
            "{trusted}"
        );
        let untrusted = table("do_not_trust");
        assert!(
            !untrusted.contains(green) && !untrusted.contains("  better\u{1b}"),
            "{untrusted}"
        );
    }
}
