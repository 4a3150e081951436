//! What is stored of a user, as far as an evaluation needs it.

use super::assignment::Assignment;
use super::ids::{ExperimentId, LayerId};
use std::collections::BTreeMap;

/// The stored assignments of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredUser {
    /// The assignments.
    pub assignments: BTreeMap<ExperimentId, Assignment>,
    /// Whether the user was erased.
    pub erased: bool,
}

impl StoredUser {
    /// A user with these assignments.
    pub fn new(assignments: Vec<Assignment>, erased: bool) -> Self {
        let assignments = assignments.into_iter();
        Self {
            assignments: assignments
                .map(|assignment| (assignment.experiment_id.clone(), assignment))
                .collect(),
            erased,
        }
    }

    /// Whether the user was ever assigned in another experiment of a layer.
    pub fn was_in_layer(&self, layer: &LayerId, except: &ExperimentId) -> bool {
        let mut others = self.assignments.values();
        others.any(|other| other.experiment_id != *except && other.layer.as_ref() == Some(layer))
    }
}
