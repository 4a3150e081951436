//! The rules of a feature for an experiment.
//!
//! They enroll the same users, with the same variants, as [`crate::evaluation`] does without stored assignments:
//!
//! | rule of the experiment | in the feature |
//! |---|---|
//! | a variant was released | the variant is forced, with a filter for each holdout |
//! | it is over | as without traffic |
//! | an override | the variant is forced for its users |
//! | it does not run yet | nothing more |
//! | it is paused | as without traffic |
//! | layer, holdouts | filters |
//! | exclusion, targeting | a condition |
//! | traffic, weights | coverage and weights, with the seed of the experiment |
//!
//! Without traffic, only users with a stored assignment, which the server knows, get a variant: those who were assigned keep it.
//!
//! Users who are not enrolled get to the next rule of the flag. The condition of the flag's rule holds for all of them, also
//! for overrides and the release.
//!
//! An experiment of other units hashes the attribute with the name of their kind, such as `account`. In its conditions, the
//! attribute `id` is the id of the unit, so it is replaced by that attribute.

use super::{
    FlagCompiler, HASH_VERSION, LeftOut, RuleOrigin, RulePart, Rules, all_of, forced, value_of,
};
use crate::allocation::Allocation;
use crate::bucketing::ranges_of;
use crate::evaluation::{NotEnrolled, not_open, over};
use crate::evaluation_context::EvaluationContext;
use crate::experiment::Experiment;
use crate::feature::{BucketFilter, ExperimentDefinition, FeatureRule, VariationMeta};
use crate::flag::{Flag, FlagRule};
use crate::ids::{ExperimentId, VariantKey};
use crate::overrides::Override;
use crate::running_holdouts::is_active;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const USER_ID: &str = EvaluationContext::USER_ID_ATTRIBUTE;

/// Bucket values of a layer.
const BUCKETS: f64 = 10_000.0;

impl FlagCompiler<'_> {
    /// Adds the rules for an experiment.
    ///
    /// # Errors
    /// Why no user can take part. Rules for overrides can have been added all the same.
    pub(super) fn experiment(
        &self,
        flag: &Flag,
        rule: &FlagRule,
        id: &ExperimentId,
        mapping: &BTreeMap<VariantKey, VariantKey>,
        rules: &mut Rules,
    ) -> Result<(), LeftOut> {
        let experiment = *self.experiments.get(id).ok_or(LeftOut::UnknownExperiment)?;
        let allocation = &experiment.allocation;
        let all = allocation.variants.as_slice().iter();
        let variants: Option<Vec<_>> = all.map(|each| mapping.get(&each.key)).collect();
        let variants = variants.ok_or(LeftOut::MissingVariant)?;
        let own_condition = || rule.condition.as_ref().map(|each| each.source().clone());
        let origin = |part, variants: Vec<&VariantKey>| RuleOrigin {
            experiment: Some(id.clone()),
            variants: variants.into_iter().cloned().collect(),
            ..RuleOrigin::new(part, Some(&rule.id))
        };
        let mapped = |key: &VariantKey| mapping.get(key).ok_or(LeftOut::MissingVariant);
        let holdouts = self.holdout_filters(allocation)?;
        if let Some(release) = &allocation.release {
            let variant = mapped(&release.variant)?;
            let mut forced = forced(flag, rule, variant, own_condition());
            let is_for_all = holdouts.is_empty() && rule.condition.is_none();
            forced.experiment.filters = filters(holdouts);
            let origin = RuleOrigin {
                is_for_all,
                ..origin(RulePart::Release, vec![variant])
            };
            rules.push((forced, origin));
            return Ok(());
        }
        let over = over(experiment, self.now);
        let overrides = allocation.overrides.iter().filter(|_| over.is_none());
        for each in overrides {
            let variant = mapped(&each.variant)?;
            let users = users_of(each, allocation);
            let condition = all_of(own_condition().into_iter().chain([users]));
            let forced = forced(flag, rule, variant, condition);
            rules.push((forced, origin(RulePart::Override, vec![variant])));
        }
        let closed = over.or_else(|| not_open(experiment, self.now));
        if let Some(reason @ (NotEnrolled::NotRunning | NotEnrolled::NotStarted)) = closed {
            return Err(LeftOut::NotEnrolled(reason));
        }
        let mut split = self.split(experiment, own_condition(), holdouts);
        if closed.is_some() {
            split.coverage = Some(0.0);
        }
        let values = variants.iter().map(|variant| value_of(flag, variant));
        let split = FeatureRule {
            id: Some(rule.id.to_string()),
            experiment: ExperimentDefinition {
                variations: Some(values.collect()),
                ..split
            },
            ..FeatureRule::default()
        };
        let all = allocation.variants.as_slice().iter();
        let origin = RuleOrigin {
            experiment_variants: all.map(|each| each.key.clone()).collect(),
            ..origin(RulePart::Experiment, variants)
        };
        rules.push((split, origin));
        closed.map_or(Ok(()), |reason| Err(LeftOut::NotEnrolled(reason)))
    }

    /// The experiment without its values.
    fn split(
        &self,
        experiment: &Experiment,
        own_condition: Option<Value>,
        holdouts: Vec<BucketFilter>,
    ) -> ExperimentDefinition {
        let allocation = &experiment.allocation;
        let attribute = EvaluationContext::attribute_of(&allocation.unit);
        let excluded = experiment.exclusion.as_ref();
        let excluded = excluded.and_then(|exclusion| exclusion.condition.as_ref());
        let excluded =
            excluded.map(|each| json!({"$not": of_units(each.source().clone(), allocation)}));
        let targeting = allocation.targeting.as_ref();
        let targeting = targeting.map(|each| of_units(each.source().clone(), allocation));
        let conditions = [own_condition, excluded, targeting];
        let layer = allocation.layer.as_ref().map(|layer| BucketFilter {
            seed: layer.seed.clone(),
            ranges: layer
                .ranges
                .iter()
                .map(|range| {
                    (
                        f64::from(range.from) / BUCKETS,
                        f64::from(range.to) / BUCKETS,
                    )
                })
                .collect(),
            hash_version: Some(HASH_VERSION),
            attribute: Some(attribute.to_owned()),
        });
        let meta = allocation.variants.as_slice().iter();
        let meta = meta.map(|variant| VariationMeta {
            key: Some(variant.key.to_string()),
            ..VariationMeta::default()
        });
        ExperimentDefinition {
            key: Some(experiment.id.to_string()),
            condition: all_of(conditions.into_iter().flatten()),
            coverage: Some(allocation.traffic_at(self.now) / 100.0),
            weights: Some(allocation.variants.weights()),
            seed: Some(allocation.hash_seed.clone()),
            hash_version: Some(HASH_VERSION),
            hash_attribute: Some(attribute.to_owned()),
            filters: filters(layer.into_iter().chain(holdouts).collect()),
            meta: Some(meta.collect()),
            phase: Some(allocation.phase_at(self.now).to_string()),
            ..ExperimentDefinition::default()
        }
    }

    /// A filter for each holdout that is active: the range of users that it does not hold out.
    fn holdout_filters(&self, allocation: &Allocation) -> Result<Vec<BucketFilter>, LeftOut> {
        let mut filters = Vec::new();
        for id in &allocation.holdouts {
            let holdout = self.experiments.get(id).ok_or(LeftOut::UnknownHoldout)?;
            if !is_active(holdout, self.now) {
                continue;
            }
            let allocation = &holdout.allocation;
            let weights = allocation.variants.weights();
            let ranges = ranges_of(allocation.traffic_at(self.now) / 100.0, &weights);
            filters.push(BucketFilter {
                seed: allocation.hash_seed.clone(),
                // The first variant is that of users who are held out.
                ranges: ranges.skip(1).collect(),
                hash_version: Some(HASH_VERSION),
                attribute: Some(USER_ID.to_owned()),
            });
        }
        Ok(filters)
    }
}

fn filters(filters: Vec<BucketFilter>) -> Option<Vec<BucketFilter>> {
    (!filters.is_empty()).then_some(filters)
}

/// The users of an override.
fn users_of(each: &Override, allocation: &Allocation) -> Value {
    let users = (!each.users.is_empty()).then(|| {
        let ids: Vec<_> = each.users.iter().map(|user| user.as_str()).collect();
        json!({EvaluationContext::attribute_of(&allocation.unit): {"$in": ids}})
    });
    let matching = each.condition.as_ref();
    let matching = matching.map(|each| of_units(each.source().clone(), allocation));
    match (users, matching) {
        (Some(users), Some(matching)) => json!({"$or": [users, matching]}),
        (Some(only), None) | (None, Some(only)) => only,
        // An override without users applies to none; `$or` without conditions would hold.
        (None, None) => json!({"$not": {}}),
    }
}

/// A condition of an experiment, about the attributes of a user.
fn of_units(condition: Value, allocation: &Allocation) -> Value {
    if allocation.unit.is_user() {
        return condition;
    }
    renamed(condition, allocation.unit.as_str())
}

/// The condition with another name for the attribute `id`. The depth of a condition is bounded, so the recursion is.
fn renamed(condition: Value, name: &str) -> Value {
    let Value::Object(fields) = condition else {
        return condition;
    };
    let clauses = fields.into_iter().map(|(key, value)| {
        let (key, value) = match (key.as_str(), value) {
            ("$and" | "$or" | "$nor", Value::Array(conditions)) => {
                let conditions = conditions.into_iter().map(|each| renamed(each, name));
                (key, Value::Array(conditions.collect()))
            }
            ("$not", inner) => (key, renamed(inner, name)),
            (USER_ID, value) => (name.to_owned(), value),
            (_, value) => (key, value),
        };
        Value::Object(Map::from_iter([(key, value)]))
    });
    all_of(clauses.collect::<Vec<_>>()).unwrap_or_else(|| json!({}))
}
