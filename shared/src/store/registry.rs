//! The registry of a generation: which event types and dimension values have aggregates of their own.

use super::generations::GenerationNumber;
use super::item::{Item, damaged, number, text};
use super::keys::aggregates as key;
use super::write_shards::WriteShards;
use super::{FirstWrite, Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::ExperimentId;
use domain::registry::Registry;

/// A registry as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRegistry {
    /// The number of its changes; 0 if no item is stored.
    pub(super) revision: u64,
    /// The names.
    pub registry: Registry,
    /// The number of write shards of the generation; none if it was never raised.
    pub(super) write_shards: Option<WriteShards>,
}

impl StoredRegistry {
    pub(super) fn of(item: &Item) -> Result<Self, StoreError> {
        let registry = serde_json::from_str(text(item, key::REGISTRY)?);
        let write_shards = item.contains_key(key::WRITE_SHARDS);
        let write_shards = write_shards.then(|| number(item, key::WRITE_SHARDS));
        Ok(Self {
            revision: number(item, key::REVISION)?,
            registry: registry.map_err(|_| damaged(key::REGISTRY))?,
            write_shards: write_shards.transpose()?.map(WriteShards::new),
        })
    }
}

impl Store {
    /// The registry of a generation, read consistently.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn registry(
        &self,
        experiment: &ExperimentId,
        generation: GenerationNumber,
    ) -> Result<StoredRegistry, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.aggregates)
            .set_key(Some(place(experiment, generation)))
            .consistent_read(true);
        let item = self.read(get).await?;
        let stored = item.as_ref().map(StoredRegistry::of).transpose()?;
        Ok(stored.unwrap_or_default())
    }

    /// Doubles the number of write shards of a generation, because writers refuse one another or a partition takes no more
    /// writes. Nothing happens if another process was first.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub(super) async fn add_write_shards(
        &self,
        (experiment, generation): (&ExperimentId, GenerationNumber),
        seen: WriteShards,
    ) -> Result<(), StoreError> {
        let Some(more) = seen.doubled() else {
            return Ok(());
        };
        let mut stored = self.registry(experiment, generation).await?;
        if stored.write_shards.is_some_and(|known| known > seen) {
            return Ok(());
        }
        stored.write_shards = Some(more);
        let registry = stored.registry.clone();
        let raised = self.store_registry((experiment, generation), &stored, &registry);
        match raised.await {
            Err(StoreError::Contended(_)) => Ok(()),
            raised => raised,
        }
    }

    /// Stores a registry with more names than the stored one, and the number of write shards.
    ///
    /// # Errors
    /// [`StoreError::Contended`] if another process has stored names since it was read. Those may have taken the places
    /// of the new ones, so everything that uses the new names must be computed again.
    pub(super) async fn store_registry(
        &self,
        (experiment, generation): (&ExperimentId, GenerationNumber),
        stored: &StoredRegistry,
        registry: &Registry,
    ) -> Result<(), StoreError> {
        let names = serde_json::to_string(registry)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let number = |number: u64| AttributeValue::N(number.to_string());
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.aggregates)
            .set_item(Some(place(experiment, generation)))
            .item(key::REGISTRY, AttributeValue::S(names))
            .item(key::REVISION, number(stored.revision + 1))
            .expression_attribute_names("#revision", key::REVISION);
        let put = match stored.write_shards {
            None => put,
            Some(shards) => put.item(key::WRITE_SHARDS, number(u64::from(shards.get()))),
        };
        let put = match stored.revision {
            0 => put.condition_expression("attribute_not_exists(#revision)"),
            revision => put
                .condition_expression("#revision = :revision")
                .expression_attribute_values(":revision", number(revision)),
        };
        match self.put(put).await? {
            FirstWrite::Stored => Ok(()),
            FirstWrite::Existing(_) => {
                let text = "other event types or dimension values were registered first";
                Err(StoreError::Contended(text.to_owned()))
            }
        }
    }
}

fn place(experiment: &ExperimentId, generation: GenerationNumber) -> Item {
    let partition = key::of_generation(key::AGGREGATE_ITEMS, experiment, generation, 0);
    Item::from([
        (key::PARTITION.to_owned(), AttributeValue::S(partition)),
        (
            key::ITEM.to_owned(),
            AttributeValue::S(key::REGISTRY.to_owned()),
        ),
    ])
}
