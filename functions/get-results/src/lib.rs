//! `GET /experiments/{id}/results`: the results of an experiment.
//!
//! | module | holds |
//! | --- | --- |
//! | `query` | the parameters of the query string |
//! | `etag` | whether the caller has this answer already |
//! | `picture` | a report as a picture |
//! | `plot` | the drawing itself |

mod etag;
mod picture;
pub mod plot;
mod query;

use domain::access::Scope;
use domain::report::{Monitoring, Report, Summary, to_csv};
use lambda_http::http::StatusCode;
use query::{Format, View};
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, params, response};

/// Reports an experiment's results.
///
/// # Errors
/// 400 with all faults of the query, 404, 422 if the raw records are more than one call may read.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::experiment_id(&request)?;
    let found = app.store().experiment(&id, true).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    let query = query::read(&request, &experiment, app.now())?;

    let (filter, sections) = (&query.request.filter, query.sections());
    let sourced = app
        .store()
        .sourced_aggregates(&experiment, filter, sections, query.source)
        .await?;
    let aggregates = &sourced.aggregates;
    let report = Report::new(&experiment, aggregates, &query.request, &sourced.provenance)?;

    let ok = StatusCode::OK;
    let response = match (query.format, query.view) {
        (Format::Csv, _) => response::text_of(ok, "text/csv; charset=utf-8", to_csv(&report)),
        (Format::Svg, view) => {
            let picture = picture::of(&report, view, &query.request)?;
            response::text_of(ok, "image/svg+xml", picture)
        }
        (Format::Json, View::Summary) => response::json(ok, &Summary::new(&report)),
        (Format::Json, View::Monitoring) => {
            response::json(ok, &Monitoring::new(&report, aggregates))
        }
        (Format::Json, View::Analysis) => response::json(ok, &report),
    };
    let etag = etag::digest(&report, &query);
    Ok(response::if_changed(&request, response, &etag))
}
