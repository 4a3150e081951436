//! Lambda's event-source mappings on this machine: records of the tables' streams, brought to the functions as the
//! template says.
//!
//! A mapping (`mapping`) has a task (`consumer`) that reads the shards of its table's stream (`stream`), passes on
//! what its filters let through (`pattern`) in Lambda's form (`record`), gathers batches and brings them to the
//! function until each record is handled or given up (`delivery`, `dead_letter`). How far it has come is kept beside
//! the data (`checkpoint`). Delivery is at least once, as in the cloud. Not reproduced: several calls at a time for
//! one shard, which change the speed and not the order of an item's records.

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

/// Most rounds of [`Streams::settle`]: functions that write into streams, which feed functions that write, are waited
/// for that often, and a circle of them not for ever.
const SETTLE_ROUNDS: usize = 20;

/// Why streams do not feed functions.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// A filter holds what the local platform cannot obey.
    #[error("the event pattern {pattern} of {function} cannot be used: {reason}")]
    Pattern {
        /// Logical id of the function.
        function: String,
        /// The pattern as the template has it.
        pattern: String,
        /// What is wrong, with its place.
        reason: String,
    },
    /// An event source has a value that is none.
    #[error("the stream of {function} cannot be used: {reason}")]
    Mapping {
        /// Logical id of the function.
        function: String,
        /// What is wrong.
        reason: String,
    },
    /// The positions could not be read.
    #[error("cannot read the positions in streams from {file}: {source}", file = .file.display())]
    Positions {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The engine refused, or could not be reached.
    #[error("{operation} of {table} failed: {reason}")]
    Engine {
        /// The operation of the DynamoDB API.
        operation: &'static str,
        /// The table.
        table: String,
        /// What the SDK said.
        reason: String,
    },
}

/// The mappings of a template, read and checked.
pub struct Mappings {
    mappings: Vec<Mapping>,
    unwired: Vec<String>,
}

impl Mappings {
    /// Reads what the template maps to these functions.
    ///
    /// # Errors
    /// If a mapping asks for what the local platform does not understand.
    pub fn read(
        template: &Template,
        local: &LocalNames,
        functions: &Functions,
    ) -> Result<Self, StreamsError> {
        let (mappings, unwired) = Mapping::all(template, local, functions)?;
        Ok(Self { mappings, unwired })
    }

    /// Binaries that the template wants to feed and the functions do not hold; nobody reads their streams.
    pub fn unwired(&self) -> &[String] {
        &self.unwired
    }
}

/// What the tasks of all mappings use.
struct Shared {
    checkpoints: Checkpoints,
    dead_letters: DeadLetters,
}

/// Waits for the streams for as long as they run.
#[derive(Clone)]
pub struct Settler(Vec<mpsc::WeakUnboundedSender<SettleRequest>>);

impl Settler {
    /// As [`Streams::settle`].
    pub async fn settle(&self) {
        let mut before = None;
        for _ in 0..SETTLE_ROUNDS {
            let asked = self.0.iter().map(|requests| {
                let (answer, answered) = oneshot::channel();
                // A task that has crashed answers nothing, and has nothing left to settle.
                if let Some(requests) = requests.upgrade() {
                    let _ = requests.send(answer);
                }
                answered
            });
            let answers = futures::future::join_all(asked).await;
            let handled: Vec<u64> = answers.into_iter().map(Result::unwrap_or_default).collect();
            if before.as_ref() == Some(&handled) {
                return;
            }
            before = Some(handled);
        }
    }
}

/// Running mappings. Dropped, each stops when its running call has ended; [`Streams::shutdown`] waits for that.
pub struct Streams {
    shared: Arc<Shared>,
    running: Vec<(mpsc::UnboundedSender<SettleRequest>, JoinHandle<()>)>,
}

impl Streams {
    /// Starts the mappings. Positions and dead letters are kept beside this data file.
    ///
    /// # Errors
    /// If a table has no stream, or the engine or the positions cannot be read.
    pub async fn start(
        mappings: Mappings,
        tables: &aws_sdk_dynamodb::Client,
        streams: &aws_sdk_dynamodbstreams::Client,
        data: Option<&Path>,
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
            let consumer = Consumer::prepare(mapping, stream, shared.clone(), control).await?;
            running.push((requests, tokio::spawn(consumer.run())));
        }
        Ok(Self { shared, running })
    }

    /// Returns when every record that was written before has been handled or given up, and those that the functions
    /// wrote meanwhile as well. No batch waits for more records as long.
    pub async fn settle(&self) {
        self.settler().settle().await;
    }

    /// Who can wait for the streams without keeping them running.
    pub fn settler(&self) -> Settler {
        let requests = self
            .running
            .iter()
            .map(|(requests, _)| requests.downgrade());
        Settler(requests.collect())
    }

    /// The records that were given up.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.shared.dead_letters.held()
    }

    /// Takes up no more batches, and lets the calls that run finish.
    pub async fn shutdown(self) {
        let (requests, tasks): (Vec<_>, Vec<_>) = self.running.into_iter().unzip();
        drop(requests);
        for outcome in futures::future::join_all(tasks).await {
            if let Err(error) = outcome {
                tracing::error!(%error, "the reader of a stream crashed");
            }
        }
    }
}
