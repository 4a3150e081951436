//! The generations of an experiment's aggregates: the current one, and one that a backfill builds.

use super::keys::experiments as key;
use super::transaction;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::aggregate_items::AggregateSpec;
use domain::experiment::{Experiment, Status};
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The number of a generation: the instant at which it was requested, in microseconds since 1970. No number is used
/// twice.
pub type GenerationNumber = u64;

/// A generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// When it was requested.
    pub number: GenerationNumber,
    /// What its aggregates contain.
    pub spec: AggregateSpec,
}

/// The generations of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generations {
    /// The generation that results are read from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current: Option<Generation>,
    /// The generation that a backfill builds. Refreshes update it too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<Generation>,
}

impl Generation {
    /// A generation that is requested at an instant.
    pub fn new(spec: AggregateSpec, asked_at: Timestamp) -> Self {
        Self {
            number: asked_at.micros().unsigned_abs(),
            spec,
        }
    }
}

impl Generations {
    /// All generations that refreshes update.
    pub fn all(&self) -> impl Iterator<Item = &Generation> {
        self.current.iter().chain(&self.next)
    }

    /// Whether this generation is among them.
    pub fn has(&self, number: GenerationNumber) -> bool {
        self.all().any(|one| one.number == number)
    }

    /// Whether a backfill builds this generation.
    pub fn is_next(&self, number: GenerationNumber) -> bool {
        self.next.as_ref().is_some_and(|next| next.number == number)
    }
}

#[derive(Serialize)]
struct GenerationsItem<'g> {
    experiment_id: &'g ExperimentId,
    record: &'static str,
    #[serde(flatten)]
    generations: &'g Generations,
}

impl Store {
    /// The generations of an experiment, read consistently. None if it never had any.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn generations(&self, id: &ExperimentId) -> Result<Generations, StoreError> {
        let read = self.record(id.as_str(), key::GENERATIONS, true).await?;
        let read = read.map(serde_dynamo::from_item).transpose()?;
        Ok(read.unwrap_or_default())
    }

    /// The change of the generations when a definition is stored, in the same transaction. An experiment without users
    /// starts with empty, complete aggregates. One with users gets a new generation beside the current one if its
    /// aggregates must contain something else.
    pub(super) fn generations_action(
        &self,
        before: Option<&Experiment>,
        after: &Experiment,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        let spec = AggregateSpec::of(after);
        if before.is_some_and(|before| AggregateSpec::of(before) == spec) {
            return Ok(None);
        }
        let generation = Generation::new(spec, after.updated_at);
        if before.is_none_or(|before| before.status == Status::Draft) {
            let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(GenerationsItem {
                experiment_id: &after.id,
                record: key::GENERATIONS,
                generations: &Generations {
                    current: Some(generation),
                    next: None,
                },
            })?;
            let put = Put::builder()
                .table_name(&self.tables.experiments)
                .set_item(Some(item));
            return transaction::put(put).map(Some);
        }
        self.next_generation(&after.id, &generation).map(Some)
    }

    /// Requests a new generation beside the current one, as an action of a transaction.
    pub(super) fn next_generation(
        &self,
        id: &ExperimentId,
        generation: &Generation,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.tables.experiments)
            .key(key::EXPERIMENT_ID, AttributeValue::S(id.to_string()))
            .key(key::RECORD, AttributeValue::S(key::GENERATIONS.to_owned()))
            .update_expression("SET #next = :next")
            .expression_attribute_names("#next", "next")
            .expression_attribute_values(":next", serde_dynamo::to_attribute_value(generation)?);
        transaction::update(update)
    }
}
