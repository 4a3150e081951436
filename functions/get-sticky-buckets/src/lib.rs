//! `GET /sticky/{client_key}`: the stored assignments of a user, as sticky-bucket documents of GrowthBook's SDKs.

use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::feature::{StickyDocument, StickyDocuments};
use domain::ids::{ExperimentId, UserId};
use futures::future::try_join_all;
use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::assignment::KnownUser;
use shared::http::flag_evaluation::experiments_for;
use shared::http::input::sticky_buckets;
use shared::http::{Problem, Request, Response, client_key, response};
use shared::store::StoreError;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct StickyResponse {
    documents: StickyDocuments,
}

/// Returns the assignments of the user in the experiments of the flags that the client key sees, and nothing else of the user.
/// Nothing is stored. Attributes that no such experiment assigns by are ignored.
///
/// # Errors
/// 401 if there is no such key, 403 if it may not be used on this page, 400 with all faults of the query, 429 if the budget of
/// the key is used up.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let key = client_key::from_path(&app, &request).await?;
    let units = sticky_buckets::units(&request)?;
    client_key::spend(&app, &key, 1).await?;

    let set = app.flags(&key.environment).await?;
    let experiments = experiments_for(&set, &key);
    let documents = units
        .into_iter()
        .map(|(attribute, unit)| document(&app, &experiments, attribute, unit));
    // There are as many reads as kinds of units.
    let documents = try_join_all(documents).await?.into_iter().flatten();

    let body = StickyResponse {
        documents: documents.collect(),
    };
    let response = response::json(StatusCode::OK, &body);
    Ok(response::with_cors(response, &request, &key))
}

/// The document of a unit; none without assignments.
async fn document(
    app: &App,
    experiments: &BTreeMap<&ExperimentId, &Experiment>,
    attribute: String,
    unit: UserId,
) -> Result<Option<StickyDocument>, StoreError> {
    let by_attribute = experiments.values().filter(|experiment| {
        EvaluationContext::attribute_of(&experiment.allocation.unit) == attribute
    });
    let by_attribute: Vec<_> = by_attribute.collect();
    let Some(first) = by_attribute.first() else {
        return Ok(None);
    };
    let id = UserId::of_unit(&first.allocation.unit, &unit);
    let known = KnownUser::read(app, &id).await?;
    let assignments = by_attribute.iter().filter_map(|experiment| {
        let variant = known.stored_variant(&experiment.id)?;
        Some((StickyDocument::name_of(&experiment.id), variant.to_string()))
    });
    let document = StickyDocument {
        assignments: assignments.collect(),
        attribute_name: attribute,
        attribute_value: unit.to_string(),
    };
    Ok(Some(document).filter(|document| !document.assignments.is_empty()))
}
