//! A reason that an answer gives for something it leaves out.

use serde::Serialize;

/// Why something is missing: a code for programs and a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StatedReason {
    /// Stable and machine-readable, e.g. `backfill_running`.
    pub reason: &'static str,
    /// One sentence.
    pub message: &'static str,
}
