//! The ETag of an answer: a digest of everything in it except the time of the request.

use crate::query::{Format, ResultsQuery, View};
use domain::report::Report;
use sha2::{Digest, Sha256};

/// A digest that is equal for two answers that differ only in the time at which they were computed.
pub(crate) fn digest(report: &Report, query: &ResultsQuery) -> String {
    let mut report = report.clone();
    // An effect of the clock, such as an end that has passed, is in the decision and so in the digest.
    if query.as_of_now {
        report.as_of = domain::time::Timestamp::MIN;
    }
    report.freshness.seconds_since_last_event = None;
    let text = serde_json::to_vec(&report).unwrap_or_default();
    let digest = Sha256::new()
        .chain_update([view(query.view), format(query.format)])
        .chain_update(text)
        .finalize();
    data_encoding::HEXLOWER.encode(&digest[..16])
}

fn view(view: View) -> u8 {
    match view {
        View::Summary => 0,
        View::Monitoring => 1,
        View::Analysis => 2,
    }
}

fn format(format: Format) -> u8 {
    match format {
        Format::Json => 0,
        Format::Csv => 1,
        Format::Svg => 2,
    }
}
