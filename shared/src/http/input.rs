//! From requests to domain values, all faults at once.

use super::body::{Node, Object};

mod allocation;
pub mod assignment;
pub mod assignments;
pub mod attributes;
pub mod audit;
pub mod batch;
pub mod change;
pub mod client_key;
mod documentation;
pub mod events;
mod exclusion;
pub mod experiment;
pub mod flag;
mod flag_rule;
pub mod layer;
mod metric;
pub mod plan;
pub mod sdk_events;
pub mod sdk_user;
pub mod segment;
pub mod sticky_buckets;
mod targeting;
mod text;
pub mod units;
pub mod user;

/// `null` removes an optional value; a missing field keeps it.
fn removable<T>(
    body: &mut Object<'_>,
    name: &str,
    read: impl FnOnce(&Node<'_>) -> Option<T>,
) -> Option<Option<T>> {
    let node = body.nullable(name)?;
    if node.is_null() {
        Some(None)
    } else {
        read(&node).map(Some)
    }
}

/// A field that may be missing; none if it has a fault.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    read.map_or(Some(None), |value| value.map(Some))
}

/// The same, with a default for a missing field.
fn or_default<T: Default>(read: Option<Option<T>>) -> Option<T> {
    read.unwrap_or_else(|| Some(T::default()))
}
