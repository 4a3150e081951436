//! A report as a picture: all effects, or one metric by day.

use crate::plot::{
    Bounds, EffectRow, EffectsGroup, EffectsPlot, PlotError, SeriesLine, SeriesPlot,
};
use crate::query::View;
use domain::Invalid;
use domain::metric::Direction;
use domain::prose::percent;
use domain::report::{AnalysisRequest, Comparison, ComparisonSeries, MetricReport, Report};
use shared::http::{Fault, Problem};

/// The picture: with series the first requested metric by day, else all effects.
///
/// # Errors
/// 400 for the monitoring view, which has no effects.
pub(crate) fn of(
    report: &Report,
    view: View,
    request: &AnalysisRequest,
) -> Result<String, Problem> {
    if view == View::Monitoring {
        let detail =
            "Pictures exist of the views `analysis` and `summary`; the view `monitoring` is JSON.";
        let fault = Fault::at("?format", Invalid::new("no_picture", detail.to_owned()));
        return Err(Problem::bad_parameters(vec![fault]));
    }
    let drawn = if request.series {
        series(report, request).to_svg()
    } else {
        effects(report, view).to_svg()
    };
    drawn.map_err(|error: PlotError| Problem::internal(error.to_string()))
}

fn note(report: &Report) -> String {
    let settings = &report.analysis_settings;
    format!(
        "{} method, {}% intervals, correction {}, {} users, as of {}",
        settings.deciding_method.name(),
        settings.level_percent(),
        settings.correction.name(),
        report
            .variants
            .iter()
            .map(|variant| variant.users)
            .sum::<u64>(),
        report.as_of.to_minute()
    )
}

/// All metrics; in the summary the deciding ones and the guardrails.
fn effects(report: &Report, view: View) -> EffectsPlot {
    let metrics: Vec<&MetricReport> = if view == View::Summary {
        report
            .deciding()
            .into_iter()
            .chain(report.guardrails())
            .collect()
    } else {
        report.metrics.iter().collect()
    };
    let group = |metric: &MetricReport| EffectsGroup {
        heading: format!("{} ({})", metric.metric.label(), metric.metric.role.name()),
        higher_is_better: metric.metric.direction == Direction::Increase,
        rows: metric.comparisons.iter().map(row).collect(),
    };
    EffectsPlot {
        title: report.experiment.name.clone(),
        subtitle: report.decision.headline.clone(),
        note: note(report),
        groups: metrics.into_iter().map(group).collect(),
    }
}

fn row(comparison: &Comparison) -> EffectRow {
    let lift = comparison
        .decisive
        .as_ref()
        .and_then(|decisive| decisive.relative);
    // A bound close to 0 is not shown as 0, because the verdict depends on its sign.
    let text = lift.map_or_else(String::new, |lift| {
        let [lower, upper] = [lift.ci_lower, lift.ci_upper].map(percent);
        format!(
            "{} ({} to {})",
            percent(lift.estimate),
            lower.trim_end_matches('%'),
            upper.trim_end_matches('%')
        )
    });
    let why = || {
        let reason = comparison.missing.first();
        reason.map_or_else(
            || "The deciding method gives no lift.".to_owned(),
            |missing| missing.why.to_string(),
        )
    };
    EffectRow {
        label: comparison.variant.to_string(),
        effect: lift
            .map(|lift| Bounds {
                estimate: lift.estimate,
                lower: lift.ci_lower,
                upper: lift.ci_upper,
            })
            .ok_or_else(why),
        text,
    }
}

fn series(report: &Report, request: &AnalysisRequest) -> SeriesPlot {
    // The first requested metric, else the deciding one.
    let asked = report
        .metrics
        .first()
        .filter(|_| !request.metrics.is_empty());
    let metric = asked.or_else(|| report.deciding().into_iter().next());
    let shown = metric.and_then(|metric| metric.series.as_ref());
    let name = metric.map_or_else(String::new, |metric| format!(": {}", metric.metric.label()));
    SeriesPlot {
        title: format!("{}{name}", report.experiment.name),
        subtitle: report.decision.headline.clone(),
        note: note(report),
        days: shown.map(|series| series.days.clone()).unwrap_or_default(),
        lines: shown
            .map(|series| series.comparisons.iter().map(line).collect())
            .unwrap_or_default(),
    }
}

fn line(column: &ComparisonSeries) -> SeriesLine {
    let points = column
        .lift
        .iter()
        .zip(&column.ci_lower)
        .zip(&column.ci_upper);
    SeriesLine {
        label: column.variant.to_string(),
        points: points
            .map(|((estimate, lower), upper)| {
                Some(Bounds {
                    estimate: (*estimate)?,
                    lower: (*lower)?,
                    upper: (*upper)?,
                })
            })
            .collect(),
    }
}
