//! What is stored of a segment.

use super::StoreError;
use super::item::Item;
use domain::evaluation_context::EvaluationContext;
use domain::id_list::{IdChunk, IdListIndex};
use domain::segment::Segment;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A segment as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSegment {
    /// The definition.
    pub segment: Segment,
    /// Digest of the request that created it. A repeat has the same digest.
    pub creation_digest: String,
    /// How the ids of a list are found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub index: Option<IdListIndex>,
}

impl StoredSegment {
    /// Whether it is a list of user ids.
    pub fn lists_users(&self) -> bool {
        self.segment.rule.attribute() == Some(EvaluationContext::USER_ID_ATTRIBUTE)
    }

    pub(super) fn read(item: Item) -> Result<Self, StoreError> {
        Ok(serde_dynamo::from_item(item)?)
    }
}

/// A chunk of an id list, with the content that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkChange {
    pub(super) chunk: u8,
    pub(super) version: u64,
    pub(super) ids: IdChunk,
}

/// A new version of a segment.
#[derive(Debug, Clone)]
pub struct SegmentVersion {
    /// The segment as it is stored.
    pub stored: StoredSegment,
    /// The chunks of its list that the version changes.
    pub chunks: Vec<ChunkChange>,
    /// Ids that the version adds.
    pub ids_added: usize,
    /// Ids that the version removes.
    pub ids_removed: usize,
}

impl SegmentVersion {
    /// A version that changes no ids.
    pub fn with_same_ids(stored: StoredSegment) -> Self {
        Self {
            stored,
            chunks: Vec::new(),
            ids_added: 0,
            ids_removed: 0,
        }
    }

    /// The next version of a segment, which changes no ids.
    pub fn without_ids(mut stored: StoredSegment, now: Timestamp) -> Self {
        stored.segment.begin_version(now);
        Self::with_same_ids(stored)
    }
}
