//! What can be asked of the results, and what cannot be asked together.

use crate::client::Connection;
use crate::time;
use std::path::PathBuf;

/// For whom the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum View {
    /// What to do, and why.
    Summary,
    /// Alarms, traffic by hour and the split.
    Monitoring,
    /// All of it.
    #[default]
    Analysis,
}

/// Show what an experiment shows so far.
///
/// First what to do and why, then each metric by variant, then whether the numbers can be trusted. Nothing is
/// computed here: the API says all of it, and every option is one of its parameters.
#[derive(Debug, Clone, clap::Args)]
pub struct ResultsArgs {
    /// The experiment.
    #[arg(value_name = "ID")]
    pub(super) experiment: String,
    #[command(flatten)]
    pub(super) connection: Connection,
    /// How much of it.
    #[arg(long, value_enum, default_value_t)]
    pub(super) view: View,
    /// What decides: `fixed` for one look at a size fixed beforehand, `sequential` for any number of looks, `hybrid`
    /// for any number and a sharper one at the planned end, `bayesian` for the chance to win. By default the hybrid
    /// where an end was planned, else sequential.
    #[arg(long, value_parser = ["fixed", "sequential", "hybrid", "bayesian"])]
    method: Option<String>,
    /// Two-sided error level, such as 0.05; by default that of the plan.
    #[arg(long, value_name = "LEVEL")]
    alpha: Option<String>,
    /// What is done about many comparisons at once; `holm` by default.
    #[arg(long, value_parser = ["none", "holm", "bh"])]
    correction: Option<String>,
    /// The variant that the others are compared with; by default the control.
    #[arg(long, value_name = "VARIANT")]
    baseline: Option<String>,
    /// Take out of the effects what the users did before the experiment.
    #[arg(long)]
    cuped: bool,
    /// Show the parts of the users by one dimension (`platform`), look at one part only (`platform:ios`), or at no
    /// dimensions (`none`).
    #[arg(long, value_name = "NAME[:VALUE]|none")]
    dimension: Option<String>,
    /// Show what was known at this time, with this time taken for now.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    as_of: Option<String>,
    /// Leave events before this time out.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<String>,
    /// Leave users assigned and events from this time on out.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<String>,
    /// Only these metrics, separated by commas.
    #[arg(long, value_name = "KEYS")]
    metrics: Option<String>,
    /// Show the result as it stood at the end of each day.
    #[arg(long, value_parser = ["day", "none"])]
    series: Option<String>,
    /// Print the API's answer as JSON.
    #[arg(long, conflicts_with_all = ["csv", "svg"])]
    pub(super) json: bool,
    /// Print a row for each metric and variant as CSV.
    #[arg(long, conflicts_with_all = ["svg", "view", "series"])]
    pub(super) csv: bool,
    /// Draw the effects, or with `--series day` how they came about, as an SVG picture into a file, or to stdout.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub(super) svg: Option<PathBuf>,
}

impl ResultsArgs {
    /// Whether the parts of the users are to be shown one by one.
    pub(super) fn broken_down(&self) -> bool {
        let asked = self.dimension.as_deref();
        asked.is_some_and(|dimension| dimension != "none" && !dimension.contains(':'))
    }

    /// What no parser of options can tell: whether values go together.
    pub(super) fn check(&self) -> Result<(), String> {
        let by_day = self.series.as_deref() == Some("day");
        let name = match self.view {
            View::Analysis => return Ok(()),
            View::Summary => "summary",
            View::Monitoring => "monitoring",
        };
        if self.view == View::Monitoring && self.svg.is_some() {
            return Err(
                "`--svg` draws effects, and `--view monitoring` has none: leave one of the two out"
                    .to_owned(),
            );
        }
        if by_day && self.svg.is_none() {
            return Err(format!(
                "`--series day` is part of the analysis, not of `--view {name}`: leave one of the two out"
            ));
        }
        match &self.dimension {
            Some(by) if self.broken_down() => Err(format!(
                "`--dimension {by}` shows each part of the users, which only the analysis does: leave `--view {name}` \
                 out, or look at one part with `--dimension {by}:VALUE`"
            )),
            _ => Ok(()),
        }
    }

    /// The parameters of the call.
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
        // The days take most of the computing, and a table shows none unless they are asked for.
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
