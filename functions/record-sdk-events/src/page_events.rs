//! The events of pages, as `POST /events` records them.

use domain::Invalid;
use domain::client_key::ClientKey;
use domain::event::{Event, received_id};
use domain::ids::{EventType, FlagKey};
use domain::time::Timestamp;
use futures::{StreamExt, stream};
use serde::Serialize;
use shared::app::App;
use shared::http::input::events::ReadEvents;
use shared::http::input::sdk_events::PageEvent;
use shared::http::recording::{self, IngestSummary};
use shared::http::{Fault, Problem};
use std::collections::BTreeSet;

/// Notes under way at once.
const AT_ONCE: usize = 16;

/// The event with this index in the request is rejected, with the reasons.
#[derive(Debug, Serialize)]
pub(crate) struct RejectedEvent {
    pub(crate) index: usize,
    pub(crate) errors: Vec<Fault>,
}

impl RejectedEvent {
    /// The key may not send this type.
    pub(crate) fn not_allowed(index: usize, event_type: &EventType) -> Self {
        let detail = format!(
            "The client key may not send events of the type `{event_type}`. Create a key that lists it in `event_types`."
        );
        let invalid = Invalid::new("event_type_not_allowed", detail);
        let errors = vec![Fault::at(format!("/{index}/event_name"), invalid)];
        Self { index, errors }
    }
}

/// Logs a line if events are rejected. They are stored nowhere, so this line is the only trace of them for an operator. Pages
/// send what they like, and the plugin sends types that many keys do not allow, so it is no warning.
pub(crate) fn log_rejected(key: &ClientKey, received: usize, rejected: &[RejectedEvent]) {
    if !rejected.is_empty() {
        let (client_key, rejected) = (key.id.as_str(), rejected.len());
        tracing::info!(
            client_key,
            received,
            rejected,
            "events of a page were rejected"
        );
    }
}

/// Notes the flags that pages have evaluated, as far as the key sees them. This says when a flag was last used, also if the key
/// does not allow to store the event.
pub(crate) async fn note_evaluations(
    app: &App,
    key: &ClientKey,
    evaluated: BTreeSet<FlagKey>,
) -> Result<(), Problem> {
    if evaluated.is_empty() {
        return Ok(());
    }
    let set = app.flags(&key.environment).await?;
    let seen = evaluated
        .iter()
        .filter(|flag| set.seen(flag, |tags| key.sees_flag(tags)).is_some());
    let notes = seen.map(|flag| app.note_flag_evaluation(&key.environment, flag));
    stream::iter(notes.collect::<Vec<_>>())
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
    Ok(())
}

/// Records events, each with its index in the request. Pages send no time, so an event counts at the time of receipt; if it
/// follows an exposure in the list, after the assignments of the request.
pub(crate) async fn record(
    app: &App,
    events: Vec<(usize, PageEvent)>,
    first_exposure: Option<usize>,
    received_at: Timestamp,
) -> Result<(), Problem> {
    if events.is_empty() {
        return Ok(());
    }
    let assigned_before = app.now();
    let event = |(index, event): (usize, PageEvent)| {
        let properties = event.properties;
        let place = (received_at, index);
        let id = received_id(
            &event.user_id,
            &event.event_type,
            place,
            properties.as_deref(),
        );
        Event {
            id,
            user_id: event.user_id,
            event_type: event.event_type,
            value: None,
            properties,
            timestamp: None,
            counted_at: match first_exposure {
                Some(first) if first < index => assigned_before,
                _ => received_at,
            },
        }
    };
    let events = ReadEvents::of_list(events.into_iter().map(event).collect());
    let outcomes = recording::all(app, events, assigned_before).await?;
    IngestSummary::of(&outcomes).log();
    Ok(())
}
