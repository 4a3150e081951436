//! The users that are kept out of an experiment.

use super::{segment, targeting};
use crate::http::body::{Faults, Node};
use domain::Invalid;
use domain::condition::Condition;
use domain::exclusion::{ExcludedEvent, ExcludedUsers, Exclusion};
use domain::ids::{DimensionKey, DimensionLabel, EventType};
use domain::limits::{MAX_CONDITION_BYTES, MAX_DIMENSIONS, MAX_EXCLUDED};
use domain::prose::grouped_size;
use domain::segment_graph::SegmentGraph;
use std::collections::{BTreeMap, BTreeSet};

/// Reads an exclusion. It has at least one field.
pub(super) fn exclusion(
    node: &Node<'_>,
    segments: &SegmentGraph,
    faults: &mut Faults,
) -> Option<Exclusion> {
    let mut fields = node.object(faults)?;
    let condition = fields
        .optional("condition")
        .map(|node| targeting::condition(&node, segments, faults));
    let dimensions = fields
        .optional("dimensions")
        .map(|node| dimensions(&node, faults));
    let event_types = fields
        .optional("event_types")
        .map(|node| event_types(&node, faults));
    let events = fields.optional("events").map(|node| events(&node, faults));
    fields.finish(faults, "condition, dimensions, event_types, events");
    if condition.is_none() && dimensions.is_none() && event_types.is_none() && events.is_none() {
        let detail = "Must have a `condition`, `dimensions`, `event_types` or `events`. To exclude no user, leave the field out.";
        faults.push(node.pointer(), Invalid::new("empty", detail));
    }
    Some(Exclusion {
        condition: condition.map_or(Some(None), |condition| condition.map(Some))?,
        results: ExcludedUsers {
            dimensions: dimensions.unwrap_or_else(|| Some(BTreeMap::new()))?,
            event_types: event_types.unwrap_or_else(|| Some(BTreeSet::new()))?,
            events: events.unwrap_or_else(|| Some(Vec::new()))?,
        },
    })
}

fn dimensions(
    node: &Node<'_>,
    faults: &mut Faults,
) -> Option<BTreeMap<DimensionKey, BTreeSet<DimensionLabel>>> {
    let named: Vec<_> = node.object(faults)?.into_fields().collect();
    if named.is_empty() || named.len() > MAX_DIMENSIONS {
        let detail = format!(
            "Must name 1 to {MAX_DIMENSIONS} dimensions; this names {}.",
            grouped_size(named.len())
        );
        faults.push(node.pointer(), Invalid::new("wrong_number", detail));
        return None;
    }
    let read = named.into_iter().map(|(name, node)| {
        let values = values(&node, faults);
        match DimensionKey::parse(&name) {
            Ok(by) => Some((by, values?)),
            Err(invalid) => {
                faults.push(node.pointer(), invalid);
                None
            }
        }
    });
    // All of them, so that each fault is noted.
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn values(node: &Node<'_>, faults: &mut Faults) -> Option<BTreeSet<DimensionLabel>> {
    let repeated = |_: &DimensionLabel| "This value is listed more than once.".to_owned();
    let values = node.unique_texts(faults, MAX_EXCLUDED, DimensionLabel::parse, repeated)?;
    not_empty(node, faults, values)
}

fn event_types(node: &Node<'_>, faults: &mut Faults) -> Option<BTreeSet<EventType>> {
    let repeated = |_: &EventType| "This type is listed more than once.".to_owned();
    let types = node.unique_texts(faults, MAX_EXCLUDED, EventType::parse_new, repeated)?;
    not_empty(node, faults, types)
}

/// Events with conditions on their properties, which are bounded like one condition altogether.
fn events(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<ExcludedEvent>> {
    let elements = node.array(faults, MAX_EXCLUDED)?;
    if elements.is_empty() {
        faults.push(node.pointer(), Invalid::new("empty", "Must not be empty."));
        return None;
    }
    let read: Vec<_> = elements
        .iter()
        .map(|element| excluded_event(element, faults))
        .collect();
    let events: Vec<ExcludedEvent> = read.into_iter().collect::<Option<_>>()?;
    let conditions = events.iter().map(|event| &event.condition);
    let bounds = ("events", MAX_CONDITION_BYTES);
    targeting::check_together(node, bounds, &events, conditions, faults);
    Some(events)
}

fn excluded_event(node: &Node<'_>, faults: &mut Faults) -> Option<ExcludedEvent> {
    let mut fields = node.object(faults)?;
    let event_type = fields
        .required("event_type", faults)
        .and_then(|node| node.text(faults, EventType::parse_new));
    let condition = fields
        .required("condition", faults)
        .and_then(|node| condition_on_properties(&node, faults));
    fields.finish(faults, "event_type, condition");
    Some(ExcludedEvent {
        event_type: event_type?,
        condition: condition?,
    })
}

fn condition_on_properties(node: &Node<'_>, faults: &mut Faults) -> Option<Condition> {
    let condition = segment::condition(node, faults)?;
    for named in condition.segments() {
        let detail =
            "A condition on properties cannot name a segment: results would not change with it.";
        let pointer = format!("{}{}", node.pointer(), named.pointer);
        faults.push(pointer, Invalid::new("no_segments_here", detail));
    }
    Some(condition)
}

fn not_empty<T: Ord>(node: &Node<'_>, faults: &mut Faults, list: Vec<T>) -> Option<BTreeSet<T>> {
    if list.is_empty() {
        faults.push(node.pointer(), Invalid::new("empty", "Must not be empty."));
        return None;
    }
    Some(list.into_iter().collect())
}
