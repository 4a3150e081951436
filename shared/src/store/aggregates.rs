//! The aggregates table: users' contributions, and the aggregates themselves.
//!
//! A *contribution* item holds what a user has added to the aggregates, with a revision. An *aggregate* item holds
//! numbers of many users. Both change in one transaction; [`super::refresh`] is the only writer.

use super::generations::GenerationNumber;
use super::item::{Item, damaged, number, text};
use super::keys::aggregates as key;
use super::registry::StoredRegistry;
use super::write_shards::WriteShards;
use super::{FirstWrite, Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::aggregate_items::{self, AggregateItems};
use domain::aggregates::DataRange;
use domain::audit::{QUARANTINED_SHOWN, QuarantinedUser};
use domain::contribution::UserContribution;
use domain::ids::{ExperimentId, UserId};
use domain::limits::MAX_NUMBERS_READ;
use domain::registry::Registry;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::HashMap;
use std::pin::pin;

/// Partitions of aggregates that are read at once.
const PARTITIONS_AT_ONCE: usize = 8;

/// A user's contribution to one generation, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredContribution {
    /// The number of its changes; 0 if no item is stored.
    pub revision: u64,
    /// The contribution that is in the aggregates.
    pub contribution: UserContribution,
    /// When the item expires, in epoch seconds; only for erased users.
    pub expires_at: Option<i64>,
    /// Whether a newer contribution could not be stored.
    pub quarantined: bool,
    /// Whether the stored contribution cannot be read. What it has added to the aggregates is then unknown.
    pub damaged: bool,
}

/// A user's contributions to all generations.
pub type UserContributions = HashMap<(ExperimentId, GenerationNumber), StoredContribution>;

/// The sections of the aggregates to read; the days of all users are always read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AggregateSections {
    /// Traffic by hour.
    pub hours: bool,
    /// The days by dimension.
    pub dimensions: bool,
}

/// Stored aggregates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredAggregateItems {
    /// The numbers of all write shards together.
    pub aggregate_items: AggregateItems,
    /// The range of the records in them.
    pub data_range: DataRange,
    /// The names with aggregates of their own.
    pub registry: Registry,
    /// The number of write shards; none if it was never raised.
    pub write_shards: Option<WriteShards>,
    /// The number of users that cannot be counted.
    pub quarantined_users: usize,
    /// The number of their records that are not in the aggregates.
    pub not_counted: i64,
    /// The first [`QUARANTINED_SHOWN`] of them.
    pub quarantined: Vec<QuarantinedUser>,
}

/// Why stored aggregates cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AggregatesError {
    /// The database failed, or an item is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There are more numbers than one request may read.
    #[error("there are more than {MAX_NUMBERS_READ} numbers to read")]
    TooManyNumbers,
}

impl Store {
    /// A user's contributions to all experiments and generations, read consistently.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn contributions_of(&self, user: &UserId) -> Result<UserContributions, StoreError> {
        let mut contributions = UserContributions::new();
        let partition = key::of_user(user);
        let mut pages = pin!(self.aggregate_pages(&partition, true));
        while let Some(items) = pages.try_next().await? {
            for item in items {
                let name = text(&item, key::ITEM)?;
                let of = key::read_generation(name).ok_or_else(|| damaged(key::ITEM))?;
                contributions.insert(of, stored_contribution(&item)?);
            }
        }
        Ok(contributions)
    }

    /// The number of records in a user's contribution; 0 if none is stored, or if it cannot be read.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn contribution_records(
        &self,
        user: &UserId,
        experiment: &ExperimentId,
        generation: GenerationNumber,
    ) -> Result<u64, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, AttributeValue::S(key::of_user(user)))
            .key(
                key::ITEM,
                AttributeValue::S(key::generation(experiment, generation)),
            )
            .consistent_read(true);
        let item = self.read(get).await?;
        let stored = item.and_then(|item| stored_contribution(&item).ok());
        Ok(stored.map_or(0, |stored| stored.contribution.records))
    }

    /// The aggregates of a generation, added up over all write shards. A transaction that is being written may be
    /// visible in some items only, unless the read is consistent.
    ///
    /// # Errors
    /// If the database fails, an item is damaged, or there are more than [`MAX_NUMBERS_READ`] numbers.
    pub async fn aggregate_items(
        &self,
        experiment: &ExperimentId,
        generation: GenerationNumber,
        sections: AggregateSections,
        consistent: bool,
    ) -> Result<StoredAggregateItems, AggregatesError> {
        let mut stored = StoredAggregateItems::default();
        let mut numbers = 0;
        let of = |(kind, partition)| key::of_generation(kind, experiment, generation, partition);
        // The first partition has the number of write shards, and so names the others.
        let first = vec![of((key::AGGREGATE_ITEMS, 0))];
        self.take_partitions(first, consistent, &mut stored, &mut numbers)
            .await?;
        let kinds = [
            (key::AGGREGATE_ITEMS, true),
            (key::HOURS, sections.hours),
            (key::DIMENSIONS, sections.dimensions),
        ];
        let wanted = kinds.into_iter().filter(|(_, wanted)| *wanted);
        let shards = stored.write_shards.unwrap_or(self.first_write_shards);
        let others = wanted.flat_map(|(kind, _)| shards.partitions().map(move |one| (kind, one)));
        let others = others.skip(1).map(of).collect();
        self.take_partitions(others, consistent, &mut stored, &mut numbers)
            .await?;
        Ok(stored)
    }

    async fn take_partitions(
        &self,
        partitions: Vec<String>,
        consistent: bool,
        stored: &mut StoredAggregateItems,
        numbers: &mut usize,
    ) -> Result<(), AggregatesError> {
        let pages = partitions
            .into_iter()
            .map(|partition| self.aggregate_pages(&partition, consistent).boxed());
        let pages: Vec<_> = pages.collect();
        let mut pages = stream::iter(pages).flatten_unordered(PARTITIONS_AT_ONCE);
        while let Some(items) = pages.try_next().await? {
            for item in items {
                *numbers += item.len();
                if *numbers > MAX_NUMBERS_READ {
                    return Err(AggregatesError::TooManyNumbers);
                }
                take(stored, item)?;
            }
        }
        Ok(())
    }

    pub(super) fn aggregate_pages(
        &self,
        partition: &str,
        consistent: bool,
    ) -> impl futures::Stream<Item = Result<Vec<Item>, StoreError>> + use<'_> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.aggregates)
            .key_condition_expression("#partition = :partition")
            .expression_attribute_names("#partition", key::PARTITION)
            .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()))
            .consistent_read(consistent);
        self.pages(query)
    }

    /// Extends the range of the records in the aggregates. The range is only shown and never computed with, so a writer
    /// that conflicts several times gives up: the next batch extends it again.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn note_data_range(
        &self,
        experiment: &ExperimentId,
        generation: GenerationNumber,
        data_range: DataRange,
    ) -> Result<(), StoreError> {
        const ATTEMPTS: usize = 3;
        let partition = key::of_generation(key::AGGREGATE_ITEMS, experiment, generation, 0);
        let item = Item::from([
            (key::PARTITION.to_owned(), AttributeValue::S(partition)),
            (
                key::ITEM.to_owned(),
                AttributeValue::S(key::DATA_RANGE.to_owned()),
            ),
        ]);
        for _ in 0..ATTEMPTS {
            let get = self
                .client
                .get_item()
                .table_name(&self.tables.aggregates)
                .set_key(Some(item.clone()));
            let stored = self.read(get).await?;
            let before = stored
                .as_ref()
                .map(|item| text(item, key::DATA_RANGE))
                .transpose()?;
            let after = match before {
                None => data_range,
                Some(before) => read_data_range(before)?.join(data_range),
            };
            let after = serde_json::to_string(&after)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?;
            if before == Some(after.as_str()) || self.put_data_range(&item, before, after).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// False if another writer changed it meanwhile.
    async fn put_data_range(
        &self,
        at: &Item,
        before: Option<&str>,
        after: String,
    ) -> Result<bool, StoreError> {
        let mut item = at.clone();
        item.insert(key::DATA_RANGE.to_owned(), AttributeValue::S(after));
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.aggregates)
            .set_item(Some(item))
            .expression_attribute_names("#data_range", key::DATA_RANGE);
        let put = match before {
            None => put.condition_expression("attribute_not_exists(#data_range)"),
            Some(before) => put
                .condition_expression("#data_range = :before")
                .expression_attribute_values(":before", AttributeValue::S(before.to_owned())),
        };
        Ok(self.put(put).await? == FirstWrite::Stored)
    }
}

fn stored_contribution(item: &Item) -> Result<StoredContribution, StoreError> {
    let quarantined = item.contains_key(key::QUARANTINED);
    if quarantined && !item.contains_key(key::REVISION) {
        return Ok(StoredContribution {
            quarantined,
            ..StoredContribution::default()
        });
    }
    let revision = number(item, key::REVISION)?;
    let contribution = UserContribution::from_text(text(item, key::CONTRIBUTION)?);
    let expires_at = item
        .contains_key(key::EXPIRES_AT)
        .then(|| number(item, key::EXPIRES_AT));
    Ok(StoredContribution {
        revision,
        damaged: contribution.is_err(),
        contribution: contribution.unwrap_or_default(),
        expires_at: expires_at.transpose()?,
        quarantined,
    })
}

fn read_data_range(text: &str) -> Result<DataRange, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn take(stored: &mut StoredAggregateItems, item: Item) -> Result<(), StoreError> {
    let name = text(&item, key::ITEM)?;
    if name == key::DATA_RANGE {
        stored.data_range = read_data_range(text(&item, key::DATA_RANGE)?)?;
        return Ok(());
    }
    if name == key::REGISTRY {
        let registry = StoredRegistry::of(&item)?;
        stored.write_shards = registry.write_shards;
        stored.registry = registry.registry;
        return Ok(());
    }
    if let Some(user) = key::read_quarantined(name) {
        stored.quarantined_users += 1;
        if item.contains_key(key::NOT_COUNTED) {
            stored.not_counted += number::<i64>(&item, key::NOT_COUNTED)?;
        }
        if stored.quarantined.len() == QUARANTINED_SHOWN {
            return Ok(());
        }
        stored.quarantined.push(QuarantinedUser {
            user_id: user.to_owned(),
            reason: text(&item, key::QUARANTINED)?.to_owned(),
            since: text(&item, key::SINCE)?.to_owned(),
        });
        return Ok(());
    }
    let place = name
        .split_once('#')
        .and_then(|(_, name)| aggregate_items::AggregateItemKey::parse(name))
        .ok_or_else(|| damaged(key::ITEM))?;
    let numbers = item
        .keys()
        .filter(|name| !key::ALL.contains(&name.as_str()))
        .map(|name| Ok((name.clone(), number(&item, name)?)))
        .collect::<Result<aggregate_items::ItemNumbers, StoreError>>()?;
    let write_shard = AggregateItems([(place, numbers)].into());
    stored
        .aggregate_items
        .plus(&write_shard)
        .map_err(|overflow| StoreError::Corrupt(overflow.to_string()))
}
