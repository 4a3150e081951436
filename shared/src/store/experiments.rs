//! Definitions of experiments.

mod audit_trail;
mod listing;

pub use self::audit_trail::AuditRecord;
pub use self::listing::{Page, SearchEntry};
use super::batch::MAX_KEYS;
use super::catalog::{Catalog, CatalogEntry, CatalogTries, CatalogWrite};
use super::item::Item;
use super::keys::{self, experiments as key};
use super::record::record_key;
use super::transaction;
use super::used_by::{SegmentUser, UsesChange, used_by_experiment};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure};
use domain::experiment::{Experiment, Status};
use domain::ids::ExperimentId;
use domain::placement::Placement;
use domain::search::SearchTexts;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// What searches look at, for the index [`key::SEARCH_BY_STATUS`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    texts: Option<SearchTexts>,
    definition: Experiment,
}

/// Who makes a change, and why.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// The id of the token.
    pub by: &'a str,
    /// Why, in the words of the caller.
    pub reason: Option<&'a str>,
}

/// The outcome of a creation.
#[derive(Debug)]
pub enum Creation {
    /// It is stored.
    Created(Box<Experiment>),
    /// The id is taken by an experiment that a request with this digest created.
    Taken {
        /// The current experiment.
        experiment: Box<Experiment>,
        /// Digest of the request that created it.
        creation_digest: String,
    },
    /// The layer or the running holdouts have changed since the placement was computed. Nothing is stored.
    Moved,
    /// A segment that it names was deleted at the same moment.
    SegmentDeleted(String),
}

/// The outcome of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It is stored.
    Changed,
    /// Another caller changed the experiment first.
    Stale,
    /// The layer or the running holdouts have changed since the placement was computed. Nothing is stored.
    Moved,
    /// A segment that it names was deleted at the same moment.
    SegmentDeleted(String),
}

/// The outcome of a write of a definition.
enum DefinitionWrite {
    Written,
    /// The condition on the definition failed; with the stored item.
    Refused(Item),
    /// The layer, the running holdouts or the catalog has changed.
    Moved,
    /// A segment that it names was deleted at the same moment.
    SegmentDeleted(String),
}

impl Store {
    /// Stores a new experiment, its first audit record and its place, all or nothing. `catalog` is the catalog in which the
    /// segments that it names were found.
    ///
    /// # Errors
    /// If the database fails; then nothing was stored, or a repeat finds it [`Creation::Taken`].
    pub fn create_experiment<'a>(
        &'a self,
        new: &'a Placement,
        creation_digest: &'a str,
        by: &'a str,
        catalog: Catalog,
    ) -> BoxFuture<'a, Result<Creation, StoreError>> {
        Box::pin(async move {
            let put = self
                .definition_put(&new.experiment, creation_digest)?
                .condition_expression("attribute_not_exists(#id)")
                .expression_attribute_names("#id", key::EXPERIMENT_ID)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let author = Author { by, reason: None };
            let written = self.write_with_audit(put, None, new, author, catalog);
            match written.await? {
                DefinitionWrite::Written => Ok(Creation::Created(Box::new(new.experiment.clone()))),
                DefinitionWrite::SegmentDeleted(id) => Ok(Creation::SegmentDeleted(id)),
                DefinitionWrite::Moved => Ok(Creation::Moved),
                DefinitionWrite::Refused(item) => {
                    let item: DefinitionItem = serde_dynamo::from_item(item)?;
                    Ok(Creation::Taken {
                        experiment: Box::new(item.definition),
                        creation_digest: item.creation_digest,
                    })
                }
            }
        })
    }

    /// Replaces an experiment by its next version, adds an audit record and changes its place, all or nothing. `catalog` is
    /// the catalog in which the segments that it newly names were found.
    ///
    /// # Errors
    /// If the database fails.
    pub fn change_experiment<'a>(
        &'a self,
        before: &'a Experiment,
        after: &'a Placement,
        creation_digest: &'a str,
        author: Author<'a>,
        catalog: Catalog,
    ) -> BoxFuture<'a, Result<ChangeOutcome, StoreError>> {
        Box::pin(async move {
            let put = self
                .definition_put(&after.experiment, creation_digest)?
                .condition_expression("version = :before")
                .expression_attribute_values(
                    ":before",
                    AttributeValue::N(before.version.to_string()),
                )
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let written = self.write_with_audit(put, Some(before), after, author, catalog);
            Ok(match written.await? {
                DefinitionWrite::Written => ChangeOutcome::Changed,
                DefinitionWrite::Refused(_) => ChangeOutcome::Stale,
                DefinitionWrite::Moved => ChangeOutcome::Moved,
                DefinitionWrite::SegmentDeleted(id) => ChangeOutcome::SegmentDeleted(id),
            })
        })
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
            created_at_id: keys::created_at_id(experiment.created_at, experiment.id.as_str()),
            version: experiment.version,
            creation_digest: creation_digest.to_owned(),
            texts: Some(SearchTexts::of(experiment)),
            definition: experiment.clone(),
        })?;
        Ok(Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(item)))
    }

    /// Writes definition, audit record, the changes of generations, the place, the records of its segments and the change of
    /// the catalog in one transaction. If the catalog has changed, it is read again.
    async fn write_with_audit(
        &self,
        definition: PutBuilder,
        before: Option<&Experiment>,
        placement: &Placement,
        author: Author<'_>,
        mut catalog: Catalog,
    ) -> Result<DefinitionWrite, StoreError> {
        let experiment = &placement.experiment;
        let audit: Item = serde_dynamo::to_item(AuditRecord {
            experiment_id: experiment.id.clone(),
            record: keys::audit_record(experiment.version),
            at: experiment.updated_at,
            by: author.by.to_owned(),
            reason: author.reason.map(str::to_owned),
            definition: experiment.clone(),
        })?;
        let audit = Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(audit));
        let uses = UsesChange {
            user: SegmentUser::Experiment(experiment.id.clone()),
            before: before.map(used_by_experiment).unwrap_or_default(),
            after: used_by_experiment(experiment),
        };
        let mut actions = vec![transaction::put(definition)?, transaction::put(audit)?];
        actions.extend(self.generations_action(before, experiment)?);
        let place = self.placement_actions(placement)?;
        let has_place = !place.is_empty();
        actions.extend(place);
        actions.extend(self.use_actions(&uses)?);
        let mut tries = CatalogTries::default();
        loop {
            let known = catalog.graph();
            let mut added = uses.added();
            if let Some(deleted) = added.find(|name| known.get(name).is_none()) {
                return Ok(DefinitionWrite::SegmentDeleted(deleted.to_owned()));
            }
            let entry = CatalogEntry::Experiment(experiment.id.clone());
            let (actions, at) = (actions.clone(), experiment.updated_at);
            let written = self.write_to_catalog(actions, &catalog.changes, entry, at);
            match written.await? {
                CatalogWrite::Written => return Ok(DefinitionWrite::Written),
                CatalogWrite::FirstRefused(item) => return Ok(DefinitionWrite::Refused(item)),
                CatalogWrite::LaterRefused if has_place => return Ok(DefinitionWrite::Moved),
                CatalogWrite::CatalogChanged | CatalogWrite::LaterRefused => tries.next().await?,
            }
            catalog = self.catalog_with(uses.added().next().is_some()).await?;
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
        let read = self.record(id.as_str(), key::DEFINITION, fresh);
        let Some(item) = read.await? else {
            return Ok(None);
        };
        let item: DefinitionItem = serde_dynamo::from_item(item)?;
        Ok(Some((item.definition, item.creation_digest)))
    }

    /// Experiments, read consistently, a hundred in one call. Unknown ids are left out.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn experiments_by_id<'a>(
        &'a self,
        ids: &'a BTreeSet<ExperimentId>,
    ) -> BoxFuture<'a, Result<Vec<Experiment>, StoreError>> {
        Box::pin(async move {
            let keys = ids
                .iter()
                .map(|id| record_key(id.as_str(), key::DEFINITION));
            let keys: Vec<Item> = keys.collect();
            let mut experiments = Vec::new();
            for keys in keys.chunks(MAX_KEYS) {
                let table = &self.tables.experiments;
                let items = self.read_batch(table, keys.to_vec(), true).await?;
                let items: Vec<DefinitionItem> = serde_dynamo::from_items(items)?;
                experiments.extend(items.into_iter().map(|item| item.definition));
            }
            Ok(experiments)
        })
    }
}
