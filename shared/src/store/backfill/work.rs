//! A piece of work: what is to be done for the users of an index shard, and how far it is done.

use super::REMAINING;
use crate::clock;
use crate::store::aggregates::GenerationNumber;
use crate::store::keys::experiments as key;
use crate::store::transaction::{self, Transaction};
use crate::store::{Store, StoreError};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, Update};
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far back the second look begins. Indexes follow their tables within moments; whoever was written just before
/// the work was asked for may not have been in them.
const LOOK_AGAIN_MICROS: i64 = 600_000_000;

/// How long work that is done stays: as long as its records may come, so that a late one does not begin it anew.
const KEPT_SECONDS: i64 = 86_400;

/// When an item goes that is done now, in epoch seconds.
pub(super) fn kept_until() -> i64 {
    clock::now().epoch_seconds() + KEPT_SECONDS
}

/// What is done for each user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Counts the assigned users into a new generation.
    Build,
    /// Counts the users again who did something from an instant on.
    PassActive,
    /// Counts the users again who were assigned from an instant on.
    PassAssigned,
    /// Deletes the users' parts in a generation.
    CleanUsers,
    /// Deletes the sums of a generation.
    CleanSums,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::PassActive => "pass-active",
            Self::PassAssigned => "pass-assigned",
            Self::CleanUsers => "clean-users",
            Self::CleanSums => "clean-sums",
        }
    }

    /// Whether it brings sums up to date, and so must miss nobody.
    pub(super) fn counts(self) -> bool {
        matches!(self, Self::Build | Self::PassActive | Self::PassAssigned)
    }
}

/// A place in an index: the key attributes of the last record that was read.
pub(super) type Place = BTreeMap<String, String>;

/// A piece of work as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Of which experiment.
    pub experiment_id: ExperimentId,
    /// Its key beside the experiment.
    pub record: String,
    /// What is done.
    pub task: Task,
    /// For which generation, or because of which version of the definition.
    pub number: u64,
    /// In which index shard.
    pub shard: u16,
    /// When it was begun.
    pub asked_at: Timestamp,
    /// The users of this instant and later.
    pub from: Timestamp,
    /// Whether all users have been gone through once.
    pub again: bool,
    /// Pages that are done.
    pub pages: u64,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) place: Option<Place>,
    /// When the item goes, in epoch seconds, once nothing is left to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<i64>,
}

impl Work {
    /// Work that has not begun, for all users of a shard.
    pub(super) fn new(id: &ExperimentId, task: Task, number: u64, shard: u16) -> Self {
        Self {
            experiment_id: id.clone(),
            record: key::work(task.name(), number, shard),
            task,
            number,
            shard,
            asked_at: clock::now(),
            from: Timestamp::MIN,
            again: false,
            pages: 0,
            place: None,
            expires_at: None,
        }
    }

    /// The work after a page that ended there.
    pub(super) fn after(&self, place: Option<Place>) -> Self {
        if place.is_none() && (self.again || !self.task.counts()) {
            return self.done();
        }
        let mut next = self.clone();
        next.pages += 1;
        if place.is_none() {
            next.from = self.from.max(self.asked_at.plus_micros(-LOOK_AGAIN_MICROS));
            next.again = true;
        }
        next.place = place;
        next
    }

    /// The work with nothing left to do.
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
    /// Stores a piece of work unless it is there.
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

    /// The piece of work as it stands now. None: it was done long ago.
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

    /// Stores how far a piece of work has come; of a build that is done also that one shard less remains. Nothing, if
    /// somebody else did this page first.
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
            Transaction::Done | Transaction::FirstRefused(_) => Ok(()),
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
