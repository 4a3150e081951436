//! What the words mean: experiments, variants, assignments, events, metrics, and the rules between them.
//!
//! Everything here is pure. Time, randomness and storage come in as arguments, so a rule can be read,
//! tested and recomputed without anything else running.

pub mod access;
pub mod aggregate_items;
pub mod aggregates;
pub mod allocation;
pub mod assignment;
pub mod audit;
pub mod bucketing;
pub mod change;
pub mod contribution;
pub mod coverage;
pub mod decimal;
pub mod event;
pub mod experiment;
pub mod filter;
pub mod ids;
pub mod limits;
pub mod metric;
pub mod plan;
pub mod prose;
pub mod reason;
pub mod record_aggregator;
pub mod report;
pub mod sums;
pub mod time;

/// Why a value was refused, in a form that a caller can mend by.
///
/// The place of the value (a JSON pointer) is known only to whoever read it, and is added there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Stable and machine-readable, e.g. `too_long`.
    pub code: &'static str,
    /// A sentence that says what is expected.
    pub detail: String,
}

impl Invalid {
    /// A refusal with its code and the sentence that says how to mend it.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Invalid {}
