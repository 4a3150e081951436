//! The path and query of `/users/{user_id}`.

use crate::http::params::{self, Query};
use crate::http::{Problem, Request};
use crate::store::cursor::Cursor;
use crate::store::keys;
use domain::ids::UserId;

/// Reads the user.
///
/// # Errors
/// 400 with all faults of path and query. The query has no parameters.
pub fn read(request: &Request) -> Result<UserId, Problem> {
    of_path(request, Query::read(request, &[]))
}

/// Reads the user, and the key of the event after which the page starts.
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
