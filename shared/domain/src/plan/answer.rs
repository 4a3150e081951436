//! From a plan request to its result.

use super::calculation::Looks;
use super::{Plan, PlanRequest, PlanResult, PlanSettings, sentence};

impl PlanRequest {
    /// The result for the fixed and for the sequential method.
    pub fn answer(&self) -> PlanResult {
        let fixed = self.size(Looks::Once);
        let sequential = self.size(Looks::Always);
        let plan = sequential.users.map(|users| Plan {
            metric: self.metric.key.clone(),
            minimum_detectable_effect: self.design.minimum_detectable_effect,
            alpha: self.design.alpha,
            power: self.design.power,
            users,
        });
        PlanResult {
            sentence: sentence::of(self, &fixed, &sequential),
            baseline: self.metric.source.clone(),
            detectable: self.detectable(),
            plan,
            settings: self.settings(),
            fixed,
            sequential,
        }
    }

    fn settings(&self) -> PlanSettings {
        let comparisons = self.comparisons();
        let design = &self.design;
        PlanSettings {
            metric: self.metric.clone(),
            minimum_detectable_effect: design.minimum_detectable_effect,
            variants: design.variants.as_slice().to_vec(),
            traffic_percent: design.traffic_percent,
            users_per_day: design.users_per_day,
            alpha: design.alpha,
            power: design.power,
            comparisons,
            correction: if comparisons > 1 {
                "bonferroni"
            } else {
                "none"
            },
            alpha_per_comparison: design.alpha / f64::from(comparisons),
            fixed: "two-sided z test, each variant's own variance",
            sequential: "confidence sequence tuned to the planned users; power at the planned end",
        }
    }
}
