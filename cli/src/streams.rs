//! Lambda's event-source mappings on the local machine: they deliver the records of the tables' streams to the functions,
//! as the template declares.
//!
//! Each mapping (`mapping`) runs a task (`consumer`):
//!
//! 1. It reads the shards of the table's stream (`stream`).
//! 2. It converts records to Lambda's form (`record`) and keeps those that match the filters (`pattern`).
//! 3. It calls the function with batches until each record is handled or discarded (`delivery`, `dead_letter`).
//! 4. It stores its position in each shard beside the data (`checkpoint`).
//!
//! Delivery is at least once, as in the cloud. Concurrent calls for one shard are not implemented. They would change the
//! speed, but not the order of an item's records.

mod checkpoint;
mod consumer;
mod control;
mod dead_letter;
mod delivery;
mod mapping;
mod pattern;
mod record;
mod stream;

pub use dead_letter::DeadLetter;

use crate::engine::TableWrites;
use crate::gateway::Functions;
use crate::template::{LocalNames, Template};
use checkpoint::Checkpoints;
use consumer::Consumer;
use control::{Control, SettleRequest};
use dead_letter::DeadLetters;
use mapping::Mapping;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stream::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Maximum rounds of [`Streams::settle`]. A function can write records that start another function. The limit ends the
/// wait if functions start each other without end.
const SETTLE_ROUNDS: usize = 20;

/// Why the streams cannot be delivered to the functions.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// A filter contains an operator that the local platform does not support.
    #[error("the event pattern {pattern} of {function} cannot be used: {reason}")]
    Pattern {
        /// Logical id of the function.
        function: String,
        /// The pattern in the template.
        pattern: String,
        /// What is wrong, with the path in the pattern.
        reason: String,
    },
    /// An event source has an invalid value.
    #[error("the stream of {function} cannot be used: {reason}")]
    Mapping {
        /// Logical id of the function.
        function: String,
        /// What is wrong.
        reason: String,
    },
    /// The stored positions could not be read.
    #[error("cannot read the positions in streams from {file}: {source}", file = .file.display())]
    Positions {
        /// The file.
        file: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The engine refused a request or could not be reached.
    #[error("{operation} of {table} failed: {reason}")]
    Engine {
        /// The operation of the DynamoDB API.
        operation: &'static str,
        /// Name of the table.
        table: String,
        /// Error message of the SDK.
        reason: String,
    },
}

/// The event-source mappings of a template, parsed and checked.
pub struct Mappings {
    mappings: Vec<Mapping>,
    unwired: Vec<String>,
}

impl Mappings {
    /// Parses the mappings that the template declares for these functions.
    ///
    /// # Errors
    /// If a mapping has a setting that the local platform does not support.
    pub fn read(
        template: &Template,
        local: &LocalNames,
        functions: &Functions,
    ) -> Result<Self, StreamsError> {
        let (mappings, unwired) = Mapping::all(template, local, functions)?;
        Ok(Self { mappings, unwired })
    }

    /// Binaries that have a mapping in the template but are not among the functions. Their streams are not read.
    pub fn unwired(&self) -> &[String] {
        &self.unwired
    }
}

/// State that the tasks of all mappings share.
struct Shared {
    checkpoints: Checkpoints,
    dead_letters: DeadLetters,
}

/// A handle that waits until all stream records are handled. It does not keep the streams running.
#[derive(Clone)]
pub struct Settler(Vec<mpsc::WeakUnboundedSender<SettleRequest>>);

impl Settler {
    /// See [`Streams::settle`].
    pub async fn settle(&self) {
        let mut previous = None;
        for _ in 0..SETTLE_ROUNDS {
            let asked = self.0.iter().map(|requests| {
                let (answer, answered) = oneshot::channel();
                // A crashed task does not answer, and it handles no more records.
                if let Some(requests) = requests.upgrade() {
                    let _ = requests.send(answer);
                }
                answered
            });
            let answers = futures::future::join_all(asked).await;
            let handled: Vec<u64> = answers.into_iter().map(Result::unwrap_or_default).collect();
            if previous.as_ref() == Some(&handled) {
                return;
            }
            previous = Some(handled);
        }
    }
}

/// Running mappings. After a drop each mapping stops when its running call ends; [`Streams::shutdown`] waits for that.
pub struct Streams {
    shared: Arc<Shared>,
    running: Vec<(mpsc::UnboundedSender<SettleRequest>, JoinHandle<()>)>,
}

impl Streams {
    /// Starts the mappings. Positions and dead letters are stored beside this data file. Streams of an engine that tells of
    /// writes are read after a write, those of others again and again.
    ///
    /// # Errors
    /// If a table has no stream, the engine fails, or the stored positions cannot be read.
    pub async fn start(
        mappings: Mappings,
        tables: &aws_sdk_dynamodb::Client,
        streams: &aws_sdk_dynamodbstreams::Client,
        data: Option<&Path>,
        writes: Option<&TableWrites>,
    ) -> Result<Self, StreamsError> {
        let positions = data.map(|file| file.with_extension("streams.json"));
        let checkpoints = Checkpoints::open(positions.clone());
        let shared = Arc::new(Shared {
            checkpoints: checkpoints.map_err(|source| StreamsError::Positions {
                file: positions.unwrap_or_default(),
                source,
            })?,
            dead_letters: DeadLetters::new(
                data.map(|file| file.with_extension("dead-letters.jsonl")),
            ),
        });
        let mut running = Vec::new();
        for mapping in mappings.mappings {
            let stream = Stream::of_table(tables, streams.clone(), &mapping.table).await?;
            let (requests, control) = mpsc::unbounded_channel();
            let control = Control::new(control);
            let writes = writes.map(|writes| writes.of(&mapping.table));
            let consumer =
                Consumer::prepare(mapping, stream, shared.clone(), control, writes).await?;
            running.push((requests, tokio::spawn(consumer.run())));
        }
        Ok(Self { shared, running })
    }

    /// Returns when every existing record has been handled or discarded, including the records that functions write during
    /// the wait. During the wait, batches are delivered before they are full.
    pub async fn settle(&self) {
        self.settler().settle().await;
    }

    /// Returns a handle that can wait for the streams without keeping them running.
    pub fn settler(&self) -> Settler {
        let requests = self
            .running
            .iter()
            .map(|(requests, _)| requests.downgrade());
        Settler(requests.collect())
    }

    /// The batches that were discarded.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.shared.dead_letters.held()
    }

    /// Starts no more calls, and waits for the running ones.
    pub async fn shutdown(self) {
        let (requests, tasks): (Vec<_>, Vec<_>) = self.running.into_iter().unzip();
        drop(requests);
        for outcome in futures::future::join_all(tasks).await {
            if let Err(error) = outcome {
                tracing::error!(%error, "a stream consumer crashed");
            }
        }
    }
}
