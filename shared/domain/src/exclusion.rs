//! Exclusion: bots and internal traffic, which are kept out of the assignment or out of the results.

use super::Invalid;
use super::assignment::Attributes;
use super::condition::Condition;
use super::ids::{DimensionKey, DimensionLabel, EventType};
use serde::{Deserialize, Serialize};
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
}

impl Exclusion {
    /// Checks that the dimensions are declared.
    ///
    /// # Errors
    /// Each dimension that is not.
    pub fn fits(&self, declared: &[DimensionKey]) -> Result<(), Vec<(DimensionKey, Invalid)>> {
        let named = self.results.dimensions.keys();
        let unknown: Vec<_> = named
            .filter(|by| !declared.contains(by))
            .map(|by| {
                let detail = format!(
                    "The experiment declares no dimension `{by}`, so its values are not stored. Declare it in `dimensions`."
                );
                (by.clone(), Invalid::new("unknown_dimension", detail))
            })
            .collect();
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(unknown)
        }
    }
}

impl ExcludedUsers {
    /// Whether no user is left out.
    pub fn is_empty(&self) -> bool {
        self.dimensions.is_empty() && self.event_types.is_empty()
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
}
