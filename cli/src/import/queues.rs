//! Batches on their way to the API, in queues that keep a user's rows in order.
//!
//! All rows of a user go through one queue, and a queue sends one request at a time, assignments before the
//! events of the same rows. So no event of a user is ever under way beside the user's assignment, where the
//! one could miss the other.

use super::rows::{Assignment, Event};
use domain::limits;
use serde::Serialize;
use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::sync::mpsc::{Sender, error::SendError};

/// Bytes of a body, well below what the API takes: a row is appended before its size is known.
const MAX_BODY_BYTES: usize = limits::MAX_BODY_BYTES * 9 / 10;
/// Events that may wait for the assignments of their rows to fill a batch.
const MAX_WAITING_EVENTS: usize = 4 * limits::MAX_EVENTS_PER_REQUEST;

/// What a batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Assignments,
    Events,
}

/// A request to be sent.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) kind: Kind,
    /// The rows as a JSON object.
    pub(super) body: Vec<u8>,
    /// For each row its line in the file.
    pub(super) lines: Vec<u64>,
    /// For each assignment its variant in the file.
    pub(super) variants: Vec<String>,
}

impl Batch {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            body: Vec::new(),
            lines: Vec::new(),
            variants: Vec::new(),
        }
    }

    fn push(&mut self, row: &impl Serialize, line: u64) -> Result<(), serde_json::Error> {
        let start = match self.kind {
            Kind::Assignments => &br#"{"assignments":["#[..],
            Kind::Events => &br#"{"events":["#[..],
        };
        self.body
            .extend(if self.lines.is_empty() { start } else { b"," });
        serde_json::to_writer(&mut self.body, row)?;
        self.lines.push(line);
        Ok(())
    }

    fn is_full(&self) -> bool {
        let rows = match self.kind {
            Kind::Assignments => limits::MAX_ASSIGNMENTS_PER_REQUEST,
            Kind::Events => limits::MAX_EVENTS_PER_REQUEST,
        };
        self.lines.len() >= rows || self.body.len() >= MAX_BODY_BYTES
    }
}

/// Nobody takes batches any more, because sending failed.
#[derive(Debug)]
pub(super) struct Closed;

impl From<SendError<Batch>> for Closed {
    fn from(_: SendError<Batch>) -> Self {
        Self
    }
}

impl From<serde_json::Error> for Closed {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

/// Where rows of some of the users gather until they are sent.
struct Queue {
    assignments: Batch,
    /// Full ones, and at the end one that fills.
    events: Vec<Batch>,
    sender: Sender<Batch>,
}

impl Queue {
    fn new(sender: Sender<Batch>) -> Self {
        Self {
            assignments: Batch::new(Kind::Assignments),
            events: vec![Batch::new(Kind::Events)],
            sender,
        }
    }

    fn assignment(&mut self, row: &Assignment<'_>, line: u64) -> Result<(), Closed> {
        self.assignments.push(row, line)?;
        self.assignments.variants.push(row.variant.to_owned());
        if self.assignments.is_full() {
            self.send_full()?;
        }
        Ok(())
    }

    fn event(&mut self, row: &Event<'_>, line: u64) -> Result<(), Closed> {
        if let Some(last) = self.events.last_mut() {
            last.push(row, line)?;
            if last.is_full() {
                self.events.push(Batch::new(Kind::Events));
                let waiting = self.events.len() * limits::MAX_EVENTS_PER_REQUEST;
                if self.assignments.lines.is_empty() || waiting > MAX_WAITING_EVENTS {
                    self.send_full()?;
                }
            }
        }
        Ok(())
    }

    /// Sends the assignments and the full batches of events; the rest waits for company.
    fn send_full(&mut self) -> Result<(), Closed> {
        let assignments = std::mem::replace(&mut self.assignments, Batch::new(Kind::Assignments));
        self.send(assignments)?;
        let last = self.events.pop();
        for batch in std::mem::take(&mut self.events) {
            self.send(batch)?;
        }
        self.events.extend(last);
        Ok(())
    }

    fn send_rest(mut self) -> Result<(), Closed> {
        self.send_full()?;
        for batch in std::mem::take(&mut self.events) {
            self.send(batch)?;
        }
        Ok(())
    }

    fn send(&self, mut batch: Batch) -> Result<(), Closed> {
        if !batch.lines.is_empty() {
            batch.body.extend(b"]}");
            self.sender.blocking_send(batch)?;
        }
        Ok(())
    }
}

/// All queues.
pub(super) struct Queues(Vec<Queue>);

impl Queues {
    pub(super) fn new(senders: Vec<Sender<Batch>>) -> Self {
        Self(senders.into_iter().map(Queue::new).collect())
    }

    /// Takes what a row came to. Blocks while the queue's requests are under way.
    pub(super) fn push(
        &mut self,
        user: &str,
        line: u64,
        assignment: Option<&Assignment<'_>>,
        events: &[Event<'_>],
    ) -> Result<(), Closed> {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let count = self.0.len().max(1) as u64;
        let place = usize::try_from(hasher.finish() % count).unwrap_or_default();
        let Some(queue) = self.0.get_mut(place) else {
            return Err(Closed);
        };
        if let Some(assignment) = assignment {
            queue.assignment(assignment, line)?;
        }
        for event in events {
            queue.event(event, line)?;
        }
        Ok(())
    }

    /// Sends what is left.
    pub(super) fn finish(self) -> Result<(), Closed> {
        self.0.into_iter().try_for_each(Queue::send_rest)
    }
}
