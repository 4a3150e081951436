//! Whom `/users/{user_id}` asks for, and from which event on.

use crate::http::params::{self, Query};
use crate::http::{Problem, Request};
use crate::store::cursor::Cursor;
use crate::store::keys;
use domain::ids::UserId;

/// Reads the user.
///
/// # Errors
/// 400 with all faults of path and query; the query takes nothing.
pub fn read(request: &Request) -> Result<UserId, Problem> {
    of_path(request, Query::read(request, &[]))
}

/// Reads the user, and the key of the event behind which to go on.
///
/// # Errors
/// 400 with all faults of path and query.
pub fn page(request: &Request) -> Result<(UserId, Option<Cursor>), Problem> {
    let mut query = Query::read(request, &["cursor"]);
    let cursor = query.optional("cursor", |text| {
        Cursor::decode(text, keys::is_experiment_event)
    });
    of_path(request, query).map(|user| (user, cursor))
}

fn of_path(request: &Request, query: Query) -> Result<UserId, Problem> {
    match params::user_id(request) {
        Ok(user) => query.finish().map(|()| user),
        Err(invalid) => Err(query.refused("{user_id}", invalid)),
    }
}
