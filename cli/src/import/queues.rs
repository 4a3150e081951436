//! Queues that build batches for the API and keep the rows of a user in order.
//!
//! All rows of a user go through the same queue. A queue sends one request at a time, and it sends assignments before the
//! events of the same rows. So a user's event and assignment are never sent at the same time.

use super::cells::{AssignmentRow, EventRow};
use super::rejections::SentRow;
use domain::limits;
use serde::Serialize;
use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::sync::mpsc::{Sender, error::SendError};

/// Size at which a body is full. It is below the API's limit, because a row is appended before its size is known.
const MAX_BODY_BYTES: usize = limits::MAX_BODY_BYTES * 9 / 10;
/// Maximum number of events that wait until a batch of assignments is full.
const MAX_WAITING_EVENTS: usize = 4 * limits::MAX_EVENTS_PER_REQUEST;

/// Kind of the rows in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchKind {
    Assignments,
    Events,
}

/// A request to be sent.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) kind: BatchKind,
    /// The request body.
    pub(super) body: Vec<u8>,
    /// The row in the file of each element.
    pub(super) rows: Vec<SentRow>,
    /// The variant in the file of each assignment.
    pub(super) variants: Vec<String>,
}

impl Batch {
    fn new(kind: BatchKind) -> Self {
        Self {
            kind,
            body: Vec::new(),
            rows: Vec::new(),
            variants: Vec::new(),
        }
    }

    fn push(&mut self, element: &impl Serialize, row: SentRow) -> Result<(), serde_json::Error> {
        let start = match self.kind {
            BatchKind::Assignments => &br#"{"assignments":["#[..],
            BatchKind::Events => &br#"{"events":["#[..],
        };
        self.body
            .extend(if self.rows.is_empty() { start } else { b"," });
        serde_json::to_writer(&mut self.body, element)?;
        self.rows.push(row);
        Ok(())
    }

    fn is_full(&self) -> bool {
        let rows = match self.kind {
            BatchKind::Assignments => limits::MAX_ASSIGNMENTS_PER_REQUEST,
            BatchKind::Events => limits::MAX_EVENTS_PER_REQUEST,
        };
        self.rows.len() >= rows || self.body.len() >= MAX_BODY_BYTES
    }
}

/// The receiver was dropped because a request failed.
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

/// Collects the rows of some users until they are sent.
struct Queue {
    assignments: Batch,
    /// Full batches, and at the end one that is not full.
    events: Vec<Batch>,
    sender: Sender<Batch>,
}

impl Queue {
    fn new(sender: Sender<Batch>) -> Self {
        Self {
            assignments: Batch::new(BatchKind::Assignments),
            events: vec![Batch::new(BatchKind::Events)],
            sender,
        }
    }

    fn assignment(&mut self, element: &AssignmentRow<'_>, row: SentRow) -> Result<(), Closed> {
        self.assignments.push(element, row)?;
        self.assignments.variants.push(element.variant.to_owned());
        if self.assignments.is_full() {
            self.send_full()?;
        }
        Ok(())
    }

    fn event(&mut self, element: &EventRow<'_>, row: SentRow) -> Result<(), Closed> {
        if let Some(last) = self.events.last_mut() {
            last.push(element, row)?;
            if last.is_full() {
                self.events.push(Batch::new(BatchKind::Events));
                let waiting = self.events.len() * limits::MAX_EVENTS_PER_REQUEST;
                if self.assignments.rows.is_empty() || waiting > MAX_WAITING_EVENTS {
                    self.send_full()?;
                }
            }
        }
        Ok(())
    }

    /// Sends the assignments and the full batches of events. The last batch of events stays in the queue.
    fn send_full(&mut self) -> Result<(), Closed> {
        let assignments =
            std::mem::replace(&mut self.assignments, Batch::new(BatchKind::Assignments));
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
        if !batch.rows.is_empty() {
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

    /// Adds the assignment and the events of a row. Blocks while the queue is full.
    pub(super) fn push(
        &mut self,
        user: &str,
        row: SentRow,
        assignment: Option<&AssignmentRow<'_>>,
        events: &[EventRow<'_>],
    ) -> Result<(), Closed> {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let count = self.0.len().max(1) as u64;
        let index = usize::try_from(hasher.finish() % count).unwrap_or_default();
        let Some(queue) = self.0.get_mut(index) else {
            return Err(Closed);
        };
        if let Some(assignment) = assignment {
            queue.assignment(assignment, row)?;
        }
        for event in events {
            queue.event(event, row)?;
        }
        Ok(())
    }

    /// Sends all remaining rows.
    pub(super) fn finish(self) -> Result<(), Closed> {
        self.0.into_iter().try_for_each(Queue::send_rest)
    }
}
