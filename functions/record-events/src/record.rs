//! Records the events of a request.

use crate::outcome::{AcceptedEvent, CountsFor, EventOutcome, EventResult, NotCounted};
use crate::user::{self, AT_ONCE, User};
use domain::assignment::Assignment;
use domain::event::Event;
use domain::event_count::ReachedLimit;
use domain::experiment::Experiment;
use domain::ids::UserId;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use shared::app::App;
use shared::http::input::events::ReadEvents;
use shared::http::{Fault, Problem};
use shared::store::{FirstWrite, StoreError};
use std::collections::HashSet;
use std::sync::Arc;

/// An assignment of the user, with the definition of its experiment.
type Destination = (Assignment, Arc<Experiment>);

/// Records events; the outcomes are in the order of the events.
pub(crate) async fn all(
    app: &App,
    read: ReadEvents,
    received_at: Timestamp,
) -> Result<Vec<EventOutcome>, Problem> {
    let ids: HashSet<UserId> = read
        .events
        .iter()
        .flatten()
        .map(|event| event.user_id.clone())
        .collect();
    let users = user::read(app, ids, received_at).await?;

    // Duplicates within a request must not race for the first write.
    let mut seen = HashSet::new();
    let pointers: Vec<String> = (0..read.events.len())
        .map(|index| read.user_pointer(index))
        .collect();
    let each = read.events.into_iter().zip(pointers).enumerate();
    let outcomes = each.map(|(index, (event, pointer))| {
        let in_batch_duplicate = event
            .as_ref()
            .is_ok_and(|event| !seen.insert((event.user_id.clone(), event.id.clone())));
        let user = event
            .as_ref()
            .ok()
            .and_then(|event| users.get(&event.user_id))
            .cloned();
        async move {
            let result = match (event, user) {
                (Err(errors), _) => EventResult::Rejected { errors },
                (Ok(_), Some(None)) => EventResult::Erased {
                    errors: [Fault::erased(pointer)],
                },
                (Ok(event), user) => {
                    let user = user.flatten().unwrap_or_default();
                    match user.reached {
                        Some(reached) => beyond(app, event, &user, reached, pointer).await?,
                        None => one(app, event, in_batch_duplicate, &user, received_at).await?,
                    }
                }
            };
            Ok(EventOutcome { index, result })
        }
    });
    let outcomes: Vec<_> = outcomes.collect();
    let outcomes: Result<Vec<EventOutcome>, Problem> = stream::iter(outcomes)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await;
    // Also after a failure: a repeat of the request finds the events that were stored, and does not count them.
    user::count_stored(app, &users, received_at).await?;
    let mut outcomes = outcomes?;
    outcomes.sort_by_key(|outcome| outcome.index);
    Ok(outcomes)
}

async fn one(
    app: &App,
    mut event: Event,
    in_batch_duplicate: bool,
    user: &User,
    received_at: Timestamp,
) -> Result<EventResult, Problem> {
    let mut stored = false;
    let mut destinations = counting(user, event.counted_at, received_at);
    destinations.extend(stored_in_time(app, &event, user, received_at).await?);
    if !destinations.is_empty()
        && user
            .assigned
            .iter()
            .any(|(assignment, _)| event.may_have_counted_before(assignment.assigned_at))
        && let Some(earlier) = app
            .store()
            .earlier_event(&event.user_id, &event.id, None)
            .await?
    {
        // An earlier request stored it for no experiment. Its time is kept. At that time it may count for an assignment
        // that was imported meanwhile, and then it is stored for that experiment.
        event.counted_at = earlier.counted_at;
        destinations = counting(user, event.counted_at, received_at);
        if !destinations.is_empty() {
            let writes = write(app, &event, user, &destinations, received_at).await?;
            stored = writes.contains(&None);
        }
    } else if !in_batch_duplicate {
        for earlier in write(app, &event, user, &destinations, received_at).await? {
            match earlier {
                None => stored = true,
                Some(counted_at) => event.counted_at = counted_at,
            }
        }
    }
    let accepted = accepted(event, user, &destinations);
    Ok(if stored {
        EventResult::Stored(accepted)
    } else {
        EventResult::Duplicate(accepted)
    })
}

/// An event of a user who has reached a limit of stored events: a duplicate if it is stored already, else rejected.
async fn beyond(
    app: &App,
    mut event: Event,
    user: &User,
    reached: ReachedLimit,
    pointer: String,
) -> Result<EventResult, Problem> {
    // The time of an event without a timestamp differs from one request to the next, so it may be stored for any
    // experiment of the user.
    let experiments = user.assigned.iter().map(|(_, experiment)| &experiment.id);
    for experiment in experiments.map(Some).chain([None]) {
        let found = app
            .store()
            .earlier_event(&event.user_id, &event.id, experiment);
        if let Some(earlier) = found.await? {
            event.counted_at = earlier.counted_at;
            let destinations = counting(user, event.counted_at, earlier.received_at);
            return Ok(EventResult::Duplicate(accepted(event, user, &destinations)));
        }
    }
    Ok(EventResult::TooMany {
        errors: [Fault::at(pointer, reached.invalid())],
    })
}

fn accepted(event: Event, user: &User, destinations: &[&Destination]) -> AcceptedEvent {
    let counts_for: Vec<CountsFor> = destinations
        .iter()
        .map(|(assignment, _)| CountsFor {
            experiment_id: assignment.experiment_id.clone(),
            variant: assignment.variant.clone(),
        })
        .collect();
    AcceptedEvent {
        reason: counts_for
            .is_empty()
            .then(|| not_counted(user, event.counted_at)),
        event_id: event.id,
        counted_at: event.counted_at,
        counts_for,
    }
}

fn counting(user: &User, counted_at: Timestamp, received_at: Timestamp) -> Vec<&Destination> {
    let counts = |(assignment, experiment): &&Destination| {
        experiment.counts(assignment.assigned_at, counted_at) && experiment.accepts(received_at)
    };
    user.assigned.iter().filter(counts).collect()
}

/// Experiments that accept no events anymore, and that the event was stored for while they did. For such an event this
/// request is a repeat.
async fn stored_in_time<'u>(
    app: &App,
    event: &Event,
    user: &'u User,
    received_at: Timestamp,
) -> Result<Vec<&'u Destination>, StoreError> {
    let mut stored = Vec::new();
    for destination in &user.assigned {
        let (assignment, experiment) = destination;
        if experiment.counts(assignment.assigned_at, event.counted_at)
            && !experiment.accepts(received_at)
        {
            let id = Some(&experiment.id);
            let found = app.store().earlier_event(&event.user_id, &event.id, id);
            stored.extend(found.await?.map(|_| destination));
        }
    }
    Ok(stored)
}

/// Writes an event for each of its experiments, or once for none. Returns for each write the time of the event that was
/// stored earlier, if there is one.
async fn write(
    app: &App,
    event: &Event,
    user: &User,
    destinations: &[&Destination],
    received_at: Timestamp,
) -> Result<Vec<Option<Timestamp>>, StoreError> {
    let mut writes = Vec::new();
    for (_, experiment) in destinations {
        writes.push(Some((&experiment.id, experiment.shards)));
    }
    if writes.is_empty() {
        writes.push(None);
    }
    let writes = writes.into_iter().map(|destination| async move {
        let first = app
            .store()
            .record_first(event, destination, received_at)
            .await?;
        Ok(match first {
            // The SDK repeats a write whose response was lost. The repeat finds the event of the same request.
            FirstWrite::Existing(earlier) if earlier.received_at != received_at => {
                Some(earlier.counted_at)
            }
            FirstWrite::Stored | FirstWrite::Existing(_) => {
                user.has_stored();
                None
            }
        })
    });
    futures::future::try_join_all(writes).await
}

/// Why an event counts for no experiment: the reason of the assignment that is closest to counting it.
fn not_counted(user: &User, counted_at: Timestamp) -> NotCounted {
    if user.assigned.is_empty() {
        NotCounted::NoAssignment
    } else if user
        .assigned
        .iter()
        .any(|(assignment, experiment)| experiment.counts(assignment.assigned_at, counted_at))
    {
        NotCounted::TooLate
    } else if user
        .assigned
        .iter()
        .any(|(assignment, _)| assignment.assigned_at < counted_at)
    {
        NotCounted::ExperimentEnded
    } else {
        NotCounted::BeforeAssignment
    }
}
