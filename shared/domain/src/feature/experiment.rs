//! The evaluation of an experiment in a feature. The order of the checks is that of the SDKs.

use super::attribute::Attribute;
use super::compiled::FeatureExperiment;
use super::evaluate::Evaluator;
use super::result::{ExperimentResult, NotIncluded};
use super::sticky::StickyDocuments;
use crate::bucketing::choose;
use serde_json::Value;
use std::borrow::Cow;

static NULL: Value = Value::Null;

/// A variation that was chosen.
struct Chosen {
    variation: usize,
    /// The bucket value, if the hash chose.
    bucket: Option<f64>,
    is_stored: bool,
}

impl Chosen {
    fn by_hand(variation: i64) -> Result<Self, NotIncluded> {
        let variation = usize::try_from(variation);
        let variation = variation.map_err(|_| NotIncluded::UnknownVariation)?;
        Ok(Self {
            variation,
            bucket: None,
            is_stored: false,
        })
    }
}

impl<'e> Evaluator<'e> {
    pub(super) fn experiment(&mut self, experiment: &'e FeatureExperiment) -> ExperimentResult<'e> {
        let (attribute, value) = self.hashed(&experiment.attribute, experiment.fallback.as_ref());
        let chosen = self
            .choose(experiment, value.as_deref())
            .and_then(|chosen| {
                let exists = chosen.variation < experiment.variations.len();
                exists
                    .then_some(chosen)
                    .ok_or(NotIncluded::UnknownVariation)
            });
        let result = experiment.result(attribute, value, chosen);
        if result.hash_used
            && experiment.is_sticky
            && let Some(documents) = &mut self.sticky
        {
            StickyDocuments::store(documents, experiment, &result);
        }
        result
    }

    fn choose(
        &mut self,
        experiment: &'e FeatureExperiment,
        value: Option<&Value>,
    ) -> Result<Chosen, NotIncluded> {
        if experiment.variations.len() < 2 {
            return Err(NotIncluded::TooFewVariations);
        }
        if !self.user.experiments_enabled {
            return Err(NotIncluded::Disabled);
        }
        let forced = self.user.forced_variations;
        if let Some(forced) = forced.and_then(|forced| forced.get(&*experiment.key)) {
            return Chosen::by_hand(*forced);
        }
        if !experiment.active {
            return Err(NotIncluded::Inactive);
        }
        let value = value.ok_or(NotIncluded::NoHashAttribute)?;
        let documents = self.sticky.as_ref().filter(|_| experiment.is_sticky);
        let (stored, is_blocked) = documents.map_or((None, false), |documents| {
            documents.variation(experiment, self.user.attributes)
        });
        if stored.is_none() {
            self.check_targeting(experiment, value)?;
        }
        let bucket = experiment.hash.bucket_value(value);
        let bucket = bucket.ok_or(NotIncluded::UnknownHashVersion)?;
        if is_blocked {
            return Err(NotIncluded::BlockedBucketVersion);
        }
        let variation = stored.or_else(|| choose(bucket, &experiment.ranges));
        let variation = variation.ok_or(NotIncluded::Traffic)?;
        if let Some(forced) = experiment.force {
            return Chosen::by_hand(forced);
        }
        if self.user.qa_mode {
            return Err(NotIncluded::QaMode);
        }
        Ok(Chosen {
            variation,
            bucket: Some(bucket),
            is_stored: stored.is_some(),
        })
    }

    fn check_targeting(
        &mut self,
        experiment: &'e FeatureExperiment,
        value: &Value,
    ) -> Result<(), NotIncluded> {
        let attributes = self.user.attributes;
        let mut filters = experiment.filters.iter();
        if !filters.all(|filter| filter.includes(attributes)) {
            return Err(NotIncluded::Filters);
        }
        if let Some(namespace) = &experiment.namespace {
            let bucket = namespace.hash.bucket_value(value);
            if bucket
                .and_then(|bucket| choose(bucket, &[namespace.range]))
                .is_none()
            {
                return Err(NotIncluded::Namespace);
            }
        }
        if !self.user.matches(experiment.condition.as_ref()) {
            return Err(NotIncluded::Condition);
        }
        if !self.all_met(&experiment.parents) {
            return Err(NotIncluded::Prerequisite);
        }
        Ok(())
    }
}

impl FeatureExperiment {
    fn result<'e>(
        &'e self,
        attribute: &'e Attribute,
        hash_value: Option<Cow<'e, Value>>,
        chosen: Result<Chosen, NotIncluded>,
    ) -> ExperimentResult<'e> {
        let not_included = chosen.as_ref().err().copied();
        let chosen = chosen.ok();
        let variation_id = chosen.as_ref().map_or(0, |chosen| chosen.variation);
        let bucket = chosen.as_ref().and_then(|chosen| chosen.bucket);
        let meta = self.meta.get(variation_id);
        ExperimentResult {
            variation_id,
            not_included,
            hash_used: bucket.is_some(),
            hash_attribute: attribute.name(),
            hash_value,
            bucket,
            sticky_bucket_used: not_included == Some(NotIncluded::BlockedBucketVersion)
                || chosen.is_some_and(|chosen| chosen.is_stored),
            key: self.keys.get(variation_id).map_or("0", |key| key),
            name: meta.and_then(|meta| meta.name.as_deref()),
            passthrough: meta.is_some_and(|meta| meta.passthrough),
            value: self.variations.get(variation_id).unwrap_or(&NULL),
        }
    }
}
