//! A piece of work: a task for the users of an index shard, and its position.

use super::REMAINING;
use crate::clock;
use crate::store::generations::GenerationNumber;
use crate::store::keys::experiments as key;
use crate::store::transaction::{self, Transaction};
use crate::store::{Store, StoreError};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, Update};
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long finished work is kept: as long as its stream records may arrive, so that a late one does not start it
/// again.
const KEPT_SECONDS: i64 = 86_400;

/// When an item expires that is finished at this instant, in epoch seconds.
pub(super) fn kept_until() -> i64 {
    clock::now().epoch_seconds() + KEPT_SECONDS
}

/// The task of each user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Add the assigned users to a new generation.
    Build,
    /// Refresh the users that were active from an instant on.
    PassActive,
    /// Refresh the users that were assigned from an instant on.
    PassAssigned,
    /// Refresh all assigned users, and store for the experiment those of their events that count for it now.
    PassAll,
    /// Delete the users' contributions to a generation.
    CleanUsers,
    /// Delete the aggregates of a generation.
    CleanSums,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::PassActive => "pass-active",
            Self::PassAssigned => "pass-assigned",
            Self::PassAll => "pass-all",
            Self::CleanUsers => "clean-users",
            Self::CleanSums => "clean-sums",
        }
    }

    /// Whether it updates aggregates, and so must miss no user.
    pub(super) fn counts(self) -> bool {
        match self {
            Self::Build | Self::PassActive | Self::PassAssigned | Self::PassAll => true,
            Self::CleanUsers | Self::CleanSums => false,
        }
    }
}

/// A position in an index: the key attributes of the last record that was read.
pub(super) type Place = BTreeMap<String, String>;

/// A stored piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Its sort key.
    pub record: String,
    /// The task.
    pub task: Task,
    /// The generation, or the version of the definition that caused it.
    pub number: u64,
    /// The index shard.
    pub shard: u16,
    /// When it was begun.
    pub asked_at: Timestamp,
    /// The earliest instant whose users it covers.
    pub from: Timestamp,
    /// Finished pages.
    pub pages: u64,
    /// The start of the next page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) place: Option<Place>,
    /// When the item expires, in epoch seconds, once the work is finished.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<i64>,
}

impl Work {
    /// New work for all users of a shard.
    pub(super) fn new(id: &ExperimentId, task: Task, number: u64, shard: u16) -> Self {
        Self {
            experiment_id: id.clone(),
            record: key::work(task.name(), number, shard),
            task,
            number,
            shard,
            asked_at: clock::now(),
            from: Timestamp::MIN,
            pages: 0,
            place: None,
            expires_at: None,
        }
    }

    /// The work after a page that ended at this position.
    pub(super) fn after(&self, place: Option<Place>) -> Self {
        match place {
            None => self.done(),
            place => Self {
                pages: self.pages + 1,
                place,
                ..self.clone()
            },
        }
    }

    /// The finished work.
    pub(super) fn done(&self) -> Self {
        Self {
            pages: self.pages + 1,
            place: None,
            expires_at: Some(kept_until()),
            ..self.clone()
        }
    }
}

impl Store {
    /// Stores a piece of work unless it is stored already.
    pub(super) async fn begin(&self, work: &Work) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.experiments)
            .set_item(Some(serde_dynamo::to_item(work)?))
            .condition_expression("attribute_not_exists(#record)")
            .expression_attribute_names("#record", key::RECORD);
        self.put(put).await.map(drop)
    }

    /// The piece of work as it is stored now. None if it was finished long ago.
    pub(super) async fn work_now(&self, work: &Work) -> Result<Option<Work>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.experiments)
            .key(
                key::EXPERIMENT_ID,
                AttributeValue::S(work.experiment_id.to_string()),
            )
            .key(key::RECORD, AttributeValue::S(work.record.clone()))
            .consistent_read(true);
        let item = self.read(get).await?;
        Ok(item.map(serde_dynamo::from_item).transpose()?)
    }

    /// Stores the new position of a piece of work; for a finished build also that one shard less remains. Nothing, if
    /// another process did this page first.
    pub(super) async fn advance(&self, work: &Work, next: &Work) -> Result<(), StoreError> {
        let put = Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(serde_dynamo::to_item(next)?))
            .condition_expression("#pages = :pages")
            .expression_attribute_names("#pages", "pages")
            .expression_attribute_values(":pages", AttributeValue::N(work.pages.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut actions = vec![transaction::put(put)?];
        if work.task == Task::Build && next.expires_at.is_some() {
            actions.push(transaction::update(self.shard_built(work))?);
        }
        match self.transact(&actions).await? {
            Transaction::Done | Transaction::FirstRefused => Ok(()),
        }
    }

    fn shard_built(&self, work: &Work) -> UpdateBuilder {
        let shard = AttributeValue::Ns(vec![work.shard.to_string()]);
        self.build_update(&work.experiment_id, work.number)
            .update_expression("DELETE #remaining :shard")
            .condition_expression("attribute_exists(#record)")
            .expression_attribute_names("#remaining", REMAINING)
            .expression_attribute_names("#record", key::RECORD)
            .expression_attribute_values(":shard", shard)
    }

    /// An update of the item of a build.
    pub(super) fn build_update(
        &self,
        id: &ExperimentId,
        generation: GenerationNumber,
    ) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.tables.experiments)
            .key(key::EXPERIMENT_ID, AttributeValue::S(id.to_string()))
            .key(key::RECORD, AttributeValue::S(key::build(generation)))
    }
}
