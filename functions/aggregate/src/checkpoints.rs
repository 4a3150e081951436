//! Advances the checkpoints of the index shards that a batch has records in, so that results have few records to count.

use domain::ids::{ExperimentId, UserId};
use shared::app::App;
use shared::store::keys;
use shared::store::refresh::DirtyUser;
use shared::store::stored_records::RecordKind;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Advances the checkpoints of these users. A failure is logged: the next batch tries again, and results are right
/// without.
pub(crate) async fn advance(app: &App, dirty: &BTreeMap<UserId, DirtyUser>, deadline: Instant) {
    for (experiment, records) in by_experiment(dirty) {
        if Instant::now() >= deadline {
            return;
        }
        // The number of index shards never changes.
        let Ok(Some(definition)) = app.experiment(experiment).await else {
            continue;
        };
        let shards: BTreeSet<(RecordKind, u16)> = records
            .into_iter()
            .map(|(kind, user)| (kind, keys::shard_of(user, definition.shards)))
            .collect();
        for (kind, shard) in shards {
            if Instant::now() >= deadline {
                return;
            }
            let advanced = app.advance_checkpoint((kind, experiment.clone(), shard));
            if let Err(error) = advanced.await {
                tracing::warn!(%experiment, %error, "a checkpoint could not be advanced");
            }
        }
    }
}

/// The users with new records in each experiment.
fn by_experiment(
    dirty: &BTreeMap<UserId, DirtyUser>,
) -> BTreeMap<&ExperimentId, Vec<(RecordKind, &UserId)>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (user, dirty) in dirty {
        for experiment in &dirty.assignments {
            let record = (RecordKind::Assignments, user);
            all.entry(experiment).or_default().push(record);
        }
        for (experiment, _, _) in &dirty.events {
            if let Some(experiment) = experiment {
                let record = (RecordKind::Events, user);
                all.entry(experiment).or_default().push(record);
            }
        }
    }
    all
}
