//! One transaction: users' new parts, and what changes in the sums.

use super::chunk::{Chunk, Write};
use crate::store::aggregates::GenerationNumber;
use crate::store::keys::aggregates as key;
use crate::store::transaction::{self, cancelled, is_refused};
use crate::store::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::aggregate_items::{Item, Numbers};
use domain::ids::ExperimentId;

/// Copies of each item of numbers. Two writers at once are refused one another's items, so each draws one of these; as
/// many as the shards that a stream has from the beginning, and so aggregators at work.
const WRITE_SHARDS: u8 = 4;

/// What became of a chunk.
pub(super) enum Written {
    /// All of it is written.
    Done,
    /// Nothing is: at these places somebody else has written meanwhile.
    Refused(Vec<usize>),
}

impl Store {
    /// Writes a chunk in a write shard that is drawn.
    pub(super) async fn write(&self, chunk: &Chunk) -> Result<Written, StoreError> {
        let write_shard = crate::clock::random_bits::<1>().map_or(0, |[byte]| byte % WRITE_SHARDS);
        let too_large = || StoreError::Corrupt("a sum grew beyond 38 digits".to_owned());
        let mut actions = Vec::new();
        for write in &chunk.writes {
            actions.push(self.contribution_put(write)?);
        }
        for (sums, difference) in chunk.differences().ok_or_else(too_large)? {
            for (item, numbers) in &difference.0 {
                actions.push(self.numbers_update(sums, write_shard, item, numbers)?);
            }
        }
        let Some(reasons) = self.send_transaction(actions).await? else {
            return Ok(Written::Done);
        };
        let refused: Vec<usize> = reasons
            .iter()
            .enumerate()
            .filter(|(_, reason)| is_refused(reason))
            .map(|(place, _)| place)
            .collect();
        if refused.is_empty() {
            Err(cancelled(&reasons))
        } else {
            Ok(Written::Refused(refused))
        }
    }

    fn contribution_put(&self, write: &Write) -> Result<TransactWriteItem, StoreError> {
        let text = write
            .contribution
            .to_text()
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let (experiment, generation) = &write.sums;
        let revision = AttributeValue::N((write.revision + 1).to_string());
        let put = Put::builder()
            .table_name(&self.tables.aggregates)
            .item(key::PARTITION, AttributeValue::S(key::of_user(&write.user)))
            .item(
                key::ITEM,
                AttributeValue::S(key::generation(experiment, *generation)),
            )
            .item(key::REVISION, revision)
            .item(key::CONTRIBUTION, AttributeValue::S(text))
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
        item: &Item,
        numbers: &Numbers,
    ) -> Result<TransactWriteItem, StoreError> {
        let kind = match item {
            Item::Hour(_) => key::HOURS,
            Item::Days {
                dimension: Some(_), ..
            } => key::DIMENSIONS,
            _ => key::AGGREGATE_ITEMS,
        };
        let partition = key::of_generation(kind, experiment, *generation);
        let mut update = Update::builder()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, AttributeValue::S(partition))
            .key(
                key::ITEM,
                AttributeValue::S(format!("{write_shard}#{}", item.name())),
            );
        let mut places = Vec::new();
        for (place, (name, number)) in numbers.iter().enumerate() {
            places.push(format!("#{place} :{place}"));
            update = update
                .expression_attribute_names(format!("#{place}"), name)
                .expression_attribute_values(
                    format!(":{place}"),
                    AttributeValue::N(number.to_string()),
                );
        }
        transaction::update(update.update_expression(format!("ADD {}", places.join(", "))))
    }
}
