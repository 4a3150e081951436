//! One transaction: users' contributions, and what they change in the aggregates.

use super::chunk::{Chunk, Write};
use crate::store::generations::GenerationNumber;
use crate::store::keys::aggregates as key;
use crate::store::transaction::{self, cancelled, is_refused};
use crate::store::write_shards::partition_of;
use crate::store::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::aggregate_items::{AggregateItemKey, ItemNumbers};
use domain::ids::ExperimentId;

/// The outcome of a transaction.
pub(super) enum Written {
    /// It is written.
    Done,
    /// It is refused: the contributions with these indices were written by a concurrent refresh.
    Refused(Vec<usize>),
}

impl Store {
    /// Writes a chunk in the write shard of this process.
    pub(super) async fn write(&self, chunk: &Chunk) -> Result<Written, StoreError> {
        let shards = chunk.write_shards();
        let too_large = || StoreError::Unstorable("a sum grew beyond 38 digits".to_owned());
        let mut actions = Vec::new();
        for write in &chunk.writes {
            actions.push(self.contribution_put(write)?);
        }
        for write in chunk.writes.iter().filter(|write| write.release) {
            actions.push(self.release(&write.key())?);
        }
        for (generation, difference) in chunk.differences().ok_or_else(too_large)? {
            // Without write shards, only the contribution changes, and the difference is empty.
            let Some(shards) = shards.get(generation) else {
                continue;
            };
            let write_shard = self.write_shard.of(*shards);
            for (item, numbers) in &difference.0 {
                actions.push(self.numbers_update(generation, write_shard, item, numbers)?);
            }
        }
        let Some(reasons) = self.send_transaction(actions).await? else {
            return Ok(Written::Done);
        };
        let refused: Vec<usize> = reasons
            .iter()
            .enumerate()
            .filter(|(_, reason)| is_refused(reason))
            .map(|(index, _)| index)
            .collect();
        if refused.is_empty() {
            Err(cancelled(&reasons))
        } else {
            Ok(Written::Refused(refused))
        }
    }

    fn contribution_put(&self, write: &Write) -> Result<TransactWriteItem, StoreError> {
        let (experiment, generation) = &write.generation;
        let revision = AttributeValue::N((write.revision + 1).to_string());
        let put = Put::builder()
            .table_name(&self.tables.aggregates)
            .item(key::PARTITION, AttributeValue::S(key::of_user(&write.user)))
            .item(
                key::ITEM,
                AttributeValue::S(key::generation(experiment, *generation)),
            )
            .item(key::REVISION, revision)
            .item(key::CONTRIBUTION, AttributeValue::S(write.text.clone()))
            .expression_attribute_names("#revision", key::REVISION);
        let put = match write.expires_at {
            None => put,
            Some(end) => put.item(key::EXPIRES_AT, AttributeValue::N(end.to_string())),
        };
        transaction::put(match write.revision {
            0 => put.condition_expression("attribute_not_exists(#revision)"),
            revision => put
                .condition_expression("#revision = :revision")
                .expression_attribute_values(":revision", AttributeValue::N(revision.to_string())),
        })
    }

    fn numbers_update(
        &self,
        (experiment, generation): &(ExperimentId, GenerationNumber),
        write_shard: u8,
        item: &AggregateItemKey,
        numbers: &ItemNumbers,
    ) -> Result<TransactWriteItem, StoreError> {
        let kind = match item {
            AggregateItemKey::Hour(_) => key::HOURS,
            AggregateItemKey::Days {
                dimension: Some(_), ..
            } => key::DIMENSIONS,
            _ => key::AGGREGATE_ITEMS,
        };
        let partition =
            key::of_generation(kind, experiment, *generation, partition_of(write_shard));
        let mut update = Update::builder()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, AttributeValue::S(partition))
            .key(
                key::ITEM,
                AttributeValue::S(format!("{write_shard}#{}", item.name())),
            );
        let mut additions = Vec::new();
        for (index, (name, number)) in numbers.iter().enumerate() {
            additions.push(format!("#{index} :{index}"));
            update = update
                .expression_attribute_names(format!("#{index}"), name)
                .expression_attribute_values(
                    format!(":{index}"),
                    AttributeValue::N(number.to_string()),
                );
        }
        transaction::update(update.update_expression(format!("ADD {}", additions.join(", "))))
    }
}
