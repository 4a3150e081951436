//! The evaluation of a flag for a user.

use super::compile::{CompiledFlag, LeftOutRule, RuleOrigin, RulePart};
use super::compiled_flags::CompiledFlags;
use crate::feature::{Evaluator, FeatureResult, FeatureSource, FeatureUser, Skipped};
use crate::ids::{ExperimentId, FlagKey, RuleId, VariantKey};
use serde::Serialize;
use serde_json::Value;

/// The variant of a flag for a user, and why.
#[derive(Debug, Clone)]
pub struct FlagEvaluation<'e> {
    /// The flag.
    pub key: &'e FlagKey,
    /// The version of its definition.
    pub version: u64,
    /// The variant.
    pub variant: &'e VariantKey,
    /// Its value.
    pub value: &'e Value,
    /// Why this variant.
    pub reason: FlagReason,
    /// The rule of the flag that decided.
    pub rule: Option<&'e RuleId>,
    /// The experiment that the user is in because of this evaluation. Overrides and releases enroll no user.
    pub exposure: Option<FlagExposure<'e>>,
    /// What was looked at; empty unless the evaluator notes it.
    pub trace: Vec<FlagStep<'e>>,
}

/// Why a user gets a variant, as OpenFeature names the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FlagReason {
    /// All users get the variant.
    Static,
    /// No rule decided.
    Default,
    /// A rule decided because of the user's attributes.
    TargetingMatch,
    /// A hash chose the variant.
    Split,
    /// The flag is not enabled, or a prerequisite is not met.
    Disabled,
    /// The definitions are damaged.
    Unknown,
}

/// A user's variant in an experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlagExposure<'e> {
    /// The experiment.
    pub experiment: &'e ExperimentId,
    /// The variant of the experiment.
    pub variant: &'e VariantKey,
    /// The attribute whose value was hashed: `id`, or the kind of other units.
    pub hash_attribute: &'e str,
    /// Whether the hash chose the variant. Otherwise the caller did, such as with a stored assignment.
    pub hash_used: bool,
}

/// A part of a flag that an evaluation looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlagStep<'e> {
    /// The part.
    pub part: RulePart,
    /// The rule of the flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'e RuleId>,
    /// The prerequisite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prerequisite: Option<&'e FlagKey>,
    /// Why it did not decide; none if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
}

/// Evaluates the flags of an environment for one user.
#[derive(Debug)]
pub struct FlagEvaluator<'e> {
    flags: &'e CompiledFlags,
    evaluator: Evaluator<'e>,
    is_traced: bool,
}

impl<'e> FlagEvaluator<'e> {
    /// For one user. `forced_variations` of the user can have stored assignments, by the ids of experiments.
    pub fn new(flags: &'e CompiledFlags, user: FeatureUser<'e>) -> Self {
        Self {
            flags,
            evaluator: Evaluator::new(flags, user),
            is_traced: false,
        }
    }

    /// The same, and results have a trace.
    #[must_use]
    pub fn traced(self) -> Self {
        Self {
            evaluator: self.evaluator.traced(),
            is_traced: true,
            ..self
        }
    }

    /// Evaluates a flag; none if there is no such flag.
    pub fn evaluate(&mut self, key: &str) -> Option<FlagEvaluation<'e>> {
        let flag = self.flags.get(key)?;
        let result = self.evaluator.evaluate(key);
        let mut evaluation = flag.evaluation(&result);
        if self.is_traced {
            let steps = self.evaluator.steps().iter();
            let steps = steps.filter_map(|step| {
                let origin = flag.origins.get(step.rule_index)?;
                Some(FlagStep {
                    part: origin.part,
                    rule: origin.rule.as_ref(),
                    prerequisite: origin.prerequisite.as_ref(),
                    skipped: step.skipped,
                })
            });
            evaluation.trace = steps.collect();
        }
        Some(evaluation)
    }

    /// The rules of a flag that let no user take part at present; they are not in the trace.
    pub fn left_out(&self, key: &str) -> &'e [LeftOutRule] {
        let flag = self.flags.get(key);
        flag.map_or(&[], |flag| flag.left_out.as_slice())
    }
}

impl CompiledFlag {
    fn evaluation<'e>(&'e self, result: &FeatureResult<'e>) -> FlagEvaluation<'e> {
        let without_rule = |reason| FlagEvaluation {
            key: &self.key,
            version: self.version,
            variant: &self.default_variant,
            value: result.value,
            reason,
            rule: None,
            exposure: None,
            trace: Vec::new(),
        };
        let origin = result.rule_index.and_then(|index| self.origins.get(index));
        match (result.source, origin) {
            (FeatureSource::DefaultValue, _) => without_rule(self.default_reason()),
            (FeatureSource::Force | FeatureSource::Experiment, Some(origin)) => {
                self.decided(origin, result)
            }
            // A circle of prerequisites cannot be stored.
            _ => FlagEvaluation {
                value: &self.definition.default_value,
                ..without_rule(FlagReason::Unknown)
            },
        }
    }

    fn default_reason(&self) -> FlagReason {
        match (self.enabled, self.origins.is_empty()) {
            (false, _) => FlagReason::Disabled,
            (true, true) => FlagReason::Static,
            (true, false) => FlagReason::Default,
        }
    }

    fn decided<'e>(
        &'e self,
        origin: &'e RuleOrigin,
        result: &FeatureResult<'e>,
    ) -> FlagEvaluation<'e> {
        let outcome = result.experiment.as_ref().map(|(_, outcome)| outcome);
        let index = outcome.map_or(0, |outcome| outcome.variation_id);
        let exposure = outcome.and_then(|outcome| {
            Some(FlagExposure {
                experiment: origin.experiment.as_ref()?,
                variant: origin.experiment_variants.get(index)?,
                hash_attribute: outcome.hash_attribute,
                hash_used: outcome.hash_used,
            })
        });
        let is_first = result.rule_index == Some(0);
        let reason = match origin.part {
            RulePart::Prerequisite => FlagReason::Disabled,
            RulePart::Rollout | RulePart::Experiment => FlagReason::Split,
            _ if origin.is_for_all && is_first => FlagReason::Static,
            RulePart::Serve | RulePart::Release | RulePart::Override => FlagReason::TargetingMatch,
        };
        FlagEvaluation {
            key: &self.key,
            version: self.version,
            variant: origin.variants.get(index).unwrap_or(&self.default_variant),
            value: result.value,
            reason,
            rule: origin.rule.as_ref(),
            exposure,
            trace: Vec::new(),
        }
    }
}
