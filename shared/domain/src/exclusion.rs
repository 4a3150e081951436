//! Exclusion: bots and internal traffic, which are kept out of the assignment or out of the results.

use super::Invalid;
use super::assignment::Attributes;
use super::condition::{Condition, NoSegments};
use super::ids::{DimensionKey, DimensionLabel, EventType, UnitKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The users that are kept out of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Users whose attributes match are not assigned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub condition: Option<Condition>,
    /// Assigned users that results leave out.
    #[serde(flatten)]
    pub results: ExcludedUsers,
}

/// Assigned users that results leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedUsers {
    /// Those with one of these dimension values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub dimensions: BTreeMap<DimensionKey, BTreeSet<DimensionLabel>>,
    /// Those with an event of one of these types after their assignment.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub event_types: BTreeSet<EventType>,
    /// Those with one of these events after their assignment.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub events: Vec<ExcludedEvent>,
}

/// Events of one type with properties that exclude their users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedEvent {
    /// The event type.
    pub event_type: EventType,
    /// A condition on the properties of the event. It names no segment: a segment changes without a backfill.
    pub condition: Condition,
}

/// Why an exclusion does not fit an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExclusionMisfit {
    /// The JSON name of the field of the experiment.
    pub field: &'static str,
    /// The dimension, if the fault is about one.
    pub dimension: Option<DimensionKey>,
    /// The fault.
    pub why: Invalid,
}

impl Exclusion {
    /// Checks that the experiment stores what the exclusion is about: values of its declared dimensions, and properties of
    /// events, which are stored with the user only.
    ///
    /// # Errors
    /// Each dimension that is not declared, and events of another unit.
    pub fn fits(
        &self,
        unit: &UnitKind,
        declared: &[DimensionKey],
    ) -> Result<(), Vec<ExclusionMisfit>> {
        let named = self.results.dimensions.keys();
        let unknown = named.filter(|by| !declared.contains(by)).map(|by| {
            let detail = format!(
                "The experiment declares no dimension `{by}`, so its values are not stored. Declare it in `dimensions`."
            );
            ExclusionMisfit {
                field: "exclude/dimensions",
                dimension: Some(by.clone()),
                why: Invalid::new("unknown_dimension", detail),
            }
        });
        let mut misfits: Vec<_> = unknown.collect();
        if !self.results.events.is_empty() && !unit.is_user() {
            let detail = format!(
                "The properties of an event are stored with its user, and not with its {}. Use `event_types` for an experiment \
                 with this unit.",
                unit.as_str()
            );
            misfits.push(ExclusionMisfit {
                field: "exclude/events",
                dimension: None,
                why: Invalid::new("properties_of_another_unit", detail),
            });
        }
        if misfits.is_empty() {
            Ok(())
        } else {
            Err(misfits)
        }
    }
}

impl ExcludedUsers {
    /// Whether no user is left out.
    pub fn is_empty(&self) -> bool {
        self.dimensions.is_empty() && !self.depends_on_events()
    }

    /// Whether a user can be left out because of an event.
    pub fn depends_on_events(&self) -> bool {
        !self.event_types.is_empty() || !self.events.is_empty()
    }

    /// Whether a user with these dimension values is left out.
    pub fn has_value_of(&self, attributes: &Attributes) -> bool {
        let has = |(by, values): (_, &BTreeSet<DimensionLabel>)| {
            let own = attributes.get(by);
            own.is_some_and(|own| values.contains(own))
        };
        self.dimensions.iter().any(has)
    }

    /// Whether a user with such an event is left out.
    pub fn has_type(&self, event_type: &EventType) -> bool {
        self.event_types.contains(event_type)
    }

    /// The event types whose properties decide.
    pub fn types_with_properties(&self) -> BTreeSet<&EventType> {
        self.events.iter().map(|event| &event.event_type).collect()
    }

    /// Whether the properties of such an event decide.
    pub fn needs_properties_of(&self, event_type: &EventType) -> bool {
        self.events
            .iter()
            .any(|event| event.event_type == *event_type)
    }

    /// Whether a user with such an event is left out because of its properties: the text of a JSON object, as it is stored.
    /// An event without properties is like one with `{}`.
    pub fn has_properties(&self, event_type: &EventType, properties: Option<&str>) -> bool {
        if !self.needs_properties_of(event_type) {
            return false;
        }
        let properties = properties.and_then(|text| serde_json::from_str(text).ok());
        let properties = properties.unwrap_or_else(|| Value::Object(Map::new()));
        self.events.iter().any(|event| {
            event.event_type == *event_type && event.condition.matches(&properties, &NoSegments)
        })
    }
}
