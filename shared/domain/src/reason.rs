//! The reason that an answer gives for something that it leaves out.

use serde::Serialize;

/// Why something is missing: a code for programs and a sentence for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StatedReason {
    /// Stable and machine-readable, e.g. `backfill_running`.
    pub reason: &'static str,
    /// One sentence.
    pub message: &'static str,
}
