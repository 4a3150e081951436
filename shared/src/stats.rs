//! The statistics engine: from exact sums to estimates with their uncertainty, or the reason why
//! there is none. Pure functions of their arguments: no clock, no randomness, no input or output.
//!
//! An arm is held as [`Moments`] or [`Proportion`], seen by the tests as a [`Sample`], and compared
//! into an [`Effect`], from which the fixed, sequential and Bayesian answers all follow.

mod double_double;
mod effect;
mod level;
mod lift;
mod means;
mod moments;
mod p_value;
mod proportion;
mod proportions;
mod sample;
mod split;
mod undefined;
mod wide;

pub mod distributions;

pub use effect::{Effect, FixedTest, Interval};
pub use level::{Alpha, Alternative};
pub use lift::{Fieller, LogRatio, fieller, log_ratio, relative_difference};
pub use means::{NonInferiority, difference, non_inferiority, welch};
pub use moments::Moments;
pub use p_value::PValue;
pub use proportion::Proportion;
pub use proportions::{
    ProportionTest, agresti_caffo, newcombe, rate_difference, two_proportion_z, wald, wilson,
};
pub use sample::Sample;
pub use split::{
    SequentialSplit, SplitEvidence, SplitTest, chi_squared_against_expected, split_test,
};
pub use undefined::Undefined;
