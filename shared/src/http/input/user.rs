//! The path and query of `/users/{user_id}`. The user can be a unit of another kind.

use crate::http::params::{self, Query};
use crate::http::{Problem, Request};
use crate::store::cursor::Cursor;
use crate::store::keys;
use domain::ids::{UnitKind, UserId};

/// The parameter with the kind of the unit.
const UNIT: &str = "unit";

/// Reads the user.
///
/// # Errors
/// 400 with all faults of path and query.
pub fn read(request: &Request) -> Result<UserId, Problem> {
    of_path(request, Query::read(request, &[UNIT]))
}

/// Reads the user, and the key of the event after which the page starts.
///
/// # Errors
/// 400 with all faults of path and query.
pub fn page(request: &Request) -> Result<(UserId, Option<Cursor>), Problem> {
    let mut query = Query::read(request, &[UNIT, "cursor"]);
    let cursor = query.optional("cursor", |text| {
        Cursor::decode(text, keys::is_experiment_event)
    });
    of_path(request, query).map(|user| (user, cursor))
}

fn of_path(request: &Request, mut query: Query) -> Result<UserId, Problem> {
    let kind = query.optional(UNIT, UnitKind::parse).unwrap_or_default();
    match params::user_id(request) {
        Ok(id) => query.finish().map(|()| UserId::of_unit(&kind, &id)),
        Err(invalid) => Err(query.refused("{user_id}", invalid)),
    }
}
