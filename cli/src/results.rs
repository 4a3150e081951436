//! `assay results`: what an experiment shows, as a table that can be read.
//!
//! | module | holds |
//! | --- | --- |
//! | `options` | what can be asked, and what cannot be asked together |
//! | `answer` | the API's answers, as far as they are printed |
//! | `verdict` | what to do, and why |
//! | `metrics` | each metric by variant, with `extras` and `parts` below the table |
//! | `soundness` | whether the numbers can be trusted, and how new they are |
//! | `monitoring` | alarms, traffic and rates |
//! | `paper`, `number` | lines, columns, colours and digits |

mod answer;
mod extras;
mod metrics;
mod monitoring;
mod number;
mod options;
mod paper;
mod parts;
mod soundness;
mod verdict;

use crate::client::{Client, ClientError, Patience, dimension};
use crate::output::{colours, note, print, print_raw};
use answer::{Analysis, Sequential, Summary};
pub use options::{ResultsArgs, View};
use paper::Paper;
use std::path::{Path, PathBuf};

/// Why there are no results to show.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// Options that do not go together.
    #[error("{0}")]
    Options(String),
    /// The picture could not be kept.
    #[error("cannot write {}: {reason}", file.display())]
    File {
        /// Where.
        file: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// A call did not succeed.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Shows the results.
///
/// # Errors
/// If the options do not go together, the API says no or cannot be reached, or the picture cannot be written.
pub async fn run(args: ResultsArgs) -> Result<(), ResultsError> {
    args.check().map_err(ResultsError::Options)?;
    let client = Client::new(&args.connection, Patience::UserData)?;
    let path = format!(
        "/experiments/{}/results?{}",
        dimension(&args.experiment),
        args.query()
    );
    if let Some(file) = &args.svg {
        return keep(file, &client.get_text(&path).await?);
    }
    if args.csv {
        print_raw(&client.get_text(&path).await?);
    } else if args.json {
        print(client.get_text(&path).await?);
    } else {
        let mut paper = Paper::new(colours());
        match args.view {
            View::Analysis => analysis(&mut paper, &client.get(&path).await?, args.broken_down()),
            View::Summary => summary(&mut paper, &client.get(&path).await?),
            View::Monitoring => sequential(&mut paper, &client.get(&path).await?),
        }
        print_raw(&paper.text());
    }
    Ok(())
}

/// Shows the table of an experiment.
///
/// # Errors
/// If the API says no or cannot be reached.
pub(crate) async fn show(client: &Client, experiment: &str) -> Result<(), ClientError> {
    let path = format!("/experiments/{}/results?series=none", dimension(experiment));
    let mut paper = Paper::new(colours());
    analysis(&mut paper, &client.get(&path).await?, false);
    print_raw(&paper.text());
    Ok(())
}

fn keep(file: &Path, picture: &str) -> Result<(), ResultsError> {
    if file == Path::new("-") {
        print_raw(picture);
        return Ok(());
    }
    std::fs::write(file, picture).map_err(|reason| ResultsError::File {
        file: file.to_owned(),
        reason,
    })?;
    note(format_args!("The picture is in {}.", file.display()));
    Ok(())
}

/// The sentence that decides, then the numbers, then whether they can be trusted.
fn analysis(paper: &mut Paper, answer: &Analysis, all_parts: bool) {
    let users = answer.variants.iter().map(|variant| variant.users).sum();
    verdict::title(paper, &answer.experiment, users);
    verdict::window(paper, answer);
    verdict::verdict(paper, &answer.decision);
    metrics::tables(paper, answer, all_parts);
    paper.gap();
    soundness::checks(paper, &answer.data_quality, &answer.variants);
    soundness::freshness(paper, &answer.freshness, &answer.as_of);
    soundness::event_accounting(paper, &answer.event_accounting);
    soundness::source(paper, answer);
    soundness::method(paper, answer);
}

fn summary(paper: &mut Paper, answer: &Summary) {
    verdict::title(paper, &answer.experiment, answer.users);
    verdict::as_of(paper, &answer.as_of, &[]);
    verdict::verdict(paper, &answer.decision);
    soundness::waiting(paper, &answer.freshness);
}

fn sequential(paper: &mut Paper, answer: &Sequential) {
    let users = answer.variants.iter().map(|variant| variant.users).sum();
    verdict::title(paper, &answer.experiment, users);
    verdict::as_of(paper, &answer.as_of, &[]);
    monitoring::alarms(paper, &answer.alarms);
    monitoring::traffic(paper, answer);
    monitoring::rates(paper, answer);
    paper.gap();
    soundness::checks(paper, &answer.data_quality, &answer.variants);
    soundness::freshness(paper, &answer.freshness, &answer.as_of);
    soundness::event_accounting(paper, &answer.event_accounting);
}
