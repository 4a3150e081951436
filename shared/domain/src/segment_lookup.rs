//! The segments during one evaluation.
//!
//! Chunks of id lists are loaded when an evaluation needs them. An evaluation that needs a chunk which is not loaded notes
//! it; the caller loads the chunk and evaluates again.

use super::condition::{Condition, SegmentTests, value_at};
use super::id_list::{IdChunk, IdListIndex, chunk_of};
use super::ids::SegmentId;
use super::limits::MAX_SEGMENT_LEVELS;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Segments by id, as evaluations use them.
pub type EvaluatedSegments = HashMap<SegmentId, Arc<EvaluatedSegment>>;

/// A segment, as evaluations use it.
#[derive(Debug, Clone)]
pub enum EvaluatedSegment {
    /// Users whose attributes match.
    Condition(Condition),
    /// Users for whom an attribute is in a list.
    List {
        /// The path of the attribute.
        attribute: Vec<Box<str>>,
        /// How ids are found.
        index: IdListIndex,
    },
}

/// A version of a chunk of an id list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkKey {
    /// The segment.
    pub segment: SegmentId,
    /// The number of the chunk.
    pub chunk: u8,
    /// The version of the segment that changed the chunk last.
    pub version: u64,
}

/// Loaded chunks.
pub type LoadedChunks = BTreeMap<ChunkKey, Arc<IdChunk>>;

/// The segments during the evaluation of one user.
#[derive(Debug)]
pub struct SegmentLookup<'s> {
    segments: &'s EvaluatedSegments,
    loaded: &'s LoadedChunks,
    missing: RefCell<BTreeSet<ChunkKey>>,
    /// What is known of the user. All conditions that name segments are about the same attributes.
    known: RefCell<HashMap<&'s str, bool>>,
    level: Cell<usize>,
}

impl<'s> SegmentLookup<'s> {
    /// For the evaluation of one user, with chunks that are loaded.
    pub fn new(segments: &'s EvaluatedSegments, loaded: &'s LoadedChunks) -> Self {
        Self {
            segments,
            loaded,
            missing: RefCell::default(),
            known: RefCell::default(),
            level: Cell::new(0),
        }
    }

    /// The chunks that an evaluation needed and that are not loaded. If there are any, its result is not valid.
    pub fn into_missing(self) -> BTreeSet<ChunkKey> {
        self.missing.into_inner()
    }

    fn contains(&self, id: &SegmentId, index: &IdListIndex, value: &Value) -> bool {
        if let Value::Array(elements) = value {
            let mut elements = elements.iter();
            return elements.any(|element| self.contains_scalar(id, index, element));
        }
        self.contains_scalar(id, index, value)
    }

    fn contains_scalar(&self, id: &SegmentId, index: &IdListIndex, value: &Value) -> bool {
        let Some(hash) = index.hash_of_value(value) else {
            return false;
        };
        let chunk = chunk_of(hash);
        let Some(version) = index.version_of(chunk) else {
            return false;
        };
        let segment = id.clone();
        let key = ChunkKey {
            segment,
            chunk,
            version,
        };
        if let Some(chunk) = self.loaded.get(&key) {
            return chunk.contains(hash);
        }
        self.missing.borrow_mut().insert(key);
        false
    }
}

impl SegmentTests for SegmentLookup<'_> {
    fn list_contains(&self, list: &str, value: &Value) -> bool {
        let Some((id, segment)) = self.segments.get_key_value(list) else {
            return false;
        };
        match &**segment {
            EvaluatedSegment::List { index, .. } => self.contains(id, index, value),
            EvaluatedSegment::Condition(_) => false,
        }
    }

    fn includes(&self, segment: &str, attributes: &Value) -> bool {
        let Some((id, segment)) = self.segments.get_key_value(segment) else {
            return false;
        };
        if let Some(known) = self.known.borrow().get(id.as_str()) {
            return *known;
        }
        let level = self.level.get();
        if level >= MAX_SEGMENT_LEVELS {
            return false;
        }
        let includes = match &**segment {
            EvaluatedSegment::Condition(condition) => {
                self.level.set(level + 1);
                let matches = condition.matches(attributes, self);
                self.level.set(level);
                matches
            }
            EvaluatedSegment::List { attribute, index } => {
                self.contains(id, index, &value_at(attributes, attribute))
            }
        };
        self.known.borrow_mut().insert(id.as_str(), includes);
        includes
    }
}
