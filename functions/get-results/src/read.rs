//! The sums from the raw records, shard by shard: all records of a user lie in one.

use futures::{StreamExt, TryStreamExt, stream};
use shared::domain::event::Event;
use shared::domain::experiment::Experiment;
use shared::domain::fold::{Fold, Lens};
use shared::domain::ids::UserId;
use shared::domain::limits::MAX_USERS_WITH_PAST;
use shared::domain::tally::Tally;
use shared::http::{App, Problem};
use shared::store::StoreError;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Index shards read at once.
const AT_ONCE: usize = 8;
/// Users whose past is read at once, in each shard.
const PASTS_AT_ONCE: usize = 16;

/// The sums over all users that the lens shows.
pub(crate) async fn tally(
    app: &App,
    experiment: &Experiment,
    lens: &Lens,
) -> Result<Tally, Problem> {
    let pasts = AtomicUsize::new(0);
    let shards =
        (0..experiment.shards).map(|shard| shard_tally(app, experiment, lens, shard, &pasts));
    let tallies: Vec<Tally> = stream::iter(shards)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut all = Tally::default();
    for tally in tallies {
        all = all.merge(tally)?;
    }
    Ok(all)
}

/// Assignments before events: an event is only found once its assignment is stored, so whoever has an event
/// in this answer is counted as a user too.
async fn shard_tally(
    app: &App,
    experiment: &Experiment,
    lens: &Lens,
    shard: u16,
    pasts: &AtomicUsize,
) -> Result<Tally, Problem> {
    let (store, window) = (app.store(), lens.window);
    let mut fold = Fold::new(experiment, lens);
    let mut pages = pin!(store.assignments_in_shard(&experiment.id, shard, window.to));
    while let Some(page) = pages.try_next().await? {
        for assignment in page {
            fold.assignment(
                assignment.user_id,
                &assignment.variant,
                assignment.assigned_at,
                &assignment.attributes,
            );
        }
    }
    if lens.past {
        take_pasts(app, &mut fold, pasts).await?;
    }
    let mut pages = pin!(store.events_in_shard(&experiment.id, shard, window.from, window.to));
    while let Some(page) = pages.try_next().await? {
        for event in page {
            fold.event(
                &event.user_id,
                &event.event_type,
                event.value,
                event.counted_at,
                event.received_at,
            )?;
        }
    }
    Ok(fold.finish()?)
}

/// What the users did before is in no index of the experiment: it is read user by user.
async fn take_pasts(app: &App, fold: &mut Fold<'_>, pasts: &AtomicUsize) -> Result<(), Problem> {
    let users: Vec<UserId> = fold.users().map(|(user, _)| user.clone()).collect();
    let so_far = pasts.fetch_add(users.len(), Ordering::Relaxed) + users.len();
    if so_far > MAX_USERS_WITH_PAST {
        let detail = format!(
            "`cuped=true` reads every user's earlier events, and does so for at most {MAX_USERS_WITH_PAST} users; this experiment \
             has more. Look at a part of them with `segment` or `to`, or leave `cuped` out."
        );
        return Err(Problem::too_much_work(detail));
    }
    let one = async |user: UserId| -> Result<(UserId, Vec<Event>), StoreError> {
        let events = app.store().events_of(&user).await?;
        Ok((user, events))
    };
    let mut read = pin!(stream::iter(users).map(one).buffer_unordered(PASTS_AT_ONCE));
    while let Some((user, events)) = read.try_next().await? {
        for event in events {
            fold.past_event(&user, &event.event_type, event.value, event.counted_at)?;
        }
    }
    Ok(())
}
