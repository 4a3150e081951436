//! Payloads for client SDKs.

use super::compiled::{NOW, compiled, simple};
use super::*;
use crate::segment::Segment;
use crate::segment_graph::SegmentGraph;

#[test]
fn payloads_contain_conditions_of_segments_and_no_flag_that_needs_an_id_list() {
    let segment = |id: &str, rule: Value| {
        let mut segment =
            json!({"id": id, "version": 1, "name": id, "created_at": NOW, "updated_at": NOW});
        segment
            .as_object_mut()
            .unwrap()
            .extend(rule.as_object().unwrap().clone());
        serde_json::from_value::<Segment>(segment).unwrap()
    };
    let matching = |condition: Value| json!({"kind": "condition", "condition": condition});
    let names = |name: &str| json!({"$savedGroups": [name]});
    let twenty: Vec<_> = std::iter::repeat_n("wide0", 20).collect();
    let graph: SegmentGraph = [
        segment("german", matching(json!({"country": "DE"}))),
        segment(
            "young",
            matching(json!({"$savedGroups": ["german"], "age": {"$lt": 30}})),
        ),
        segment(
            "testers",
            json!({"kind": "list", "attribute": "id", "id_count": 1}),
        ),
        segment("some-testers", matching(names("testers"))),
        segment("wide0", matching(json!({"a": "x".repeat(5_000)}))),
        segment("wide", matching(json!({"$or": [{"$savedGroups": twenty}]}))),
        segment("circle", matching(names("circle"))),
    ]
    .into_iter()
    .collect();
    let serve = |condition: Value| json!([{"id": "r", "type": "serve", "variant": "on", "condition": condition}]);
    let flags = [
        simple("plain", serve(json!({"a": 1})), json!([])),
        simple(
            "young",
            serve(json!({"b": 2, "$not": names("young")})),
            json!([]),
        ),
        simple(
            "empty",
            serve(json!({"$savedGroups": [], "a": 1})),
            json!([]),
        ),
        simple("lost", serve(names("unknown")), json!([])),
        simple("circle", serve(names("circle")), json!([])),
        simple(
            "listed",
            serve(json!({"id": {"$inGroup": "testers"}})),
            json!([]),
        ),
        simple("listed-by-segment", serve(names("some-testers")), json!([])),
        simple(
            "needs",
            serve(json!({"a": 1})),
            json!([{"flag": "listed", "variants": ["on"]}]),
        ),
        simple(
            "needs-needs",
            serve(json!({"a": 1})),
            json!([{"flag": "needs", "variants": ["on"]}]),
        ),
        simple("wide", serve(names("wide")), json!([])),
    ];
    let flags = compiled(&flags, &[], NOW);
    let payload = flags.payload(&graph);
    let reasons = serde_json::to_value(&payload.remote_only).unwrap();
    assert_eq!(
        reasons,
        json!({
            "listed": {"reason": "id_list", "segment": "testers"},
            "listed-by-segment": {"reason": "id_list", "segment": "testers"},
            "needs": {"reason": "prerequisite", "flag": "listed"},
            "needs-needs": {"reason": "prerequisite", "flag": "needs"},
            "wide": {"reason": "too_large"}
        })
    );
    let condition = |key: &str| {
        payload.features[key].rules[0]
            .experiment
            .condition
            .clone()
            .unwrap()
    };
    assert_eq!(condition("plain"), json!({"a": 1}));
    assert_eq!(condition("empty"), json!({"a": 1}));
    let young = json!({"$and": [{"country": "DE"}, {"age": {"$lt": 30}}]});
    assert_eq!(
        condition("young"),
        json!({"b": 2, "$not": {"$and": [young]}})
    );
    assert_eq!(condition("lost"), json!({"$and": [{"$not": {}}]}));
    assert!(
        condition("circle")
            .to_string()
            .ends_with(r#"{"$and":[{"$not":{}}]}]}]}]}]}]}"#)
    );
    let needed: Vec<_> = flags.get("young").unwrap().segments().into_iter().collect();
    assert_eq!(needed, ["young"]);
}
