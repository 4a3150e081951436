//! Id lists: sets of texts, kept as hashes.
//!
//! A list keeps 64 bits of a SHA-256 for each id and not the id, so 100,000 ids of any length take 800 KB. The hash has a
//! random key for each list, so a caller cannot choose ids whose hashes are equal or that are all in one chunk. Of 100,000
//! random hashes, an id that is not in the list equals one with a probability of 5e-15.

use super::limits::ID_CHUNKS;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The bytes of one hash.
const HASH_BYTES: usize = 8;

/// How a list is hashed, and which of its chunks have ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdListIndex {
    /// Random; fixed when the list is created.
    key: String,
    /// The version of the segment that changed each chunk last; 0 for a chunk that never had an id.
    chunks: Vec<u64>,
}

impl IdListIndex {
    /// The index of an empty list.
    pub fn new(key: [u8; 16]) -> Self {
        Self {
            key: data_encoding::HEXLOWER.encode(&key),
            chunks: vec![0; ID_CHUNKS],
        }
    }

    /// The hash of an id.
    pub fn hash_of(&self, id: &str) -> u64 {
        self.hash(b's', id.as_bytes())
    }

    /// The hash of a JSON value; none for an array or an object. A number never has the hash of a text.
    pub fn hash_of_value(&self, value: &Value) -> Option<u64> {
        match value {
            Value::String(text) => Some(self.hash_of(text)),
            Value::Number(number) => {
                let bits = number.as_f64().unwrap_or_default().to_bits();
                Some(self.hash(b'n', &bits.to_be_bytes()))
            }
            Value::Bool(value) => Some(self.hash(b'b', &[u8::from(*value)])),
            Value::Null => Some(self.hash(b'0', &[])),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn hash(&self, kind: u8, bytes: &[u8]) -> u64 {
        let digest = Sha256::new()
            .chain_update(&self.key)
            .chain_update([kind])
            .chain_update(bytes)
            .finalize();
        let mut first = [0; HASH_BYTES];
        first.copy_from_slice(&digest[..HASH_BYTES]);
        u64::from_be_bytes(first)
    }

    /// The version at which a chunk was last changed; none if it never had an id.
    pub fn version_of(&self, chunk: u8) -> Option<u64> {
        let version = self.chunks.get(usize::from(chunk)).copied();
        version.filter(|version| *version > 0)
    }

    /// The chunks that ever had an id.
    pub fn used_chunks(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|chunk| self.version_of(*chunk).is_some())
    }

    /// Notes that a version changes a chunk.
    pub fn change(&mut self, chunk: u8, version: u64) {
        if let Some(changed) = self.chunks.get_mut(usize::from(chunk)) {
            *changed = version;
        }
    }
}

/// The chunk that contains a hash: its highest bits.
pub fn chunk_of(hash: u64) -> u8 {
    let chunk = (u128::from(hash) * ID_CHUNKS as u128) >> u64::BITS;
    u8::try_from(chunk).unwrap_or_default()
}

/// The hashes of one chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdChunk(Vec<u64>);

/// What a change of a chunk did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdsChanged {
    /// Ids that were not in the list before.
    pub added: usize,
    /// Ids that were in the list before.
    pub removed: usize,
}

impl IdChunk {
    /// Whether it has a hash.
    pub fn contains(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }

    /// The number of hashes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no hash.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The chunk without some hashes and with others. A hash in both is in the result.
    pub fn changed(&self, add: &[u64], remove: &[u64]) -> (Self, IdsChanged) {
        let mut hashes = self.0.clone();
        let mut remove = remove.to_vec();
        remove.sort_unstable();
        hashes.retain(|hash| remove.binary_search(hash).is_err());
        let removed = self.0.len() - hashes.len();
        let kept = hashes.len();
        hashes.extend_from_slice(add);
        hashes.sort_unstable();
        hashes.dedup();
        let added = hashes.len() - kept;
        (Self(hashes), IdsChanged { added, removed })
    }

    /// The bytes that are stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.to_be_bytes()).collect()
    }

    /// Reads stored bytes; none if they are no sorted hashes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        let hashes: Vec<u64> = hashes
            .iter()
            .map(|bytes| u64::from_be_bytes(*bytes))
            .collect();
        (rest.is_empty() && hashes.is_sorted()).then_some(Self(hashes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn values_of_other_types_and_lists_with_other_keys_have_other_hashes() {
        let index = IdListIndex::new([7; 16]);
        let values = [json!("5"), json!(5), json!(true), json!(null), json!("")];
        let hashes: BTreeSet<_> = values
            .iter()
            .map(|value| index.hash_of_value(value).unwrap())
            .collect();
        assert_eq!(hashes.len(), values.len());
        assert_eq!(
            index.hash_of_value(&json!(5.0)),
            index.hash_of_value(&json!(5))
        );
        assert_eq!(index.hash_of_value(&json!(["5"])), None);
        let other = IdListIndex::new([8; 16]);
        assert_ne!(index.hash_of("5"), other.hash_of("5"));
    }

    #[test]
    fn the_largest_list_has_chunks_far_below_the_limit_of_an_item() {
        let index = IdListIndex::new([1; 16]);
        let mut sizes = [0; ID_CHUNKS];
        for number in 0..crate::limits::MAX_SEGMENT_IDS {
            let chunk = chunk_of(index.hash_of(&format!("user-{number}")));
            sizes[usize::from(chunk)] += HASH_BYTES;
        }
        assert!(sizes.iter().all(|size| *size < 100_000), "{sizes:?}");
    }

    proptest! {
        #[test]
        fn a_chunk_is_the_set_that_its_changes_describe(
            changes in prop::collection::vec(
                (prop::collection::vec(0_u64..50, 0..20), prop::collection::vec(0_u64..50, 0..20)),
                1..6,
            ),
        ) {
            let (mut chunk, mut set) = (IdChunk::default(), BTreeSet::new());
            for (add, remove) in changes {
                let before = set.clone();
                set.retain(|hash| !remove.contains(hash));
                let removed = before.len() - set.len();
                let kept = set.len();
                set.extend(add.iter().copied());
                let (next, changed) = chunk.changed(&add, &remove);
                prop_assert_eq!(changed, IdsChanged { added: set.len() - kept, removed });
                chunk = IdChunk::from_bytes(&next.to_bytes()).unwrap();
                prop_assert_eq!(chunk.len(), set.len());
                for hash in 0..50 {
                    prop_assert_eq!(chunk.contains(hash), set.contains(&hash));
                }
            }
        }
    }
}
