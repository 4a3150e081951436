//! Tail probabilities and quantiles of the distributions that the tests use. Logarithms of tail
//! probabilities stay accurate where the probabilities underflow.
//!
//! The t and beta distributions are implemented here because those of `statrs` are not accurate for
//! large experiments. Its t quantile is 7% off at 1e7 degrees of freedom and does not return at
//! 1e8. Its beta distribution loses eight digits at such counts. The chi-square distribution is
//! the one of `statrs`, which is accurate to 1e-13.

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
