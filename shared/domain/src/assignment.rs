//! Who gets which variant, and why.

use super::experiment::{Experiment, Status};
use super::ids::{DimensionKey, DimensionLabel, ExperimentId, UserId, VariantKey};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a user is at the moment of the assignment, e.g. `country`: `DE`. What nobody has said is not there.
pub type Attributes = BTreeMap<DimensionKey, DimensionLabel>;

/// How an assignment came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentSource {
    /// The user asked, the hash chose.
    Hash,
    /// Brought over from another system.
    Import,
}

/// The stored fact that a user is in a variant. It never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who.
    pub user_id: UserId,
    /// In which experiment.
    pub experiment_id: ExperimentId,
    /// Which variant.
    pub variant: VariantKey,
    /// Since when. Only events strictly after this instant count.
    pub assigned_at: Timestamp,
    /// How it came about.
    pub source: AssignmentSource,
    /// The version of the definition that decided.
    pub experiment_version: u64,
    /// What the user was at that instant, by the dimensions of the experiment. Kept with the assignment, so
    /// that nobody moves from one dimension to another while the experiment runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub attributes: Attributes,
}

/// Why a user is not in the experiment. An ordinary outcome, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotEnrolled {
    /// The experiment has not been started.
    NotRunning,
    /// Its planned start lies ahead.
    NotStarted,
    /// It is paused.
    Paused,
    /// It was stopped.
    Stopped,
    /// Its planned end has passed.
    Ended,
    /// The user is outside the share of users that take part.
    Traffic,
    /// The user was erased, and nothing is stored for the time being.
    Erased,
}

/// Which variant a user without a stored assignment is to get.
///
/// The order is status and schedule, then traffic, then shares.
///
/// # Errors
/// The reason why the user is not enrolled.
pub fn decide<'e>(
    experiment: &'e Experiment,
    user: &UserId,
    now: Timestamp,
) -> Result<&'e VariantKey, NotEnrolled> {
    match experiment.status {
        Status::Draft => return Err(NotEnrolled::NotRunning),
        Status::Paused => return Err(NotEnrolled::Paused),
        Status::Stopped | Status::Archived => return Err(NotEnrolled::Stopped),
        Status::Running => {}
    }
    if experiment.starts_at.is_some_and(|start| now < start) {
        return Err(NotEnrolled::NotStarted);
    }
    if experiment.ends_at.is_some_and(|end| end <= now) {
        return Err(NotEnrolled::Ended);
    }
    experiment
        .variants
        .choose(&experiment.hash_seed, user, experiment.traffic_percent)
        .map(|variant| &variant.key)
        .ok_or(NotEnrolled::Traffic)
}
