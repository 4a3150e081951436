//! Segments and their audit trail.

use super::catalog::{Catalog, CatalogEntry, CatalogWrite, partition};
use super::experiments::Author;
use super::item::Item;
use super::keys::{self, catalog as key, experiments as table_key};
use super::stored_segment::{SegmentVersion, StoredSegment};
use super::transaction;
use super::used_by::{SegmentUser, UsesChange};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain::id_list::IdListIndex;
use domain::ids::SegmentId;
use domain::segment::Segment;
use domain::segment_graph::named_by;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// An audit record: a version of a segment, and the token that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentAuditRecord {
    /// When it was made.
    pub at: Timestamp,
    /// The id of the token.
    pub by: String,
    /// Why, in the words of the caller.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The definition of this version; of the last one, if the version is the deletion.
    pub definition: Segment,
    /// Ids that the version added.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub ids_added: usize,
    /// Ids that the version removed.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub ids_removed: usize,
    /// Whether the segment was created.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub created: bool,
    /// Whether the segment was deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub deleted: bool,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Whether a change was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentWrite {
    /// All of it.
    Written,
    /// Nothing: the catalog has changed since it was read.
    CatalogChanged,
}

impl Store {
    /// The segment with an id, read consistently.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn segment(&self, id: &SegmentId) -> Result<Option<Segment>, StoreError> {
        let stored = self.stored_segment(id).await?;
        Ok(stored.map(|stored| stored.segment))
    }

    /// The segment as it is stored, read consistently.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn stored_segment(
        &self,
        id: &SegmentId,
    ) -> Result<Option<StoredSegment>, StoreError> {
        let item = self.record(key::PARTITION, &key::segment(id), true).await?;
        item.map(StoredSegment::read).transpose()
    }

    /// Segments in the order of their ids, from after an id, at most this many.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn segments_after(&self, id: &str, limit: usize) -> Result<Vec<Segment>, StoreError> {
        let read = |item| Ok(Some(StoredSegment::read(item)?.segment));
        self.list_after(key::PARTITION, (key::SEGMENT, id), limit, read)
            .await
    }

    /// The last version that a segment with this id had; 0 if there never was one.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn last_segment_version(&self, id: &SegmentId) -> Result<u64, StoreError> {
        let last = self.segment_audit_records(id, 1, None).await?;
        Ok(last.first().map_or(0, |record| record.definition.version))
    }

    /// Stores a version of a segment: with its audit record, its chunks, and the records of the segments that it names.
    /// All are written, or none. `before` is the version before, none for a new segment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn write_segment<'a>(
        &'a self,
        catalog: &'a Catalog,
        before: Option<&'a Segment>,
        version: SegmentVersion,
        author: Author<'a>,
    ) -> BoxFuture<'a, Result<SegmentWrite, StoreError>> {
        Box::pin(async move {
            let segment = &version.stored.segment;
            let mut item: Item = serde_dynamo::to_item(&version.stored)?;
            item.insert(table_key::EXPERIMENT_ID.to_owned(), partition());
            let record = AttributeValue::S(key::segment(&segment.id));
            item.insert(table_key::RECORD.to_owned(), record);
            let definition = Put::builder()
                .table_name(&self.tables.experiments)
                .set_item(Some(item));
            let audit = SegmentAuditRecord {
                at: segment.updated_at,
                by: author.by.to_owned(),
                reason: author.reason.map(str::to_owned),
                definition: segment.clone(),
                ids_added: version.ids_added,
                ids_removed: version.ids_removed,
                created: before.is_none(),
                deleted: false,
            };
            let mut actions = vec![
                transaction::put(definition)?,
                self.segment_audit_action(&segment.id, segment.version, &audit)?,
            ];
            for chunk in version.chunks {
                actions.push(self.chunk_action(&segment.id, chunk)?);
            }
            let uses = UsesChange {
                user: SegmentUser::Segment(segment.id.clone()),
                before: before.map(named_by).unwrap_or_default(),
                after: named_by(segment),
            };
            actions.extend(self.use_actions(&uses)?);
            self.write_actions(catalog, actions, segment).await
        })
    }

    /// Deletes a segment that no definition names, with its ids, and keeps its audit trail. All are written, or none.
    ///
    /// # Errors
    /// If the database fails.
    pub fn delete_segment<'a>(
        &'a self,
        catalog: &'a Catalog,
        stored: &'a StoredSegment,
        author: Author<'a>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<SegmentWrite, StoreError>> {
        Box::pin(async move {
            let segment = &stored.segment;
            let definition = self.delete_action(key::PARTITION, &key::segment(&segment.id))?;
            let mut deleted = segment.clone();
            deleted.begin_version(now);
            let audit = SegmentAuditRecord {
                at: now,
                by: author.by.to_owned(),
                reason: author.reason.map(str::to_owned),
                definition: deleted.clone(),
                ids_added: 0,
                ids_removed: 0,
                created: false,
                deleted: true,
            };
            let mut actions = vec![
                definition,
                self.segment_audit_action(&segment.id, deleted.version, &audit)?,
            ];
            for chunk in stored.index.iter().flat_map(IdListIndex::used_chunks) {
                let own = key::of_segment(&segment.id);
                actions.push(self.delete_action(&own, &key::ids(chunk))?);
            }
            let uses = UsesChange {
                user: SegmentUser::Segment(segment.id.clone()),
                before: named_by(segment),
                after: Default::default(),
            };
            actions.extend(self.use_actions(&uses)?);
            self.write_actions(catalog, actions, &deleted).await
        })
    }

    async fn write_actions(
        &self,
        catalog: &Catalog,
        actions: Vec<TransactWriteItem>,
        segment: &Segment,
    ) -> Result<SegmentWrite, StoreError> {
        let entry = CatalogEntry::Segment(segment.id.clone());
        let at = segment.updated_at;
        let written = self.write_to_catalog(actions, &catalog.changes, entry, at);
        Ok(match written.await? {
            CatalogWrite::Written => SegmentWrite::Written,
            // Only the catalog has a condition.
            CatalogWrite::FirstRefused(_)
            | CatalogWrite::CatalogChanged
            | CatalogWrite::LaterRefused => SegmentWrite::CatalogChanged,
        })
    }

    fn segment_audit_action(
        &self,
        id: &SegmentId,
        version: u64,
        record: &SegmentAuditRecord,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item: Item = serde_dynamo::to_item(record)?;
        let own = AttributeValue::S(key::of_segment(id));
        item.insert(table_key::EXPERIMENT_ID.to_owned(), own);
        let name = AttributeValue::S(keys::audit_record(version));
        item.insert(table_key::RECORD.to_owned(), name);
        let put = Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(item));
        transaction::put(put)
    }

    /// Audit records of a segment, the newest first, from before a version if one is given.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn segment_audit_records<'a>(
        &'a self,
        id: &'a SegmentId,
        limit: usize,
        before: Option<u64>,
    ) -> BoxFuture<'a, Result<Vec<SegmentAuditRecord>, StoreError>> {
        Box::pin(self.audit_trail(key::of_segment(id), limit, before))
    }
}
