//! The evaluation of features for one user.

use super::attribute::Attribute;
use super::compiled::{Action, Buckets, Feature, FeatureExperiment, ForcedShare, Parent, Rule};
use super::result::{ExperimentResult, FeatureResult, FeatureSource, RuleStep, Skipped};
use super::sticky::StickyDocuments;
use crate::condition::{Condition, NoSegments, SegmentTests};
use crate::limits::MAX_FEATURE_LEVELS;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

static NULL: Value = Value::Null;

/// Compiled features by key.
pub trait Features {
    /// The feature with a key.
    fn feature(&self, key: &str) -> Option<&Feature>;
}

impl<S: std::hash::BuildHasher> Features for HashMap<String, Feature, S> {
    fn feature(&self, key: &str) -> Option<&Feature> {
        self.get(key)
    }
}

/// The user for whom features are evaluated.
#[derive(Clone, Copy)]
pub struct FeatureUser<'u> {
    /// The attributes, an object.
    pub attributes: &'u Value,
    /// The segments that conditions name.
    pub segments: &'u dyn SegmentTests,
    /// Variations by the keys of experiments, chosen by hand.
    pub forced_variations: Option<&'u BTreeMap<String, i64>>,
    /// Values by the keys of features, chosen by hand.
    pub forced_values: Option<&'u BTreeMap<String, Value>>,
    /// The stored variations of the user; none if sticky buckets are not in use.
    pub sticky: Option<&'u StickyDocuments>,
    /// Whether experiments take users in.
    pub experiments_enabled: bool,
    /// Whether experiments take only users in for whom a variation is forced.
    pub qa_mode: bool,
}

impl std::fmt::Debug for FeatureUser<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Attributes may be personal data.
        f.debug_struct("FeatureUser").finish_non_exhaustive()
    }
}

impl<'u> FeatureUser<'u> {
    /// A user with these attributes, and nothing chosen by hand.
    pub fn new(attributes: &'u Value, segments: &'u dyn SegmentTests) -> Self {
        Self {
            attributes,
            segments,
            forced_variations: None,
            forced_values: None,
            sticky: None,
            experiments_enabled: true,
            qa_mode: false,
        }
    }

    pub(super) fn matches(&self, condition: Option<&Condition>) -> bool {
        condition.is_none_or(|condition| condition.matches(self.attributes, self.segments))
    }
}

/// Evaluates features for one user. A feature that several others need is evaluated once.
pub struct Evaluator<'e> {
    features: &'e dyn Features,
    pub(super) user: FeatureUser<'e>,
    /// The features whose evaluation is under way.
    path: Vec<&'e str>,
    /// The values of features that others needed.
    known: Vec<(&'e str, &'e Value)>,
    /// The rules of the outermost feature that were looked at.
    steps: Option<Vec<RuleStep>>,
    pub(super) sticky: Option<Cow<'e, StickyDocuments>>,
}

impl std::fmt::Debug for Evaluator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").finish_non_exhaustive()
    }
}

/// Features need each other in a circle, or in too many levels.
struct Circle;

impl<'e> Evaluator<'e> {
    /// For one user.
    pub fn new(features: &'e dyn Features, user: FeatureUser<'e>) -> Self {
        Self {
            features,
            sticky: user.sticky.map(Cow::Borrowed),
            user,
            path: Vec::new(),
            known: Vec::new(),
            steps: None,
        }
    }

    /// The same, and each evaluation notes the rules that it looks at.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.steps = Some(Vec::new());
        self
    }

    /// The rules that the last evaluation looked at, if they are noted.
    pub fn steps(&self) -> &[RuleStep] {
        self.steps.as_deref().unwrap_or_default()
    }

    /// The stored variations after the evaluations, if there are new ones.
    pub fn changed_sticky_documents(&self) -> Option<&StickyDocuments> {
        match &self.sticky {
            Some(Cow::Owned(changed)) => Some(changed),
            Some(Cow::Borrowed(_)) | None => None,
        }
    }

    /// Evaluates a feature.
    pub fn evaluate(&mut self, key: &str) -> FeatureResult<'e> {
        self.path.clear();
        if let Some(steps) = &mut self.steps {
            steps.clear();
        }
        self.feature(key)
    }

    /// Evaluates an experiment that is not in a feature.
    pub fn run(&mut self, experiment: &'e FeatureExperiment) -> ExperimentResult<'e> {
        self.path.clear();
        self.experiment(experiment)
    }

    fn feature(&mut self, key: &str) -> FeatureResult<'e> {
        if let Some(forced) = self.user.forced_values.and_then(|forced| forced.get(key)) {
            return FeatureResult::without_rule(forced, FeatureSource::Override);
        }
        let Some(feature) = self.features.feature(key) else {
            return FeatureResult::without_rule(&NULL, FeatureSource::UnknownFeature);
        };
        if self.path.contains(&&*feature.key) || self.path.len() >= MAX_FEATURE_LEVELS {
            return FeatureResult::without_rule(&NULL, FeatureSource::CyclicPrerequisite);
        }
        self.path.push(&feature.key);
        let result = self.evaluated(feature);
        self.path.pop();
        result
    }

    fn evaluated(&mut self, feature: &'e Feature) -> FeatureResult<'e> {
        for (rule_index, rule) in feature.rules.iter().enumerate() {
            let skipped = match self.rule(rule_index, rule) {
                Ok(result) => {
                    self.note(rule_index, None);
                    return result;
                }
                Err(skipped) => skipped,
            };
            self.note(rule_index, Some(skipped));
        }
        FeatureResult::without_rule(&feature.default_value, FeatureSource::DefaultValue)
    }

    fn note(&mut self, rule_index: usize, skipped: Option<Skipped>) {
        if let Some(steps) = self.steps.as_mut().filter(|_| self.path.len() == 1) {
            steps.push(RuleStep {
                rule_index,
                skipped,
            });
        }
    }

    /// Applies a rule.
    ///
    /// # Errors
    /// Why it did not decide.
    fn rule(&mut self, rule_index: usize, rule: &'e Rule) -> Result<FeatureResult<'e>, Skipped> {
        let without_value = |source| FeatureResult {
            rule_index: Some(rule_index),
            ..FeatureResult::without_rule(&NULL, source)
        };
        match self.first_unmet(&rule.parents) {
            Err(Circle) => return Ok(without_value(FeatureSource::CyclicPrerequisite)),
            Ok(Some(parent)) if parent.gate => {
                return Ok(without_value(FeatureSource::Prerequisite));
            }
            Ok(Some(_)) => return Err(Skipped::Prerequisite),
            Ok(None) => {}
        }
        let attributes = self.user.attributes;
        if !rule
            .filters
            .iter()
            .all(|filter| filter.includes(attributes))
        {
            return Err(Skipped::Filters);
        }
        let (value, source, experiment) = match &rule.action {
            Action::Force {
                value,
                condition,
                share,
            } => {
                if !self.user.matches(condition.as_ref()) {
                    return Err(Skipped::Condition);
                }
                if !share.as_ref().is_none_or(|share| self.is_in(share)) {
                    return Err(Skipped::Traffic);
                }
                (value, FeatureSource::Force, None)
            }
            Action::Experiment(experiment) => {
                let result = self.experiment(experiment);
                if let Some(why) = result.not_included {
                    return Err(Skipped::Experiment(why));
                }
                if result.passthrough {
                    return Err(Skipped::Passthrough);
                }
                let value = result.value;
                (
                    value,
                    FeatureSource::Experiment,
                    Some((&**experiment, result)),
                )
            }
            Action::None => return Err(Skipped::Empty),
        };
        Ok(FeatureResult {
            value,
            source,
            rule_id: &rule.id,
            rule_index: Some(rule_index),
            experiment,
        })
    }

    /// The first of these features that is not what it must be.
    fn first_unmet(&mut self, parents: &'e [Parent]) -> Result<Option<&'e Parent>, Circle> {
        for parent in parents {
            let value = self.parent_value(&parent.id)?;
            let result = Value::Object(Map::from_iter([("value".to_owned(), value.clone())]));
            if !parent.condition.matches(&result, &NoSegments) {
                return Ok(Some(parent));
            }
        }
        Ok(None)
    }

    /// Whether each of these features is what it must be. A circle is an unmet one.
    pub(super) fn all_met(&mut self, parents: &'e [Parent]) -> bool {
        matches!(self.first_unmet(parents), Ok(None))
    }

    /// The value of a feature that another one needs.
    ///
    /// # Errors
    /// If there is a circle. It makes all features on the way to it results without a value, so what is known of the others
    /// does not depend on the way.
    fn parent_value(&mut self, key: &'e str) -> Result<&'e Value, Circle> {
        if let Some((_, value)) = self.known.iter().find(|(known, _)| *known == key) {
            return Ok(*value);
        }
        let result = self.feature(key);
        if result.source == FeatureSource::CyclicPrerequisite {
            return Err(Circle);
        }
        self.known.push((key, result.value));
        Ok(result.value)
    }

    fn is_in(&self, share: &ForcedShare) -> bool {
        let (_, value) = self.hashed(&share.attribute, share.fallback.as_ref());
        let value = value.and_then(|value| share.hash.bucket_value(&value));
        value.is_some_and(|value| match share.buckets {
            Buckets::Range(from, to) => from <= value && value < to,
            Buckets::Coverage(coverage) => coverage != 0.0 && value <= coverage,
        })
    }

    /// The attribute that is hashed, and its value. The second one is for users without the first, if sticky buckets are in
    /// use.
    pub(super) fn hashed(
        &self,
        attribute: &'e Attribute,
        fallback: Option<&'e Attribute>,
    ) -> (&'e Attribute, Option<Cow<'e, Value>>) {
        let attributes = self.user.attributes;
        if let Some(value) = attribute.value(attributes) {
            return (attribute, Some(value));
        }
        let fallback = fallback.filter(|_| self.sticky.is_some());
        let fallback = fallback.and_then(|other| Some((other, other.value(attributes)?)));
        match fallback {
            Some((other, value)) => (other, Some(value)),
            None => (attribute, None),
        }
    }
}

impl<'e> FeatureResult<'e> {
    fn without_rule(value: &'e Value, source: FeatureSource) -> Self {
        Self {
            value,
            source,
            rule_id: "",
            rule_index: None,
            experiment: None,
        }
    }
}
