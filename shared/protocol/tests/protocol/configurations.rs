//! The configurations to search. Each has few workers and covers one kind of conflict.

use crate::model::Protocol;
use crate::stores::{ASSIGNMENT, EVENT, LATE_EVENT, USER_DATA};
use crate::workers::Worker::{Aggregator, Backfill, DefinitionPass, Erasure};

const NO_WORKERS: Protocol = Protocol {
    initial_items: 0,
    requests: &[],
    workers: &[],
    backfills: 0,
    definition_changes: 0,
    reads_in_parts: false,
    rereads_head: false,
    without: &[],
};

pub(crate) const RECORDS: Protocol = Protocol {
    requests: &[ASSIGNMENT, EVENT, LATE_EVENT],
    workers: &[Aggregator, Aggregator],
    ..NO_WORKERS
};

pub(crate) const RECORDS_READ_IN_PARTS: Protocol = Protocol {
    initial_items: LATE_EVENT,
    requests: &[ASSIGNMENT, EVENT],
    reads_in_parts: true,
    ..RECORDS
};

pub(crate) const BACKFILL: Protocol = Protocol {
    initial_items: LATE_EVENT,
    requests: &[ASSIGNMENT, EVENT],
    workers: &[Aggregator, Aggregator, Backfill],
    backfills: 1,
    ..NO_WORKERS
};

/// Two successive backfills. Two workers execute each of them concurrently.
pub(crate) const BACKFILLS: Protocol = Protocol {
    initial_items: ASSIGNMENT | LATE_EVENT,
    requests: &[EVENT],
    workers: &[Aggregator, Backfill, Backfill],
    backfills: 2,
    ..NO_WORKERS
};

pub(crate) const ERASURE: Protocol = Protocol {
    requests: &[ASSIGNMENT, EVENT],
    workers: &[Aggregator, Aggregator, Erasure],
    ..NO_WORKERS
};

/// Requests can put the items again after their deletion. Two workers execute the erasure concurrently.
pub(crate) const ERASURES: Protocol = Protocol {
    initial_items: ASSIGNMENT | EVENT,
    workers: &[Aggregator, Erasure, Erasure],
    ..ERASURE
};

pub(crate) const ERASURE_READ_IN_PARTS: Protocol = Protocol {
    initial_items: ASSIGNMENT,
    workers: &[Aggregator, Erasure],
    reads_in_parts: true,
    ..ERASURE
};

pub(crate) const CHANGE: Protocol = Protocol {
    initial_items: EVENT,
    requests: &[ASSIGNMENT, LATE_EVENT],
    workers: &[Aggregator, Aggregator, DefinitionPass],
    definition_changes: 1,
    ..NO_WORKERS
};

/// The end is set and then removed. Two workers execute the definition passes concurrently.
pub(crate) const CHANGES: Protocol = Protocol {
    initial_items: ASSIGNMENT | EVENT,
    requests: &[LATE_EVENT],
    workers: &[Aggregator, DefinitionPass, DefinitionPass],
    definition_changes: 2,
    ..NO_WORKERS
};

pub(crate) const CHANGE_READ_IN_PARTS: Protocol = Protocol {
    workers: &[Aggregator, DefinitionPass],
    reads_in_parts: true,
    ..CHANGE
};

pub(crate) const BACKFILL_AND_ERASURE: Protocol = Protocol {
    requests: &[ASSIGNMENT, EVENT],
    workers: &[Aggregator, Backfill, Erasure],
    backfills: 1,
    ..NO_WORKERS
};

pub(crate) const BACKFILL_AND_CHANGE: Protocol = Protocol {
    workers: &[Aggregator, Backfill, DefinitionPass],
    backfills: 1,
    ..CHANGE
};

pub(crate) const ERASURE_AND_CHANGE: Protocol = Protocol {
    workers: &[Aggregator, Erasure, DefinitionPass],
    ..CHANGE
};

/// A backfill, an erasure and a definition pass run concurrently, without requests.
pub(crate) const BACKFILL_ERASURE_AND_CHANGE: Protocol = Protocol {
    initial_items: USER_DATA,
    workers: &[Backfill, Erasure, DefinitionPass],
    backfills: 1,
    definition_changes: 1,
    ..NO_WORKERS
};
