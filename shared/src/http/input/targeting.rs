//! Targeting conditions and overrides.

use super::segment::{self, located};
use crate::http::body::{Faults, Node};
use domain::Invalid;
use domain::condition::Condition;
use domain::ids::{UserId, VariantKey};
use domain::limits;
use domain::overrides::Override;
use domain::prose::grouped_size;
use domain::segment_graph::{SegmentGraph, too_many_names};
use serde::Serialize;
use std::collections::BTreeSet;

pub(super) fn condition(
    node: &Node<'_>,
    segments: &SegmentGraph,
    faults: &mut Faults,
) -> Option<Condition> {
    let condition = segment::condition(node, faults)?;
    let found = segments.faults_of_names(&condition);
    faults.extend(located(node.pointer(), found));
    Some(condition)
}

/// Notes a fault if all conditions of an experiment together name too many segments.
pub(super) fn check_names<'c>(
    conditions: impl IntoIterator<Item = &'c Condition>,
    faults: &mut Faults,
) {
    if let Some(invalid) = too_many_names(conditions) {
        faults.push("", invalid);
    }
}

/// Notes a fault for each segment that a copied condition names and that does not exist any more.
pub(super) fn check_copied<'c>(
    copied: impl IntoIterator<Item = &'c Condition>,
    segments: &SegmentGraph,
    faults: &mut Faults,
) {
    for condition in copied {
        for fault in segments.faults_of_names(condition) {
            faults.push("/copy_of", fault.why);
        }
    }
}

pub(super) fn overrides(
    node: &Node<'_>,
    segments: &SegmentGraph,
    faults: &mut Faults,
) -> Option<Vec<Override>> {
    let elements = node.array(faults, limits::MAX_OVERRIDES)?;
    let read: Vec<_> = elements
        .iter()
        .map(|element| one_override(element, segments, faults))
        .collect();
    let overrides: Vec<Override> = read.into_iter().collect::<Option<_>>()?;
    let users: usize = overrides.iter().map(|each| each.users.len()).sum();
    if users > limits::MAX_OVERRIDE_USERS {
        let detail = format!(
            "All overrides together may name at most {} users; these name {}.",
            grouped_size(limits::MAX_OVERRIDE_USERS),
            grouped_size(users)
        );
        faults.push(node.pointer(), Invalid::new("too_many", detail));
    }
    let conditions = overrides.iter().filter_map(|each| each.condition.as_ref());
    let bounds = ("overrides", limits::MAX_OVERRIDES_BYTES);
    check_together(node, bounds, &overrides, conditions, faults);
    Some(overrides)
}

/// Notes a fault if parts of a definition have too many patterns together, or too many bytes as compact JSON.
pub(super) fn check_together<'c, T: Serialize>(
    node: &Node<'_>,
    (what, most_bytes): (&str, usize),
    parts: &[T],
    conditions: impl Iterator<Item = &'c Condition>,
    faults: &mut Faults,
) {
    let patterns: usize = conditions.map(Condition::patterns).sum();
    if patterns > limits::MAX_PATTERNS {
        let detail = format!(
            "All {what} together may have at most {} patterns; these have {patterns}.",
            limits::MAX_PATTERNS
        );
        faults.push(node.pointer(), Invalid::new("too_many", detail));
    }
    let size = serde_json::to_string(parts).map_or(usize::MAX, |text| text.len());
    if size > most_bytes {
        let detail = format!(
            "All {what} together may have at most {} bytes as compact JSON; these have {}.",
            grouped_size(most_bytes),
            grouped_size(size)
        );
        faults.push(node.pointer(), Invalid::new("too_long", detail));
    }
}

fn one_override(node: &Node<'_>, segments: &SegmentGraph, faults: &mut Faults) -> Option<Override> {
    let mut fields = node.object(faults)?;
    let variant = fields
        .required("variant", faults)
        .and_then(|node| node.text(faults, VariantKey::parse));
    let users_node = fields.optional("users");
    let condition_node = fields.optional("condition");
    if users_node.is_some() == condition_node.is_some() {
        let detail = "An override has either `users`, a list of user ids, or a `condition`.";
        faults.push(node.pointer(), Invalid::new("users_or_condition", detail));
    }
    let users = users_node.map(|node| users(&node, faults));
    let condition = condition_node.map(|node| condition(&node, segments, faults));
    fields.finish(faults, "variant, users, condition");
    Some(Override {
        variant: variant?,
        users: users.unwrap_or(Some(BTreeSet::new()))?,
        condition: condition.map_or(Some(None), |condition| condition.map(Some))?,
    })
}

fn users(node: &Node<'_>, faults: &mut Faults) -> Option<BTreeSet<UserId>> {
    let repeated = |_: &UserId| "This user is listed more than once.".to_owned();
    let most = limits::MAX_OVERRIDE_USERS;
    let users = node.unique_texts(faults, most, UserId::parse, repeated)?;
    if users.is_empty() {
        let detail = "An override names at least one user.";
        faults.push(node.pointer(), Invalid::new("empty", detail));
    }
    Some(users.into_iter().collect())
}
