//! `GET /flags`: lists feature flags by key, in pages.

use domain::access::Scope;
use domain::flag::{Flag, StaleFlag};
use domain::ids::FlagKey;
use domain::limits;
use domain::search::criterion;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::flag::{LastEvaluated, last_evaluated};
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::cursor::Cursor;

#[derive(Serialize)]
struct List {
    flags: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    flag: Flag,
    /// The environments in which the flag can be removed from the code.
    stale: Vec<StaleFlag>,
    #[serde(skip_serializing_if = "LastEvaluated::is_empty")]
    last_evaluated: LastEvaluated,
}

/// Lists flags: without the archived ones unless `archived` is `true`, with a tag, of an owner, or only stale ones.
///
/// # Errors
/// 400 with all faults of the query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let names = ["limit", "cursor", "archived", "stale", "tag", "owner"];
    let mut query = params::Query::read(&request, &names);
    let archived = query.optional("archived", params::boolean).unwrap_or(false);
    let stale = query.optional("stale", params::boolean).unwrap_or(false);
    let tag = query.optional("tag", criterion);
    let owner = query.optional("owner", criterion);
    let (limit, after) = query.page(|text| FlagKey::parse(text).is_ok());
    query.finish()?;

    let now = app.now();
    let wanted = |flag: &Flag| {
        (archived || !flag.archived)
            && tag.as_ref().is_none_or(|tag| flag.tags.contains(tag))
            && owner.as_ref().is_none_or(|owner| is_owner(flag, owner))
            && (!stale || !flag.stale_in(now).is_empty())
    };
    // One more shows whether there is another page.
    let mut flags = matching(&app, after.unwrap_or_default(), limit + 1, wanted).await?;

    let more = flags.len() > limit;
    flags.truncate(limit);
    let last = flags.last().filter(|_| more);
    let next_cursor = last.map(|last| Cursor(last.key.to_string()).encode());
    let days = app.store().flag_evaluations(None).await?;
    let listed = flags.into_iter().map(|flag| Listed {
        stale: flag.stale_in(now),
        last_evaluated: days.get(&flag.key).map(last_evaluated).unwrap_or_default(),
        flag,
    });
    let list = List {
        flags: listed.collect(),
        next_cursor,
    };
    Ok(response::json(StatusCode::OK, &list))
}

/// Whether a flag has an owner, in upper or lower case, as in searches for experiments.
fn is_owner(flag: &Flag, owner: &str) -> bool {
    let own = flag.owner.as_ref();
    own.is_some_and(|own| own.to_lowercase() == owner.to_lowercase())
}

/// The first flags after a key that are wanted. There are at most [`limits::MAX_FLAGS`] of all kinds.
async fn matching(
    app: &App,
    mut after: String,
    limit: usize,
    wanted: impl Fn(&Flag) -> bool,
) -> Result<Vec<Flag>, Problem> {
    let mut found = Vec::new();
    while found.len() < limit {
        let page = app.store().flags_after(&after, limits::MAX_PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.key.to_string();
        found.extend(page.into_iter().filter(&wanted));
    }
    found.truncate(limit);
    Ok(found)
}
