//! Assignments of users to variants. The first write wins, permanently.

use super::keys::{self, assignments as key};
use super::{FirstWrite, Store, StoreError};
use crate::clock;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::assignment::{Assignment, Attributes};
use domain::ids::{ExperimentId, UserId, VariantKey};
use domain::time::Timestamp;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use std::collections::HashMap;

/// An assignment in the index of its experiment.
#[derive(Debug, Clone, Deserialize)]
pub struct IndexedAssignment {
    /// The user.
    pub user_id: UserId,
    /// The variant.
    pub variant: VariantKey,
    /// When the user was assigned.
    pub assigned_at: Timestamp,
    /// The user's dimension values.
    #[serde(default)]
    pub attributes: Attributes,
}

impl Store {
    /// The user's assignment, by an eventually consistent read at half the price. An assignment of the last moments may
    /// be missing; [`Store::assign_first`] finds it then.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn assignment(
        &self,
        user: &UserId,
        experiment: &ExperimentId,
    ) -> Result<Option<Assignment>, StoreError> {
        let item = self
            .read(self.get_of_user(user, experiment.as_str()))
            .await?;
        Ok(item.map(serde_dynamo::from_item).transpose()?)
    }

    /// Whether the user is assigned in an experiment, read consistently.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn assignment_is_stored(
        &self,
        user: &UserId,
        experiment: &ExperimentId,
    ) -> Result<bool, StoreError> {
        let get = self.get_of_user(user, experiment.as_str());
        Ok(self.read(get.consistent_read(true)).await?.is_some())
    }

    /// A read of the item of a user with this sort key.
    pub(super) fn get_of_user(&self, user: &UserId, name: &str) -> GetItemFluentBuilder {
        self.client
            .get_item()
            .table_name(&self.tables.assignments)
            .key(key::USER_ID, AttributeValue::S(user.to_string()))
            .key(key::EXPERIMENT_ID, AttributeValue::S(name.to_owned()))
    }

    /// Stores an assignment unless the user has one, and returns an earlier one in the same call.
    ///
    /// # Errors
    /// If the database fails; a repeat is safe.
    pub async fn assign_first(
        &self,
        assignment: &Assignment,
        shards: u16,
    ) -> Result<FirstWrite<Assignment>, StoreError> {
        let shard = keys::shard_of(&assignment.user_id, shards);
        let mut item: HashMap<String, AttributeValue> = serde_dynamo::to_item(assignment)?;
        let shard = keys::experiment_shard(&assignment.experiment_id, shard);
        item.insert(key::EXPERIMENT_SHARD.to_owned(), AttributeValue::S(shard));
        let position = keys::stored_at(clock::now(), &keys::hash_of(&assignment.user_id));
        item.insert(key::STORED_AT_HASH.to_owned(), AttributeValue::S(position));
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.assignments)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", key::USER_ID);
        Ok(match self.put(put).await? {
            FirstWrite::Stored => FirstWrite::Stored,
            FirstWrite::Existing(item) => FirstWrite::Existing(serde_dynamo::from_item(item)?),
        })
    }

    /// Assignments of one index shard ordered by the time of storing, page by page.
    pub fn assignments_in_shard(
        &self,
        experiment: &ExperimentId,
        shard: u16,
    ) -> impl Stream<Item = Result<Vec<IndexedAssignment>, StoreError>> + use<'_> {
        let query = self
            .shard_query(experiment, shard)
            .key_condition_expression("#shard = :shard");
        self.pages(query)
            .map(|page| Ok(serde_dynamo::from_items(page?)?))
    }

    /// The last assignments of one index shard that were stored after an instant, newest first, at most `limit`.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn last_assignments_in_shard(
        &self,
        experiment: &ExperimentId,
        shard: u16,
        after: Timestamp,
        limit: usize,
    ) -> Result<Vec<IndexedAssignment>, StoreError> {
        let query = self
            .shard_query(experiment, shard)
            .key_condition_expression("#shard = :shard AND #at >= :after")
            .expression_attribute_names("#at", key::STORED_AT_HASH)
            .expression_attribute_values(":after", AttributeValue::S(after.to_string()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = self.page(query).await?;
        Ok(serde_dynamo::from_items(answer.items.unwrap_or_default())?)
    }

    /// A query of the assignments of one index shard. Its key condition begins with `#shard = :shard`.
    fn shard_query(&self, experiment: &ExperimentId, shard: u16) -> QueryFluentBuilder {
        let partition = keys::experiment_shard(experiment, shard);
        self.client
            .query()
            .table_name(&self.tables.assignments)
            .index_name(key::BY_EXPERIMENT)
            .expression_attribute_names("#shard", key::EXPERIMENT_SHARD)
            .expression_attribute_values(":shard", AttributeValue::S(partition))
            // `attributes` is one of DynamoDB's reserved words.
            .expression_attribute_names("#attributes", "attributes")
            .projection_expression("user_id, variant, assigned_at, #attributes")
    }
}
