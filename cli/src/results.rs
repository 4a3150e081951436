//! `assay results`: prints the results of an experiment as tables.
//!
//! | module | holds |
//! | --- | --- |
//! | `options` | the options and their valid combinations |
//! | `report` | the printed parts of the API's responses |
//! | `verdict` | the decision and its reason |
//! | `metrics` | each metric by variant, with `comparison_notes` and `breakdowns` below the table |
//! | `data_quality` | data-quality checks, freshness, event accounting and analysis settings |
//! | `monitoring` | alarms, traffic and event rates |
//! | `terminal`, `number` | lines, columns, colours and number formats |

mod breakdowns;
mod comparison_notes;
mod data_quality;
mod metrics;
mod monitoring;
mod number;
mod options;
mod report;
mod terminal;
mod verdict;

use crate::client::{Client, ClientError, RetryPolicy, path_segment};
use crate::output::{colours, note, print, print_raw};
pub use options::{ResultsArgs, View};
use report::{Analysis, Monitoring, Summary};
use std::path::{Path, PathBuf};
use terminal::TerminalText;

/// Why the results cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The options are not a valid combination.
    #[error("{0}")]
    Options(String),
    /// The chart could not be written.
    #[error("cannot write {}: {reason}", file.display())]
    File {
        /// Path of the file.
        file: PathBuf,
        /// Error of the operating system.
        reason: std::io::Error,
    },
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Prints the results.
///
/// # Errors
/// If the options are not a valid combination, the API refuses the request or cannot be reached, or the chart cannot be
/// written.
pub async fn run(args: ResultsArgs) -> Result<(), ResultsError> {
    args.check().map_err(ResultsError::Options)?;
    let client = Client::new(&args.connection, RetryPolicy::Interactive)?;
    let path = format!(
        "/experiments/{}/results?{}",
        path_segment(&args.experiment),
        args.query()
    );
    if let Some(file) = &args.svg {
        return write_chart(file, &client.get_text(&path).await?);
    }
    if args.csv {
        print_raw(&client.get_text(&path).await?);
    } else if args.json {
        print(client.get_text(&path).await?);
    } else {
        let mut terminal = TerminalText::new(colours());
        match args.view {
            View::Analysis => {
                analysis_view(&mut terminal, &client.get(&path).await?, args.broken_down())
            }
            View::Summary => summary_view(&mut terminal, &client.get(&path).await?),
            View::Monitoring => monitoring_view(&mut terminal, &client.get(&path).await?),
        }
        print_raw(&terminal.text());
    }
    Ok(())
}

/// Prints the analysis of an experiment.
///
/// # Errors
/// If the API refuses the request or cannot be reached.
pub(crate) async fn show(client: &Client, experiment: &str) -> Result<(), ClientError> {
    let path = format!(
        "/experiments/{}/results?series=none",
        path_segment(experiment)
    );
    let mut terminal = TerminalText::new(colours());
    analysis_view(&mut terminal, &client.get(&path).await?, false);
    print_raw(&terminal.text());
    Ok(())
}

fn write_chart(file: &Path, chart: &str) -> Result<(), ResultsError> {
    if file == Path::new("-") {
        print_raw(chart);
        return Ok(());
    }
    std::fs::write(file, chart).map_err(|reason| ResultsError::File {
        file: file.to_owned(),
        reason,
    })?;
    note(format_args!("The chart was written to {}.", file.display()));
    Ok(())
}

/// Prints the decision, then the metrics, then the data quality.
fn analysis_view(terminal: &mut TerminalText, report: &Analysis, full_dimensions: bool) {
    let users = report.variants.iter().map(|variant| variant.users).sum();
    verdict::title(terminal, &report.experiment, users);
    verdict::window(terminal, report);
    verdict::verdict(terminal, &report.decision);
    metrics::tables(terminal, report, full_dimensions);
    terminal.gap();
    data_quality::checks(terminal, &report.data_quality, &report.variants);
    data_quality::freshness(terminal, &report.freshness, &report.as_of);
    data_quality::event_accounting(terminal, &report.event_accounting);
    data_quality::data_source(terminal, report);
    data_quality::analysis_settings(terminal, report);
}

fn summary_view(terminal: &mut TerminalText, report: &Summary) {
    verdict::title(terminal, &report.experiment, report.users);
    verdict::as_of(terminal, &report.as_of, &[]);
    verdict::verdict(terminal, &report.decision);
    data_quality::pending_records(terminal, &report.freshness);
}

fn monitoring_view(terminal: &mut TerminalText, report: &Monitoring) {
    let users = report.variants.iter().map(|variant| variant.users).sum();
    verdict::title(terminal, &report.experiment, users);
    verdict::as_of(terminal, &report.as_of, &[]);
    monitoring::alarms(terminal, &report.alarms);
    monitoring::traffic(terminal, report);
    monitoring::rates(terminal, report);
    terminal.gap();
    data_quality::checks(terminal, &report.data_quality, &report.variants);
    data_quality::freshness(terminal, &report.freshness, &report.as_of);
    data_quality::event_accounting(terminal, &report.event_accounting);
}
