//! What becomes of each event of a request.

use domain::assignment::Assignment;
use domain::event::Event;
use domain::experiment::Experiment;
use domain::ids::{EventId, ExperimentId, UserId, VariantKey};
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::app::App;
use shared::http::input::events::Read;
use shared::http::{Fault, Problem};
use shared::store::{FirstWrite, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Reads or writes under way at once: enough to hide the latency, few enough for one process.
const AT_ONCE: usize = 32;

/// What became of an event.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) index: usize,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts_for: Option<Vec<CountsFor>>,
    /// Why it counts for no experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Fault>,
}

/// An experiment that an event counts for.
#[derive(Debug, Clone, Serialize)]
struct CountsFor {
    experiment_id: ExperimentId,
    variant: VariantKey,
}

/// A user's assignments, each with the definition of its experiment.
type Assigned = Arc<Vec<(Assignment, Arc<Experiment>)>>;

/// The users of a request. None: the user was erased.
type Users = HashMap<UserId, Option<Assigned>>;

/// Records events; the outcomes are in the order of the events.
pub(crate) async fn all(
    app: &App,
    read: Read,
    received_at: Timestamp,
) -> Result<Vec<Outcome>, Problem> {
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

    // Twins within a request must not race each other for being the first.
    let mut seen = HashSet::new();
    let places: Vec<String> = (0..read.events.len())
        .map(|index| read.user_pointer(index))
        .collect();
    let each = read.events.into_iter().zip(places).enumerate();
    let outcomes = each.map(|(index, (event, place))| {
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
                (Err(errors), _) => Ok(refused(index, errors)),
                (Ok(_), Some(None)) => Ok(refused(index, vec![Fault::erased(place)])),
                (Ok(event), user) => {
                    let assigned = user.flatten().unwrap_or_default();
                    one(app, index, event, in_batch_duplicate, assigned, received_at).await
                }
            }
        }
    });
    let outcomes: Vec<_> = outcomes.collect();
    let mut outcomes: Vec<Outcome> = stream::iter(outcomes)
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
) -> Result<Outcome, Problem> {
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
        // It was sent before, when it counted for nothing. The first time stands. By that time it may count
        // for an assignment that was brought in meanwhile, and then it is stored for it now.
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
    Ok(Outcome {
        index,
        status: if stored { "stored" } else { "duplicate" },
        reason: counts_for
            .is_empty()
            .then(|| why_not(&assigned, event.counted_at)),
        event_id: Some(event.id),
        counted_at: Some(event.counted_at),
        counts_for: Some(counts_for),
        errors: Vec::new(),
    })
}

fn counting(assigned: &Assigned, counted_at: Timestamp) -> Vec<&(Assignment, Arc<Experiment>)> {
    let counts = |(assignment, experiment): &&(Assignment, Arc<Experiment>)| {
        experiment.counts(assignment.assigned_at, counted_at)
    };
    assigned.iter().filter(counts).collect()
}

/// Writes an event for each of its experiments, or once for none. For each write the time of the event that
/// was there before, if there was one.
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
                // A write that succeeded but whose answer was lost is tried again by the client library and
                // finds itself.
                FirstWrite::Existing(earlier) if earlier.received_at == received_at => None,
                FirstWrite::Existing(earlier) => Some(earlier.counted_at),
            },
        )
    });
    futures::future::try_join_all(writes).await
}

fn refused(index: usize, errors: Vec<Fault>) -> Outcome {
    Outcome {
        index,
        status: "rejected",
        event_id: None,
        counted_at: None,
        counts_for: None,
        reason: None,
        errors,
    }
}

/// Why an event counts for no experiment. Of several reasons the one nearest to counting.
fn why_not(assigned: &Assigned, counted_at: Timestamp) -> &'static str {
    if assigned.is_empty() {
        "no_assignment"
    } else if assigned
        .iter()
        .any(|(assignment, _)| assignment.assigned_at < counted_at)
    {
        "experiment_ended"
    } else {
        "before_assignment"
    }
}
