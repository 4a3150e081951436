//! Counts of what a test run did.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Counts over all histories.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Histories without an error.
    pub(crate) histories: AtomicU64,
    /// Calls to the database by the functions under test.
    pub(crate) calls: AtomicU64,
    /// Transactions among these calls.
    pub(crate) transactions: AtomicU64,
    /// Transactions that were refused because of another write at the same time.
    pub(crate) conflicts: AtomicU64,
    /// Calls that the network refused.
    pub(crate) refused: AtomicU64,
    /// Batches that were delivered to the aggregator.
    pub(crate) invocations: AtomicU64,
    /// Records of the experiments table that were delivered to the backfill function.
    pub(crate) steps: AtomicU64,
    /// Invocations that crashed.
    pub(crate) crashes: AtomicU64,
    /// Records that were delivered for the first time.
    pub(crate) records: AtomicU64,
    /// Records that were delivered again.
    pub(crate) redeliveries: AtomicU64,
    /// Comparisons of all aggregates with their expected values.
    pub(crate) comparisons: AtomicU64,
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            ("histories", &self.histories),
            ("store calls", &self.calls),
            ("transactions", &self.transactions),
            ("conflicts", &self.conflicts),
            ("refused calls", &self.refused),
            ("invocations", &self.invocations),
            ("steps of backfills", &self.steps),
            ("crashes", &self.crashes),
            ("records", &self.records),
            ("redeliveries", &self.redeliveries),
            ("comparisons", &self.comparisons),
        ];
        let all = all.map(|(name, number)| (name, number.load(Relaxed)));
        let some = all.iter().filter(|(_, number)| *number > 0);
        let texts: Vec<String> = some
            .map(|(name, number)| format!("{number} {name}"))
            .collect();
        out.write_str(&texts.join(", "))
    }
}
