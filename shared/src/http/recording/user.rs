//! The users of a request: what decides about their events, and the number of events that are newly stored.

use crate::app::App;
use crate::http::Problem;
use domain::assignment::Assignment;
use domain::event_count::{EventCount, ReachedLimit, day_of};
use domain::experiment::Experiment;
use domain::ids::UserId;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads or writes under way at once: enough to hide the latency, few enough for one process.
pub(super) const AT_ONCE: usize = 32;

/// The users of a request. None: the user was erased.
pub(super) type Users = HashMap<UserId, Option<Arc<User>>>;

/// A user of a request.
#[derive(Default)]
pub(super) struct User {
    /// The assignments, each with the definition of its experiment.
    pub(super) assigned: Vec<(Assignment, Arc<Experiment>)>,
    /// The limit of stored events that the user has reached.
    pub(super) reached: Option<ReachedLimit>,
    /// The number of stored events before this request.
    event_count: Option<EventCount>,
    /// Events that this request has stored, one for each experiment that an event is stored for.
    stored: AtomicU64,
}

impl User {
    /// Notes that an event was stored.
    pub(super) fn has_stored(&self) {
        self.stored.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads the users, each with one query.
pub(super) async fn read(
    app: &App,
    users: HashSet<UserId>,
    received_at: Timestamp,
) -> Result<Users, Problem> {
    stream::iter(users)
        .map(|user| read_one(app, user, received_at))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn read_one(
    app: &App,
    user: UserId,
    received_at: Timestamp,
) -> Result<(UserId, Option<Arc<User>>), Problem> {
    let user_data = app.store().user_data(&user).await?;
    if user_data.tombstone.is_some() {
        return Ok((user, None));
    }
    let assignments = user_data.assignments;
    let definitions = assignments
        .iter()
        .map(|assignment| app.experiment(&assignment.experiment_id));
    let definitions = futures::future::try_join_all(definitions).await?;
    let assigned = assignments.into_iter().zip(definitions);
    let assigned = assigned.filter_map(|(assignment, experiment)| Some((assignment, experiment?)));
    let event_count = user_data.event_count;
    let known = User {
        assigned: assigned.collect(),
        reached: event_count.and_then(|count| count.reached(day_of(received_at))),
        event_count,
        stored: AtomicU64::default(),
    };
    Ok((user, Some(Arc::new(known))))
}

/// Adds the newly stored events to the number of each user, with one update per user.
pub(super) async fn count_stored(
    app: &App,
    users: &Users,
    received_at: Timestamp,
) -> Result<(), Problem> {
    let day = day_of(received_at);
    let known = users
        .iter()
        .filter_map(|(id, user)| Some((id, user.as_ref()?)));
    let updates: Vec<_> = known
        .map(|(id, user)| (id, user.event_count, user.stored.load(Ordering::Relaxed)))
        .filter(|(_, _, stored)| *stored > 0)
        .map(|(id, count, stored)| app.store().add_to_event_count(id, count, day, stored))
        .collect();
    stream::iter(updates)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(())
}
