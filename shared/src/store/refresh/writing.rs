//! Writing the diffs of a refresh, chunk by chunk.

use super::chunk::{Chunk, ContributionKey};
use super::definitions::GenerationKey;
use super::diff::ContributionDiff;
use super::grouping::grouped;
use super::steps::Steps;
use super::write::Written;
use crate::store::item::Backoff;
use crate::store::write_shards::WriteShards;
use crate::store::{Store, StoreError};
use domain::ids::UserId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

/// Refusals of one transaction by other writers, or by a partition that takes no more, from which on there are too few
/// write shards.
const CROWDED_FROM: u32 = 4;

/// What was written.
#[derive(Default)]
pub(super) struct WriteOutcome {
    pub(super) transactions: usize,
    /// Contributions with a step that was not written.
    stopped: BTreeSet<ContributionKey>,
    pub(super) quarantined: BTreeSet<UserId>,
    pub(super) failures: HashMap<UserId, StoreError>,
    /// Generations whose writers refuse one another, with their number of write shards.
    pub(super) crowded: BTreeMap<GenerationKey, WriteShards>,
}

impl WriteOutcome {
    fn note_crowded(&mut self, chunk: &Chunk) {
        let generations = chunk.write_shards().into_iter();
        self.crowded
            .extend(generations.map(|(generation, shards)| (generation.clone(), shards)));
    }

    fn fail(&mut self, key: ContributionKey, error: StoreError) {
        self.failures.insert(key.0.clone(), error);
        self.stopped.insert(key);
    }
}

impl Store {
    /// Writes the diffs.
    pub(super) async fn write_all(
        &self,
        diffs: Vec<ContributionDiff>,
        deadline: Instant,
    ) -> WriteOutcome {
        let mut all = WriteOutcome::default();
        let grouped = grouped(diffs);
        for (key, error) in grouped.failed {
            self.fail(key, error, &mut all).await;
        }
        for chunk in grouped.chunks {
            self.write_chunk(chunk, deadline, &mut all).await;
        }
        for diff in &grouped.long {
            let key = (diff.user.clone(), diff.generation.clone());
            let mut steps = match Steps::new(diff) {
                Ok(steps) => steps,
                Err(error) => {
                    self.fail(key, error, &mut all).await;
                    continue;
                }
            };
            // After a step that was not written, a concurrent refresh may have left the same revision with another
            // state, so the later steps are not written either.
            while !all.stopped.contains(&key) {
                match steps.next_write() {
                    Ok(None) => break,
                    Ok(Some(write)) => {
                        self.write_chunk(Chunk::of(write), deadline, &mut all).await;
                    }
                    Err(error) => self.fail(key.clone(), error, &mut all).await,
                }
            }
        }
        all
    }

    /// Writes a chunk without the contributions that a concurrent refresh has written. If DynamoDB cannot store it, the
    /// user whose contribution is the reason is found by halving the chunk, and quarantined.
    async fn write_chunk(&self, chunk: Chunk, deadline: Instant, all: &mut WriteOutcome) {
        let mut open = vec![chunk];
        while let Some(mut chunk) = open.pop() {
            let Err(error) = self.write_once(&mut chunk, deadline, all).await else {
                continue;
            };
            if !error.concerns_one_item() {
                for key in chunk.keys() {
                    all.fail(key, error.copy());
                }
                continue;
            }
            match chunk.halves() {
                Ok(halves) => open.extend(halves),
                Err(single) => {
                    for key in single.keys() {
                        self.fail(key, error.copy(), all).await;
                    }
                }
            }
        }
    }

    async fn write_once(
        &self,
        chunk: &mut Chunk,
        deadline: Instant,
        all: &mut WriteOutcome,
    ) -> Result<(), StoreError> {
        let mut backoff = Backoff::new();
        let mut refusals = 0;
        while !chunk.is_empty() {
            all.transactions += 1;
            let written = self.write(chunk).await;
            if matches!(
                written,
                Err(StoreError::Contended(_) | StoreError::Throttled(_))
            ) {
                refusals += 1;
                self.write_shard.draw_again();
                if refusals == CROWDED_FROM {
                    all.note_crowded(chunk);
                }
            }
            match written {
                Ok(Written::Done) => break,
                Ok(Written::Refused(indices)) => {
                    for key in chunk.without(&indices) {
                        let text = "another refresh of the user was written at the same moment";
                        all.fail(key, StoreError::Contended(text.to_owned()));
                    }
                }
                Err(error) if error.is_passing() && backoff.fits(deadline) => {
                    backoff.pause().await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds write shards to generations whose writers refuse one another. Without them, only the next batches are slower.
    pub(super) async fn add_shards_to(&self, crowded: &BTreeMap<GenerationKey, WriteShards>) {
        if !self.adds_write_shards {
            return;
        }
        for ((experiment, generation), shards) in crowded {
            let added = self.add_write_shards((experiment, *generation), *shards);
            if let Err(error) = added.await {
                tracing::warn!(%experiment, %error, "write shards could not be added");
            }
        }
    }

    /// Quarantines the user of a contribution that cannot be stored; any other failure is one of the user.
    async fn fail(&self, key: ContributionKey, error: StoreError, all: &mut WriteOutcome) {
        if !error.concerns_one_item() {
            return all.fail(key, error);
        }
        match self.quarantine(&key, &error).await {
            Ok(()) => {
                all.quarantined.insert(key.0.clone());
                all.stopped.insert(key);
            }
            Err(error) => all.fail(key, error),
        }
    }
}
