//! The statistics engine. It computes estimates with their uncertainty from exact aggregates, or
//! returns the reason why a number is missing.
//!
//! All functions are pure: they use no clock, no random numbers, no input and no output.
//!
//! The aggregates of an arm are [`Moments`] or a [`Proportion`]. Both convert to a [`Sample`]. Two
//! samples give an [`Effect`], from which the fixed, sequential and Bayesian results are computed:
//!
//! ```
//! use stats::{self, Alpha, Alternative, ConfidenceSequence, Posterior, Prior, Proportion};
//!
//! let control = Proportion::new(44_700, 8_502)?.sample()?;
//! let treatment = Proportion::new(45_489, 8_279)?.sample()?;
//! let effect = stats::difference(&control, &treatment)?;
//!
//! let once = effect.test(0.0, Alpha::FIVE_PERCENT, Alternative::TwoSided)?;
//! let sequential = ConfidenceSequence::new(Alpha::FIVE_PERCENT, 90_000.0)?.at(&effect)?;
//! let lift = stats::relative_difference(&control, &treatment)?;
//! let decision = Posterior::new(&lift, Prior::default())?.decision(true)?;
//!
//! assert!(once.p_value < sequential.p_value && sequential.interval.excludes_zero());
//! assert!(decision.chance_to_win < 0.001);
//! # Ok::<(), stats::MissingReason>(())
//! ```

mod best_arm;
mod beta_binomial;
mod capping;
mod confidence_sequence;
mod cuped;
mod detectable;
mod double_double;
mod effect;
mod exact_rates;
mod gaussian_posterior;
mod group_sequential;
mod heterogeneity;
mod histogram;
mod hybrid;
mod joint;
mod level;
mod lift;
mod lift_likelihood;
mod lift_posterior;
mod means;
mod missing;
mod moments;
mod msprt;
mod multiplicity;
mod p_value;
mod power;
mod proportion;
mod proportions;
mod quadrature;
mod quantile_summary;
mod ranks;
mod rare_events;
mod ratio;
mod remaining;
mod root;
mod sample;
mod sample_size;
mod split;
mod stratification;
mod trend;
mod wide;

pub mod distributions;

pub use best_arm::{ArmPosterior, BestArm, RateComparison, best_arm, compare_rates, with_floor};
pub use beta_binomial::BetaDistribution;
pub use capping::{BucketMoments, Threshold};
pub use confidence_sequence::{
    ConfidenceSequence, MIN_CONVERSIONS_PER_ARM, MIN_UNITS_PER_ARM, SequentialResult,
    enough_conversions, enough_units,
};
pub use cuped::{Adjustment, PRE_EXPOSURE_IMBALANCE_ALPHA, cuped, pre_experiment_bias};
pub use detectable::{
    Capacity, DetectableRates, detectable_arcsine, detectable_mean, detectable_mean_t,
    detectable_rates, rates_at_arcsine,
};
pub use effect::{Effect, FixedTest, Interval};
pub use exact_rates::{ExactRates, exact_rates, sequential_rate};
pub use gaussian_posterior::{Decision, Posterior, Prior};
pub use group_sequential::{Boundary, Spending, group_sequential_boundaries};
pub use heterogeneity::{HETEROGENEITY_LEVEL, Heterogeneity, SubgroupDeviation, heterogeneity};
pub use histogram::{LogBuckets, LogHistogram, QuantileEstimate};
pub use hybrid::{Hybrid, HybridResult, Phase};
pub use joint::{CrossMoments, JointSample};
pub use level::{Alpha, Alternative};
pub use lift::{
    Fieller, LogRatio, fieller, fieller_at, fieller_g, log_ratio, log_ratio_at, relative_difference,
};
pub use lift_likelihood::LiftLikelihood;
pub use lift_posterior::LiftPosterior;
pub use means::{NonInferiority, difference, non_inferiority, pooled_error_factor, welch};
pub use missing::{Missing, MissingReason};
pub use moments::Moments;
pub use msprt::{MixtureTest, mixture_test};
pub use multiplicity::{
    benjamini_hochberg, e_benjamini_hochberg, false_coverage_level, holm, simultaneous_level,
    weighted_benjamini_hochberg, weighted_holm,
};
pub use p_value::PValue;
pub use power::{RateFormula, Rates, power, power_of_means, power_of_means_t, power_of_rates};
pub use proportion::Proportion;
pub use proportions::{
    ProportionTest, agresti_caffo, newcombe, newcombe_lift, rate_difference, two_proportion_z,
    wald, wilson,
};
pub use quantile_summary::QuantileSummary;
pub use ranks::{ExactRanks, QuantileKind, exact_ranks, normal_ranks, sorted_quantile};
pub use rare_events::{
    MIN_EXPECTED_FOR_Z, RareEventResult, SequentialRateTest, enough_for_z, fisher_exact,
};
pub use ratio::{ratio, ratio_estimate, ratio_of_sums, ratio_with_pre_exposure};
pub use remaining::{Progress, Remaining};
pub use sample::Sample;
pub use sample_size::{
    Goal, SampleSize, sample_size, sample_size_of_rates, sample_size_sequential, sample_size_t,
};
pub use split::{
    SequentialSplit, SplitEvidence, SplitTest, chi_squared_against_expected, split_test,
};
pub use stratification::{Stratified, Stratum, post_stratify, usable_strata};
pub use trend::{NOVELTY_LEVEL, Trend, trend};
