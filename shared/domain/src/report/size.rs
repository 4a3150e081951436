//! How much a report contains. With the largest definition and any data, it stays within what Lambda can send.
//!
//! Sizes are those of the longest names, in a JSON string: a response of Lambda contains the report as text, where each
//! quotation mark takes two bytes. What is left after the comparisons of all users is shared by results by dimension
//! and series.

use super::dimensions::Breakdowns;
use super::inputs::AnalysisInputs;
use crate::metric::{Metric, MetricRole};

/// The most days in a series; the latest are kept.
pub(super) const MAX_DAYS: usize = 400;
/// Comparisons, results by dimension and series. Lambda allows 6,291,556 bytes; the rest is for everything else, such as
/// event accounting.
const ROOM_BYTES: usize = 5_300_000;
/// A comparison of all users, with the value of its variant and its novelty effect.
const COMPARISON_BYTES: usize = 2_800;
/// A comparison of the users with one dimension value.
const BREAKDOWN_BYTES: usize = 700;
/// The names of a variant in a series, once for its values and once for its comparison.
const SERIES_NAMES_BYTES: usize = 360;
/// The numbers of one variant on one day of a series.
const SERIES_DAY_BYTES: usize = 120;

/// Bytes for the series, and as many for the results by dimension.
fn room(inputs: &AnalysisInputs<'_>, metrics: usize) -> usize {
    let comparisons = metrics * inputs.others().count();
    ROOM_BYTES.saturating_sub(comparisons * COMPARISON_BYTES) / 2
}

/// The number of days in each series.
pub(super) fn series_days(inputs: &AnalysisInputs<'_>, metrics: usize) -> usize {
    let series = metrics * inputs.experiment.allocation.variants.as_slice().len();
    let room = room(inputs, metrics).saturating_sub(series * SERIES_NAMES_BYTES);
    let days = room.checked_div(series * SERIES_DAY_BYTES);
    days.unwrap_or(MAX_DAYS).min(MAX_DAYS)
}

/// For each metric whether it is broken down by dimension: as many as there is room for, deciding metrics first, then
/// guardrails.
pub(super) fn broken_down(
    inputs: &AnalysisInputs<'_>,
    metrics: &[Metric],
    breakdowns: &Breakdowns,
) -> Vec<bool> {
    let values: usize = breakdowns.iter().map(|(_, values)| values.len()).sum();
    let bytes = values * inputs.others().count() * BREAKDOWN_BYTES;
    let room = room(inputs, metrics.len()).checked_div(bytes);
    let mut by_role: Vec<usize> = (0..metrics.len()).collect();
    by_role.sort_by_key(
        |index| match metrics.get(*index).map(|metric| metric.role) {
            Some(MetricRole::Primary) => 0,
            Some(MetricRole::Guardrail) => 1,
            _ => 2,
        },
    );
    let mut broken_down = vec![false; metrics.len()];
    for index in by_role.into_iter().take(room.unwrap_or(metrics.len())) {
        if let Some(one) = broken_down.get_mut(index) {
            *one = true;
        }
    }
    broken_down
}
