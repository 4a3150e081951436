//! Backfills: building a new generation for other metrics or dimensions, and refreshing users after a change of the
//! definition.
//!
//! The stream of the experiments table drives them. A stream record says that an item changed; its consequence changes
//! other items, whose records cause the next step. Every step may run twice, late, or concurrently:
//!
//! | item | written by | consequence of its record |
//! | --- | --- | --- |
//! | `definition` | a change of the experiment | a pass over the users that another end or phase affects |
//! | `generations` | a change of metrics or dimensions, an audit | a build of `next`; a generation that is neither
//! `current` nor `next` any more is retired |
//! | `work#TASK#NUMBER#SHARD` | the above, and each page of itself | the next page of users, until no user is left or
//! the work is obsolete |
//! | `build#GENERATION` | the end of each shard's work | when no shard remains, `next` becomes `current` |
//! | `retired#GENERATION` | the above; expires after its time | the work of deleting the generation |
//!
//! A pass writes contributions even where nothing changes (`fence`): a concurrent refresh with the old definition is
//! then refused. A generation is deleted late, because a refresh that read of it may still write it.
//!
//! Nothing in that table is deleted here: finished items get an `expires_at`. So the role of the function cannot delete
//! a definition or an audit record.

mod page;
mod work;

pub use page::Worked;
pub use work::{Task, Work};

use super::generations::GenerationNumber;
use super::generations::Generations;
use super::keys::experiments as key;
use super::transaction::{self, Transaction};
use super::{FirstWrite, Store, StoreError};
use crate::clock;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Update};
use domain::experiment::{EndChange, Experiment};
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};

/// How long a retired generation is kept: much longer than any function runs that may still write it.
const RETIREMENT_SECONDS: i64 = 3_600;
/// The attribute of a build with the remaining shards.
const REMAINING: &str = "remaining";

impl Store {
    /// The consequence of a request for another generation.
    ///
    /// # Errors
    /// If the database fails; a repeat continues where this stopped.
    pub fn generations_changed<'a>(
        &'a self,
        id: &'a ExperimentId,
        before: &'a Generations,
        after: &'a Generations,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let Some(experiment) = self.experiment(id, true).await? else {
                return Ok(());
            };
            // A draft has no users, and so no aggregates.
            if experiment.schedule.started_at.is_none() {
                return Ok(());
            }
            for gone in before.all().filter(|one| !after.has(one.number)) {
                self.retire(id, gone.number).await?;
            }
            match &after.next {
                Some(next) if !before.is_next(next.number) => {
                    self.begin_build(&experiment, next.number).await
                }
                _ => Ok(()),
            }
        })
    }

    /// The consequence of a changed definition: affected users are refreshed.
    ///
    /// # Errors
    /// If the database fails; a repeat continues where this stopped.
    pub fn definition_changed<'a>(
        &'a self,
        before: &'a Experiment,
        after: &'a Experiment,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if before.schedule.started_at.is_none() {
                return Ok(());
            }
            let end = EndChange::between(before, after);
            let earlier_end = match end {
                EndChange::Earlier(end) => Some(end),
                EndChange::None | EndChange::Later => None,
            };
            let mut phases = after.allocation.phases.iter().zip(0..);
            let new_phase =
                phases.find(|(phase, place)| before.allocation.phases.get(*place) != Some(*phase));
            let new_phase = new_phase.map(|(phase, _)| phase.since);
            for (task, from) in [
                (
                    Task::PassAll,
                    (end == EndChange::Later).then_some(Timestamp::MIN),
                ),
                (Task::PassActive, earlier_end),
                (
                    Task::PassAssigned,
                    earlier_end.into_iter().chain(new_phase).min(),
                ),
            ] {
                if let Some(from) = from {
                    self.begin_pass(after, task, from).await?;
                }
            }
            Ok(())
        })
    }

    /// The consequence when no shard of a build remains: results are read from its generation.
    ///
    /// # Errors
    /// If the database fails; a repeat is safe.
    pub fn build_done<'a>(
        &'a self,
        id: &'a ExperimentId,
        generation: GenerationNumber,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let switch = Update::builder()
                .table_name(&self.tables.experiments)
                .key(key::EXPERIMENT_ID, AttributeValue::S(id.to_string()))
                .key(key::RECORD, AttributeValue::S(key::GENERATIONS.to_owned()))
                .update_expression("SET #current = #next REMOVE #next")
                .condition_expression("#next.#number = :number")
                .expression_attribute_names("#current", "current")
                .expression_attribute_names("#next", "next")
                .expression_attribute_names("#number", "number")
                .expression_attribute_values(":number", AttributeValue::N(generation.to_string()))
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let end = self
                .build_update(id, generation)
                .update_expression("SET #expires_at = :expires_at")
                .expression_attribute_names("#expires_at", key::EXPIRES_AT)
                .expression_attribute_values(
                    ":expires_at",
                    AttributeValue::N(work::kept_until().to_string()),
                );
            let end = transaction::update(end)?;
            let both = [transaction::update(switch)?, end.clone()];
            match self.transact(&both).await? {
                Transaction::Done => {
                    tracing::info!(experiment_id = %id, generation, "sums built");
                    Ok(())
                }
                // Another generation was requested meanwhile, or the step was done before.
                Transaction::FirstRefused => self.transact(&[end]).await.map(drop),
            }
        })
    }

    /// The consequence when the time of a retired generation is over: it is deleted.
    ///
    /// # Errors
    /// If the database fails; a repeat is safe.
    pub fn retirement_over<'a>(
        &'a self,
        id: &'a ExperimentId,
        generation: GenerationNumber,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let Some(experiment) = self.experiment(id, true).await? else {
                return Ok(());
            };
            for shard in 0..experiment.shards {
                self.begin(&Work::new(id, Task::CleanUsers, generation, shard))
                    .await?;
            }
            self.begin(&Work::new(id, Task::CleanSums, generation, 0))
                .await
        })
    }

    async fn retire(
        &self,
        id: &ExperimentId,
        generation: GenerationNumber,
    ) -> Result<(), StoreError> {
        let expires_at = clock::now().epoch_seconds() + RETIREMENT_SECONDS;
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.experiments)
            .item(key::EXPERIMENT_ID, AttributeValue::S(id.to_string()))
            .item(key::RECORD, AttributeValue::S(key::retired(generation)))
            .item(key::EXPIRES_AT, AttributeValue::N(expires_at.to_string()));
        self.put(put).await.map(drop)
    }

    async fn begin_build(
        &self,
        experiment: &Experiment,
        generation: GenerationNumber,
    ) -> Result<(), StoreError> {
        let id = &experiment.id;
        // A late stream record: that build is finished or replaced.
        if !self.generations(id).await?.is_next(generation) {
            return Ok(());
        }
        for shard in self.open_build(experiment, generation).await? {
            self.begin(&Work::new(id, Task::Build, generation, shard))
                .await?;
        }
        Ok(())
    }

    /// The remaining shards of a build; all shards at its beginning.
    async fn open_build(
        &self,
        experiment: &Experiment,
        generation: GenerationNumber,
    ) -> Result<Vec<u16>, StoreError> {
        let all: Vec<u16> = (0..experiment.shards).collect();
        let remaining = all.iter().map(u16::to_string).collect();
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.experiments)
            .item(
                key::EXPERIMENT_ID,
                AttributeValue::S(experiment.id.to_string()),
            )
            .item(key::RECORD, AttributeValue::S(key::build(generation)))
            .item(REMAINING, AttributeValue::Ns(remaining))
            .condition_expression("attribute_not_exists(#record)")
            .expression_attribute_names("#record", key::RECORD);
        let FirstWrite::Existing(build) = self.put(put).await? else {
            return Ok(all);
        };
        let open = build.get(REMAINING).and_then(|open| open.as_ns().ok());
        let shards = open.into_iter().flatten().map(|shard| shard.parse());
        shards
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::Corrupt("a build has no shards".to_owned()))
    }

    /// Refreshes users of all shards: whether a shard has affected users is known once its index has caught up.
    async fn begin_pass(
        &self,
        experiment: &Experiment,
        task: Task,
        from: Timestamp,
    ) -> Result<(), StoreError> {
        let work = |shard| Work {
            from,
            ..Work::new(&experiment.id, task, experiment.version, shard)
        };
        let begin = |shard| async move { self.begin(&work(shard)).await };
        stream::iter((0..experiment.shards).map(begin))
            .buffer_unordered(super::raw::AT_ONCE)
            .try_collect()
            .await
    }
}
