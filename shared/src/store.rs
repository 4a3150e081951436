//! DynamoDB: every read and write of the platform, and nothing else.
//!
//! One file per table, the keys of all of them in [`keys`]. No scan anywhere. First writes win by
//! conditional puts that return the winner, so a race costs no second read.

pub mod aggregates;
pub mod assignments;
pub mod audit;
pub mod backfill;
mod batch;
mod budgets;
pub mod catalog;
pub mod client;
pub mod client_keys;
pub mod cursor;
pub mod earlier_events;
pub mod erasure;
pub mod error;
mod event_counts;
pub mod event_summaries;
pub mod events;
mod excluding_events;
pub mod experiments;
pub mod flag_evaluations;
pub mod flags;
pub mod generations;
pub mod id_chunks;
mod item;
pub mod keys;
pub mod layers;
pub mod notifications;
pub mod raw;
mod record;
pub mod refresh;
pub mod registry;
pub mod segments;
pub mod sessions;
pub mod sourced_aggregates;
pub mod stored_records;
pub mod stored_segment;
pub mod tokens;
mod transaction;
pub mod usage;
pub mod used_by;
pub mod user_data;
pub mod user_records;
pub mod write_shards;

pub(crate) use budgets::Budget;
pub use client::{Store, Tables};
pub use error::StoreError;

/// The outcome of a put where the first write wins.
#[derive(Debug, Clone, PartialEq)]
pub enum FirstWrite<T> {
    /// This write was the first.
    Stored,
    /// An earlier write exists and stays.
    Existing(T),
}
