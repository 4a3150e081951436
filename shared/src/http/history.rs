//! Histories: what the functions that list the versions of a definition share.

use super::problem::Problem;
use crate::store::cursor::Cursor;
use serde::Serialize;

/// What a version did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The definition was created.
    Created,
    /// It was changed.
    Changed,
    /// It was deleted.
    Deleted,
}

impl Action {
    /// The action of a version.
    pub fn of(created: bool, deleted: bool) -> Self {
        match (created, deleted) {
            (true, _) => Self::Created,
            (_, true) => Self::Deleted,
            _ => Self::Changed,
        }
    }
}

/// The entries of audit records, newest first, each made of a record and of the next older one. The records are one more than
/// the limit: a record without an older one is an entry only if it is the creation.
///
/// # Errors
/// 500 if a definition cannot be written as JSON.
pub fn entries<R, E>(
    records: &[R],
    limit: usize,
    is_creation: impl Fn(&R) -> bool,
    entry: impl Fn(&R, Option<&R>) -> serde_json::Result<E>,
) -> Result<Vec<E>, Problem> {
    let older = records.iter().skip(1).map(Some).chain([None]);
    let pairs = records.iter().zip(older).take(limit);
    let complete = pairs.filter(|(record, older)| older.is_some() || is_creation(record));
    let entries: serde_json::Result<Vec<E>> = complete
        .map(|(record, older)| entry(record, older))
        .collect();
    entries.map_err(|error| Problem::internal(error.to_string()))
}

/// The cursor of the next page, after an entry with this version.
pub fn next_cursor(last_version: Option<u64>) -> Option<String> {
    let version = last_version.filter(|version| *version > 1)?;
    Some(Cursor(version.to_string()).encode())
}
