//! Checks of the number of stored records.

use super::draw::Draw;
use super::play::Play;
use domain::experiment::Experiment;
use futures::TryStreamExt;
use shared::store::Store;
use shared::store::stored_records::RecordKind;

/// Between two steps, when no put is under way: sometimes advances the checkpoints, and sometimes compares the numbers.
pub(crate) async fn sometimes_counted(play: &Play<'_>, draw: &mut Draw) -> Result<(), String> {
    if draw.chance(20) {
        for versions in &play.writer.experiments {
            advance_checkpoints(&play.world.store, &versions[0]).await;
        }
    }
    if draw.chance(10) {
        for versions in &play.writer.experiments {
            recount_checkpoints(&play.world.store, &versions[0]).await;
        }
    }
    if draw.chance(20) {
        stored_records_are_counted(play).await?;
    }
    Ok(())
}

/// Moves the checkpoints of an experiment's stored records up to this moment.
pub(crate) async fn advance_checkpoints(store: &Store, experiment: &Experiment) {
    for shard in 0..experiment.shards {
        for kind in RecordKind::ALL {
            let now = shared::clock::now();
            // A shard may have more records than one step counts; a recent erasure holds its checkpoint back.
            for _ in 0..100 {
                let advanced = store.advance_checkpoint(kind, &experiment.id, shard, now);
                if advanced.await.unwrap() {
                    break;
                }
            }
        }
    }
}

/// Counts the stored records of an experiment again, up to this moment.
async fn recount_checkpoints(store: &Store, experiment: &Experiment) {
    for shard in 0..experiment.shards {
        for kind in RecordKind::ALL {
            let now = shared::clock::now();
            let replaced = store.recount_checkpoint(kind, &experiment.id, shard, now);
            assert!(replaced.await.unwrap());
        }
    }
}

/// The number of stored records equals the records of all users, also after erasures.
pub(crate) async fn stored_records_are_counted(play: &Play<'_>) -> Result<(), String> {
    let store = &play.world.store;
    for versions in &play.writer.experiments {
        let experiment = versions.last().unwrap();
        let mut expected = 0;
        for user in &play.writer.users {
            let user_data = store.user_data(user).await.unwrap();
            let assignments = user_data.assignments.iter();
            let of_experiment = assignments.filter(|one| one.experiment_id == experiment.id);
            let events = store.all_event_summaries_of(user).try_concat();
            let events = events.await.unwrap();
            let events = events.iter();
            let events = events.filter(|one| one.experiment.as_ref() == Some(&experiment.id));
            expected += of_experiment.count() + events.count();
        }
        let found = store.stored_records(experiment, None).await.unwrap();
        if found.count_incomplete || usize::try_from(found.records) != Ok(expected) {
            let id = &experiment.id;
            return Err(format!("{id} has {expected} records, and {found:?}"));
        }
    }
    Ok(())
}
