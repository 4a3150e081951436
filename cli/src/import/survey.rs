//! The first of two passes over a file: it finds each user's earliest assignment, and questions for the caller.
//!
//! The platform keeps the first assignment that it stores. A file can contain several rows of a user in any order, so the
//! earliest row is not known before the whole file is read.

use super::cells::{self, CellFormats};
use super::columns::Columns;
use super::numbers::NumberFault;

use domain::time::Timestamp;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What to do with events at the very instant of their user's assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SameInstant {
    /// They happened after the assignment. They are stored one microsecond later, so that they count.
    Counts,
    /// They happened before the assignment. They are stored with their time, and do not count.
    Before,
}

/// The assignments of one user in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserRows {
    /// The time and the line of the earliest assignment. Of two at the same time, the first in the file is the earlier.
    first: (Timestamp, u64),
    /// A hash of a variant, to compare it with the next row.
    variant: u64,
    several_variants: bool,
}

impl UserRows {
    /// Whether the earliest assignment is in this line.
    pub(super) fn is_first(&self, line: u64) -> bool {
        self.first.1 == line
    }

    /// The time of the earliest assignment.
    pub(super) fn assigned_at(&self) -> Timestamp {
        self.first.0
    }

    /// Whether the rows of the user have more than one variant.
    pub(super) fn has_several_variants(&self) -> bool {
        self.several_variants
    }
}

/// The assignments of all users in a file.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// By a hash of the user id. Ids can be long, and a file can have millions of users.
    users: HashMap<u128, UserRows>,
}

impl Survey {
    /// The assignments of a user, if the file has any.
    pub(super) fn user(&self, user_id: &str) -> Option<&UserRows> {
        self.users.get(&user_key(user_id))
    }

    /// Number of users whose rows have more than one variant.
    pub(super) fn users_with_several_variants(&self) -> u64 {
        let users = self.users.values();
        users.filter(|user| user.several_variants).count() as u64
    }

    /// Adds the row that starts in this line. The second pass reports the other faults of the row.
    ///
    /// # Errors
    /// If a number has a comma and its meaning is unknown.
    pub(super) fn add(
        &mut self,
        columns: &Columns,
        formats: CellFormats,
        row: &csv::StringRecord,
        line: u64,
    ) -> Result<(), NumberFault> {
        for event in &columns.events {
            if let Some(fault) = cells::comma_of_unknown_meaning(event, row, formats) {
                return Err(fault);
            }
        }
        let user_id = columns.user_id(row);
        let Some(columns) = columns.assignment.as_ref().filter(|_| !user_id.is_empty()) else {
            return Ok(());
        };
        if let Ok(Some(assignment)) = cells::assignment(columns, user_id, row, formats.time) {
            let row = UserRows {
                first: (assignment.assigned_at, line),
                variant: hash((0_u8, assignment.variant)),
                several_variants: false,
            };
            let user = self.users.entry(user_key(user_id)).or_insert(row);
            user.first = user.first.min(row.first);
            user.several_variants |= user.variant != row.variant;
        }
        Ok(())
    }
}

fn user_key(user_id: &str) -> u128 {
    u128::from(hash((0_u8, user_id))) << 64 | u128::from(hash((1_u8, user_id)))
}

/// The same in every process, unlike the hash of a `HashMap`.
fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
