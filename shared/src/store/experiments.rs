//! Definitions and their audit trail.

use super::item::Item;
use super::keys::{self, experiments as key};
use super::transaction::{self, Transaction};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure};
use domain::experiment::{Experiment, Status};
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A definition as stored: the keys, what the index needs, and the experiment itself.
#[derive(Serialize, Deserialize)]
struct DefinitionItem {
    experiment_id: ExperimentId,
    record: String,
    status: Status,
    created_at_id: String,
    version: u64,
    /// Digest of the request that created it. A repeat with the same idempotency key must have the same digest.
    creation_digest: String,
    definition: Experiment,
}

/// An audit record: a version of a definition, and the token that made it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditRecord {
    experiment_id: ExperimentId,
    record: String,
    /// When it was made.
    pub at: Timestamp,
    /// The id of the token.
    pub by: String,
    /// The definition of this version.
    pub definition: Experiment,
}

/// The outcome of a creation.
#[derive(Debug)]
pub enum Creation {
    /// It is stored.
    Created,
    /// The id is taken by an experiment that a request with this digest created.
    Taken {
        /// The current experiment.
        experiment: Box<Experiment>,
        /// Digest of the request that created it.
        creation_digest: String,
    },
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub experiments: Vec<Experiment>,
    /// The start of the next page, if there may be one.
    pub next: Option<String>,
}

impl Store {
    /// Stores a new experiment and its first audit record, both or neither.
    ///
    /// # Errors
    /// If the database fails; then nothing was stored, or a repeat finds it [`Creation::Taken`].
    pub async fn create_experiment(
        &self,
        experiment: &Experiment,
        creation_digest: &str,
        by: &str,
    ) -> Result<Creation, StoreError> {
        let put = self
            .definition_put(experiment, creation_digest)?
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", key::EXPERIMENT_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.write_with_audit(put, None, experiment, by).await? {
            None => Ok(Creation::Created),
            Some(item) => {
                let item: DefinitionItem = serde_dynamo::from_item(item)?;
                Ok(Creation::Taken {
                    experiment: Box::new(item.definition),
                    creation_digest: item.creation_digest,
                })
            }
        }
    }

    /// Replaces an experiment by its next version and adds an audit record, both or neither. False if another caller
    /// changed it first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn change_experiment(
        &self,
        before: &Experiment,
        after: &Experiment,
        creation_digest: &str,
        by: &str,
    ) -> Result<bool, StoreError> {
        let put = self
            .definition_put(after, creation_digest)?
            .condition_expression("version = :before")
            .expression_attribute_values(":before", AttributeValue::N(before.version.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let outcome = self.write_with_audit(put, Some(before), after, by).await?;
        Ok(outcome.is_none())
    }

    fn definition_put(
        &self,
        experiment: &Experiment,
        creation_digest: &str,
    ) -> Result<PutBuilder, StoreError> {
        let item: Item = serde_dynamo::to_item(DefinitionItem {
            experiment_id: experiment.id.clone(),
            record: key::DEFINITION.to_owned(),
            status: experiment.status,
            created_at_id: keys::created_at_id(experiment.created_at, &experiment.id),
            version: experiment.version,
            creation_digest: creation_digest.to_owned(),
            definition: experiment.clone(),
        })?;
        Ok(Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(item)))
    }

    /// Writes definition, audit record and the changes of generations in one transaction. Returns the stored definition
    /// if its condition failed.
    async fn write_with_audit(
        &self,
        definition: PutBuilder,
        before: Option<&Experiment>,
        experiment: &Experiment,
        by: &str,
    ) -> Result<Option<Item>, StoreError> {
        let audit: Item = serde_dynamo::to_item(AuditRecord {
            experiment_id: experiment.id.clone(),
            record: keys::audit_record(experiment.version),
            at: experiment.updated_at,
            by: by.to_owned(),
            definition: experiment.clone(),
        })?;
        let audit = Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(audit));
        let mut actions = vec![transaction::put(definition)?, transaction::put(audit)?];
        actions.extend(self.generations_action(before, experiment)?);
        match self.transact(&actions).await? {
            Transaction::Done => Ok(None),
            Transaction::FirstRefused(item) => Ok(Some(item)),
        }
    }

    /// The experiment. `fresh` reads consistently, at twice the price.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn experiment(
        &self,
        id: &ExperimentId,
        fresh: bool,
    ) -> Result<Option<Experiment>, StoreError> {
        Ok(self
            .definition(id, fresh)
            .await?
            .map(|(experiment, _)| experiment))
    }

    /// The experiment with the digest of the request that created it.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn definition(
        &self,
        id: &ExperimentId,
        fresh: bool,
    ) -> Result<Option<(Experiment, String)>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.experiments)
            .key(key::EXPERIMENT_ID, AttributeValue::S(id.to_string()))
            .key(key::RECORD, AttributeValue::S(key::DEFINITION.to_owned()))
            .consistent_read(fresh);
        let Some(item) = self.read(get).await? else {
            return Ok(None);
        };
        let item: DefinitionItem = serde_dynamo::from_item(item)?;
        Ok(Some((item.definition, item.creation_digest)))
    }

    /// Experiments of one status, newest first, before a sort key if one is given.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn experiments_by_status(
        &self,
        status: Status,
        limit: usize,
        before: Option<&str>,
    ) -> Result<Page, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.tables.experiments)
            .index_name(key::BY_STATUS)
            .expression_attribute_names("#status", key::STATUS)
            .expression_attribute_values(":status", AttributeValue::S(status.name().to_owned()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        query = match before {
            None => query.key_condition_expression("#status = :status"),
            Some(before) => query
                .key_condition_expression("#status = :status AND #created < :before")
                .expression_attribute_names("#created", key::CREATED_AT_ID)
                .expression_attribute_values(":before", AttributeValue::S(before.to_owned())),
        };
        let answer = self.page(query).await?;
        let more = answer.last_evaluated_key.is_some();
        let items: Vec<DefinitionItem> =
            serde_dynamo::from_items(answer.items.unwrap_or_default())?;
        let next = items
            .last()
            .filter(|_| more)
            .map(|item| item.created_at_id.clone());
        Ok(Page {
            experiments: items.into_iter().map(|item| item.definition).collect(),
            next,
        })
    }
}
