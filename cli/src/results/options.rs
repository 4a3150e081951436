//! The options of `assay results` and their valid combinations.

use crate::client::Connection;
use crate::time;
use std::path::PathBuf;

/// Which part of the results to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum View {
    /// The decision and its reason.
    Summary,
    /// Alarms, traffic by hour and the sample-ratio check.
    Monitoring,
    /// The decision, all metrics and the data quality.
    #[default]
    Analysis,
}

/// Show the results of an experiment.
///
/// The output contains the decision and its reason, then each metric by variant, then the data quality. The API computes all
/// numbers, and the options are parameters of the API.
#[derive(Debug, Clone, clap::Args)]
pub struct ResultsArgs {
    /// Id of the experiment.
    #[arg(value_name = "ID")]
    pub(super) experiment: String,
    #[command(flatten)]
    pub(super) connection: Connection,
    /// Which part of the results to show.
    #[arg(long, value_enum, default_value_t)]
    pub(super) view: View,
    /// The deciding method: `fixed` for one test at a planned sample size, `sequential` for results that are valid at any
    /// time, `hybrid` for a sequential test with a fixed test at the planned end, `bayesian` for the chance to win. By
    /// default `hybrid` if the experiment has a planned end, and else `sequential`.
    #[arg(long, value_parser = ["fixed", "sequential", "hybrid", "bayesian"])]
    method: Option<String>,
    /// Two-sided significance level, such as 0.05. By default the level of the plan.
    #[arg(long, value_name = "LEVEL")]
    alpha: Option<String>,
    /// Correction for multiple comparisons. By default `holm`.
    #[arg(long, value_parser = ["none", "holm", "bh"])]
    correction: Option<String>,
    /// The variant that the others are compared with. By default the control.
    #[arg(long, value_name = "VARIANT")]
    baseline: Option<String>,
    /// Reduce the variance with the users' pre-exposure data (CUPED).
    #[arg(long)]
    cuped: bool,
    /// Break the results down by one dimension (`platform`), include only users with one value (`platform:ios`), or show no
    /// dimensions (`none`).
    #[arg(long, value_name = "NAME[:VALUE]|none")]
    dimension: Option<String>,
    /// Show the results as of this time.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    as_of: Option<String>,
    /// Exclude events before this time.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<String>,
    /// Exclude assignments and events at or after this time.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<String>,
    /// Keys of the metrics to show, separated by commas. By default all.
    #[arg(long, value_name = "KEYS")]
    metrics: Option<String>,
    /// Show the cumulative result at the end of each day.
    #[arg(long, value_parser = ["day", "none"])]
    series: Option<String>,
    /// Print the API's response as JSON.
    #[arg(long, conflicts_with_all = ["csv", "svg"])]
    pub(super) json: bool,
    /// Print the results as CSV with a row per metric and variant.
    #[arg(long, conflicts_with_all = ["svg", "view", "series"])]
    pub(super) csv: bool,
    /// Write an SVG chart of the effects to a file or to stdout. With `--series day` the chart shows the effects by day.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub(super) svg: Option<PathBuf>,
}

impl ResultsArgs {
    /// Whether the results are broken down by a dimension.
    pub(super) fn broken_down(&self) -> bool {
        let asked = self.dimension.as_deref();
        asked.is_some_and(|dimension| dimension != "none" && !dimension.contains(':'))
    }

    /// Checks combinations of option values, which clap cannot check.
    pub(super) fn check(&self) -> Result<(), String> {
        let by_day = self.series.as_deref() == Some("day");
        let name = match self.view {
            View::Analysis => return Ok(()),
            View::Summary => "summary",
            View::Monitoring => "monitoring",
        };
        if self.view == View::Monitoring && self.svg.is_some() {
            return Err(
                "`--svg` draws effects, but `--view monitoring` has none: remove one of the two options"
                    .to_owned(),
            );
        }
        if by_day && self.svg.is_none() {
            return Err(format!(
                "`--series day` is part of the analysis, not of `--view {name}`: remove one of the two options"
            ));
        }
        match &self.dimension {
            Some(by) if self.broken_down() => Err(format!(
                "`--dimension {by}` shows each value of the dimension, which only the analysis does: remove \
                 `--view {name}`, or select one value with `--dimension {by}:VALUE`"
            )),
            _ => Ok(()),
        }
    }

    /// The query parameters of the request.
    pub(super) fn query(&self) -> String {
        let format = match (self.csv, &self.svg) {
            (true, _) => Some("csv"),
            (_, Some(_)) => Some("svg"),
            _ => None,
        };
        let view = match self.view {
            View::Analysis => None,
            View::Summary => Some("summary"),
            View::Monitoring => Some("monitoring"),
        };
        // The daily series takes most of the computing time, so it is requested only if it is shown.
        let table = (!self.json && format.is_none()).then_some("none");
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("view", view),
            ("format", format),
            ("method", self.method.as_deref()),
            ("alpha", self.alpha.as_deref()),
            ("correction", self.correction.as_deref()),
            ("baseline", self.baseline.as_deref()),
            ("cuped", self.cuped.then_some("true")),
            ("dimension", self.dimension.as_deref()),
            ("as_of", self.as_of.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
            ("metrics", self.metrics.as_deref()),
            ("series", self.series.as_deref().or(table)),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

fn instant(text: &str) -> Result<String, String> {
    let time =
        time::read(text).ok_or("must be a time such as 2026-01-31 or 2026-01-31T09:30:00Z")?;
    Ok(time.to_string())
}
