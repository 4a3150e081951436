//! Stale flags: those that can be removed from the code of the applications.

use super::{Flag, FlagEnvironment, FlagRule, FlagRuleKind};
use crate::ids::{EnvironmentName, VariantKey};
use crate::limits::STALE_FLAG_DAYS;
use crate::time::Timestamp;
use serde::Serialize;

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// An environment in which a flag has given all users one variant for a long time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleFlag {
    /// The environment.
    pub environment: EnvironmentName,
    /// The variant that all users get.
    pub variant: VariantKey,
    /// Since when the flag has not been changed.
    pub unchanged_since: Timestamp,
}

impl Flag {
    /// The environments in which the flag is stale at an instant: it has not been changed for [`STALE_FLAG_DAYS`] days, and
    /// all users get one variant, now and in the future. Archived flags are not stale.
    pub fn stale_in(&self, now: Timestamp) -> Vec<StaleFlag> {
        let stale_from = self.updated_at.plus_micros(STALE_FLAG_DAYS * DAY_MICROS);
        if self.archived || now < stale_from {
            return Vec::new();
        }
        let environments = self.environments.iter();
        environments
            .filter_map(|(name, environment)| {
                let variant = self.only_variant(environment, now)?;
                Some(StaleFlag {
                    environment: name.clone(),
                    variant: variant.clone(),
                    unchanged_since: self.updated_at,
                })
            })
            .collect()
    }

    /// The variant of all users from an instant on; none if there can be several.
    fn only_variant<'f>(
        &self,
        environment: &'f FlagEnvironment,
        now: Timestamp,
    ) -> Option<&'f VariantKey> {
        if !environment.enabled {
            return Some(&environment.off_variant);
        }
        let mut seen: Vec<&VariantKey> = Vec::new();
        if !self.prerequisites.is_empty() {
            seen.push(&environment.off_variant);
        }
        let over = |rule: &&FlagRule| rule.ends_at.is_some_and(|end| end <= now);
        let mut decides_for_all = false;
        for rule in environment.rules.iter().filter(|rule| !over(rule)) {
            seen.extend(variants_of(rule, now)?);
            if rule.serves_all(now) {
                decides_for_all = true;
                break;
            }
        }
        if !decides_for_all {
            seen.push(&environment.default_variant);
        }
        let first = *seen.first()?;
        seen.iter()
            .all(|variant| *variant == first)
            .then_some(first)
    }
}

/// The variants that a rule can give from an instant on; none for an experiment, which is never stale by itself.
fn variants_of(rule: &FlagRule, now: Timestamp) -> Option<Vec<&VariantKey>> {
    match &rule.kind {
        FlagRuleKind::Serve { variant } => Some(vec![variant]),
        FlagRuleKind::Rollout(rollout) => {
            let later = rollout.ramp.after(now).map(|step| step.traffic_percent);
            let mut traffic = later.chain([rollout.traffic_at(now)]);
            if !traffic.any(|percent| percent > 0.0) {
                return Some(Vec::new());
            }
            let with_share = rollout.variants.iter().filter(|each| each.percent > 0.0);
            Some(with_share.map(|each| &each.variant).collect())
        }
        FlagRuleKind::Experiment { .. } => None,
    }
}

impl FlagRule {
    /// Whether no user gets to the next rule from an instant on.
    fn serves_all(&self, now: Timestamp) -> bool {
        self.condition.is_none()
            && self.ends_at.is_none()
            && self.is_scheduled_at(now)
            && matches!(self.kind, FlagRuleKind::Serve { .. })
    }
}
