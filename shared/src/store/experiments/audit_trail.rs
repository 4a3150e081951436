//! The audit trail of a definition.

use crate::store::{Store, StoreError, keys};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::experiment::Experiment;
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An audit record: a version of a definition, and the token that made it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditRecord {
    pub(super) experiment_id: ExperimentId,
    pub(super) record: String,
    /// When it was made.
    pub at: Timestamp,
    /// The id of the token.
    pub by: String,
    /// Why, in the words of the caller.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The definition of this version.
    pub definition: Experiment,
}

/// The largest version whose audit record sorts behind all earlier ones.
const MAX_VERSION: u64 = 9_999_999_999;

impl Store {
    /// Audit records of an experiment, the newest first, from before a version if one is given. Fewer than `limit` do not
    /// mean that there are no more: a page has at most 1 MB, and at least two records of the largest size.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn audit_records<'a>(
        &'a self,
        id: &'a ExperimentId,
        limit: usize,
        before: Option<u64>,
    ) -> BoxFuture<'a, Result<Vec<AuditRecord>, StoreError>> {
        Box::pin(self.audit_trail(id.to_string(), limit, before))
    }

    /// Audit records of a partition, as [`Self::audit_records`] reads them.
    pub(in crate::store) async fn audit_trail<T: DeserializeOwned>(
        &self,
        partition: String,
        limit: usize,
        before: Option<u64>,
    ) -> Result<Vec<T>, StoreError> {
        let last = before.map_or(u64::MAX, |version| version.saturating_sub(1));
        let text = |text: String| AttributeValue::S(text);
        let query = self
            .records_where(&partition, "#record BETWEEN :first AND :last")
            .expression_attribute_values(":first", text(keys::audit_record(0)))
            .expression_attribute_values(":last", text(keys::audit_record(last.min(MAX_VERSION))))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = self.page(query).await?;
        Ok(serde_dynamo::from_items(answer.items.unwrap_or_default())?)
    }
}
