//! The rules of the product: experiments, variants, assignments, events, metrics, aggregates and reports.
//!
//! Everything here is a pure function. Time and random values are arguments, so each rule can be tested alone.

pub mod access;
pub mod aggregate_items;
pub mod aggregates;
pub mod allocation;
pub mod analysis_definition;
pub mod assignment;
pub mod audit;
pub mod bucketing;
pub mod change;
pub mod client_key;
pub mod condition;
pub mod contribution;
pub mod coverage;
pub mod decimal;
pub mod documentation;
pub mod environment;
pub mod evaluation;
pub mod evaluation_context;
pub mod event;
pub mod event_count;
pub mod exclusion;
pub mod experiment;
pub mod feature;
pub mod filter;
pub mod flag;
pub mod guarded_ramp;
pub mod history;
pub mod holdout;
pub mod id_list;
pub mod ids;
pub mod json_value;
pub mod launch_check;
pub mod layer;
pub mod limits;
pub mod metric;
pub mod notification;
pub mod overrides;
pub mod placement;
pub mod plan;
pub mod prose;
pub mod ramp;
pub mod reason;
pub mod record_aggregator;
pub mod registry;
pub mod report;
pub mod running_holdouts;
pub mod schedule;
pub mod search;
pub mod segment;
pub mod segment_graph;
pub mod segment_lookup;
pub mod session;
pub mod stored_user;
pub mod sums;
pub mod time;

/// Why a value is invalid. The reader of the value adds its JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Stable and machine-readable, e.g. `too_long`.
    pub code: &'static str,
    /// A sentence that says what is expected.
    pub detail: String,
}

impl Invalid {
    /// A fault with its code and a sentence that says how to fix it.
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
