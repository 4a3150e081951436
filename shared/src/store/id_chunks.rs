//! The chunks of id lists.

use super::batch::MAX_KEYS;
use super::item::{Item, damaged, number, text};
use super::keys::{catalog as key, experiments as table_key};
use super::record::record_key;
use super::stored_segment::{ChunkChange, SegmentVersion, StoredSegment};
use super::transaction;
use super::{Store, StoreError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain::id_list::{IdChunk, IdListIndex, chunk_of};
use domain::ids::{SegmentId, UserId};
use domain::segment::{IdsChange, SegmentRule};
use domain::segment_lookup::{ChunkKey, LoadedChunks};
use domain::time::Timestamp;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};

impl Store {
    /// Chunks of id lists, read consistently, a hundred in one call. The content is of this version or a later one.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn id_chunks<'a>(
        &'a self,
        keys: &'a BTreeSet<ChunkKey>,
    ) -> BoxFuture<'a, Result<LoadedChunks, StoreError>> {
        Box::pin(async move {
            let place = |key: &ChunkKey| (key::of_segment(&key.segment), key::ids(key.chunk));
            let all: Vec<&ChunkKey> = keys.iter().collect();
            let mut loaded = LoadedChunks::new();
            for keys in all.chunks(MAX_KEYS) {
                let named: BTreeMap<_, _> = keys.iter().map(|key| (place(key), *key)).collect();
                let asked = named.keys();
                let asked = asked.map(|(partition, record)| record_key(partition, record));
                let table = &self.tables.experiments;
                for item in self.read_batch(table, asked.collect(), true).await? {
                    let own = (
                        text(&item, table_key::EXPERIMENT_ID)?.to_owned(),
                        text(&item, table_key::RECORD)?.to_owned(),
                    );
                    let wanted = named.get(&own).ok_or_else(|| damaged(table_key::RECORD))?;
                    let ids = read_chunk(&item)?;
                    if number::<u64>(&item, key::VERSION)? >= wanted.version {
                        loaded.insert((*wanted).clone(), ids.into());
                    }
                }
                // A list that was deleted a moment ago contains nothing.
                for key in keys {
                    loaded.entry((*key).clone()).or_default();
                }
            }
            Ok(loaded)
        })
    }

    pub(super) fn chunk_action(
        &self,
        segment: &SegmentId,
        change: ChunkChange,
    ) -> Result<TransactWriteItem, StoreError> {
        let version = AttributeValue::N(change.version.to_string());
        let mut put = Put::builder()
            .table_name(&self.tables.experiments)
            .item(
                table_key::EXPERIMENT_ID,
                AttributeValue::S(key::of_segment(segment)),
            )
            .item(table_key::RECORD, AttributeValue::S(key::ids(change.chunk)))
            .item(key::VERSION, version);
        if !change.ids.is_empty() {
            let hashes = AttributeValue::B(Blob::new(change.ids.to_bytes()));
            put = put.item(key::HASHES, hashes);
        }
        transaction::put(put)
    }

    /// The next version of a list with other ids; none if they change nothing. Only chunks that these ids belong to are
    /// read.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn change_ids<'a>(
        &'a self,
        before: &'a StoredSegment,
        ids: &'a IdsChange,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<SegmentVersion>, StoreError>> {
        Box::pin(async move {
            let mut stored = before.clone();
            let (Some(index), SegmentRule::List { id_count, .. }) =
                (&mut stored.index, &mut stored.segment.rule)
            else {
                return Ok(None);
            };
            let mut by_chunk: BTreeMap<u8, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
            for hash in ids.add.iter().map(|id| index.hash_of(id)) {
                by_chunk.entry(chunk_of(hash)).or_default().0.push(hash);
            }
            for hash in ids.remove.iter().map(|id| index.hash_of(id)) {
                by_chunk.entry(chunk_of(hash)).or_default().1.push(hash);
            }
            let keys = by_chunk.keys().filter_map(|chunk| {
                let version = index.version_of(*chunk)?;
                let segment = before.segment.id.clone();
                Some(ChunkKey {
                    segment,
                    chunk: *chunk,
                    version,
                })
            });
            let loaded = self.id_chunks(&keys.collect()).await?;
            let loaded: BTreeMap<u8, _> =
                loaded.iter().map(|(key, ids)| (key.chunk, ids)).collect();
            let version = before.segment.version + 1;
            let (mut chunks, mut ids_added, mut ids_removed) = (Vec::new(), 0, 0);
            for (chunk, (add, remove)) in by_chunk {
                let empty = IdChunk::default();
                let old = loaded.get(&chunk).map_or(&empty, |ids| &***ids);
                let (ids, changed) = old.changed(&add, &remove);
                if changed.added + changed.removed == 0 {
                    continue;
                }
                ids_added += changed.added;
                ids_removed += changed.removed;
                index.change(chunk, version);
                chunks.push(ChunkChange {
                    chunk,
                    version,
                    ids,
                });
            }
            if chunks.is_empty() {
                return Ok(None);
            }
            *id_count = (*id_count + ids_added).saturating_sub(ids_removed);
            stored.segment.begin_version(now);
            Ok(Some(SegmentVersion {
                stored,
                chunks,
                ids_added,
                ids_removed,
            }))
        })
    }

    /// The lists among these segments that contain a user by id.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn lists_with_user<'s>(
        &self,
        segments: &'s [StoredSegment],
        user: &UserId,
    ) -> Result<Vec<&'s StoredSegment>, StoreError> {
        let possible = segments.iter().filter_map(|stored| {
            let index = stored.index.as_ref().filter(|_| stored.lists_users())?;
            let (hash, key) = key_of(stored, index, user)?;
            Some((stored, hash, key))
        });
        let possible: Vec<_> = possible.collect();
        let keys = possible.iter().map(|(_, _, key)| key.clone()).collect();
        let loaded = self.id_chunks(&keys).await?;
        let found = possible.into_iter().filter(|(_, hash, key)| {
            let chunk = loaded.get(key);
            chunk.is_some_and(|chunk| chunk.contains(*hash))
        });
        Ok(found.map(|(stored, ..)| stored).collect())
    }
}

fn key_of(stored: &StoredSegment, index: &IdListIndex, user: &UserId) -> Option<(u64, ChunkKey)> {
    let hash = index.hash_of(user.as_str());
    let chunk = chunk_of(hash);
    let key = ChunkKey {
        segment: stored.segment.id.clone(),
        chunk,
        version: index.version_of(chunk)?,
    };
    Some((hash, key))
}

fn read_chunk(item: &Item) -> Result<IdChunk, StoreError> {
    let Some(hashes) = item.get(key::HASHES) else {
        return Ok(IdChunk::default());
    };
    let bytes = hashes.as_b().ok().map(|blob| blob.as_ref());
    bytes
        .and_then(IdChunk::from_bytes)
        .ok_or_else(|| damaged(key::HASHES))
}
