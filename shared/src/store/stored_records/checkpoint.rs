//! The number of records of an index shard up to a time, as an item.

use super::RecordKind;
use crate::clock;
use crate::store::StoreError;
use crate::store::item::{Item, number, text};
use crate::store::keys::aggregates as key;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put};
use domain::ids::ExperimentId;
use std::collections::HashMap;

/// The number of records of one kind in an index shard that were stored up to a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The last sort key of the index that is counted; none if nothing is counted yet.
    pub(crate) through: Option<String>,
    pub(crate) records: u64,
    /// When a record was last erased.
    pub(super) erased_at: Option<String>,
}

/// The condition that a checkpoint is still as it was read.
pub(super) struct Unchanged {
    pub(super) condition: &'static str,
    pub(super) names: HashMap<String, String>,
    pub(super) values: Option<HashMap<String, AttributeValue>>,
}

impl Unchanged {
    pub(super) fn of(checkpoint: &Checkpoint) -> Self {
        let condition = match (&checkpoint.through, &checkpoint.erased_at) {
            (None, None) => "attribute_not_exists(#through) AND attribute_not_exists(#erased_at)",
            (Some(_), None) => "#through = :through AND attribute_not_exists(#erased_at)",
            (None, Some(_)) => "attribute_not_exists(#through) AND #erased_at = :erased_at",
            (Some(_), Some(_)) => "#through = :through AND #erased_at = :erased_at",
        };
        let values = [
            (":through", &checkpoint.through),
            (":erased_at", &checkpoint.erased_at),
        ];
        let values: HashMap<_, _> = values
            .into_iter()
            .filter_map(|(name, value)| {
                let value = AttributeValue::S(value.clone()?);
                Some((name.to_owned(), value))
            })
            .collect();
        Self {
            condition,
            names: HashMap::from([
                ("#through".to_owned(), key::THROUGH.to_owned()),
                ("#erased_at".to_owned(), key::ERASED_AT.to_owned()),
            ]),
            values: (!values.is_empty()).then_some(values),
        }
    }
}

impl Checkpoint {
    /// The checkpoint after records with these sort keys were erased.
    fn without(&self, erased: &[String]) -> Self {
        let counted = |position: &&String| {
            self.through
                .as_ref()
                .is_some_and(|through| *position <= through)
        };
        let erased = erased.iter().filter(counted).count();
        Self {
            through: self.through.clone(),
            records: self
                .records
                .saturating_sub(u64::try_from(erased).unwrap_or(u64::MAX)),
            erased_at: Some(clock::now().to_string()),
        }
    }

    /// The write of the checkpoint without records that the same transaction deletes, by their sort keys in the index.
    pub(crate) fn erasing(
        &self,
        table: &str,
        (kind, experiment, shard): (RecordKind, &ExperimentId, u16),
        erased: &[String],
    ) -> PutBuilder {
        let unchanged = Unchanged::of(self);
        Put::builder()
            .table_name(table)
            .set_item(Some(item_of(
                kind,
                experiment,
                shard,
                &self.without(erased),
            )))
            .condition_expression(unchanged.condition)
            .set_expression_attribute_names(Some(unchanged.names))
            .set_expression_attribute_values(unchanged.values)
    }
}

/// Where a record is in the index of its experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPlace {
    /// The index shard.
    pub shard: u16,
    /// The sort key.
    pub position: String,
}

impl IndexPlace {
    /// The place of an item; none if it is not in the index.
    pub(crate) fn of(item: &Item, shard: &str, position: &str) -> Option<Self> {
        let (_, shard) = item.get(shard)?.as_s().ok()?.rsplit_once('#')?;
        Some(Self {
            shard: shard.parse().ok()?,
            position: item.get(position)?.as_s().ok()?.clone(),
        })
    }
}

pub(super) fn key_of(kind: RecordKind, experiment: &ExperimentId, shard: u16) -> Item {
    let name = format!("{}#{shard}", kind.name());
    Item::from([
        (
            key::PARTITION.to_owned(),
            AttributeValue::S(key::stored_records(experiment)),
        ),
        (key::ITEM.to_owned(), AttributeValue::S(name)),
    ])
}

pub(super) fn item_of(
    kind: RecordKind,
    experiment: &ExperimentId,
    shard: u16,
    checkpoint: &Checkpoint,
) -> Item {
    let mut item = key_of(kind, experiment, shard);
    let records = AttributeValue::N(checkpoint.records.to_string());
    item.insert(key::RECORDS.to_owned(), records);
    if let Some(through) = &checkpoint.through {
        item.insert(key::THROUGH.to_owned(), AttributeValue::S(through.clone()));
    }
    if let Some(erased_at) = &checkpoint.erased_at {
        item.insert(
            key::ERASED_AT.to_owned(),
            AttributeValue::S(erased_at.clone()),
        );
    }
    item
}

pub(super) fn checkpoint_of(item: &Item) -> Result<Checkpoint, StoreError> {
    let optional = |name: &str| {
        let value = item.contains_key(name).then(|| text(item, name));
        value.transpose().map(|value| value.map(str::to_owned))
    };
    Ok(Checkpoint {
        through: optional(key::THROUGH)?,
        records: number(item, key::RECORDS)?,
        erased_at: optional(key::ERASED_AT)?,
    })
}
