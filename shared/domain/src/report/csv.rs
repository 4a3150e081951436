//! The analysis as a table: one row per metric, variant and dimension value.

use super::dimensions::{DimensionComparison, DimensionReport};
use super::{MetricReport, Report, VariantValue};

const COLUMNS: &str = "metric,kind,event_type,role,variant,control,dimension,value,users,converted,sum,sum_squares,mean,variance,\
                       difference,ci_lower,ci_upper,p_value,lift,lift_ci_lower,lift_ci_upper,finding,decisive_lift,\
                       decisive_ci_lower,decisive_ci_upper,decisive_p_value,adjusted_p_value,chance_to_win,sample_ratio_p_value,verdict,reason";

/// The report as RFC 4180 CSV with a header. A missing number is an empty cell.
pub fn to_csv(report: &Report) -> String {
    let mut text = format!("{COLUMNS}\r\n");
    for metric in &report.metrics {
        for variant in &metric.variants {
            push(&mut text, report, whole(report, metric, variant));
        }
        for dimension in &metric.dimensions {
            for value in &dimension.values {
                push(&mut text, report, part(metric, dimension, value));
            }
        }
    }
    text
}

/// Adds a row, which ends with the decision about the experiment.
fn push(text: &mut String, report: &Report, mut row: Vec<String>) {
    let decision = &report.decision;
    row.extend([
        decision.verdict.name().to_owned(),
        decision.reason.name().to_owned(),
    ]);
    text.push_str(&row.join(","));
    text.push_str("\r\n");
}

fn start(
    metric: &MetricReport,
    variant: &str,
    control: bool,
    by: &str,
    value: &str,
) -> Vec<String> {
    vec![
        quoted(metric.metric.key.as_str()),
        metric.metric.kind.name().to_owned(),
        quoted(metric.metric.event_type.as_str()),
        metric.metric.role.name().to_owned(),
        quoted(variant),
        control.to_string(),
        if by.is_empty() {
            String::new()
        } else {
            quoted(by)
        },
        if by.is_empty() {
            String::new()
        } else {
            quoted(value)
        },
    ]
}

/// The row of all users of a variant.
fn whole(report: &Report, metric: &MetricReport, variant: &VariantValue) -> Vec<String> {
    let users = report
        .variants
        .iter()
        .find(|users| users.key == variant.key);
    let mut comparisons = metric.comparisons.iter();
    let comparison = comparisons.find(|comparison| comparison.variant == variant.key);
    let absolute = comparison.and_then(|comparison| comparison.absolute.as_ref());
    let relative = comparison.and_then(|comparison| comparison.relative.as_ref());
    let decisive = comparison.and_then(|comparison| comparison.decisive.as_ref());
    let lift = decisive.and_then(|decisive| decisive.relative);
    let bayesian = comparison.and_then(|comparison| comparison.bayesian.as_ref());
    let control = users.is_some_and(|users| users.control);
    let mut row = start(metric, variant.key.as_str(), control, "", "");
    row.extend([
        variant.users.to_string(),
        variant.converted.to_string(),
        variant.sum.clone(),
        variant.sum_squares.clone(),
        number(variant.mean),
        number(variant.variance),
        number(absolute.map(|difference| difference.estimate)),
        number(absolute.map(|difference| difference.ci_lower)),
        number(absolute.map(|difference| difference.ci_upper)),
        number(absolute.map(|difference| difference.p_value)),
        number(relative.map(|lift| lift.estimate)),
        number(relative.map(|lift| lift.ci_lower)),
        number(relative.map(|lift| lift.ci_upper)),
        comparison.map_or_else(String::new, |comparison| {
            comparison.finding.name().to_owned()
        }),
        number(lift.map(|lift| lift.estimate)),
        number(lift.map(|lift| lift.ci_lower)),
        number(lift.map(|lift| lift.ci_upper)),
        number(decisive.map(|decisive| decisive.p_value)),
        number(decisive.map(|decisive| decisive.adjusted_p_value)),
        number(bayesian.map(|bayesian| bayesian.chance_to_win)),
        number(report.data_quality.sample_ratio.p_value),
    ]);
    row
}

/// The row of one dimension value, a variant against the baseline.
fn part(
    metric: &MetricReport,
    dimension: &DimensionReport,
    value: &DimensionComparison,
) -> Vec<String> {
    let lift = value.relative.as_ref();
    let mut row = start(
        metric,
        dimension.variant.as_str(),
        false,
        &dimension.by,
        &value.value,
    );
    let blank = String::new;
    row.extend([
        value.users[1].to_string(),
        blank(),
        blank(),
        blank(),
        number(value.means.map(|means| means[1])),
        blank(),
        number(value.means.map(|means| means[1] - means[0])),
        blank(),
        blank(),
        number(value.p_value),
        number(lift.map(|lift| lift.estimate)),
        number(lift.map(|lift| lift.ci_lower)),
        number(lift.map(|lift| lift.ci_upper)),
        blank(),
        blank(),
        blank(),
        blank(),
        blank(),
        number(value.adjusted_p_value),
        blank(),
        blank(),
    ]);
    row
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Adds an apostrophe to text that a spreadsheet would run as a formula.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}
