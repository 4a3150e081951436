//! The recording of events, the same on every route that takes events: each event once for every experiment that it counts
//! for.

mod ingest_summary;
mod outcome;
mod record;
mod user;

pub use ingest_summary::IngestSummary;
pub use outcome::{
    AcceptedEvent, CountsFor, EventOutcome, EventResult, HiddenOutcome, HiddenResult, NotCounted,
};
pub use record::all;
