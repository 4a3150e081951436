//! `assay import`: imports assignments and events from a CSV file through the API.
//!
//! - `args` declares the options, and [`mod@mapping`] parses those that describe the columns
//! - `source` opens the file, and `read` reads its rows
//! - `columns` resolves the column names with the header of the file
//! - `survey` finds each user's earliest assignment in a first pass over the file
//! - `cells` converts a row to an assignment and events, `numbers` its values, and `rows` decides what is sent
//! - `queues` builds batches and keeps the rows of a user in order during concurrent requests
//! - `counts` counts the outcomes, `rejections` lists them by row, and `summary` describes them
//!
//! There is no state file. The first assignment of a user is kept, and an event is identified by its content. So an
//! interrupted import can run again from the start, and it does not change stored records.

mod args;
mod cells;
mod columns;
mod counts;
pub mod mapping;
mod numbers;
mod progress;
mod queues;
mod read;
mod rejections;
mod rows;
mod source;
mod summary;
mod survey;

pub use args::ImportArgs;
pub use counts::ImportCounts;
pub use rejections::Rejection;
pub use source::FileFault;

use crate::client::{Client, ClientError, RetryPolicy, path_segment};
use crate::counting;
use crate::output::{counted, note, print};
use counts::{AssignmentsResponse, EventsResponse};
use futures::future::try_join_all;
use mapping::MappingError;
use progress::Progress;
use queues::{Batch, BatchKind, Queues};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Maximum number of batches that wait in a queue.
const BATCHES_AHEAD: usize = 2;

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {file}: {fault}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// A cell has several meanings, and nothing was sent.
    #[error("line {line}: {fault}. Nothing was sent.")]
    Unclear {
        /// Line of the row in the file.
        line: u64,
        /// The cell and the question.
        fault: String,
    },
    /// The mapping names columns that the file does not have, or is incomplete.
    #[error(transparent)]
    ImportMapping(#[from] MappingError),
    /// The API cannot be reached or refused a whole batch.
    #[error("{0}\nTo continue after the error is fixed, run the same import again.")]
    Client(#[from] ClientError),
    /// All rows were sent, but some were not imported.
    #[error("{} not imported, or not completely", counted(*.0, "row"))]
    Rejected(u64),
    /// The reading thread panicked.
    #[error("reading the file failed")]
    Crashed,
}

impl ImportError {
    fn file(args: &ImportArgs, fault: FileFault) -> Self {
        Self::File {
            file: args.file.clone(),
            fault,
        }
    }
}

/// Runs the import and prints the outcome.
///
/// # Errors
/// If the file cannot be read, the API fails, or a row was not imported.
pub async fn run(args: ImportArgs) -> Result<(), ImportError> {
    let client = Client::new(&args.connection, RetryPolicy::Import)?;
    let progress = Arc::new(Progress::new(args.length(), args.json));
    let outcome = send_all(&args, &client, &progress).await;
    progress.finish();
    let mut counts = outcome?;
    counts.finish();
    if args.json {
        print(serde_json::to_string(&counts).unwrap_or_default());
    } else {
        let seconds = progress.seconds();
        note(summary::of(
            &counts,
            args.list,
            seconds,
            args.variant.is_some(),
        ));
    }
    if !args.no_wait {
        counts.experiments.extend(args.experiment.clone());
        for experiment in &counts.experiments {
            counting::wait(&client, experiment, args.json).await;
        }
    }
    match counts.not_imported() {
        0 => Ok(()),
        count => Err(ImportError::Rejected(count)),
    }
}

/// Reads the file in one thread and sends batches from several queues.
async fn send_all(
    args: &ImportArgs,
    client: &Client,
    progress: &Arc<Progress>,
) -> Result<ImportCounts, ImportError> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..args.parallel)
        .map(|_| mpsc::channel(BATCHES_AHEAD))
        .unzip();
    let reading = {
        let (args, progress) = (args.clone(), progress.clone());
        tokio::task::spawn_blocking(move || read::all(&args, &progress, Queues::new(senders)))
    };
    let path = format!(
        "/experiments/{}/assignments",
        path_segment(args.experiment.as_deref().unwrap_or_default())
    );
    let sending = receivers.into_iter().map(|receiver| {
        tokio::spawn(send_queue(
            client.clone(),
            path.clone(),
            receiver,
            progress.clone(),
        ))
    });
    // The first failure stops the other queues, because the reader stops when a receiver is dropped.
    let sent = try_join_all(sending.map(|queue| async {
        queue
            .await
            .map_err(|_| ImportError::Crashed)?
            .map_err(ImportError::from)
    }))
    .await?;
    let mut counts = reading.await.map_err(|_| ImportError::Crashed)??;
    for queue in sent {
        counts.merge(queue);
    }
    Ok(counts)
}

async fn send_queue(
    client: Client,
    path: String,
    mut batches: mpsc::Receiver<Batch>,
    progress: Arc<Progress>,
) -> Result<ImportCounts, ClientError> {
    let mut counts = ImportCounts::default();
    while let Some(mut batch) = batches.recv().await {
        let body = std::mem::take(&mut batch.body);
        match batch.kind {
            BatchKind::Assignments => {
                let answer: AssignmentsResponse = client.post(&path, body, None).await?;
                counts.assignments(&batch, answer);
            }
            BatchKind::Events => {
                let answer: EventsResponse = client.post("/events", body, None).await?;
                counts.events(&batch, answer);
            }
        }
        progress.answered(batch.rows.len());
    }
    Ok(counts)
}
