//! `assay import`: brings assignments and events from a CSV file in through the API.
//!
//! - [`mod@mapping`] is what the command line says about columns, and what it means for a header
//! - `rows` makes assignments and events of a row
//! - `queues` batches them so that a user's rows stay in order while many requests are under way
//! - `counts` adds up what became of them
//!
//! There is no state file. The first assignment of a user wins, and an event is known by its content, so an
//! import that broke off is run again from the start and changes nothing that is there.

mod counts;
pub mod mapping;
mod progress;
mod queues;
mod rows;

pub use counts::{ImportCounts, Rejection};

use crate::client::{Client, ClientError, Connection, Patience, dimension};
use crate::output::{counted, note, print};
use counts::{AssignmentsAnswer, EventsAnswer};
use futures::future::try_join_all;
use mapping::{Condition, DimensionMapping, EventMapping, Mapping, MappingError};
use progress::Progress;
use queues::{Batch, Closed, Kind, Queues};
use rows::Rows;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Batches that wait for a queue whose request is under way.
const BATCHES_AHEAD: usize = 2;

const EXAMPLES: &str = "\
What a row means:
  An assignment, if --variant is given and every --assignments-when holds. A row whose variant or time is empty
  is none.
  An event for each --event whose conditions hold: TYPE, then any of
    ,value=COLUMN     its value. An empty cell is no event; a zero is a value like any other: leave zeros out with
                      when=COLUMN!=0
    ,time=TIME        when it happened, instead of --event-at. An empty cell is no event
    ,when=CONDITION   only rows with this; all of several must hold
    ,id=COLUMN        the event's id. Without it an event is known by its content, and rows that are equal in it
                      are told apart by their number
    ,property=COLUMN  a property, unless the cell is empty; any number of them
  TYPE may be {COLUMN}, which takes the type from the row.
  A CONDITION is COLUMN=VALUE or COLUMN!=VALUE and compares text. A TIME is a column, or one instant for all rows:
  2026-01-31T09:30:00Z, 2026-01-31 09:30:00.123456 (without an offset it is UTC) or 2026-01-31.
  An event counts if it is later than its user's assignment.

Examples:
  One row for each user, with outcomes in columns and no times (user,variant,amount,retained):
    assay import players.csv --experiment gate --user user --variant variant --assigned-at 2026-01-01 \\
      --event-at 2026-01-15 --event retained,when=retained=TRUE --event spent,value=amount

  One row for each action (time,user,group,action):
    assay import actions.csv --experiment homepage --user user --variant group --assigned-at time \\
      --assignments-when action=view --event click,time=time,when=action=click

  The same with what users were (home,os), for an experiment whose dimensions are country and platform:
    assay import actions.csv --experiment homepage --user user --variant group --assigned-at time \\
      --assignments-when action=view --dimension country=home --dimension platform=os

  Events only, with their types in a column, from another program:
    zcat events.csv.gz | assay import - --user user --event '{name},time=at,value=amount,property=country'

Running it again is safe, and is how an import that broke off is resumed: what is there stays as it is.
The exit code is 1 when a row was not taken.";

/// Bring assignments and events in from a CSV file.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ImportArgs {
    /// CSV file with a header; - for standard input.
    pub file: PathBuf,
    #[command(flatten)]
    connection: Connection,
    /// Experiment that the assignments are of.
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "event",
        requires = "variant"
    )]
    experiment: Option<String>,
    /// Column with the user's id.
    #[arg(long, value_name = "COLUMN")]
    user: String,
    /// Column with the variant that the user was assigned to.
    #[arg(long, value_name = "COLUMN", requires_all = ["experiment", "assigned_at"])]
    variant: Option<String>,
    /// When the user was assigned.
    #[arg(long, value_name = "TIME", requires = "variant")]
    assigned_at: Option<String>,
    /// Only rows with this are assignments.
    #[arg(long, value_name = "CONDITION", requires = "variant")]
    assignments_when: Vec<Condition>,
    /// What an assigned user is, by a dimension that the experiment declares, such as `country=COLUMN`; an empty
    /// cell says nothing.
    #[arg(long, value_name = "DIMENSION=COLUMN", requires = "variant")]
    dimension: Vec<DimensionMapping>,
    /// What rows are events of, such as `click,time=at,when=action=click`; see below.
    #[arg(long, value_name = "EVENT")]
    event: Vec<EventMapping>,
    /// When events happened that do not say it themselves.
    #[arg(long, value_name = "TIME", requires = "event")]
    event_at: Option<String>,
    /// What separates cells; `\t` for a tab.
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
    /// Requests under way at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// Rows that were not taken to list at most.
    #[arg(long, value_name = "N", default_value_t = 20)]
    list: usize,
    /// Print what became of the rows as JSON.
    #[arg(long)]
    json: bool,
}

/// Why an import did not do all of its work.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {file}: {reason}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The mapping does not fit the file.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The API cannot be reached, or refused a whole batch.
    #[error("{0}\nNothing is lost: once that is mended, run the same import again.")]
    Client(#[from] ClientError),
    /// Everything was sent, and some of it not taken.
    #[error("{} not taken", counted(*.0, "row"))]
    Rejected(u64),
    /// The reading thread panicked.
    #[error("reading the file failed")]
    Crashed,
}

/// Runs the import and prints what became of it.
///
/// # Errors
/// If anything of the file is not in the platform afterwards.
pub async fn run(args: ImportArgs) -> Result<(), ImportError> {
    let client = Client::new(&args.connection, Patience::Import)?;
    let progress = Arc::new(Progress::new(length(&args), args.json));
    let outcome = send_all(&args, &client, &progress).await;
    progress.finish();
    let counts = outcome?;
    if args.json {
        print(serde_json::to_string(&counts).unwrap_or_default());
    } else {
        note(counts.summary(args.list, progress.seconds()));
    }
    match counts.not_taken() {
        0 => Ok(()),
        count => Err(ImportError::Rejected(count)),
    }
}

/// One thread reads, queues send.
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
        dimension(args.experiment.as_deref().unwrap_or_default())
    );
    let sending = receivers.into_iter().map(|receiver| {
        tokio::spawn(send_queue(
            client.clone(),
            path.clone(),
            receiver,
            progress.clone(),
        ))
    });
    // The first failure ends the others: dropped receivers stop the reader.
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
            Kind::Assignments => {
                let answer: AssignmentsAnswer = client.post(&path, body, None).await?;
                counts.assignments(&batch, answer);
            }
            Kind::Events => {
                let answer: EventsAnswer = client.post("/events", body, None).await?;
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
    let mut rows = Rows::new(mapping(args).plan(&without_mark(header))?);
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
        if !outcome.faults.is_empty() {
            counts.unreadable(line, &outcome.faults);
        }
        let pushed = queues.push(user, line, outcome.assignment.as_ref(), &outcome.events);
        if let Err(Closed) = pushed {
            // The queue that failed tells why.
            return Ok(counts);
        }
    }
    let _ = queues.finish();
    Ok(counts)
}

/// What is wrong with a row that is no row, without the places that only the reader knows.
fn broken(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} cells where the header has {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

fn mapping(args: &ImportArgs) -> Mapping {
    Mapping {
        user: args.user.clone(),
        variant: args.variant.clone(),
        assigned_at: args.assigned_at.clone(),
        assignments_when: args.assignments_when.clone(),
        dimensions: args.dimension.clone(),
        events: args.event.clone(),
        event_at: args.event_at.clone(),
    }
}

/// Spreadsheets put a byte-order mark in front of the first name.
fn without_mark(header: &csv::StringRecord) -> csv::StringRecord {
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
