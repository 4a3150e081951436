//! Layers, and the list of running holdouts.
//!
//! Both are in the experiments table, in partitions whose keys no experiment can have.

use super::experiments::Author;
use super::item::Item;
use super::keys::{created_at_id, experiments as key};
use super::record::record_key;
use super::transaction::{self, Transaction};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use domain::ids::LayerId;
use domain::layer::Layer;
use domain::placement::Placement;
use domain::running_holdouts::RunningHoldouts;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A layer as stored: the keys, what the index needs, and the layer itself.
#[derive(Serialize, Deserialize)]
struct LayerItem {
    experiment_id: String,
    record: String,
    status: String,
    created_at_id: String,
    version: u64,
    layer: Layer,
}

/// A change of a layer's texts, and the token that made it. The history of the ranges is that of the experiments.
#[derive(Serialize)]
struct LayerAuditItem<'a> {
    experiment_id: String,
    record: String,
    at: Timestamp,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The layer after the change; none if it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'a Layer>,
}

/// The running holdouts as stored.
#[derive(Serialize, Deserialize)]
struct HoldoutsItem {
    experiment_id: String,
    record: String,
    version: u64,
    holdouts: RunningHoldouts,
}

/// A page of layers.
#[derive(Debug)]
pub struct LayerPage {
    /// Newest first.
    pub layers: Vec<Layer>,
    /// The start of the next page, if there may be one.
    pub next: Option<String>,
}

impl Store {
    /// A layer, read consistently.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn layer(&self, id: &LayerId) -> Result<Option<Layer>, StoreError> {
        let item = self.record(&key::layer(id), key::LAYER, true).await?;
        let item: Option<LayerItem> = item.map(serde_dynamo::from_item).transpose()?;
        Ok(item.map(|item| item.layer))
    }

    /// The running holdouts, read consistently.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub fn running_holdouts(&self) -> BoxFuture<'_, Result<RunningHoldouts, StoreError>> {
        Box::pin(async move {
            let item = self
                .record(key::HOLDOUTS, key::HOLDOUTS_RECORD, true)
                .await?;
            let item: Option<HoldoutsItem> = item.map(serde_dynamo::from_item).transpose()?;
            Ok(item.map(|item| item.holdouts).unwrap_or_default())
        })
    }

    /// Layers, newest first, before a sort key if one is given.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn layers<'a>(
        &'a self,
        limit: usize,
        before: Option<&'a str>,
    ) -> BoxFuture<'a, Result<LayerPage, StoreError>> {
        Box::pin(async move {
            let listed = self.listed(key::BY_STATUS, key::LAYER, limit, before);
            let (items, more) = listed.await?;
            let items: Vec<LayerItem> = serde_dynamo::from_items(items)?;
            let next = items.last().filter(|_| more);
            Ok(LayerPage {
                next: next.map(|item| item.created_at_id.clone()),
                layers: items.into_iter().map(|item| item.layer).collect(),
            })
        })
    }

    /// Stores a layer and an audit record, both or neither: a new layer, or the next version of an existing one. False if
    /// another caller was first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn write_layer(&self, layer: &Layer, author: Author<'_>) -> Result<bool, StoreError> {
        let put = self.layer_put(layer)?;
        let audit = self.layer_audit(&layer.id, layer.updated_at, Some(layer), author)?;
        let actions = [transaction::put(put)?, transaction::put(audit)?];
        Ok(self.transact(&actions).await? == Transaction::Done)
    }

    /// Deletes a layer in this version and stores an audit record, both or neither. False if another caller changed it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_layer(
        &self,
        layer: &Layer,
        now: Timestamp,
        author: Author<'_>,
    ) -> Result<bool, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.tables.experiments)
            .set_key(Some(record_key(&key::layer(&layer.id), key::LAYER)))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", AttributeValue::N(layer.version.to_string()));
        let audit = self.layer_audit(&layer.id, now, None, author)?;
        let actions = [transaction::delete(delete)?, transaction::put(audit)?];
        Ok(self.transact(&actions).await? == Transaction::Done)
    }

    /// What is written together with an experiment: its layer and the running holdouts, if they are still what the
    /// placement is based on.
    pub(super) fn placement_actions(
        &self,
        placement: &Placement,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut actions = Vec::new();
        if let Some(layer) = &placement.layer {
            actions.push(transaction::put(self.layer_put(layer)?)?);
        }
        match (placement.based_on_holdouts, &placement.holdouts) {
            (Some(version), Some(holdouts)) => {
                let item: Item = serde_dynamo::to_item(HoldoutsItem {
                    experiment_id: key::HOLDOUTS.to_owned(),
                    record: key::HOLDOUTS_RECORD.to_owned(),
                    version: holdouts.version,
                    holdouts: holdouts.clone(),
                })?;
                let put = Put::builder()
                    .table_name(&self.tables.experiments)
                    .set_item(Some(item))
                    .condition_expression(is_version(version))
                    .set_expression_attribute_values(value_of(version));
                actions.push(transaction::put(put)?);
            }
            (Some(version), None) => {
                let check = ConditionCheck::builder()
                    .table_name(&self.tables.experiments)
                    .set_key(Some(record_key(key::HOLDOUTS, key::HOLDOUTS_RECORD)))
                    .condition_expression(is_version(version))
                    .set_expression_attribute_values(value_of(version));
                actions.push(transaction::check(check)?);
            }
            (None, _) => {}
        }
        Ok(actions)
    }

    /// A put of a version of a layer, if the version before it is stored.
    fn layer_put(&self, layer: &Layer) -> Result<PutBuilder, StoreError> {
        let before = layer.version.saturating_sub(1);
        let item: Item = serde_dynamo::to_item(LayerItem {
            experiment_id: key::layer(&layer.id),
            record: key::LAYER.to_owned(),
            status: key::LAYER.to_owned(),
            created_at_id: created_at_id(layer.created_at, layer.id.as_str()),
            version: layer.version,
            layer: layer.clone(),
        })?;
        Ok(Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(item))
            .condition_expression(is_version(before))
            .set_expression_attribute_values(value_of(before))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None))
    }

    fn layer_audit(
        &self,
        id: &LayerId,
        at: Timestamp,
        layer: Option<&Layer>,
        author: Author<'_>,
    ) -> Result<PutBuilder, StoreError> {
        // The versions of a layer that is created again begin at 1, so its audit records are named by their times.
        let item: Item = serde_dynamo::to_item(LayerAuditItem {
            experiment_id: key::layer(id),
            record: key::layer_audit(at),
            at,
            by: author.by,
            reason: author.reason,
            layer,
        })?;
        let put = Put::builder().table_name(&self.tables.experiments);
        Ok(put.set_item(Some(item)))
    }
}

/// The condition that an item has this version; version 0 is that of an item that does not exist.
fn is_version(version: u64) -> &'static str {
    if version == 0 {
        "attribute_not_exists(version)"
    } else {
        "version = :version"
    }
}

fn value_of(version: u64) -> Option<Item> {
    let value = || AttributeValue::N(version.to_string());
    (version > 0).then(|| Item::from([(":version".to_owned(), value())]))
}
