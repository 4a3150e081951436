//! `GET /experiments`: lists experiments of one or all statuses, newest first, in pages.

use domain::access::Scope;
use domain::experiment::{Experiment, Status};
use futures::future::try_join_all;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};
use shared::store::cursor::Cursor;
use shared::store::keys;

#[derive(Serialize)]
struct List {
    experiments: Vec<Experiment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists experiments.
///
/// # Errors
/// 400 with all faults of the query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let mut query = params::Query::read(&request, &["status", "limit", "cursor"]);
    let status = query.optional("status", params::choice(&Status::ALL));
    let limit = query.optional("limit", params::page_limit).unwrap_or(20);
    let cursor = query.optional("cursor", |text| {
        Cursor::decode(text, keys::is_created_at_id)
    });
    query.finish()?;

    // Each status is a partition of the index. A page over all statuses has the newest experiments of their pages.
    let statuses = status.map_or_else(
        || Status::ALL.map(|(_, status)| status).to_vec(),
        |status| vec![status],
    );
    let before = cursor.as_ref().map(|cursor| cursor.0.as_str());
    let pages = statuses
        .iter()
        .map(|status| app.store().experiments_by_status(*status, limit, before));
    let pages = try_join_all(pages).await?;
    let more = pages.iter().any(|page| page.next.is_some());
    let mut experiments: Vec<Experiment> = pages
        .into_iter()
        .flat_map(|page| page.experiments)
        .collect();
    experiments.sort_by_key(|experiment| std::cmp::Reverse(position(experiment)));
    let more = more || experiments.len() > limit;
    experiments.truncate(limit);

    let next_cursor = experiments
        .last()
        .filter(|_| more)
        .map(|last| Cursor(position(last)).encode());
    Ok(response::json(
        StatusCode::OK,
        &List {
            experiments,
            next_cursor,
        },
    ))
}

fn position(experiment: &Experiment) -> String {
    keys::created_at_id(experiment.created_at, &experiment.id)
}
