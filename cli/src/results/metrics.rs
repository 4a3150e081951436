//! Each metric: its value in every variant, and every variant against the baseline.

use super::answer::{Analysis, AnalysisSettings, Comparison, Metric, Value};
use super::number::{bare_p_value, brief, chance, p_value, percent, plain, signed};
use super::paper::{Ink, Paper, Table, short};
use super::{extras, parts};
use crate::output::grouped;

/// All metrics: those that decide, then the guardrails, then the rest.
pub(super) fn tables(paper: &mut Paper, answer: &Analysis, all_parts: bool) {
    let declared = answer.metrics.iter().any(|metric| metric.role == "primary");
    let mut metrics: Vec<(usize, &Metric)> = answer.metrics.iter().enumerate().collect();
    metrics.sort_by_key(|(index, metric)| match metric.role.as_str() {
        "primary" => 0,
        // Where no metric is declared to decide, the first one does.
        _ if !declared && *index == 0 => 0,
        "guardrail" => 1,
        _ => 2,
    });
    for (_, metric) in metrics {
        paper.gap();
        heading(paper, metric);
        by_variant(paper, metric, answer);
        extras::lines(paper, metric, answer);
        parts::parts(paper, metric, all_parts);
        parts::days(paper, metric, &answer.analysis_settings);
    }
    if answer.metrics.is_empty() {
        paper.gap();
        paper.line(Ink::Faint, "No metric is declared, and no event has come.");
    }
}

fn heading(paper: &mut Paper, metric: &Metric) {
    let better = if metric.direction == "decrease" {
        "less"
    } else {
        "more"
    };
    let allowed = metric
        .margin
        .map(|margin| format!(", and {} worse is the most allowed", brief(margin, false)))
        .unwrap_or_default();
    let text = format!(
        "{}: {}; {better} is better{allowed}",
        metric.role,
        measured(metric)
    );
    paper.heading(metric.name.as_ref().unwrap_or(&metric.key), &text);
}

/// What the numbers of the metric are.
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
        "count" => format!("`{}` events of a user", metric.event_type),
        "sum" => format!("summed value of a user's `{}`", metric.event_type),
        "ratio" => {
            let below = metric
                .denominator
                .as_ref()
                .map_or_else(String::new, |below| of(&below.measure, &below.event_type));
            format!("{own} divided by {below}")
        }
        "quantile" => {
            let quantile = brief(metric.quantile.unwrap_or(0.5), false);
            format!("{quantile} quantile over the users of the {own}")
        }
        _ => own,
    }
}

const COLUMNS: usize = 9;

fn by_variant(paper: &mut Paper, metric: &Metric, answer: &Analysis) {
    let settings = &answer.analysis_settings;
    let rate = metric.kind == "conversion";
    let interval = format!("{} interval", brief(1.0 - settings.alpha, false));
    let heads: [&str; COLUMNS] = [
        "variant",
        "users",
        if rate { "converted" } else { "with any" },
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
        let (cells, ink) = row(metric, value, comparison, answer);
        table.row(cells, ink);
    }
    table.print(paper);
}

/// Whether many comparisons made a p-value larger.
fn corrected(metric: &Metric) -> bool {
    let decisive = metric.comparisons.iter().flat_map(|c| &c.decisive);
    decisive
        .into_iter()
        .any(|decisive| decisive.adjusted_p_value > decisive.p_value)
}

fn row(
    metric: &Metric,
    value: &Value,
    comparison: Option<&Comparison>,
    answer: &Analysis,
) -> ([String; COLUMNS], Ink) {
    let rate = metric.kind == "conversion";
    let written = |mean| if rate { percent(mean) } else { plain(mean) };
    let mut cells = <[String; COLUMNS]>::default();
    cells[0] = short(&value.key);
    cells[1] = grouped(value.users);
    cells[2] = grouped(value.converted);
    cells[3] = value.mean.map(written).unwrap_or_default();
    let Some(comparison) = comparison else {
        let control = metric.variants.first().map(|value| &value.key);
        // The control needs no word; another baseline was asked for.
        if control != Some(&value.key) {
            cells[8] = "baseline".to_owned();
        }
        return (cells, Ink::Plain);
    };
    let decisive = comparison.decisive.as_ref();
    let looked_once = comparison.absolute.as_ref().map(|test| test.interval);
    // The chance to win comes without a difference in the metric's unit; the estimate is the same in all methods.
    let difference = decisive
        .and_then(|decisive| decisive.absolute)
        .or(looked_once);
    if let Some(difference) = difference {
        let (scale, unit) = if rate { (100.0, " pp") } else { (1.0, "") };
        cells[4] = signed(difference, scale, unit).0;
    }
    if let Some(lift) = decisive.and_then(|decisive| decisive.relative) {
        (cells[5], cells[6]) = signed(lift, 100.0, " %");
    }
    cells[7] = certainty(comparison, &answer.analysis_settings);
    // Where the data are not sound every finding is worthless, so none is given.
    if !answer.decision.trusted() {
        return (cells, Ink::Plain);
    }
    let (word, ink) = finding(comparison);
    word.clone_into(&mut cells[8]);
    (cells, ink)
}

fn certainty(comparison: &Comparison, settings: &AnalysisSettings) -> String {
    if settings.deciding_method == "bayesian" {
        let chance_to_win = comparison.bayesian.as_ref().map(|view| view.chance_to_win);
        return chance_to_win.map(chance).unwrap_or_default();
    }
    match &comparison.decisive {
        // Only the uncorrected one has a logarithm for what is too small for a number.
        Some(decisive) if decisive.adjusted_p_value <= decisive.p_value => {
            p_value(decisive.p_value, decisive.log10_p_value)
        }
        Some(decisive) => bare_p_value(decisive.adjusted_p_value),
        None => String::new(),
    }
}

fn finding(comparison: &Comparison) -> (&str, Ink) {
    let harm = comparison
        .non_inferiority
        .as_ref()
        .map(|margin| margin.shown);
    match (comparison.finding.as_str(), harm) {
        ("better", _) => ("better", Ink::Good),
        ("worse", _) => ("worse", Ink::Bad),
        ("undecided", Some(true)) => ("unharmed", Ink::Plain),
        ("undecided", Some(false)) => ("harm possible", Ink::Plain),
        ("undecided", None) => ("undecided", Ink::Plain),
        ("not_enough_data", _) => ("too few data", Ink::Faint),
        (other, _) => (other, Ink::Plain),
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
        let answer: Json = json!({
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
        let mut paper = Paper::new(true);
        tables(&mut paper, &serde_json::from_value(answer).unwrap(), false);
        paper.text()
    }

    #[test]
    fn a_winner_is_coloured_only_where_the_data_are_sound() {
        let green = "\u{1b}[32m";
        let sound = table("ship");
        assert!(
            sound.contains(green) && sound.contains("  better\u{1b}[0m"),
            "{sound}"
        );
        let unsound = table("do_not_trust");
        assert!(
            !unsound.contains(green) && !unsound.contains("  better\u{1b}"),
            "{unsound}"
        );
    }
}
