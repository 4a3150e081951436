//! What was said about an experiment, and when it was last looked at: two records beside the definition.
//!
//! They are separate, because a look is frequent and its record is small.

use super::item::Item;
use super::keys::experiments as key;
use super::record::record_key;
use super::{FirstWrite, Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::ExperimentId;
use domain::notification::NotificationState;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The attribute with the number of writes of a state.
const REVISION: &str = "revision";
/// The attribute with the time of the last look.
const LOOKED_AT: &str = "looked_at";

/// What was said, as stored.
#[derive(Serialize, Deserialize)]
struct StateItem {
    experiment_id: ExperimentId,
    record: String,
    revision: u64,
    state: NotificationState,
}

/// What was said about an experiment, with the number of its writes. A write fails if there was another one since.
#[derive(Debug, Clone, Default)]
pub struct StoredState {
    /// What was said.
    pub state: NotificationState,
    revision: u64,
}

impl Store {
    /// What was said about an experiment. `fresh` reads consistently, at twice the price.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn notification_state(
        &self,
        id: &ExperimentId,
        fresh: bool,
    ) -> Result<StoredState, StoreError> {
        let read = self.record(id.as_str(), key::NOTIFICATIONS, fresh);
        let Some(item) = read.await? else {
            return Ok(StoredState::default());
        };
        let item: StateItem = serde_dynamo::from_item(item)?;
        Ok(StoredState {
            state: item.state,
            revision: item.revision,
        })
    }

    /// Replaces what was said about an experiment. Returns false if another process has written since it was read: then
    /// nothing is stored, and the other process sends what it has found.
    ///
    /// # Errors
    /// If the database fails. Then the state may be stored.
    pub async fn replace_notification_state(
        &self,
        id: &ExperimentId,
        read: &StoredState,
        state: NotificationState,
    ) -> Result<bool, StoreError> {
        let item: Item = serde_dynamo::to_item(StateItem {
            experiment_id: id.clone(),
            record: key::NOTIFICATIONS.to_owned(),
            revision: read.revision + 1,
            state,
        })?;
        let revision = AttributeValue::N(read.revision.to_string());
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.experiments)
            .set_item(Some(item));
        let put = match read.revision {
            0 => put
                .condition_expression("attribute_not_exists(#id)")
                .expression_attribute_names("#id", key::EXPERIMENT_ID),
            _ => put
                .condition_expression("#revision = :revision")
                .expression_attribute_names("#revision", REVISION)
                .expression_attribute_values(":revision", revision),
        };
        Ok(matches!(self.put(put).await?, FirstWrite::Stored))
    }

    /// Notes a look at an experiment, unless there was one in the time before it. Returns whether it was noted: of several
    /// processes one looks.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn claim_look(
        &self,
        id: &ExperimentId,
        now: Timestamp,
        interval: Duration,
    ) -> Result<bool, StoreError> {
        let interval = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        let text = |at: Timestamp| AttributeValue::S(at.to_string());
        let mut item = record_key(id.as_str(), key::LOOK);
        item.insert(LOOKED_AT.to_owned(), text(now));
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.experiments)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#at) OR #at <= :before")
            .expression_attribute_names("#at", LOOKED_AT)
            .expression_attribute_values(":before", text(now.plus_micros(-interval)));
        Ok(matches!(self.put(put).await?, FirstWrite::Stored))
    }
}
