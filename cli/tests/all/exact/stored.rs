//! Checks of the number of stored records.

use super::draw::Draw;
use super::play::Play;
use futures::TryStreamExt;
use shared::store::stored_records::RecordKind;

/// Between two steps, when no put is under way: sometimes advances the checkpoints, and sometimes compares the numbers.
pub(crate) async fn sometimes_counted(play: &Play<'_>, draw: &mut Draw) -> Result<(), String> {
    if draw.chance(20) {
        advance_checkpoints(play).await;
    }
    if draw.chance(20) {
        stored_records_are_counted(play).await?;
    }
    Ok(())
}

/// Moves the checkpoints of stored records up to this moment.
async fn advance_checkpoints(play: &Play<'_>) {
    let store = &play.world.store;
    for versions in &play.writer.experiments {
        for shard in 0..versions[0].shards {
            for kind in RecordKind::ALL {
                let id = &versions[0].id;
                let now = shared::clock::now();
                store
                    .advance_checkpoint(kind, id, shard, now)
                    .await
                    .unwrap();
            }
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
        if found.or_more || usize::try_from(found.records) != Ok(expected) {
            let id = &experiment.id;
            return Err(format!("{id} has {expected} records, and {found:?}"));
        }
    }
    Ok(())
}
