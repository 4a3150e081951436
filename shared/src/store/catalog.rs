//! The catalog: the number of its changes, the last changes, and all segments.
//!
//! Every change of an experiment or of a segment raises the number, in the transaction of the change. A process compares
//! the number with the one that it saw last, and reads only what changed since. The condition on the number also makes
//! the changes of definitions follow one another: what a request read of the catalog still holds when its change is
//! written. So a segment that is named exists, segments name each other in no circle, and a used one is not deleted.

use super::cursor::collect_pages;
use super::item::Item;
use super::keys::{self, catalog as key, experiments as table_key};
use super::stored_segment::StoredSegment;
use super::transaction::{self, Conditional};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain::ids::{ExperimentId, FlagKey, SegmentId, UserId};
use domain::segment_graph::SegmentGraph;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The changes that the item has. A process that has missed more reads everything again. The item stays below 8 KB.
const MAX_CHANGES: usize = 50;

/// How long a change is tried again while other changes are written. A function has ten seconds.
const PATIENCE: Duration = Duration::from_secs(7);

/// The longest pause before the next try. Of several changes one is always written, so the pauses need not grow.
const LONGEST_PAUSE: Duration = Duration::from_millis(30);

/// The number of changes of the catalog, and the last ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogChanges {
    /// How many changes there were.
    pub number: u64,
    /// The last changes, oldest first.
    pub changes: Vec<CatalogChange>,
}

/// A change of one definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogChange {
    /// Its number.
    pub number: u64,
    /// What was changed.
    #[serde(flatten)]
    pub entry: CatalogEntry,
    /// When it was changed.
    pub at: Timestamp,
}

/// An entry of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum CatalogEntry {
    /// An experiment.
    Experiment(ExperimentId),
    /// A segment.
    Segment(SegmentId),
    /// A feature flag.
    Flag(FlagKey),
    /// An erasure, which changes nothing that evaluations use: see [`Store::pass_catalog`]. A hash of the user, and when the
    /// user was erased.
    Erasure(String),
}

impl CatalogChanges {
    /// The changes after a number; none if there were more than are known.
    pub fn since(&self, seen: u64) -> Option<&[CatalogChange]> {
        let missed = usize::try_from(self.number.checked_sub(seen)?).ok()?;
        let first = self.changes.len().checked_sub(missed)?;
        self.changes.get(first..)
    }

    /// With one more change.
    fn with(&self, entry: CatalogEntry, at: Timestamp) -> Self {
        let number = self.number + 1;
        let change = CatalogChange { number, entry, at };
        let surplus = (self.changes.len() + 1).saturating_sub(MAX_CHANGES);
        let kept = self.changes.iter().skip(surplus).cloned();
        Self {
            number,
            changes: kept.chain([change]).collect(),
        }
    }
}

/// The catalog with all segments.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The changes before the segments were read.
    pub changes: CatalogChanges,
    /// All segments, if they were read.
    pub segments: Vec<StoredSegment>,
}

impl Catalog {
    /// The segments as a graph.
    pub fn graph(&self) -> SegmentGraph {
        let segments = self.segments.iter();
        segments.map(|stored| stored.segment.clone()).collect()
    }

    /// The segment with an id.
    pub fn segment(&self, id: &SegmentId) -> Option<&StoredSegment> {
        let mut segments = self.segments.iter();
        segments.find(|stored| stored.segment.id == *id)
    }
}

/// The outcome of a write with a change of the catalog.
#[derive(Debug)]
pub(super) enum CatalogWrite {
    /// Everything was written.
    Written,
    /// The condition of the first action failed; with the stored item.
    FirstRefused(Item),
    /// The catalog has changed since it was read. The caller reads it again.
    CatalogChanged,
    /// The condition of another action failed, and the catalog is as it was read.
    LaterRefused,
}

/// The tries of a change that others can get ahead of.
pub struct CatalogTries {
    deadline: Instant,
}

impl Default for CatalogTries {
    fn default() -> Self {
        Self {
            deadline: Instant::now() + PATIENCE,
        }
    }
}

impl CatalogTries {
    /// Waits before the next try.
    ///
    /// # Errors
    /// If the time is over.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        if Instant::now() >= self.deadline {
            let text = "other definitions are changed all the time".to_owned();
            return Err(StoreError::Contended(text));
        }
        let [byte] = crate::clock::random_bits::<1>().unwrap_or([128]);
        tokio::time::sleep(LONGEST_PAUSE * u32::from(byte) / 256).await;
        Ok(())
    }
}

impl Store {
    /// The changes of the catalog, read consistently.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn catalog_changes(&self) -> Result<CatalogChanges, StoreError> {
        let item = self.record(key::PARTITION, key::CHANGES, true).await?;
        Ok(item
            .map(serde_dynamo::from_item)
            .transpose()?
            .unwrap_or_default())
    }

    /// The catalog with all segments, read consistently, in one call for each megabyte. The changes are read first.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn catalog(&self) -> Result<Catalog, StoreError> {
        let query = self.records_of(key::PARTITION).consistent_read(true);
        let mut catalog = Catalog::default();
        for item in collect_pages(self.pages(query)).await? {
            let record = super::item::text(&item, table_key::RECORD)?;
            if record == key::CHANGES {
                catalog.changes = serde_dynamo::from_item(item)?;
            } else {
                catalog.segments.push(StoredSegment::read(item)?);
            }
        }
        Ok(catalog)
    }

    /// The catalog: with its segments if they are needed.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn catalog_with(&self, segments: bool) -> Result<Catalog, StoreError> {
        if segments {
            return self.catalog().await;
        }
        Ok(Catalog {
            changes: self.catalog_changes().await?,
            segments: Vec::new(),
        })
    }

    /// Writes actions together with a change of the catalog, if it is still as it was read. All are written, or none.
    pub(super) async fn write_to_catalog(
        &self,
        mut actions: Vec<TransactWriteItem>,
        before: &CatalogChanges,
        entry: CatalogEntry,
        at: Timestamp,
    ) -> Result<CatalogWrite, StoreError> {
        actions.push(self.changes_action(before, &before.with(entry, at))?);
        match self.transact_conditional(&actions).await? {
            Conditional::Written => Ok(CatalogWrite::Written),
            Conditional::Refused(mut refused) => {
                let catalog_is_refused = refused.last().is_none_or(|last| last.is_refused);
                let any_is_refused = refused.iter().any(|one| one.is_refused);
                Ok(match refused.swap_remove(0).item {
                    Some(item) => CatalogWrite::FirstRefused(item),
                    None if any_is_refused && !catalog_is_refused => CatalogWrite::LaterRefused,
                    // Also after a conflict, which can be about the catalog.
                    None => CatalogWrite::CatalogChanged,
                })
            }
        }
    }

    /// Makes every change of the catalog that is on its way be tried again: it then sees the tombstone of this erasure,
    /// which was written before. Returns the catalog after all changes that were not tried again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pass_catalog(
        &self,
        user: &UserId,
        erased_at: Timestamp,
        now: Timestamp,
    ) -> Result<Catalog, StoreError> {
        let entry = CatalogEntry::Erasure(format!("{}#{erased_at}", keys::hash_of(user)));
        let mut tries = CatalogTries::default();
        loop {
            let before = self.catalog_changes().await?;
            // A repeat of the same erasure has nothing to pass any more.
            if before.changes.iter().any(|change| change.entry == entry) {
                return self.catalog().await;
            }
            let written = self.write_to_catalog(Vec::new(), &before, entry.clone(), now);
            match written.await? {
                CatalogWrite::Written => return self.catalog().await,
                CatalogWrite::FirstRefused(_)
                | CatalogWrite::CatalogChanged
                | CatalogWrite::LaterRefused => tries.next().await?,
            }
        }
    }

    fn changes_action(
        &self,
        before: &CatalogChanges,
        after: &CatalogChanges,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item: Item = serde_dynamo::to_item(after)?;
        item.insert(table_key::EXPERIMENT_ID.to_owned(), partition());
        let record = AttributeValue::S(key::CHANGES.to_owned());
        item.insert(table_key::RECORD.to_owned(), record);
        let put = Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(item))
            .expression_attribute_names("#number", key::NUMBER);
        let put = match before.number {
            0 => put.condition_expression("attribute_not_exists(#number)"),
            number => put
                .condition_expression("#number = :before")
                .expression_attribute_values(":before", AttributeValue::N(number.to_string())),
        };
        transaction::put(put)
    }
}

/// The partition of the catalog.
pub(super) fn partition() -> AttributeValue {
    AttributeValue::S(key::PARTITION.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changes_since_a_number_are_known_or_said_to_be_unknown() {
        let entry =
            |number: u64| CatalogEntry::Segment(SegmentId::parse(&format!("s{number}")).unwrap());
        let mut changes = CatalogChanges::default();
        assert_eq!(changes.since(0), Some(&[][..]));
        let most = MAX_CHANGES as u64;
        for number in 1..=3 * most {
            changes = changes.with(entry(number), Timestamp::MIN);
            for seen in 0..=number {
                let missed = number - seen;
                let expected = (missed <= most).then(|| (seen + 1..=number).collect::<Vec<_>>());
                let found = changes.since(seen);
                let numbers = |found: &[CatalogChange]| {
                    found.iter().map(|change| change.number).collect::<Vec<_>>()
                };
                assert_eq!(found.map(numbers), expected, "{seen} of {number}");
            }
        }
        // A process that has seen a later number than there is has another table.
        assert_eq!(changes.since(changes.number + 1), None);
    }
}
