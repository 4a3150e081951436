//! Whether the caller has seen the answer: a digest of all that it says but for the clock.

use crate::query::Asked;
use domain::report::Report;
use sha2::{Digest, Sha256};

/// The same for two answers that differ in nothing but the time at which they were given.
pub(crate) fn digest(report: &Report, asked: &Asked) -> String {
    let mut report = report.clone();
    // Told by the clock. What the clock brings about, such as an end that has come, is in the decision.
    if asked.now {
        report.as_of = domain::time::Timestamp::MIN;
    }
    report.freshness.seconds_since_last_event = None;
    let text = serde_json::to_vec(&report).unwrap_or_default();
    let digest = Sha256::new()
        .chain_update([asked.view as u8, asked.format as u8])
        .chain_update(text)
        .finalize();
    data_encoding::HEXLOWER.encode(&digest[..16])
}
