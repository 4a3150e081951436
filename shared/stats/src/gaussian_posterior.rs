//! The Bayesian answer: chance to win and expected losses, from any effect and its error.
//!
//! A normal prior on the relative effect meets the normal likelihood of the estimate. With the flat
//! prior the chance to win is a one-sided p-value under another name, and peeking at it is as
//! misleading; the default is therefore a proper prior that expects small effects.

use serde::Serialize;

use super::distributions::{normal_upper_quantile, normal_upper_tail, normal_upper_tail_mean};
use super::effect::{Effect, Interval};
use super::level::Alpha;
use super::missing::{MissingReason, finite};

/// What is believed of an effect before the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Prior {
    /// Any effect is as likely as any other.
    Flat,
    /// Effects scatter around a mean.
    Normal {
        /// Expected effect.
        mean: f64,
        /// Standard deviation of the effects, above 0.
        standard_deviation: f64,
    },
}

impl Default for Prior {
    /// Relative effects of mostly less than 20 %, either way.
    fn default() -> Self {
        Self::Normal {
            mean: 0.0,
            standard_deviation: 0.1,
        }
    }
}

impl Prior {
    /// A prior on the relative effect carried over to metric units, given the control mean.
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

/// What is believed of an effect after the data: a normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Posterior {
    /// Expected effect.
    pub mean: f64,
    /// Standard deviation, above 0.
    pub standard_deviation: f64,
}

/// The two ways to decide, weighed against each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decision {
    /// Probability that the treatment is better.
    pub chance_to_win: f64,
    /// Probability that it is worse; not 1 minus the other when that would round to 0.
    pub chance_to_lose: f64,
    /// Expected loss if the control is kept: E[max(gain by the treatment, 0)], in the effect's unit.
    pub loss_if_control_is_kept: f64,
    /// Expected loss if the treatment ships.
    pub loss_if_treatment_ships: f64,
}

impl Posterior {
    /// Prior and estimate combined. The prior is on the effect's scale (see [`Prior::scaled`]).
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
        // Shares of the precision, by the ratio of the errors: no square over- or underflows.
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

    /// Central interval that holds the effect with probability 1 - alpha.
    pub fn interval(&self, alpha: Alpha) -> Result<Interval, MissingReason> {
        let z =
            normal_upper_quantile(alpha.per_tail()).ok_or(MissingReason::OutOfRange("alpha"))?;
        Interval::around(self.mean, z * self.standard_deviation)
    }

    /// Chance to win and expected losses. `higher_is_better` says which sign of the effect wins.
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
