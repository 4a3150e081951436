//! One mapping at work: it reads the shards of its stream in turn, gathers batches and has them delivered.
//!
//! A shard is begun when the one that it continues has been handled to its end, so that the records of an item come
//! in their order. Local engines have one open shard for a table; the mapping's calls come one after the other.

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
use tokio::time::Instant;

/// How many records a read asks for: a batch, but not few, since filters may pass over most of them.
const READ_LEAST: usize = 100;
const READ_MOST: usize = 1000;

/// Waits between reads that bring nothing double from the first to the longest.
const FIRST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_millis(150);

/// The wait after a read that failed.
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);

/// What an event has around its records and between them.
const ENVELOPE_BYTES: usize = 64;

/// A mapping with the state of its reading.
pub(super) struct Consumer {
    mapping: Mapping,
    stream: Stream,
    shared: Arc<Shared>,
    control: Control,
    shards: Vec<Shard>,
    /// Shards that have been handled to their end.
    finished: BTreeSet<String>,
    /// Whether there may be shards to begin.
    look: bool,
    handled: u64,
}

struct Shard {
    id: String,
    /// Behind what has been read.
    position: Position,
    iterator: Option<String>,
    /// Nothing more comes.
    ended: bool,
    /// Read, wanted, and not delivered yet.
    pending: VecDeque<Record>,
    /// When the first of the pending ones was read.
    since: Instant,
}

impl Consumer {
    /// Finds the shards and where to begin in them. What is written from now on will be seen.
    pub(super) async fn prepare(
        mapping: Mapping,
        stream: Stream,
        shared: Arc<Shared>,
        control: Control,
    ) -> Result<Self, StreamsError> {
        let mut consumer = Self {
            mapping,
            stream,
            shared,
            control,
            shards: Vec::new(),
            finished: BTreeSet::new(),
            look: false,
            handled: 0,
        };
        let position = consumer.mapping.starting_position.clone();
        consumer.find_shards(&position).await?;
        for shard in &mut consumer.shards {
            // The end of a shard must be marked now, not when the first read gets to it.
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

    /// Runs until the platform stops. A call that runs is finished.
    pub(super) async fn run(mut self) {
        let mut rest = FIRST_REST;
        loop {
            let Ok(asked) = self.control.listen() else {
                return;
            };
            let Ok(pass) = self.pass().await else {
                return;
            };
            rest = match pass {
                Pass::Busy => {
                    rest = FIRST_REST;
                    continue;
                }
                Pass::Gathering => (rest * 2).min(LONGEST_REST),
                Pass::Idle => {
                    self.control.settled(asked, self.handled);
                    (rest * 2).min(LONGEST_REST)
                }
                Pass::Failed => REST_AFTER_ERROR,
            };
            if self.control.rest(rest).await.is_err() {
                return;
            }
        }
    }

    /// Reads every shard once, and delivers what is due.
    async fn pass(&mut self) -> Result<Pass, Stopped> {
        let mut pass = Pass::Idle;
        if (self.look || self.shards.is_empty())
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
            } else if read.is_ok_and(|count| count > 0) {
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
        if self.look {
            pass = pass.or(Pass::Busy);
        }
        Ok(pass)
    }

    /// Keeps positions behind records that nobody wanted, and drops shards that have ended.
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
        // What they are continued by can be begun.
        self.look |= self.shards.len() < before;
    }

    /// Begins the shards that can be begun: at `position` where no other is known.
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
            // From the latest record on there is nothing to wait for.
            let waits = waits && *position != Position::Latest;
            let known = self.shards.iter().any(|known| known.id == shard.id);
            if waits || known || self.finished.contains(&shard.id) {
                continue;
            }
            // Behind the last record means behind this one also after a restart, where the engine names it.
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
        self.look = false;
        Ok(())
    }
}

/// What a pass over the shards has come upon, from least to most telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    /// Nothing.
    Idle,
    /// Records that wait for their batch to be full.
    Gathering,
    /// Records.
    Busy,
    /// A stream that cannot be read.
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

    /// Reads on, unless a full batch waits already. Returns how many records came.
    async fn read(&mut self, stream: &Stream, mapping: &Mapping) -> Result<usize, ReadError> {
        if self.ended || self.pending.len() >= mapping.batch_size {
            return Ok(0);
        }
        let mut outcome = self.read_on(stream, mapping).await;
        if matches!(outcome, Err(ReadError::Expired | ReadError::Trimmed)) {
            // DynamoDB Local calls the start of a shard gone when the first record comes. A new iterator helps.
            self.iterator = None;
            if self.position == Position::Latest {
                // Another would pass over what has come since: rather a record twice than never.
                self.position = Position::Start;
            }
            outcome = self.read_on(stream, mapping).await;
        }
        if matches!(outcome, Err(ReadError::Trimmed)) && self.position != Position::Start {
            tracing::warn!(shard = self.id, "records of a stream have ended unread");
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
        let limit = mapping.batch_size.clamp(READ_LEAST, READ_MOST);
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

    /// Whether a batch should go now: full, waited for long enough, or not going to grow.
    fn due(&self, mapping: &Mapping, settling: bool) -> bool {
        let waited = || self.since.elapsed() >= mapping.source.batching_window;
        let full = || self.pending.len() >= mapping.batch_size;
        !self.pending.is_empty() && (settling || self.ended || full() || waited())
    }

    /// The next batch: as many records as the mapping and Lambda's limit of an event allow.
    fn take(&mut self, most: usize) -> Vec<Record> {
        let mut bytes = ENVELOPE_BYTES;
        let fits = self.pending.iter().take(most).take_while(|record| {
            bytes += json_size(&record.event) + 1;
            bytes <= MAX_PAYLOAD_BYTES
        });
        // One that is too large alone fails by itself.
        let count = fits.count().max(1).min(self.pending.len());
        self.since = Instant::now();
        self.pending.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_batch_ends_before_it_is_larger_than_lambda_accepts() {
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
