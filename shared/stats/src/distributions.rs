//! Tails and quantiles of the laws that the tests use, right on the log scale far into the tail.
//!
//! The normal and Student t laws are our own: the library's t quantile is 7 % off at 1e7 degrees
//! of freedom and never returns at 1e8, which is an ordinary experiment here, and its beta distribution
//! loses eight digits at such counts. Chi-square comes from `statrs`, which is right to 1e-13.

mod beta;
mod chi_squared;
mod gamma;
mod noncentral_t;
mod normal;
mod student_t;

pub use beta::{beta_cdf, beta_ln_density, beta_quantile, binomial_cdf};
pub use chi_squared::{chi_squared_ln_upper_tail, chi_squared_upper_tail};
pub use gamma::{ln_beta, ln_gamma};
pub use noncentral_t::noncentral_t_upper_tail;
pub use normal::{
    normal_density, normal_ln_upper_tail, normal_upper_quantile, normal_upper_tail,
    normal_upper_tail_mean,
};
pub use student_t::{student_t_ln_upper_tail, student_t_upper_quantile, student_t_upper_tail};
