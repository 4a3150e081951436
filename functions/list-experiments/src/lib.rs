//! `GET /experiments`: lists experiments of one or all statuses, newest first, in pages, and searches them.

mod scan;

use domain::access::Scope;
use domain::experiment::Status;
use domain::launch_check::CheckedExperiment;
use domain::search::{Search, criterion};
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::cursor::Cursor;
use shared::store::keys;

#[derive(Serialize)]
struct List<'e> {
    experiments: Vec<CheckedExperiment<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists experiments.
///
/// # Errors
/// 400 with all faults of the query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let names = ["status", "tag", "owner", "text", "limit", "cursor"];
    let mut query = params::Query::read(&request, &names);
    let status = query.optional("status", params::choice(&Status::ALL));
    let search = Search {
        tag: query.optional("tag", criterion),
        owner: query.optional("owner", criterion),
        text: query.optional("text", criterion),
    };
    let (limit, before) = query.page(keys::is_created_at_id);
    query.finish()?;

    let page = scan::page(app.store(), status, &search, limit, before.as_deref()).await?;

    let list = List {
        experiments: page
            .experiments
            .iter()
            .map(CheckedExperiment::new)
            .collect(),
        next_cursor: page.next.map(|next| Cursor(next).encode()),
    };
    Ok(response::json(StatusCode::OK, &list))
}
