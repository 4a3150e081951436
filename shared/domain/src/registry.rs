//! Which event types and dimension values have aggregates of their own.
//!
//! A careless client sends `page_view:/product/123` as an event type, or a user's e-mail address as a dimension value.
//! Aggregates must stay small nevertheless. So the first names that occur in a generation get aggregates of their own,
//! up to a limit, and all later ones share one. The event types of declared metrics need no place in the registry.
//!
//! A registry only grows, and a name that found no room never gets a place later. So the label of a record is decided
//! once, before anything is counted under it. Both data sources use the same registry, and so the same labels.

use super::exclusion::ExcludedUsers;
use super::ids::{DimensionKey, DimensionLabel, EventType};
use super::metric::{Measure, MetricSpec};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Event types with aggregates of their own, beside those of declared metrics.
pub const MAX_REGISTERED_TYPES: usize = 64;
/// Values of one dimension with aggregates of their own.
pub const MAX_REGISTERED_VALUES: usize = 50;
/// All registered event types together, and all registered values of a dimension, in bytes of UTF-8. An item of the
/// aggregates table holds the whole registry.
pub const MAX_REGISTERED_BYTES: usize = 4096;

/// The names with aggregates of their own, in the order in which they were registered. Aggregates name an event type by
/// its index here, so that names never make an item large.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Event types.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub event_types: Vec<EventType>,
    /// Values by dimension.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub dimensions: BTreeMap<DimensionKey, Vec<DimensionLabel>>,
}

impl Registry {
    /// Whether the event type has a place, or gets one now.
    fn has_event_type(&mut self, event_type: &EventType) -> bool {
        let most = MAX_REGISTERED_TYPES;
        has_place(&mut self.event_types, event_type, most, EventType::as_str)
    }

    /// Whether the value has a place, or gets one now.
    fn has_value(&mut self, by: &DimensionKey, value: &DimensionLabel) -> bool {
        let values = self.dimensions.entry(by.clone()).or_default();
        let most = MAX_REGISTERED_VALUES;
        has_place(values, value, most, DimensionLabel::as_str)
    }
}

/// Whether a name has a place in a list of at most `most` names, or gets one now.
fn has_place<N: Clone + PartialEq>(
    known: &mut Vec<N>,
    name: &N,
    most: usize,
    text: fn(&N) -> &str,
) -> bool {
    if known.contains(name) {
        return true;
    }
    let bytes: usize = known.iter().map(|known| text(known).len()).sum();
    let fits = known.len() < most && bytes + text(name).len() <= MAX_REGISTERED_BYTES;
    if fits {
        known.push(name.clone());
    }
    fits
}

/// Labels of records: names with a place of their own, and the common label of all others.
///
/// A name that is not registered yet is registered here if there is room. A refresh stores the registry before it
/// counts anything under the new labels; a reader of raw records drops it.
#[derive(Debug)]
pub struct Labels {
    declared: HashSet<Arc<EventType>>,
    /// Event types whose values a declared metric sums.
    summed: HashSet<Arc<EventType>>,
    others: Arc<EventType>,
    excluded: ExcludedUsers,
    registered: Mutex<Registered>,
}

#[derive(Debug, Default)]
struct Registered {
    registry: Registry,
    /// One shared copy of each registered event type.
    types: HashSet<Arc<EventType>>,
}

impl Labels {
    /// Labels of a generation with these declared metrics.
    pub fn new(metrics: &[MetricSpec], registry: Registry) -> Self {
        let quantities = || metrics.iter().flat_map(MetricSpec::quantities);
        let names = |wanted: fn(Measure) -> bool| {
            let wanted = quantities().filter(|(_, measure)| wanted(*measure));
            wanted
                .map(|(event_type, _)| Arc::new(event_type.clone()))
                .collect()
        };
        let types = registry.event_types.iter().cloned().map(Arc::new).collect();
        Self {
            declared: names(|_| true),
            summed: names(|measure| measure == Measure::Sum),
            others: Arc::new(EventType::others()),
            excluded: ExcludedUsers::default(),
            registered: Mutex::new(Registered { registry, types }),
        }
    }

    /// The same labels, and these users are left out of the results.
    #[must_use]
    pub fn excluding(self, excluded: ExcludedUsers) -> Self {
        Self { excluded, ..self }
    }

    /// Assigned users that are left out of the results.
    pub fn excluded(&self) -> &ExcludedUsers {
        &self.excluded
    }

    /// The label of an event type.
    pub fn event_type(&self, event_type: &EventType) -> Arc<EventType> {
        if let Some(declared) = self.declared.get(event_type) {
            return declared.clone();
        }
        let mut registered = self.registered();
        if let Some(known) = registered.types.get(event_type) {
            return known.clone();
        }
        if !registered.registry.has_event_type(event_type) {
            return self.others.clone();
        }
        let name = Arc::new(event_type.clone());
        registered.types.insert(name.clone());
        name
    }

    /// The label of a dimension value; none: the user has no value.
    pub fn dimension_value(&self, by: &DimensionKey, value: Option<&DimensionLabel>) -> String {
        let Some(value) = value else {
            return DimensionLabel::NONE.to_owned();
        };
        if self.registered().registry.has_value(by, value) {
            value.to_string()
        } else {
            DimensionLabel::OTHERS.to_owned()
        }
    }

    /// Whether a declared metric sums the values of this type.
    pub(super) fn is_summed(&self, event_type: &EventType) -> bool {
        self.summed.contains(event_type)
    }

    /// The registry with the names that were registered here.
    pub fn registry(&self) -> Registry {
        self.registered().registry.clone()
    }

    fn registered(&self) -> MutexGuard<'_, Registered> {
        // A panic elsewhere leaves a registry that is complete: each name is added in one step.
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_type(text: &str) -> EventType {
        EventType::parse(text).unwrap()
    }

    #[test]
    fn the_first_types_have_a_place_and_all_later_ones_share_a_label() {
        let labels = Labels::new(&[], Registry::default());
        let label = |index: usize| labels.event_type(&event_type(&format!("t{index}")));
        for index in 0..1_000 {
            let own = *label(index) == event_type(&format!("t{index}"));
            assert_eq!(own, index < MAX_REGISTERED_TYPES, "t{index}");
        }
        assert_eq!(label(999).as_str(), EventType::OTHERS);
        assert_eq!(label(0).as_str(), "t0", "a place stays");
        assert_eq!(labels.registry().event_types.len(), MAX_REGISTERED_TYPES);
    }

    #[test]
    fn long_names_use_up_the_room_and_a_shorter_one_may_still_fit() {
        let labels = Labels::new(&[], Registry::default());
        let long = |index: usize| format!("{index:x>128}");
        for index in 0..31 {
            labels.event_type(&event_type(&long(index)));
        }
        labels.event_type(&event_type(&"y".repeat(28)));
        assert_eq!(
            labels.event_type(&event_type(&long(99))).as_str(),
            EventType::OTHERS,
            "100 bytes are left"
        );
        assert_eq!(labels.event_type(&event_type("short")).as_str(), "short");
        let bytes: usize = labels
            .registry()
            .event_types
            .iter()
            .map(|name| name.as_str().len())
            .sum();
        assert!(bytes <= MAX_REGISTERED_BYTES);
    }

    #[test]
    fn values_of_each_dimension_have_room_of_their_own() {
        let labels = Labels::new(&[], Registry::default());
        let by = |text: &str| DimensionKey::parse(text).unwrap();
        for index in 0..100 {
            let value = DimensionLabel::parse(&format!("v{index}")).unwrap();
            let label = labels.dimension_value(&by("city"), Some(&value));
            assert_eq!(label == value.as_str(), index < MAX_REGISTERED_VALUES);
        }
        let value = DimensionLabel::parse("v99").unwrap();
        assert_eq!(labels.dimension_value(&by("plan"), Some(&value)), "v99");
        assert_eq!(
            labels.dimension_value(&by("city"), None),
            DimensionLabel::NONE
        );
        assert_eq!(
            labels.dimension_value(&by("city"), Some(&value)),
            DimensionLabel::OTHERS
        );
    }

    #[test]
    fn a_registry_that_was_stored_gives_the_same_labels() {
        let labels = Labels::new(&[], Registry::default());
        for index in 0..100 {
            labels.event_type(&event_type(&format!("t{index}")));
        }
        let again = Labels::new(&[], labels.registry());
        for index in (0..100).rev() {
            let name = event_type(&format!("t{index}"));
            assert_eq!(again.event_type(&name), labels.event_type(&name));
        }
    }
}
