//! The users that are kept out of an experiment.

use super::targeting;
use crate::http::body::{Faults, Node};
use domain::Invalid;
use domain::exclusion::{ExcludedUsers, Exclusion};
use domain::ids::{DimensionKey, DimensionLabel, EventType};
use domain::limits::{MAX_DIMENSIONS, MAX_EXCLUDED};
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
    fields.finish(faults, "condition, dimensions, event_types");
    if condition.is_none() && dimensions.is_none() && event_types.is_none() {
        let detail = "Must have a `condition`, `dimensions` or `event_types`. To exclude no user, leave the field out.";
        faults.push(node.pointer(), Invalid::new("empty", detail));
    }
    Some(Exclusion {
        condition: condition.map_or(Some(None), |condition| condition.map(Some))?,
        results: ExcludedUsers {
            dimensions: dimensions.unwrap_or_else(|| Some(BTreeMap::new()))?,
            event_types: event_types.unwrap_or_else(|| Some(BTreeSet::new()))?,
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

fn not_empty<T: Ord>(node: &Node<'_>, faults: &mut Faults, list: Vec<T>) -> Option<BTreeSet<T>> {
    if list.is_empty() {
        faults.push(node.pointer(), Invalid::new("empty", "Must not be empty."));
        return None;
    }
    Some(list.into_iter().collect())
}
