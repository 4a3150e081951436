//! The Bayesian result: chance to win and expected losses, from an effect and its standard error.
//!
//! The posterior combines a normal prior with the normal likelihood of the estimate. With the flat
//! prior, the chance to win is 1 minus a one-sided p-value, and repeated looks mislead equally.
//! The default is therefore a proper prior that expects small relative effects.

use serde::Serialize;

use super::distributions::{normal_upper_quantile, normal_upper_tail, normal_upper_tail_mean};
use super::effect::{Effect, Interval};
use super::level::Alpha;
use super::missing::{MissingReason, finite};

/// The prior distribution of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Prior {
    /// The improper flat prior: all effects are equally likely.
    Flat,
    /// A normal distribution of effects.
    Normal {
        /// Expected effect.
        mean: f64,
        /// Standard deviation of the effects, above 0.
        standard_deviation: f64,
    },
}

impl Default for Prior {
    /// A normal prior on the relative effect with mean 0 and standard deviation 0.1: most effects are
    /// between -20% and +20%.
    fn default() -> Self {
        Self::Normal {
            mean: 0.0,
            standard_deviation: 0.1,
        }
    }
}

impl Prior {
    /// Converts a prior on the relative effect to a prior on the absolute effect in metric units, for
    /// this control mean.
    ///
    /// # Errors
    /// [`MissingReason::ZeroBaseline`] if the control mean is zero, except for the flat prior.
    pub fn scaled(self, baseline: f64) -> Result<Self, MissingReason> {
        match self {
            Self::Flat => Ok(Self::Flat),
            Self::Normal { .. } if baseline == 0.0 => Err(MissingReason::ZeroBaseline),
            Self::Normal {
                mean,
                standard_deviation,
            } => Ok(Self::Normal {
                mean: mean * baseline.abs(),
                standard_deviation: standard_deviation * baseline.abs(),
            }),
        }
    }
}

/// The posterior distribution of an effect, a normal distribution in the effect's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Posterior {
    /// Posterior mean of the effect.
    pub mean: f64,
    /// Posterior standard deviation, above 0.
    pub standard_deviation: f64,
}

/// The probabilities and the expected losses of the two decisions: keep the control or ship the
/// treatment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decision {
    /// Probability that the treatment is better.
    pub chance_to_win: f64,
    /// Probability that the treatment is worse. It is computed separately, because 1 minus the chance
    /// to win can round to 0.
    pub chance_to_lose: f64,
    /// Expected loss if the control is kept: E[max(gain by the treatment, 0)], in the effect's unit.
    pub loss_if_control_is_kept: f64,
    /// Expected loss if the treatment ships: E[max(loss by the treatment, 0)], in the effect's unit.
    pub loss_if_treatment_ships: f64,
}

impl Posterior {
    /// Combines the prior with the estimated effect. The prior must be in the effect's unit (see
    /// [`Prior::scaled`]).
    ///
    /// # Errors
    /// [`MissingReason::OneArmConstant`] if one arm does not vary; [`MissingReason::OutOfRange`] if the
    /// prior is; [`MissingReason::Overflow`] if a result is not finite.
    pub fn new(effect: &Effect, prior: Prior) -> Result<Self, MissingReason> {
        effect.require_normal()?;
        let (d, s) = (effect.value(), effect.standard_error());
        let Prior::Normal {
            mean,
            standard_deviation: tau,
        } = prior
        else {
            return Ok(Self {
                mean: d,
                standard_deviation: s,
            });
        };
        if !(tau > 0.0 && tau.is_finite() && mean.is_finite()) {
            return Err(MissingReason::OutOfRange("prior"));
        }
        // The shares of the precision follow from the ratio of the standard errors, so that no square
        // overflows or underflows.
        let ratio = s / tau;
        let data_share = 1.0 / (1.0 + ratio * ratio);
        let prior_share = 1.0 / (1.0 + 1.0 / (ratio * ratio));
        let standard_deviation = s.min(tau) / (s.min(tau) / s.max(tau)).hypot(1.0);
        if standard_deviation <= 0.0 {
            return Err(MissingReason::Overflow);
        }
        Ok(Self {
            mean: finite(d * data_share + mean * prior_share)?,
            standard_deviation,
        })
    }

    /// Central credible interval, which contains the effect with probability 1 - alpha.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if an end is not finite.
    pub fn interval(&self, alpha: Alpha) -> Result<Interval, MissingReason> {
        let z =
            normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
        Interval::around(self.mean, z * self.standard_deviation)
    }

    /// Chance to win and expected losses. If `higher_is_better` is `false`, a negative effect wins.
    ///
    /// # Errors
    /// [`MissingReason::Overflow`] if a result is not finite.
    pub fn decision(&self, higher_is_better: bool) -> Result<Decision, MissingReason> {
        let sign = if higher_is_better { 1.0 } else { -1.0 };
        let z = finite(sign * self.mean / self.standard_deviation)?;
        Ok(Decision {
            chance_to_win: normal_upper_tail(-z),
            chance_to_lose: normal_upper_tail(z),
            loss_if_control_is_kept: finite(self.standard_deviation * normal_upper_tail_mean(-z))?,
            loss_if_treatment_ships: finite(self.standard_deviation * normal_upper_tail_mean(z))?,
        })
    }
}
