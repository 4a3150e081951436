//! Records the events of a request.

use super::outcome::{AcceptedEvent, CountsFor, EventOutcome, EventResult, NotCounted};
use super::user::{self, AT_ONCE, User, Users};
use crate::app::App;
use crate::http::input::events::ReadEvents;
use crate::http::{Fault, Problem};
use crate::store::earlier_events::{EarlierEvent, EventPlace};
use crate::store::events::StoredTimes;
use crate::store::{FirstWrite, StoreError};
use domain::assignment::Assignment;
use domain::event::Event;
use domain::event_count::ReachedLimit;
use domain::experiment::Experiment;
use domain::ids::{EventId, UserId};
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// An assignment of the user, with the definition of its experiment.
type Destination = (Assignment, Arc<Experiment>);

/// What is stored of the events of a request.
type Earlier = HashMap<(UserId, EventId), EarlierEvent>;

/// An event of one unit, or the faults of an event.
struct Part {
    /// The index of the event in the request.
    index: usize,
    event: Result<Event, Vec<Fault>>,
    /// The JSON pointer of the unit.
    pointer: String,
}

/// Records events; the outcomes are in the order of the events.
///
/// # Errors
/// If the database fails; a repeat is safe.
pub async fn all(
    app: &App,
    read: ReadEvents,
    received_at: Timestamp,
) -> Result<Vec<EventOutcome>, Problem> {
    let parts = parts(read);
    let results = each(app, &parts, received_at).await?;
    let mut outcomes: Vec<EventOutcome> = Vec::new();
    for (Part { index, .. }, result) in parts.iter().zip(results) {
        match outcomes.last_mut() {
            Some(outcome) if outcome.index == *index => outcome.result.join(result),
            _ => outcomes.push(EventOutcome {
                index: *index,
                result,
            }),
        }
    }
    Ok(outcomes)
}

fn parts(read: ReadEvents) -> Vec<Part> {
    let mut parts = Vec::with_capacity(read.records());
    for (index, event) in read.events.iter().enumerate() {
        match event {
            Err(faults) => parts.push(Part {
                index,
                event: Err(faults.clone()),
                pointer: String::new(),
            }),
            Ok(of_units) => parts.extend(of_units.iter().map(|event| Part {
                index,
                event: Ok(event.clone()),
                pointer: read.unit_pointer(index, &event.user_id),
            })),
        }
    }
    parts
}

/// The result of each part, in their order.
async fn each(
    app: &App,
    parts: &[Part],
    received_at: Timestamp,
) -> Result<Vec<EventResult>, Problem> {
    let valid = parts.iter().filter_map(|part| part.event.as_ref().ok());
    let ids: HashSet<UserId> = valid.map(|event| event.user_id.clone()).collect();
    let users = user::read(app, ids, received_at).await?;
    let earlier = read_earlier(app, parts, &users, received_at).await?;

    // The first event of an id holds within a request too; the later ones have its outcome.
    let mut first = HashMap::new();
    let mut repeats = Vec::new();
    let mut writes = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        if let Ok(event) = &part.event {
            let name = (&event.user_id, &event.id);
            if let Some(of) = first.get(&name) {
                repeats.push((place, *of));
                continue;
            }
            first.insert(name, place);
        }
        writes.push(place);
    }
    let writes = writes.into_iter().map(|place| {
        let (part, users, earlier) = (&parts[place], &users, &earlier);
        async move {
            let result = match &part.event {
                Err(errors) => EventResult::Rejected {
                    errors: errors.clone(),
                },
                Ok(event) => {
                    let pointer = part.pointer.clone();
                    one(app, event, users, earlier, received_at, pointer).await?
                }
            };
            Ok((place, result))
        }
    });
    let writes: Vec<_> = writes.collect();
    let results: Result<BTreeMap<usize, EventResult>, Problem> = stream::iter(writes)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await;
    // Also after a failure: a repeat of the request finds the events that were stored, and does not count them.
    user::count_stored(app, &users, received_at).await?;
    let mut results = results?;
    for (place, of) in repeats {
        let result = results[&of].of_repeat(parts[place].pointer.clone());
        results.insert(place, result);
    }
    Ok(results.into_values().collect())
}

/// Looks for the events of a request in all places where an earlier request may have stored them. The only place of an
/// event is left out: the put itself looks there.
async fn read_earlier(
    app: &App,
    parts: &[Part],
    users: &Users,
    received_at: Timestamp,
) -> Result<Earlier, StoreError> {
    let mut seen = HashSet::new();
    let events = parts.iter().filter_map(|part| part.event.as_ref().ok());
    let first = events.filter(|event| seen.insert((&event.user_id, &event.id)));
    let places = first.flat_map(|event| places(event, users, received_at));
    app.store().earlier_events(places).await
}

/// Where an event may be stored, except in its only place.
fn places<'r>(
    event: &'r Event,
    users: &'r Users,
    received_at: Timestamp,
) -> impl Iterator<Item = EventPlace> + 'r {
    let user = users.get(&event.user_id).and_then(Option::as_ref);
    user.into_iter().flat_map(move |user| {
        let destinations = destinations_of(user, event.counted_at, received_at);
        let only = match (user.reached, destinations.as_slice()) {
            (None, []) => Some(None),
            (None, [(_, experiment)]) => Some(Some(&experiment.id)),
            _ => None,
        };
        let assigned = user.assigned.iter().map(|(_, experiment)| &experiment.id);
        let looked_at = assigned.map(Some).chain([None]);
        looked_at
            .filter(move |place| Some(*place) != only)
            .map(|place| (event.user_id.clone(), event.id.clone(), place.cloned()))
    })
}

async fn one(
    app: &App,
    event: &Event,
    users: &Users,
    earlier: &Earlier,
    received_at: Timestamp,
    pointer: String,
) -> Result<EventResult, StoreError> {
    let Some(Some(user)) = users.get(&event.user_id) else {
        return Ok(EventResult::Erased {
            errors: [Fault::erased(pointer)],
        });
    };
    match earlier.get(&(event.user_id.clone(), event.id.clone())) {
        Some(earlier) => again(app, earlier, user).await,
        None => match user.reached {
            Some(reached) => Ok(beyond(reached, pointer)),
            None => new(app, event.clone(), user, received_at).await,
        },
    }
}

/// An event that is stored already. Its first record holds, whatever the repeat says. If it counts for an assignment that
/// was imported meanwhile, it is stored for that experiment too.
async fn again(app: &App, earlier: &EarlierEvent, user: &User) -> Result<EventResult, StoreError> {
    let counted_at = earlier.event.counted_at;
    let is_stored = |experiment: &Experiment| {
        let place = Some(experiment.id.clone());
        earlier.stored_for.contains(&place)
    };
    // Where it was stored in time, it stays counted after the experiment stops accepting events.
    let is_destination = |(assignment, experiment): &&Destination| {
        experiment.stores(assignment.assigned_at, counted_at)
            && (experiment.accepts(earlier.received_at) || is_stored(experiment))
    };
    let destinations: Vec<&Destination> = user.assigned.iter().filter(is_destination).collect();
    let missing = destinations
        .iter()
        .copied()
        .filter(|(_, experiment)| !is_stored(experiment));
    let missing: Vec<&Destination> = missing.collect();
    let mut stored = false;
    if user.reached.is_none() && !missing.is_empty() {
        for written in write(app, &earlier.event, &missing, earlier.received_at).await? {
            if written == FirstWrite::Stored {
                stored = true;
                user.has_stored();
            }
        }
    }
    Ok(outcome(stored, earlier.event.clone(), user, &destinations))
}

/// An event that is stored in none of the places that were looked at.
async fn new(
    app: &App,
    mut event: Event,
    user: &User,
    received_at: Timestamp,
) -> Result<EventResult, StoreError> {
    let destinations = destinations_of(user, event.counted_at, received_at);
    let mut first_received_at = received_at;
    let mut stored = false;
    for written in write(app, &event, &destinations, received_at).await? {
        match written {
            FirstWrite::Existing(earlier) if earlier.received_at != received_at => {
                event.counted_at = earlier.counted_at;
                first_received_at = earlier.received_at;
            }
            // The SDK repeats a write whose response was lost. The repeat finds the event of the same request.
            FirstWrite::Stored | FirstWrite::Existing(_) => {
                stored = true;
                user.has_stored();
            }
        }
    }
    let destinations = destinations_of(user, event.counted_at, first_received_at);
    Ok(outcome(stored, event, user, &destinations))
}

fn beyond(reached: ReachedLimit, pointer: String) -> EventResult {
    EventResult::TooMany {
        errors: [Fault::at(pointer, reached.invalid())],
    }
}

fn outcome(stored: bool, event: Event, user: &User, destinations: &[&Destination]) -> EventResult {
    let counts = |(assignment, experiment): &&&Destination| {
        experiment.counts(assignment.assigned_at, event.counted_at)
    };
    let counts_for: Vec<CountsFor> = destinations
        .iter()
        .filter(counts)
        .map(|(assignment, _)| CountsFor {
            experiment_id: assignment.experiment_id.clone(),
            variant: assignment.variant.clone(),
        })
        .collect();
    let accepted = AcceptedEvent {
        reason: counts_for
            .is_empty()
            .then(|| not_counted(user, event.counted_at)),
        event_id: event.id,
        counted_at: event.counted_at,
        counts_for,
    };
    if stored {
        EventResult::Stored(accepted)
    } else {
        EventResult::Duplicate(accepted)
    }
}

/// The assignments that an event is stored for: those that it counts for, and those of experiments that have just ended.
fn destinations_of(
    user: &User,
    counted_at: Timestamp,
    received_at: Timestamp,
) -> Vec<&Destination> {
    let is_destination = |(assignment, experiment): &&Destination| {
        experiment.stores(assignment.assigned_at, counted_at) && experiment.accepts(received_at)
    };
    user.assigned.iter().filter(is_destination).collect()
}

/// Writes an event for each of its experiments, or once for none.
async fn write(
    app: &App,
    event: &Event,
    destinations: &[&Destination],
    received_at: Timestamp,
) -> Result<Vec<FirstWrite<StoredTimes>>, StoreError> {
    let mut writes = Vec::new();
    for (_, experiment) in destinations {
        writes.push(Some((&experiment.id, experiment.shards)));
    }
    if writes.is_empty() {
        writes.push(None);
    }
    let writes = writes.into_iter().map(|destination| async move {
        let store = app.store();
        store.record_first(event, destination, received_at).await
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
