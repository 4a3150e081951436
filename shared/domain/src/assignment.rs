//! Assignments of users to variants.

use super::ids::{DimensionKey, DimensionLabel, ExperimentId, LayerId, UserId, VariantKey};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The dimension values of a user at the assignment, such as `country`: `DE`. Unknown values are absent.
pub type Attributes = BTreeMap<DimensionKey, DimensionLabel>;

/// The origin of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentSource {
    /// The hash chose the variant.
    Hash,
    /// Imported from another system.
    Import,
}

/// The stored assignment of a user to a variant. It never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The user.
    pub user_id: UserId,
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// The variant.
    pub variant: VariantKey,
    /// When the user was assigned. Only events strictly after this instant are counted.
    pub assigned_at: Timestamp,
    /// Its origin.
    pub source: AssignmentSource,
    /// The version of the definition that was evaluated.
    pub experiment_version: u64,
    /// The layer of the experiment. Other experiments of the layer do not enroll the user.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<LayerId>,
    /// The user's dimension values at that time. They are stored with the assignment, so that a user keeps them while
    /// the experiment runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub attributes: Attributes,
}
