//! README.md and the docs agree with openapi.yaml.

use super::document::Document;
use serde_json::{Value, json};

#[test]
fn the_answers_in_the_readme_and_the_guide_conform_to_the_document() {
    let document = Document::load();
    let mut shown = 0;
    for page in [Document::guide(), include_str!("../../../../README.md")] {
        for block in page.split("```json\n").skip(1) {
            let (block, _) = block.split_once("```").unwrap();
            for answer in serde_json::Deserializer::from_str(block).into_iter::<Value>() {
                let answer = answer.unwrap();
                let schema = json!({ "$ref": format!("#/components/schemas/{}", kind(&answer)) });
                let wrong = document.faults(&schema, &answer);
                assert!(wrong.is_empty(), "{wrong:#?}\n{answer}");
                shown += 1;
            }
        }
    }
    assert!(shown >= 14, "only {shown} answers");
}

#[test]
fn the_stored_results_of_real_data_conform_to_the_document_and_the_page_quotes_them() {
    let document = Document::load();
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let read = |file: &str| -> Value {
        let text = std::fs::read_to_string(docs.join(file)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    for data in ["cookie-cats", "homepage"] {
        for view in ["summary", "monitoring", "analysis"] {
            let answer = read(&format!("results/{data}-{view}.json"));
            let schema = json!({ "$ref": format!("#/components/schemas/{}", kind(&answer)) });
            let wrong = document.faults(&schema, &answer);
            assert!(wrong.is_empty(), "{data} {view}: {wrong:#?}");
        }
    }
    let page = std::fs::read_to_string(docs.join("results.md")).unwrap();
    let blocks = page.split("<!-- ").skip(1);
    let mut quoted = 0;
    for block in blocks {
        let (source, rest) = block.split_once(" -->\n```json\n").unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let (file, pointer) = source.split_once(' ').unwrap_or((source, ""));
        let whole = read(file);
        let shown: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Some(&shown), whole.pointer(pointer), "{source}");
        quoted += 1;
    }
    assert_eq!(quoted, 6);
}

/// The schema of an answer, by a field that only it has.
fn kind(answer: &Value) -> &'static str {
    let kinds = [
        ("/events/0/errors", "TrackResponse"),
        ("/base_version", "FlagDraft"),
        ("/documents", "StickyBuckets"),
        ("/assignments/checkout-button__0", "RecordedStickyBuckets"),
        ("/digest", "Report"),
        ("/flag", "FlagHistory"),
        ("/entries", "History"),
        ("/differing_numbers", "Audit"),
        ("/traffic", "Monitoring"),
        ("/sentence", "PlanResponse"),
        ("/headline", "Summary"),
        ("/tombstone_until", "EraseUserResponse"),
        ("/sums", "UserExport"),
        ("/duplicates", "RecordEventsResponse"),
        ("/accepted", "HiddenEventsResponse"),
        ("/existing", "ImportAssignmentsResponse"),
        ("/enrolled", "AssignmentResponse"),
        ("/request_id", "Problem"),
        ("/hash_seed", "Experiment"),
        ("/value_type", "Flag"),
        ("/metadata", "EvaluatedFlag"),
        ("/flags/0/metadata", "EvaluatedFlags"),
        ("/errorCode", "EvaluationFailure"),
        ("/trace", "ExplainFlagResponse"),
        ("/dateUpdated", "SdkFeatures"),
        ("/freed_ranges", "Layer"),
        ("/id_count", "Segment"),
        ("/event_types", "ClientKey"),
    ];
    let kind = kinds
        .iter()
        .find(|(field, _)| answer.pointer(field).is_some());
    kind.unwrap_or_else(|| panic!("no known schema: {answer}"))
        .1
}
