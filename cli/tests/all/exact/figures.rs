//! What a run of the tests did.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Counts over all histories.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Histories that came out right.
    pub(crate) histories: AtomicU64,
    /// Calls to the database by the functions under test.
    pub(crate) calls: AtomicU64,
    /// Of these: transactions.
    pub(crate) transactions: AtomicU64,
    /// Transactions that were refused because somebody else had written meanwhile.
    pub(crate) conflicts: AtomicU64,
    /// Calls that the network refused.
    pub(crate) refused: AtomicU64,
    /// Batches that were handed to the aggregator.
    pub(crate) invocations: AtomicU64,
    /// Records of the experiments table that were handed over to have sums made again.
    pub(crate) steps: AtomicU64,
    /// Invocations that died amid their work.
    pub(crate) crashes: AtomicU64,
    /// Records that were delivered for the first time.
    pub(crate) records: AtomicU64,
    /// Records that were delivered again.
    pub(crate) redeliveries: AtomicU64,
    /// Comparisons of all sums with what they should be.
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
