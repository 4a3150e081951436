//! Feature flags and their audit trail.
//!
//! All flags are in one partition of the experiments table, so that a process reads them with one query for each megabyte.
//! The audit records of a flag are in a partition of its own. Each change is a change of the [catalog](super::catalog).

use super::catalog::{CatalogChanges, CatalogEntry, CatalogWrite};
use super::cursor::collect_pages;
use super::experiments::Author;
use super::item::Item;
use super::keys::{self, flags as key};
use super::record::record_key;
use super::transaction;
use super::used_by::{SegmentUser, UsesChange};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::flag::{Flag, FlagDraft};
use domain::ids::FlagKey;
use domain::segment_graph::names_in;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A flag as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredFlag {
    /// The definition.
    pub flag: Flag,
    /// Digest of the request that created it. A repeat has the same digest.
    pub creation_digest: String,
}

/// An audit record: a version of a flag, and the token that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagAuditRecord {
    /// When it was made.
    pub at: Timestamp,
    /// The id of the token.
    pub by: String,
    /// Why, in the words of the caller.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The definition of this version; of the last one, if the version is the deletion.
    pub definition: Flag,
    /// Whether the flag was created.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub created: bool,
    /// Whether the flag was deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub deleted: bool,
}

/// Whether a change was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagWrite {
    /// All of it.
    Written,
    /// Nothing: the catalog has changed since it was read.
    CatalogChanged,
}

/// What happens to a flag.
#[derive(Debug, Clone, Copy)]
enum FlagContent<'f> {
    Stored(&'f StoredFlag),
    Deleted,
}

impl Store {
    /// The flag with a key, read consistently.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub fn flag<'a>(
        &'a self,
        flag: &'a FlagKey,
    ) -> BoxFuture<'a, Result<Option<StoredFlag>, StoreError>> {
        Box::pin(async move {
            let item = self.record(key::PARTITION, &key::flag(flag), true).await?;
            Ok(item.map(serde_dynamo::from_item).transpose()?)
        })
    }

    /// All flags, read consistently, in one call for each megabyte.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn flags(&self) -> BoxFuture<'_, Result<Vec<StoredFlag>, StoreError>> {
        Box::pin(async move {
            let query = self.records_of(key::PARTITION).consistent_read(true);
            let items = collect_pages(self.pages(query)).await?;
            Ok(serde_dynamo::from_items(items)?)
        })
    }

    /// Flags in the order of their keys, from after a key, at most this many.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn flags_after<'a>(
        &'a self,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Flag>, StoreError>> {
        Box::pin(async move {
            let read = |item| {
                let stored: StoredFlag = serde_dynamo::from_item(item)?;
                Ok(Some(stored.flag))
            };
            self.list_after(key::PARTITION, (key::FLAG, after), limit, read)
                .await
        })
    }

    /// The last version that a flag with this key had; 0 if there never was one.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn last_flag_version(&self, flag: &FlagKey) -> Result<u64, StoreError> {
        let last = self.flag_audit_records(flag, 1, None).await?;
        Ok(last.first().map_or(0, |record| record.definition.version))
    }

    /// Stores a version of a flag with its audit record and the records of the segments that it names, or nothing. `before`
    /// is the version before, none for a new flag.
    ///
    /// # Errors
    /// If the database fails.
    pub fn write_flag<'a>(
        &'a self,
        changes: &'a CatalogChanges,
        before: Option<&'a Flag>,
        after: &'a StoredFlag,
        author: Author<'a>,
    ) -> BoxFuture<'a, Result<FlagWrite, StoreError>> {
        Box::pin(async move {
            self.write_flag_version(
                changes,
                before,
                &after.flag,
                FlagContent::Stored(after),
                author,
            )
            .await
        })
    }

    /// Deletes a flag, and keeps its audit trail. All is written, or nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub fn delete_flag<'a>(
        &'a self,
        changes: &'a CatalogChanges,
        flag: &'a Flag,
        author: Author<'a>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<FlagWrite, StoreError>> {
        Box::pin(async move {
            let mut last = flag.clone();
            last.version += 1;
            last.updated_at = now.max(flag.updated_at);
            self.write_flag_version(changes, Some(flag), &last, FlagContent::Deleted, author)
                .await
        })
    }

    async fn write_flag_version(
        &self,
        changes: &CatalogChanges,
        before: Option<&Flag>,
        version: &Flag,
        content: FlagContent<'_>,
        author: Author<'_>,
    ) -> Result<FlagWrite, StoreError> {
        let deleted = matches!(content, FlagContent::Deleted);
        let definition = match content {
            FlagContent::Stored(stored) => {
                self.flag_record(key::PARTITION, &key::flag(&version.key), stored)?
            }
            FlagContent::Deleted => self.delete_action(key::PARTITION, &key::flag(&version.key))?,
        };
        let audit = FlagAuditRecord {
            at: version.updated_at,
            by: author.by.to_owned(),
            reason: author.reason.map(str::to_owned),
            definition: version.clone(),
            created: before.is_none(),
            deleted,
        };
        let own = key::of_flag(&version.key);
        let audit = self.flag_record(&own, &keys::audit_record(version.version), &audit)?;
        let after = Some(version).filter(|_| !deleted);
        let uses = UsesChange {
            user: SegmentUser::Flag(version.key.clone()),
            before: before.map(segments_of).unwrap_or_default(),
            after: after.map(segments_of).unwrap_or_default(),
        };
        let mut actions = vec![definition, audit];
        actions.extend(self.use_actions(&uses)?);
        let entry = CatalogEntry::Flag(version.key.clone());
        let written = self.write_to_catalog(actions, changes, entry, version.updated_at);
        Ok(match written.await? {
            CatalogWrite::Written => FlagWrite::Written,
            // Only the catalog has a condition.
            CatalogWrite::FirstRefused(_)
            | CatalogWrite::CatalogChanged
            | CatalogWrite::LaterRefused => FlagWrite::CatalogChanged,
        })
    }

    /// The draft of a flag, read consistently. It can be one of an earlier version.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub fn flag_draft<'a>(
        &'a self,
        flag: &'a FlagKey,
    ) -> BoxFuture<'a, Result<Option<FlagDraft>, StoreError>> {
        Box::pin(async move {
            let item = self.record(key::DRAFTS, &key::flag(flag), true).await?;
            Ok(item.map(serde_dynamo::from_item).transpose()?)
        })
    }

    /// Saves the draft of a flag, in place of another one.
    ///
    /// # Errors
    /// If the database fails.
    pub fn put_flag_draft<'a>(
        &'a self,
        draft: &'a FlagDraft,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let record = key::flag(&draft.definition.key);
            let put = self.flag_record(key::DRAFTS, &record, draft)?;
            // The action has no condition, so it is written.
            self.transact(&[put]).await.map(drop)
        })
    }

    fn flag_record(
        &self,
        partition: &str,
        record: &str,
        content: &impl Serialize,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item: Item = serde_dynamo::to_item(content)?;
        item.extend(record_key(partition, record));
        let put = Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(item));
        transaction::put(put)
    }

    /// Audit records of a flag, the newest first, from before a version if one is given.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn flag_audit_records<'a>(
        &'a self,
        flag: &'a FlagKey,
        limit: usize,
        before: Option<u64>,
    ) -> BoxFuture<'a, Result<Vec<FlagAuditRecord>, StoreError>> {
        Box::pin(self.audit_trail(key::of_flag(flag), limit, before))
    }
}

/// The segments that a flag keeps in use: those that it names, and none while it is archived, because its conditions are not
/// evaluated then.
fn segments_of(flag: &Flag) -> BTreeSet<&str> {
    if flag.archived {
        return BTreeSet::new();
    }
    names_in(flag.conditions().map(|(_, condition)| condition))
}
