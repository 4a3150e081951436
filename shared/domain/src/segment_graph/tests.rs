use super::*;
use crate::segment::SegmentRule;
use crate::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn condition(source: Value) -> Condition {
    Condition::compile(source).unwrap()
}

fn id(text: &str) -> SegmentId {
    SegmentId::parse(text).unwrap()
}

fn segment(name: &str, rule: SegmentRule) -> Segment {
    Segment {
        id: id(name),
        version: 1,
        name: name.to_owned(),
        description: None,
        rule,
        created_at: Timestamp::MIN,
        updated_at: Timestamp::MIN,
    }
}

fn naming(name: &str, named: &[String]) -> Segment {
    let condition = condition(json!({ "$savedGroups": named }));
    segment(name, SegmentRule::Condition { condition })
}

fn list(name: &str) -> Segment {
    let attribute = "id".to_owned();
    segment(
        name,
        SegmentRule::List {
            attribute,
            id_count: 0,
        },
    )
}

fn codes(faults: Vec<ConditionFault>) -> Vec<(String, &'static str)> {
    let code = |fault: ConditionFault| (fault.pointer, fault.why.code);
    faults.into_iter().map(code).collect()
}

#[test]
fn a_name_must_be_a_segment_and_for_in_group_a_list() {
    let graph: SegmentGraph = [list("beta"), naming("europe", &[])].into_iter().collect();
    let faults = graph.faults_of_names(&condition(json!({
        "id": {"$inGroup": "beta"},
        "company": {"$notInGroup": "europe"},
        "$or": [{"$savedGroups": ["beta", "europe"]}, {"$not": {"$savedGroups": ["gamma"]}}],
        "tags": {"$elemMatch": {"$inGroup": "gamma"}},
    })));
    let expected = [
        ("/$or/1/$not/$savedGroups/0", "unknown_segment"),
        ("/company/$notInGroup", "not_a_list"),
        ("/tags/$elemMatch/$inGroup", "unknown_segment"),
    ];
    assert_eq!(
        codes(faults),
        expected.map(|(pointer, code)| (pointer.to_owned(), code))
    );
}

#[test]
fn a_segment_names_neither_itself_nor_too_many_others() {
    let graph: SegmentGraph = (0..=MAX_NAMED_SEGMENTS)
        .map(|number| list(&format!("list-{number}")))
        .chain([naming("a", &["b".to_owned()]), naming("b", &[])])
        .collect();
    let faults = |name: &str, named: Value| {
        codes(graph.faults_of_segment(&id(name), &condition(json!({ "$savedGroups": named }))))
    };
    let circle = |index: usize| (format!("/$savedGroups/{index}"), "segment_circle");
    assert_eq!(faults("b", json!(["list-1", "a"])), [circle(1)]);
    assert_eq!(faults("b", json!(["b"])), [circle(0)]);
    let names = |most| Value::from_iter((0..most).map(|number| format!("list-{number}")));
    assert!(faults("b", names(MAX_NAMED_SEGMENTS)).is_empty());
    let too_many = faults("b", names(MAX_NAMED_SEGMENTS + 1));
    assert_eq!(too_many, [(String::new(), "too_many")]);
}

#[test]
fn levels_are_counted_above_and_below_a_changed_segment() {
    // s0 names s1, and so on; the last one is a list.
    let last = MAX_SEGMENT_LEVELS - 1;
    let chain = (0..last).map(|level| naming(&format!("s{level}"), &[format!("s{}", level + 1)]));
    let graph: SegmentGraph = chain
        .chain([
            list(&format!("s{last}")),
            list("other"),
            naming("deep", &["other".to_owned()]),
        ])
        .collect();
    let faults = |name: &str, named: &str| {
        codes(graph.faults_of_segment(&id(name), &condition(json!({"$savedGroups": [named]}))))
    };
    let too_deep = [("/$savedGroups/0".to_owned(), "too_deep")];
    assert!(faults("new", "s1").is_empty());
    assert_eq!(faults("new", "s0"), too_deep);
    let before_last = format!("s{}", last - 1);
    assert!(faults(&before_last, "other").is_empty());
    assert_eq!(faults(&before_last, "deep"), too_deep);
}

proptest! {
    /// Whatever is accepted in whatever order, there is no circle and no path with too many levels.
    #[test]
    fn accepted_segments_have_no_circle_and_few_levels(
        changes in prop::collection::vec((0_usize..7, prop::collection::vec(0_usize..7, 0..3)), 1..40),
    ) {
        let name = |number: usize| format!("s{number}");
        let mut segments: Vec<Segment> = (0..7).map(|number| naming(&name(number), &[])).collect();
        for (changed, named) in changes {
            let named: Vec<String> = named.into_iter().map(name).collect();
            let graph: SegmentGraph = segments.iter().cloned().collect();
            let new = naming(&name(changed), &named);
            let condition = new.rule.condition().unwrap();
            if graph.faults_of_segment(&new.id, condition).is_empty() {
                segments[changed] = new;
            }
            // The longest paths, by removing the segments that name none of the rest.
            let mut open: Vec<&Segment> = segments.iter().collect();
            let mut levels = 0;
            while !open.is_empty() {
                let names: BTreeSet<&str> = open.iter().map(|segment| segment.id.as_str()).collect();
                let before = open.len();
                open.retain(|segment| named_by(segment).iter().any(|name| names.contains(name)));
                prop_assert!(open.len() < before, "there is a circle");
                levels += 1;
            }
            prop_assert!(levels <= MAX_SEGMENT_LEVELS, "{levels} levels");
        }
    }
}
