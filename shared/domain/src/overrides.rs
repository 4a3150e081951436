//! Overrides: variants for testers, chosen by hand.

use super::condition::{Condition, SegmentTests};
use super::evaluation_context::EvaluationContext;
use super::ids::{UserId, VariantKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A variant for some users. It is not stored as an assignment, so these users are in no statistic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// The variant that these users get.
    pub variant: VariantKey,
    /// The users by their ids.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub users: BTreeSet<UserId>,
    /// The users whose attributes match.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub condition: Option<Condition>,
}

impl Override {
    /// Whether it is for this user.
    pub fn applies(&self, context: &EvaluationContext, segments: &dyn SegmentTests) -> bool {
        let matches = |condition: &Condition| condition.matches(context.attributes(), segments);
        self.users.contains(&context.user_id) || self.condition.as_ref().is_some_and(matches)
    }
}
