//! The analysis as a table: one row for each metric and variant.

use super::Report;

const COLUMNS: &str = "metric,kind,event_type,variant,control,users,converted,sum,sum_squares,mean,variance,\
                       difference,ci_lower,ci_upper,p_value,lift,lift_ci_lower,lift_ci_upper,sample_ratio_p_value";

/// The report as RFC 4180 CSV with a header. What is missing is an empty cell.
pub fn to_csv(report: &Report) -> String {
    let mut text = format!("{COLUMNS}\r\n");
    for metric in &report.metrics {
        for (index, variant) in metric.variants.iter().enumerate() {
            let comparison = metric
                .comparisons
                .iter()
                .find(|comparison| comparison.variant == variant.key);
            let absolute = comparison.and_then(|comparison| comparison.absolute.as_ref());
            let relative = comparison.and_then(|comparison| comparison.relative.as_ref());
            let row = [
                quoted(metric.key.as_str()),
                metric.kind.name().to_owned(),
                quoted(metric.event_type.as_str()),
                quoted(variant.key.as_str()),
                (index == 0).to_string(),
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
                number(report.health.sample_ratio.p_value),
            ];
            text.push_str(&row.join(","));
            text.push_str("\r\n");
        }
    }
    text
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Text that a spreadsheet would take for a formula gets a leading apostrophe.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}
