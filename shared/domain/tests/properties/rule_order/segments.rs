//! The segments that conditions name: id lists, a condition, and a condition that names both kinds.

use domain::condition::Condition;
use domain::id_list::{IdChunk, IdListIndex, chunk_of};
use domain::ids::SegmentId;
use domain::segment_lookup::{ChunkKey, EvaluatedSegment, EvaluatedSegments, LoadedChunks};
use serde_json::{Value, json};

/// The segments as the API shows them.
pub(crate) fn segments_json() -> Value {
    json!({
        "testers": {"attribute": "id", "ids": ["ann", "carol"]},
        "german": {"attribute": "country", "ids": ["DE", "AT"]},
        "grown": {"condition": {"age": {"$gte": 2}}},
        "core": {"condition": {"$savedGroups": ["grown"], "country": {"$notInGroup": "german"}}},
    })
}

/// The same segments, as evaluations use them.
pub(crate) fn evaluated() -> (EvaluatedSegments, LoadedChunks) {
    let (mut segments, mut loaded) = (EvaluatedSegments::new(), LoadedChunks::new());
    for (name, segment) in segments_json().as_object().unwrap() {
        let id = SegmentId::parse(name).unwrap();
        let evaluated = match segment["attribute"].as_str() {
            None => EvaluatedSegment::Condition(
                Condition::compile(segment["condition"].clone()).unwrap(),
            ),
            Some(attribute) => EvaluatedSegment::List {
                attribute: vec![attribute.into()],
                index: loaded_list(&id, &segment["ids"], &mut loaded),
            },
        };
        segments.insert(id, evaluated.into());
    }
    (segments, loaded)
}

fn loaded_list(segment: &SegmentId, ids: &Value, loaded: &mut LoadedChunks) -> IdListIndex {
    let mut index = IdListIndex::new([7; 16]);
    for id in ids.as_array().unwrap() {
        let hash = index.hash_of(id.as_str().unwrap());
        let chunk = chunk_of(hash);
        index.change(chunk, 1);
        let key = ChunkKey {
            segment: segment.clone(),
            chunk,
            version: 1,
        };
        let ids = loaded.entry(key).or_default();
        *ids = IdChunk::changed(ids, &[hash], &[]).0.into();
    }
    index
}
