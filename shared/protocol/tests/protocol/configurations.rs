//! Who takes part: small casts, each for one kind of trouble.

use crate::model::Protocol;
use crate::stores::{ASSIGNMENT, EVENT, LATE_EVENT, PERSONAL};
use crate::workers::Worker::{Aggregator, Backfill, Erasure, Pass};

const NOBODY: Protocol = Protocol {
    counted: 0,
    requests: &[],
    workers: &[],
    backfills: 0,
    definition_changes: 0,
    torn_reads: false,
    rereads: false,
    without: &[],
};

pub(crate) const RECORDS: Protocol = Protocol {
    requests: &[ASSIGNMENT, EVENT, LATE_EVENT],
    workers: &[Aggregator, Aggregator],
    ..NOBODY
};

pub(crate) const RECORDS_READ_IN_PARTS: Protocol = Protocol {
    counted: LATE_EVENT,
    requests: &[ASSIGNMENT, EVENT],
    torn_reads: true,
    ..RECORDS
};

pub(crate) const BACKFILL: Protocol = Protocol {
    counted: LATE_EVENT,
    requests: &[ASSIGNMENT, EVENT],
    workers: &[Aggregator, Aggregator, Backfill],
    backfills: 1,
    ..NOBODY
};

/// Two backfills, one after the other, each carried out by two workers at the same time.
pub(crate) const BACKFILLS: Protocol = Protocol {
    counted: ASSIGNMENT | LATE_EVENT,
    requests: &[EVENT],
    workers: &[Aggregator, Backfill, Backfill],
    backfills: 2,
    ..NOBODY
};

pub(crate) const ERASURE: Protocol = Protocol {
    requests: &[ASSIGNMENT, EVENT],
    workers: &[Aggregator, Aggregator, Erasure],
    ..NOBODY
};

/// The items may be put again after they were deleted, and the erasure is carried out twice at the same time.
pub(crate) const ERASURES: Protocol = Protocol {
    counted: ASSIGNMENT | EVENT,
    workers: &[Aggregator, Erasure, Erasure],
    ..ERASURE
};

pub(crate) const ERASURE_READ_IN_PARTS: Protocol = Protocol {
    counted: ASSIGNMENT,
    workers: &[Aggregator, Erasure],
    torn_reads: true,
    ..ERASURE
};

pub(crate) const CHANGE: Protocol = Protocol {
    counted: EVENT,
    requests: &[ASSIGNMENT, LATE_EVENT],
    workers: &[Aggregator, Aggregator, Pass],
    definition_changes: 1,
    ..NOBODY
};

/// The end is set and taken back, with two sweeps at the same time.
pub(crate) const CHANGES: Protocol = Protocol {
    counted: ASSIGNMENT | EVENT,
    requests: &[LATE_EVENT],
    workers: &[Aggregator, Pass, Pass],
    definition_changes: 2,
    ..NOBODY
};

pub(crate) const CHANGE_READ_IN_PARTS: Protocol = Protocol {
    workers: &[Aggregator, Pass],
    torn_reads: true,
    ..CHANGE
};

pub(crate) const BACKFILL_AND_ERASURE: Protocol = Protocol {
    requests: &[ASSIGNMENT, EVENT],
    workers: &[Aggregator, Backfill, Erasure],
    backfills: 1,
    ..NOBODY
};

pub(crate) const BACKFILL_AND_CHANGE: Protocol = Protocol {
    workers: &[Aggregator, Backfill, Pass],
    backfills: 1,
    ..CHANGE
};

pub(crate) const ERASURE_AND_CHANGE: Protocol = Protocol {
    workers: &[Aggregator, Erasure, Pass],
    ..CHANGE
};

/// No requests, and everything else at the same time.
pub(crate) const BACKFILL_ERASURE_AND_CHANGE: Protocol = Protocol {
    counted: PERSONAL,
    workers: &[Backfill, Erasure, Pass],
    backfills: 1,
    definition_changes: 1,
    ..NOBODY
};
