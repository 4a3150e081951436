//! `POST /experiments/plan`: calculates the users that an experiment needs. It reads an earlier experiment if the
//! request names one.

use domain::access::Scope;
use domain::filter::RecordFilter;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::input::plan::Asked;
use shared::http::{Problem, Request, Response, body, caller::Caller, input, response};
use shared::store::aggregates::AggregateSections;

/// Plans an experiment.
///
/// # Errors
/// 422 with all faults of the body, or if the earlier experiment has no usable baseline.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let plan_request = match input::plan::read(body::json(&request)?)? {
        Asked::Given(plan_request) => plan_request,
        Asked::Earlier(asked) => {
            let found = app.store().experiment(asked.experiment_id(), true).await?;
            let earlier = asked.earlier(found)?;
            let (filter, parts) = (RecordFilter::default(), AggregateSections::default());
            let aggregates = app
                .store()
                .sourced_aggregates(&earlier, &filter, parts, None)
                .await?
                .aggregates;
            asked.plan_request(&earlier, &aggregates)?
        }
    };

    Ok(response::json(StatusCode::OK, &plan_request.answer()))
}
