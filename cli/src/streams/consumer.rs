//! The task of one mapping: it reads the shards of the stream in turn, collects batches and delivers them.
//!
//! The consumer starts a shard after it has handled the parent shard completely, so that the records of an item are
//! delivered in order. Local engines have one open shard per table. A mapping makes one call at a time.

use super::checkpoint::Position;
use super::control::{Control, Stopped};
use super::delivery::Delivery;
use super::mapping::Mapping;
use super::record::Record;
use super::stream::{ReadError, Stream};
use super::{Shared, StreamsError};
use crate::gateway::{MAX_PAYLOAD_BYTES, json_size};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Limits of the number of records that a read requests. The usual number is the batch size. The minimum is useful
/// because filters may remove most records.
const MIN_READ_LIMIT: usize = 100;
const MAX_READ_LIMIT: usize = 1000;

/// The wait after a read without records doubles from the first to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_millis(150);

/// The wait after a read that failed.
const WAIT_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Bytes of an event in addition to its records.
const ENVELOPE_BYTES: usize = 64;

/// A mapping with the state of its shards.
pub(super) struct Consumer {
    mapping: Mapping,
    stream: Stream,
    shared: Arc<Shared>,
    control: Control,
    /// Notices writes to the table, if the engine tells of them.
    writes: Option<watch::Receiver<()>>,
    shards: Vec<Shard>,
    /// Shards that have been handled completely.
    finished: BTreeSet<String>,
    /// Whether the list of shards must be read again.
    shards_changed: bool,
    handled: u64,
}

struct Shard {
    id: String,
    /// Position after the last record that has been read.
    position: Position,
    iterator: Option<String>,
    /// Whether the shard has no further records.
    ended: bool,
    /// Records that match the filters and have not been delivered.
    pending: VecDeque<Record>,
    /// When the first pending record was read.
    since: Instant,
}

impl Consumer {
    /// Finds the shards and the positions in them. Records that are written after this call are delivered.
    pub(super) async fn prepare(
        mapping: Mapping,
        stream: Stream,
        shared: Arc<Shared>,
        control: Control,
        writes: Option<watch::Receiver<()>>,
    ) -> Result<Self, StreamsError> {
        let mut consumer = Self {
            mapping,
            stream,
            shared,
            control,
            writes,
            shards: Vec::new(),
            finished: BTreeSet::new(),
            shards_changed: false,
            handled: 0,
        };
        let position = consumer.mapping.starting_position.clone();
        consumer.find_shards(&position).await?;
        for shard in &mut consumer.shards {
            // The iterator marks the current end of the shard. It must be created here, not at the first read.
            if shard.position == Position::Latest {
                let iterator = consumer.stream.iterator(&shard.id, &shard.position).await;
                shard.iterator = iterator.map_err(|error| StreamsError::Engine {
                    operation: "GetShardIterator",
                    table: consumer.mapping.table.clone(),
                    reason: error.to_string(),
                })?;
                shard.ended = shard.iterator.is_none();
            }
        }
        Ok(consumer)
    }

    /// Runs until the platform stops, and finishes a running call.
    pub(super) async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let Ok(asked) = self.control.listen() else {
                return;
            };
            // The pass reads what was written until now. A write during the pass ends the wait after it.
            if let Some(writes) = &mut self.writes {
                writes.mark_unchanged();
            }
            let Ok(pass) = self.pass().await else {
                return;
            };
            wait = match pass {
                Pass::Busy => {
                    wait = FIRST_WAIT;
                    continue;
                }
                Pass::Gathering => (wait * 2).min(LONGEST_WAIT),
                Pass::Idle => {
                    self.control.settled(asked, self.handled);
                    (wait * 2).min(LONGEST_WAIT)
                }
                Pass::Failed => WAIT_AFTER_ERROR,
            };
            let waited = match (&mut self.writes, pass) {
                (Some(writes), Pass::Idle) => self.control.wait_for_write(writes).await,
                _ => self.control.wait(wait).await,
            };
            if waited.is_err() {
                return;
            }
        }
    }

    /// Reads every shard once and delivers the batches that are due.
    async fn pass(&mut self) -> Result<Pass, Stopped> {
        let mut pass = Pass::Idle;
        // After fewer records than it was asked for, the engine of this process has no more. Others may have, and a settle
        // request is answered only after a read without records.
        let enough = match &self.writes {
            Some(_) if !self.control.settling() => read_limit(&self.mapping).saturating_sub(1),
            _ => 0,
        };
        if (self.shards_changed || self.shards.is_empty())
            && let Err(error) = self.find_shards(&Position::Start).await
        {
            tracing::warn!(function = self.mapping.function, %error, "a stream cannot be read");
            pass = Pass::Failed;
        }
        for index in 0..self.shards.len() {
            let Some(shard) = self.shards.get_mut(index) else {
                break;
            };
            let read = shard.read(&self.stream, &self.mapping).await;
            if let Err(error) = read {
                tracing::warn!(function = self.mapping.function, shard = shard.id, %error, "a stream cannot be read");
                pass = pass.or(Pass::Failed);
            } else if read.is_ok_and(|count| count > enough) {
                pass = pass.or(Pass::Busy);
            }
            if !shard.due(&self.mapping, self.control.settling()) {
                if !shard.pending.is_empty() {
                    pass = pass.or(Pass::Gathering);
                }
                continue;
            }
            let batch = shard.take(self.mapping.batch_size);
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            Delivery {
                mapping: &self.mapping,
                shared: &self.shared,
                shard: &shard.id,
                control: &mut self.control,
            }
            .deliver(batch)
            .await?;
            self.handled = self.handled.saturating_add(count);
            pass = pass.or(Pass::Busy);
        }
        self.finish_shards();
        if self.shards_changed {
            pass = pass.or(Pass::Busy);
        }
        Ok(pass)
    }

    /// Stores positions after records that no filter matches, and removes shards that have ended.
    fn finish_shards(&mut self) {
        let (mapping, checkpoints) = (self.mapping.name(), &self.shared.checkpoints);
        let before = self.shards.len();
        self.shards.retain(|shard| {
            if !shard.pending.is_empty() {
                return true;
            }
            if shard.position != Position::Latest {
                checkpoints.keep(&mapping, &shard.id, shard.position.clone());
            }
            if shard.ended {
                self.finished.insert(shard.id.clone());
            }
            !shard.ended
        });
        // The children of an ended shard can start.
        self.shards_changed |= self.shards.len() < before;
    }

    /// Starts the shards that can start: at their stored position, or else at `position`.
    async fn find_shards(&mut self, position: &Position) -> Result<(), StreamsError> {
        let listed = self.stream.shards().await?;
        let mapping = self.mapping.name();
        let checkpoints = &self.shared.checkpoints;
        let ids: BTreeSet<&str> = listed.iter().map(|shard| shard.id.as_str()).collect();
        checkpoints.retain(&mapping, |shard| ids.contains(shard));
        self.finished.retain(|shard| ids.contains(shard.as_str()));
        for shard in &listed {
            let parent = shard.parent.as_deref();
            let waits = parent.is_some_and(|id| ids.contains(id) && !self.finished.contains(id));
            // With `Latest` the records of the parent are skipped, so the child need not wait for them.
            let waits = waits && *position != Position::Latest;
            let known = self.shards.iter().any(|known| known.id == shard.id);
            if waits || known || self.finished.contains(&shard.id) {
                continue;
            }
            // If the engine names the last record, store its number, so that a restart continues after it.
            let new = match (position, &shard.last) {
                (Position::Latest, Some(last)) => Position::After(last.clone()),
                _ => position.clone(),
            };
            let position = checkpoints.position(&mapping, &shard.id, new);
            if position != Position::Latest {
                checkpoints.keep(&mapping, &shard.id, position.clone());
            }
            self.shards.push(Shard::new(shard.id.clone(), position));
        }
        self.shards_changed = false;
        Ok(())
    }
}

/// The result of a pass over the shards. A later variant has priority over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    /// No records.
    Idle,
    /// Records are pending, and their batch is not due.
    Gathering,
    /// Records were read or delivered.
    Busy,
    /// A stream could not be read.
    Failed,
}

impl Pass {
    fn or(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Shard {
    fn new(id: String, position: Position) -> Self {
        Self {
            id,
            position,
            iterator: None,
            ended: false,
            pending: VecDeque::new(),
            since: Instant::now(),
        }
    }

    /// Reads the next records unless a full batch is pending. Returns the number of records read.
    async fn read(&mut self, stream: &Stream, mapping: &Mapping) -> Result<usize, ReadError> {
        if self.ended || self.pending.len() >= mapping.batch_size {
            return Ok(0);
        }
        let mut outcome = self.read_on(stream, mapping).await;
        if matches!(outcome, Err(ReadError::Expired | ReadError::Trimmed)) {
            // DynamoDB Local reports the start of a shard as trimmed when the first record arrives. A new iterator works.
            self.iterator = None;
            if self.position == Position::Latest {
                // A new `Latest` iterator would skip the records written since. Repeated delivery is better than a lost record.
                self.position = Position::Start;
            }
            outcome = self.read_on(stream, mapping).await;
        }
        if matches!(outcome, Err(ReadError::Trimmed)) && self.position != Position::Start {
            tracing::warn!(
                shard = self.id,
                "stream records expired before they were read"
            );
            self.iterator = None;
            self.position = Position::Start;
            outcome = self.read_on(stream, mapping).await;
        }
        if outcome.is_err() && self.position != Position::Latest {
            self.iterator = None;
        }
        outcome
    }

    async fn read_on(&mut self, stream: &Stream, mapping: &Mapping) -> Result<usize, ReadError> {
        let iterator = match self.iterator.clone() {
            Some(iterator) => iterator,
            None => match stream.iterator(&self.id, &self.position).await? {
                Some(iterator) => iterator,
                None => {
                    self.ended = true;
                    return Ok(0);
                }
            },
        };
        let limit = read_limit(mapping);
        self.iterator = Some(iterator.clone());
        let answer = stream.records(iterator, limit).await?;
        let records = answer.records.unwrap_or_default();
        for record in &records {
            if let Some(number) = record
                .dynamodb()
                .and_then(|change| change.sequence_number())
            {
                self.position = Position::After(number.to_owned());
            }
            if let Some(record) = mapping.wanted(record) {
                if self.pending.is_empty() {
                    self.since = Instant::now();
                }
                self.pending.push_back(record);
            }
        }
        self.ended = answer.next_shard_iterator.is_none();
        self.iterator = answer.next_shard_iterator;
        Ok(records.len())
    }

    /// Whether a batch is due: it is full, its batching window has passed, or it cannot grow.
    fn due(&self, mapping: &Mapping, settling: bool) -> bool {
        let waited = || self.since.elapsed() >= mapping.source.batching_window;
        let full = || self.pending.len() >= mapping.batch_size;
        !self.pending.is_empty() && (settling || self.ended || full() || waited())
    }

    /// Takes the next batch: as many records as the mapping and Lambda's size limit allow.
    fn take(&mut self, most: usize) -> Vec<Record> {
        let mut bytes = ENVELOPE_BYTES;
        let fits = self.pending.iter().take(most).take_while(|record| {
            bytes += json_size(&record.event) + 1;
            bytes <= MAX_PAYLOAD_BYTES
        });
        // A single record that is too large is sent anyway, and its call fails.
        let count = fits.count().max(1).min(self.pending.len());
        self.since = Instant::now();
        self.pending.drain(..count).collect()
    }
}

/// The number of records that a read asks for.
fn read_limit(mapping: &Mapping) -> usize {
    mapping.batch_size.clamp(MIN_READ_LIMIT, MAX_READ_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_batch_stays_within_lambdas_size_limit() {
        let mut shard = Shard::new("s".to_owned(), Position::Start);
        let record = |bytes: usize| Record {
            sequence_number: String::new(),
            written_at: None,
            event: json!("x".repeat(bytes)),
        };
        let mebibyte = 1024 * 1024;
        for bytes in [mebibyte, 4 * mebibyte, 2 * mebibyte, 7 * mebibyte, 1, 1, 1] {
            shard.pending.push_back(record(bytes));
        }
        let counts: Vec<usize> = std::iter::from_fn(|| {
            let waiting = !shard.pending.is_empty();
            waiting.then(|| shard.take(2).len())
        })
        .collect();
        assert_eq!(counts, [2, 1, 1, 2, 1]);
    }
}
