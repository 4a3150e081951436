//! `POST /track`: records what the tracking plugin of GrowthBook's JavaScript SDK sends: exposures and events.

mod exposures;
mod page_events;

use lambda_http::http::StatusCode;
use page_events::RejectedEvent;
use serde::Serialize;
use shared::app::App;
use shared::http::input::sdk_events::{self, SdkEvent};
use shared::http::{Problem, Request, Response, body, client_key, response};
use std::collections::BTreeSet;

/// Says which events have faults, and how many exposures name another variant than the user has.
#[derive(Serialize)]
struct TrackResponse {
    received: usize,
    accepted: usize,
    rejected: usize,
    contradicting_exposures: usize,
    events: Vec<RejectedEvent>,
}

/// Assigns the users of exposures, and records the events that the client key may send. Events that follow an exposure in
/// the list count as later than it.
///
/// # Errors
/// 401 if there is no such key, 403 if it may not be used on this page, 422 if the body is no list, 429 if the budget of the
/// key is used up; if the database fails.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let key = client_key::from_path(&app, &request).await?;
    let read = sdk_events::read(body::json_as_text(&request)?)?;
    client_key::spend(&app, &key, read.len()).await?;

    let received = read.len();
    let received_at = app.now();
    let mut rejected = Vec::new();
    let (mut exposed, mut events) = (Vec::new(), Vec::new());
    let mut evaluated = BTreeSet::new();
    for (index, event) in read.into_iter().enumerate() {
        if let Ok(SdkEvent::Other(event)) = &event {
            evaluated.extend(event.evaluated.clone());
        }
        match event {
            Ok(SdkEvent::Exposure(exposure)) => exposed.push((index, exposure)),
            Ok(SdkEvent::Other(event)) if key.allows_event_type(&event.event_type) => {
                events.push((index, event));
            }
            Ok(SdkEvent::Other(event)) => {
                rejected.push(RejectedEvent::not_allowed(index, &event.event_type));
            }
            Err(errors) => rejected.push(RejectedEvent { index, errors }),
        }
    }
    let first_exposure = exposed.first().map(|(index, _)| *index);
    let contradicting_exposures = exposures::assign_all(&app, &key, exposed).await?;
    page_events::note_evaluations(&app, &key, evaluated).await?;
    page_events::record(&app, events, first_exposure, received_at).await?;

    page_events::log_rejected(&key, received, &rejected);
    let body = TrackResponse {
        received,
        accepted: received - rejected.len(),
        rejected: rejected.len(),
        contradicting_exposures,
        events: rejected,
    };
    let response = response::json(StatusCode::OK, &body);
    Ok(response::with_cors(response, &request, &key))
}
