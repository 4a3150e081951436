//! What an experiment measures.

use super::ids::DimensionKey;
use super::metric::Metric;
use super::plan::Plan;
use serde::{Deserialize, Serialize};

/// The dimensions, the metrics and the plan of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnalysisDefinition {
    /// Attributes of users by which results may be broken down.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dimensions: Vec<DimensionKey>,
    /// Declared metrics. Without them every event type has one metric of each kind.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub metrics: Vec<Metric>,
    /// The effect that the experiment is planned to detect; fixed at the start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<Plan>,
}
