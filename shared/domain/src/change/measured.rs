//! Whether the parts of a changed experiment fit what it measures.

use super::{Change, Misfit};
use crate::exclusion::ExclusionMisfit;
use crate::experiment::Experiment;

impl Change {
    /// Whether the plan would be about a metric that is not declared.
    pub(super) fn plan_misfit(&self, before: &Experiment) -> Option<Misfit> {
        let metrics = self
            .analysis
            .metrics
            .as_ref()
            .unwrap_or(&before.analysis.metrics);
        let (field, plan) = match &self.analysis.plan {
            Some(plan) => ("plan/metric", plan),
            None if self.analysis.metrics.is_some() => ("metrics", &before.analysis.plan),
            None => return None,
        };
        let why = plan.as_ref()?.fits(metrics).err()?;
        Some(Misfit { field, why })
    }

    /// Whether a step would depend on guardrails, and none is declared.
    pub(super) fn ramp_misfit(&self, before: &Experiment) -> Option<Misfit> {
        let (ramp, metrics) = (&self.allocation.ramp, &self.analysis.metrics);
        let field = match (ramp, metrics) {
            (Some(_), _) => "ramp",
            (None, Some(_)) => "metrics",
            (None, None) => return None,
        };
        let ramp = ramp.as_ref().unwrap_or(&before.allocation.ramp);
        let metrics = metrics.as_ref().unwrap_or(&before.analysis.metrics);
        let why = ramp.fits(metrics).err()?;
        Some(Misfit { field, why })
    }

    /// What the exclusion is about and would not be stored.
    pub(super) fn exclusion_misfits(&self, before: &Experiment) -> Vec<Misfit> {
        let (exclusion, dimensions) = (&self.exclusion, &self.analysis.dimensions);
        if exclusion.is_none() && dimensions.is_none() {
            return Vec::new();
        }
        let exclusion = exclusion.as_ref().unwrap_or(&before.exclusion);
        let dimensions = dimensions.as_ref().unwrap_or(&before.analysis.dimensions);
        let unit = &before.allocation.unit;
        let Some(Err(misfits)) = exclusion.as_ref().map(|one| one.fits(unit, dimensions)) else {
            return Vec::new();
        };
        let misfit = |one: ExclusionMisfit| Misfit {
            field: match self.exclusion {
                Some(_) => one.field,
                None => "dimensions",
            },
            why: one.why,
        };
        misfits.into_iter().map(misfit).collect()
    }
}
