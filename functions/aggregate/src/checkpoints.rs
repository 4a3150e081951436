//! Advances the checkpoints of the index shards that a batch has records in, so that results have few records to count.

use domain::ids::{ExperimentId, UserId};
use shared::app::{App, CheckpointKey};
use shared::store::keys;
use shared::store::refresh::DirtyUser;
use shared::store::stored_records::RecordKind;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Advances the checkpoints of these users. A failure is logged: the next batch tries again, and results are right
/// without.
pub(crate) async fn advance(app: &App, dirty: &BTreeMap<UserId, DirtyUser>, deadline: Instant) {
    for key in keys_of(app, dirty).await {
        if Instant::now() >= deadline {
            return;
        }
        let experiment = key.1.clone();
        if let Err(error) = app.advance_checkpoint(key).await {
            tracing::warn!(%experiment, %error, "a checkpoint could not be advanced");
        }
    }
}

async fn keys_of(app: &App, dirty: &BTreeMap<UserId, DirtyUser>) -> BTreeSet<CheckpointKey> {
    let mut keys = BTreeSet::new();
    for (user, dirty) in dirty {
        let assigned = dirty.assignments.iter();
        let assigned = assigned.map(|experiment| (RecordKind::Assignments, experiment));
        let events = dirty.events.iter();
        let events = events.filter_map(|(experiment, _, _)| experiment.as_ref());
        let events = events.map(|experiment| (RecordKind::Events, experiment));
        for (kind, experiment) in assigned.chain(events) {
            if let Some(shards) = shards_of(app, experiment).await {
                let shard = keys::shard_of(user, shards);
                keys.insert((kind, experiment.clone(), shard));
            }
        }
    }
    keys
}

/// The number of index shards; it never changes. None if the definition cannot be read.
async fn shards_of(app: &App, experiment: &ExperimentId) -> Option<u16> {
    let definition = app.experiment(experiment).await.ok()??;
    Some(definition.shards)
}
