//! Features: GrowthBook's model of a flag, and its evaluation.
//!
//! A payload for client SDKs contains [`FeatureDefinition`]s. The server compiles the same definitions to [`Feature`]s and
//! evaluates them, so the server and the SDKs give a user the same value. The published cases of the SDKs are tests.
//!
//! Words of this model, such as variation, are those of the payload: a variation is a variant of an experiment.

mod attribute;
mod compiled;
mod definition;
mod evaluate;
mod experiment;
mod result;
mod sticky;

pub use compiled::{Feature, FeatureExperiment};
pub use definition::{
    BucketFilter, ExperimentDefinition, FeatureDefinition, FeatureRule, ParentCondition,
    VariationMeta,
};
pub use evaluate::{Evaluator, FeatureUser, Features};
pub use result::{ExperimentResult, FeatureResult, FeatureSource, NotIncluded, RuleStep, Skipped};
pub use sticky::{StickyDocument, StickyDocuments};

#[cfg(test)]
mod tests;
