//! `GET /experiments/{id}/results`: what the experiment shows so far.
//!
//! | module | holds |
//! | --- | --- |
//! | `query` | what is asked |
//! | `seen` | whether the caller has seen the answer |
//! | `picture` | a report as a picture |
//! | `plot` | the drawing itself |

mod picture;
pub mod plot;
mod query;
mod seen;

use domain::access::Scope;
use domain::report::{Monitoring, Report, Summary, to_csv};
use lambda_http::http::StatusCode;
use query::{Format, View};
use shared::http::{App, Problem, Request, Response, answer, caller::Caller, params};

/// Reports an experiment's results.
///
/// # Errors
/// 400 with all faults of the query, 404, 422 if it would take more reading than one call may do.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::experiment_id(&request)?;
    let found = app.store().experiment(&id, true).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    let mut asked = query::read(&request, &experiment, app.now())?;

    let (filter, parts) = (&asked.request.filter, asked.sections());
    let sums = app
        .store()
        .sourced_aggregates(&experiment, filter, parts, asked.source)
        .await?;
    asked.request.provenance = sums.provenance;
    let report = Report::new(&experiment, &sums.aggregates, &asked.request)?;

    let ok = StatusCode::OK;
    let response = match (asked.format, asked.view) {
        (Format::Csv, _) => answer::text_of(ok, "text/csv; charset=utf-8", to_csv(&report)),
        (Format::Svg, view) => {
            let picture = picture::of(&report, view, &asked.request)?;
            answer::text_of(ok, "image/svg+xml", picture)
        }
        (Format::Json, View::Summary) => answer::json(ok, &Summary::new(&report)),
        (Format::Json, View::Monitoring) => {
            answer::json(ok, &Monitoring::new(&report, &sums.aggregates))
        }
        (Format::Json, View::Analysis) => answer::json(ok, &report),
    };
    Ok(answer::if_changed(
        &request,
        response,
        &seen::digest(&report, &asked),
    ))
}
