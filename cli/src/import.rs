//! `assay import`: imports assignments and events from a CSV file through the API.
//!
//! - [`mod@mapping`] parses the options that describe the columns
//! - `columns` resolves the column names with the header of the file
//! - `rows` converts a row to an assignment and events
//! - `queues` builds batches and keeps the rows of a user in order during concurrent requests
//! - `counts` counts the outcomes
//!
//! There is no state file. The first assignment of a user is kept, and an event is identified by its content. So an
//! interrupted import can run again from the start, and it does not change stored records.

mod columns;
mod counts;
pub mod mapping;
mod progress;
mod queues;
mod rows;

pub use counts::{ImportCounts, Rejection};

use crate::client::{Client, ClientError, Connection, RetryPolicy, path_segment};
use crate::output::{counted, note, print};
use columns::Columns;
use counts::{AssignmentsResponse, EventsResponse};
use futures::future::try_join_all;
use mapping::{Condition, DimensionMapping, EventMapping, ImportMapping, MappingError};
use progress::Progress;
use queues::{Batch, BatchKind, Closed, Queues};
use rows::Rows;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Maximum number of batches that wait in a queue.
const BATCHES_AHEAD: usize = 2;

const EXAMPLES: &str = "\
How rows are converted:
  A row is an assignment if --variant is given and every --assignments-when is true. A row with an empty variant or an
  empty time is not an assignment.
  A row is an event for each --event whose conditions are true. The form of --event is TYPE, followed by any of these:
    ,value=COLUMN     the value. If the cell is empty, the row is not an event. Zero is a value; to exclude zeros,
                      add when=COLUMN!=0
    ,time=TIME        the time of the event, instead of --event-at. If the cell is empty, the row is not an event
    ,when=CONDITION   only rows with this condition. If there are several, all must be true
    ,id=COLUMN        the event id. Without it an event is identified by its content; rows with equal content are
                      numbered, so that each of them is an event
    ,property=COLUMN  a property, unless the cell is empty. It can be repeated
  TYPE can be {COLUMN}; then each row contains its type.
  A CONDITION is COLUMN=VALUE or COLUMN!=VALUE and compares text. A TIME is a column, or one instant for all rows:
  2026-01-31T09:30:00Z, 2026-01-31 09:30:00.123456 (UTC, because it has no offset) or 2026-01-31.
  An event counts only if it is later than the assignment of its user.

Examples:
  One row per user, with outcomes in columns and without times (user,variant,amount,retained):
    assay import players.csv --experiment gate --user user --variant variant --assigned-at 2026-01-01 \\
      --event-at 2026-01-15 --event retained,when=retained=TRUE --event spent,value=amount

  One row per action (time,user,group,action):
    assay import actions.csv --experiment homepage --user user --variant group --assigned-at time \\
      --assignments-when action=view --event click,time=time,when=action=click

  The same file with attributes of the users (home,os), for an experiment with the dimensions country and platform:
    assay import actions.csv --experiment homepage --user user --variant group --assigned-at time \\
      --assignments-when action=view --dimension country=home --dimension platform=os

  Only events, with their types in a column, from another program:
    zcat events.csv.gz | assay import - --user user --event '{name},time=at,value=amount,property=country'

To resume an interrupted import, run the same command again. Stored records do not change.
The exit code is 1 if a row was not imported.";

/// Import assignments and events from a CSV file.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ImportArgs {
    /// CSV file with a header, or - for standard input.
    pub file: PathBuf,
    #[command(flatten)]
    connection: Connection,
    /// Id of the experiment of the assignments.
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "event",
        requires = "variant"
    )]
    experiment: Option<String>,
    /// Column with the user id.
    #[arg(long, value_name = "COLUMN")]
    user: String,
    /// Column with the user's variant.
    #[arg(long, value_name = "COLUMN", requires_all = ["experiment", "assigned_at"])]
    variant: Option<String>,
    /// Time of the assignment.
    #[arg(long, value_name = "TIME", requires = "variant")]
    assigned_at: Option<String>,
    /// Condition of assignment rows. If there are several, all must be true.
    #[arg(long, value_name = "CONDITION", requires = "variant")]
    assignments_when: Vec<Condition>,
    /// Attribute of an assigned user for a dimension of the experiment, such as `country=COLUMN`. An empty cell means that
    /// the user has no such attribute.
    #[arg(long, value_name = "DIMENSION=COLUMN", requires = "variant")]
    dimension: Vec<DimensionMapping>,
    /// How rows are converted to events, such as `click,time=at,when=action=click`; see below.
    #[arg(long, value_name = "EVENT")]
    event: Vec<EventMapping>,
    /// Time of events whose --event has no `time`.
    #[arg(long, value_name = "TIME", requires = "event")]
    event_at: Option<String>,
    /// Separator of cells; `\t` means a tab.
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
    /// Number of concurrent requests.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// Maximum number of listed rows that were not imported.
    #[arg(long, value_name = "N", default_value_t = 20)]
    list: usize,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {file}: {reason}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Error message.
        reason: String,
    },
    /// The mapping names columns that the file does not have, or is incomplete.
    #[error(transparent)]
    ImportMapping(#[from] MappingError),
    /// The API cannot be reached or refused a whole batch.
    #[error("{0}\nTo continue after the error is fixed, run the same import again.")]
    Client(#[from] ClientError),
    /// All rows were sent, but some were not imported.
    #[error("{} not imported", counted(*.0, "row"))]
    Rejected(u64),
    /// The reading thread panicked.
    #[error("reading the file failed")]
    Crashed,
}

/// Runs the import and prints the outcome.
///
/// # Errors
/// If the file cannot be read, the API fails, or a row was not imported.
pub async fn run(args: ImportArgs) -> Result<(), ImportError> {
    let client = Client::new(&args.connection, RetryPolicy::Import)?;
    let progress = Arc::new(Progress::new(length(&args), args.json));
    let outcome = send_all(&args, &client, &progress).await;
    progress.finish();
    let counts = outcome?;
    if args.json {
        print(serde_json::to_string(&counts).unwrap_or_default());
    } else {
        note(counts.summary(args.list, progress.seconds()));
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
        tokio::task::spawn_blocking(move || read_all(&args, &progress, Queues::new(senders)))
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
        progress.answered(batch.lines.len());
    }
    Ok(counts)
}

fn read_all(
    args: &ImportArgs,
    progress: &Progress,
    mut queues: Queues,
) -> Result<ImportCounts, ImportError> {
    let failed = |reason: String| ImportError::File {
        file: args.file.clone(),
        reason,
    };
    let source: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&args.file).map_err(|error| failed(error.to_string()))?)
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(args.delimiter)
        .from_reader(progress.watch(source));
    let header = reader
        .headers()
        .map_err(|error| failed(error.to_string()))?;
    let columns = Columns::resolve(&mapping(args), &without_byte_order_mark(header))?;
    let mut rows = Rows::new(columns);
    let mut counts = ImportCounts::default();
    let mut row = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut row) {
            Ok(false) => break,
            Err(error) if error.is_io_error() => return Err(failed(error.to_string())),
            Err(error) => {
                counts.rows += 1;
                counts.unreadable(line, &[broken(&error)]);
                continue;
            }
            Ok(true) => counts.rows += 1,
        }
        let line = row.position().map_or(line, csv::Position::line);
        let user = rows.user(&row);
        let outcome = rows.read(&row);
        if !outcome.errors.is_empty() {
            counts.unreadable(line, &outcome.errors);
        }
        let pushed = queues.push(user, line, outcome.assignment.as_ref(), &outcome.events);
        if let Err(Closed) = pushed {
            // The failed queue returns the error.
            return Ok(counts);
        }
    }
    let _ = queues.finish();
    Ok(counts)
}

/// Describes why a row cannot be parsed, without the reader's own positions.
fn broken(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} cells, but the header has {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

fn mapping(args: &ImportArgs) -> ImportMapping {
    ImportMapping {
        user: args.user.clone(),
        variant: args.variant.clone(),
        assigned_at: args.assigned_at.clone(),
        assignments_when: args.assignments_when.clone(),
        dimensions: args.dimension.clone(),
        events: args.event.clone(),
        event_at: args.event_at.clone(),
    }
}

/// Removes the byte-order mark that spreadsheets write before the first column name.
fn without_byte_order_mark(header: &csv::StringRecord) -> csv::StringRecord {
    let name = |name: &str| name.trim_start_matches('\u{feff}').to_owned();
    header.iter().map(name).collect()
}

fn length(args: &ImportArgs) -> Option<u64> {
    let metadata = std::fs::metadata(&args.file).ok()?;
    metadata.is_file().then_some(metadata.len())
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => Err("must be one ASCII character, or \\t for a tab".to_owned()),
    }
}
