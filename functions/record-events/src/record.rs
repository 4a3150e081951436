//! Records the events of a request.

use crate::outcome::{AcceptedEvent, CountsFor, EventOutcome, EventResult, NotCounted};
use domain::assignment::Assignment;
use domain::event::Event;
use domain::experiment::Experiment;
use domain::ids::UserId;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use shared::app::App;
use shared::http::input::events::ReadEvents;
use shared::http::{Fault, Problem};
use shared::store::{FirstWrite, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Reads or writes under way at once: enough to hide the latency, few enough for one process.
const AT_ONCE: usize = 32;

/// A user's assignments, each with the definition of its experiment.
type Assigned = Arc<Vec<(Assignment, Arc<Experiment>)>>;

/// The users of a request. None: the user was erased.
type Users = HashMap<UserId, Option<Assigned>>;

/// Records events; the outcomes are in the order of the events.
pub(crate) async fn all(
    app: &App,
    read: ReadEvents,
    received_at: Timestamp,
) -> Result<Vec<EventOutcome>, Problem> {
    let users: HashSet<UserId> = read
        .events
        .iter()
        .flatten()
        .map(|event| event.user_id.clone())
        .collect();
    let users: Users = stream::iter(users)
        .map(|user| assignments_of(app, user))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;

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
            match (event, user) {
                (Err(errors), _) => Ok(EventOutcome {
                    index,
                    result: EventResult::Rejected { errors },
                }),
                (Ok(_), Some(None)) => Ok(EventOutcome {
                    index,
                    result: EventResult::Erased {
                        errors: [Fault::erased(pointer)],
                    },
                }),
                (Ok(event), user) => {
                    let assigned = user.flatten().unwrap_or_default();
                    one(app, index, event, in_batch_duplicate, assigned, received_at).await
                }
            }
        }
    });
    let outcomes: Vec<_> = outcomes.collect();
    let mut outcomes: Vec<EventOutcome> = stream::iter(outcomes)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    outcomes.sort_by_key(|outcome| outcome.index);
    Ok(outcomes)
}

async fn assignments_of(app: &App, user: UserId) -> Result<(UserId, Option<Assigned>), Problem> {
    let user_data = app.store().user_data(&user).await?;
    if user_data.tombstone.is_some() {
        return Ok((user, None));
    }
    let assignments = user_data.assignments;
    let definitions = assignments
        .iter()
        .map(|assignment| app.experiment(&assignment.experiment_id));
    let definitions = futures::future::try_join_all(definitions).await?;
    let assigned = assignments
        .into_iter()
        .zip(definitions)
        .filter_map(|(assignment, experiment)| Some((assignment, experiment?)))
        .collect();
    Ok((user, Some(Arc::new(assigned))))
}

async fn one(
    app: &App,
    index: usize,
    mut event: Event,
    in_batch_duplicate: bool,
    assigned: Assigned,
    received_at: Timestamp,
) -> Result<EventOutcome, Problem> {
    let mut stored = false;
    let mut destinations = counting(&assigned, event.counted_at);
    if !destinations.is_empty()
        && assigned
            .iter()
            .any(|(assignment, _)| event.may_have_counted_before(assignment.assigned_at))
        && let Some(earlier) = app
            .store()
            .event_without_experiment(&event.user_id, &event.id)
            .await?
    {
        // An earlier request stored it for no experiment. Its time is kept. At that time it may count for an assignment
        // that was imported meanwhile, and then it is stored for that experiment.
        event.counted_at = earlier.counted_at;
        destinations = counting(&assigned, event.counted_at);
        if !destinations.is_empty() {
            let writes = write(app, &event, &destinations, received_at).await?;
            stored = writes.contains(&None);
        }
    } else if !in_batch_duplicate {
        for earlier in write(app, &event, &destinations, received_at).await? {
            match earlier {
                None => stored = true,
                Some(counted_at) => event.counted_at = counted_at,
            }
        }
    }
    let counts_for: Vec<CountsFor> = destinations
        .iter()
        .map(|(assignment, _)| CountsFor {
            experiment_id: assignment.experiment_id.clone(),
            variant: assignment.variant.clone(),
        })
        .collect();
    let accepted = AcceptedEvent {
        reason: counts_for
            .is_empty()
            .then(|| not_counted(&assigned, event.counted_at)),
        event_id: event.id,
        counted_at: event.counted_at,
        counts_for,
    };
    Ok(EventOutcome {
        index,
        result: if stored {
            EventResult::Stored(accepted)
        } else {
            EventResult::Duplicate(accepted)
        },
    })
}

fn counting(assigned: &Assigned, counted_at: Timestamp) -> Vec<&(Assignment, Arc<Experiment>)> {
    let counts = |(assignment, experiment): &&(Assignment, Arc<Experiment>)| {
        experiment.counts(assignment.assigned_at, counted_at)
    };
    assigned.iter().filter(counts).collect()
}

/// Writes an event for each of its experiments, or once for none. Returns for each write the time of the event that was
/// stored earlier, if there is one.
async fn write(
    app: &App,
    event: &Event,
    destinations: &[&(Assignment, Arc<Experiment>)],
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
        Ok(
            match app
                .store()
                .record_first(event, destination, received_at)
                .await?
            {
                FirstWrite::Stored => None,
                // The SDK repeats a write whose response was lost. The repeat finds the event of the same request.
                FirstWrite::Existing(earlier) if earlier.received_at == received_at => None,
                FirstWrite::Existing(earlier) => Some(earlier.counted_at),
            },
        )
    });
    futures::future::try_join_all(writes).await
}

/// Why an event counts for no experiment: the reason of the assignment that is closest to counting it.
fn not_counted(assigned: &Assigned, counted_at: Timestamp) -> NotCounted {
    if assigned.is_empty() {
        NotCounted::NoAssignment
    } else if assigned
        .iter()
        .any(|(assignment, _)| assignment.assigned_at < counted_at)
    {
        NotCounted::ExperimentEnded
    } else {
        NotCounted::BeforeAssignment
    }
}
