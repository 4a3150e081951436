//! Reads the assignment and the events of a row from its cells.

use super::columns::{AssignmentColumns, EventColumns, EventTypeSource, TimeSource};
use super::numbers::{self, DecimalMark, NumberFault};
use crate::time::TimeFormat;
use domain::decimal::Decimal;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// An assignment in the form of the API.
#[derive(Debug, Serialize)]
pub(super) struct AssignmentRow<'r> {
    user_id: &'r str,
    pub(super) variant: &'r str,
    pub(super) assigned_at: Timestamp,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'r str, &'r str>,
}

/// An event in the form of the API.
#[derive(Debug, Serialize)]
pub(super) struct EventRow<'r> {
    pub(super) user_id: &'r str,
    pub(super) r#type: &'r str,
    pub(super) timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) properties: BTreeMap<&'r str, &'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_id: Option<String>,
}

/// How the cells of a file are written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CellFormats {
    pub(super) time: TimeFormat,
    pub(super) decimal_mark: Option<DecimalMark>,
}

/// The assignment in a row, if it has one.
pub(super) fn assignment<'r>(
    columns: &'r AssignmentColumns,
    user_id: &'r str,
    row: &'r csv::StringRecord,
    format: TimeFormat,
) -> Result<Option<AssignmentRow<'r>>, String> {
    let variant = row.get(columns.variant).unwrap_or_default();
    if variant.is_empty() || !columns.tests.iter().all(|test| test.holds(row)) {
        return Ok(None);
    }
    let at = instant(&columns.at, row, format)?;
    Ok(at.map(|assigned_at| AssignmentRow {
        user_id,
        variant,
        assigned_at,
        attributes: filled(&columns.attributes, row),
    }))
}

/// The non-empty cells of these columns, by name.
fn filled<'r>(
    columns: &'r [(String, usize)],
    row: &'r csv::StringRecord,
) -> BTreeMap<&'r str, &'r str> {
    let cell = |(name, column): &'r (String, usize)| {
        let text = row.get(*column).filter(|text| !text.is_empty())?;
        Some((name.as_str(), text))
    };
    columns.iter().filter_map(cell).collect()
}

/// The event in a row, if it has one. It has an id only if the row contains one.
pub(super) fn event<'r>(
    columns: &'r EventColumns,
    user_id: &'r str,
    row: &'r csv::StringRecord,
    formats: CellFormats,
) -> Result<Option<EventRow<'r>>, String> {
    if !columns.tests.iter().all(|test| test.holds(row)) {
        return Ok(None);
    }
    let r#type = match &columns.kind {
        EventTypeSource::Fixed(kind) => kind.as_str(),
        EventTypeSource::Column(column) => row.get(*column).unwrap_or_default(),
    };
    let value = match columns.value.map(|column| number(row, column, formats)) {
        Some(Ok(None)) => return Ok(None),
        Some(Ok(Some(number))) => Some(json(number)?),
        Some(Err(fault)) => return Err(fault.to_string()),
        None => None,
    };
    let Some(timestamp) = instant(&columns.time, row, formats.time)? else {
        return Ok(None);
    };
    if r#type.is_empty() {
        return Ok(None);
    }
    let event_id = match columns.id.and_then(|column| row.get(column)) {
        Some("") => return Err("the event's id is empty".to_owned()),
        given => given.map(str::to_owned),
    };
    Ok(Some(EventRow {
        user_id,
        r#type,
        timestamp,
        value,
        properties: filled(&columns.properties, row),
        event_id,
    }))
}

/// The fault of the first value whose comma has no known meaning.
pub(super) fn comma_of_unknown_meaning(
    columns: &EventColumns,
    row: &csv::StringRecord,
    formats: CellFormats,
) -> Option<NumberFault> {
    let column = columns.value?;
    let is_event = columns.tests.iter().all(|test| test.holds(row));
    let fault = number(row, column, formats).err()?;
    (is_event && matches!(fault, NumberFault::CommaOfUnknownMeaning(_))).then_some(fault)
}

/// The time of a row, or `None` if the cell is empty.
fn instant(
    columns: &TimeSource,
    row: &csv::StringRecord,
    format: TimeFormat,
) -> Result<Option<Timestamp>, String> {
    let text = match columns {
        TimeSource::Fixed(time) => return Ok(Some(*time)),
        TimeSource::Column(column) => row.get(*column).unwrap_or_default(),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is not {}", format.expected(text));
    format.read(text).map(Some).ok_or_else(wrong)
}

/// The value in a column, or `None` if the cell is empty.
fn number(
    row: &csv::StringRecord,
    column: usize,
    formats: CellFormats,
) -> Result<Option<Decimal>, NumberFault> {
    match row.get(column).unwrap_or_default().trim() {
        "" => Ok(None),
        text => numbers::read(text, formats.decimal_mark).map(Some),
    }
}

/// A number as JSON, exactly as the platform stores it.
fn json(number: Decimal) -> Result<Box<RawValue>, String> {
    RawValue::from_string(number.to_string()).map_err(|error| error.to_string())
}
