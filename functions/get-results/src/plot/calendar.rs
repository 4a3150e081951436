//! Dates on an axis.

use chrono::{NaiveDate, TimeDelta};

use super::PlotError;

/// Dates are wide.
const NAMED: i64 = 7;
/// Days between labelled dates: weeks rather than round numbers, because traffic has a weekly rhythm.
const STEPS: [i64; 13] = [1, 2, 3, 7, 14, 21, 28, 42, 56, 84, 112, 182, 364];

/// Days between the first date and each date.
pub(super) fn days_since_first(dates: &[String]) -> Result<Vec<i64>, PlotError> {
    let mut read: Vec<NaiveDate> = Vec::with_capacity(dates.len());
    for text in dates {
        let date = date(text).ok_or_else(|| PlotError::NotADate(text.clone()))?;
        if read.last().is_some_and(|before| *before >= date) {
            return Err(PlotError::NotAscending(text.clone()));
        }
        read.push(date);
    }
    let since_first = |date: &NaiveDate| date.signed_duration_since(read[0]).num_days();
    Ok(read.iter().map(since_first).collect())
}

/// The labelled dates of an axis from the first date to `last` days later, with their offsets in days.
pub(super) fn named(first: &str, last: i64) -> Vec<(i64, String)> {
    let fits = |step: &i64| last / step < NAMED;
    let far = last / (NAMED - 1) + 1;
    let step = STEPS.into_iter().find(fits).unwrap_or(far);
    let first = date(first);
    (0..=last / step)
        .filter_map(|count| {
            let day = count * step;
            let date = first?.checked_add_signed(TimeDelta::try_days(day)?)?;
            Some((day, date.to_string()))
        })
        .collect()
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}
