//! The posterior of the lift on the scale of the log ratio, ln(treatment / control).
//!
//! The likelihood of a lift is skewed if the noise is large: a lift cannot be below -100%, and its
//! delta-method error grows with the lift. With 30 of 500 and 470 of 500 conversions it is 2.7, so a
//! normal prior on the lift with standard deviation 0.1 outweighs the data. On the log scale the
//! likelihood is nearly normal. There, prior and likelihood are combined:
//!
//! - [`LiftPosterior::of_effect`] takes a normal likelihood, for all metrics with positive means.
//! - [`LiftPosterior::of_rates`] takes the likelihood of the counts, for rates with few conversions.
//!
//! A prior N(m, s²) of the log ratio is nearly N(m, s²) of the lift while m and s are small.

use super::distributions::normal_upper_tail;
use super::effect::{Effect, Interval};
use super::gaussian_posterior::{Decision, Posterior, Prior};
use super::level::Alpha;
use super::lift_likelihood::LiftLikelihood;
use super::missing::{MissingReason, finite};
use super::quadrature::{integrate, rule};

/// Panels of the numerical integration on each side of the mode.
const PANELS: i32 = 10;
/// The density at the ends of the panels, as a logarithm relative to the mode.
const LN_DENSITY_AT_END: f64 = -40.0;
/// Largest absolute log ratio that is searched.
const MAX_LN_RATIO: f64 = 50.0;

/// The posterior of the lift (treatment - control) / control of two positive means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiftPosterior {
    /// Posterior median of the lift.
    pub median: f64,
    /// Central credible interval, which contains the lift with probability 1 - alpha.
    pub interval: Interval,
    /// Chance to win, and expected losses relative to the control's mean, if higher is better.
    higher: Decision,
}

impl LiftPosterior {
    /// The posterior from a normally distributed estimate of ln(treatment / control), with the prior on
    /// the same scale.
    ///
    /// # Errors
    /// The same as for [`Posterior::new`] and [`Posterior::interval`].
    pub fn of_effect(
        log_ratio: &Effect,
        prior: Prior,
        alpha: Alpha,
    ) -> Result<Self, MissingReason> {
        let posterior = Posterior::new(log_ratio, prior)?;
        let interval = posterior.interval(alpha)?;
        let (mean, sd) = (posterior.mean, posterior.standard_deviation);
        let z = finite(mean / sd)?;
        // E[max(e^X - 1, 0)] is the integral of e^x P(X > x) over x > 0. The smaller of the two losses
        // is integrated, and the difference of both is E[e^X] - 1.
        let gain = (mean + 0.5 * sd * sd).exp_m1();
        let unit = sd.min(sd / z.abs());
        let edges: Vec<f64> = std::iter::once(0.0)
            .chain((0..8).map(|k| unit * f64::from(1_u32 << k)))
            .collect();
        let tail = |sign: f64| {
            integrate(&edges, |x| {
                (sign * x).exp() * normal_upper_tail((x + mean.abs()) / sd)
            })
        };
        let (keep, ship) = if mean > 0.0 {
            let ship = tail(-1.0);
            (ship + gain, ship)
        } else {
            let keep = tail(1.0);
            (keep, (keep - gain).max(0.0))
        };
        Ok(Self {
            median: mean.exp_m1(),
            interval: Interval::between(interval.lower.exp_m1(), interval.upper.exp_m1())?,
            higher: Decision {
                chance_to_win: normal_upper_tail(-z),
                chance_to_lose: normal_upper_tail(z),
                loss_if_control_is_kept: finite(keep)?,
                loss_if_treatment_ships: finite(ship)?,
            },
        })
    }

    /// The posterior from the likelihood of two rates, with a normal prior of ln(treatment / control). It
    /// is available from the first conversion on, also if one arm has none.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the prior is flat or out of range; [`MissingReason::Overflow`] if
    /// a result is not finite.
    pub fn of_rates(
        likelihood: &LiftLikelihood,
        prior: Prior,
        alpha: Alpha,
    ) -> Result<Self, MissingReason> {
        let Prior::Normal {
            mean,
            standard_deviation: tau,
        } = prior
        else {
            return Err(MissingReason::OutOfRange("prior"));
        };
        if !(tau > 0.0 && tau.is_finite() && mean.is_finite()) {
            return Err(MissingReason::OutOfRange("prior"));
        }
        let ln_density = |x: f64| likelihood.ln_at(x) - 0.5 * ((x - mean) / tau).powi(2);
        let mode = highest(ln_density);
        let top = ln_density(mode);
        let end = |direction: f64| {
            let mut step = 1e-3 * tau;
            while ln_density(mode + direction * step) - top > LN_DENSITY_AT_END && step < 1e3 {
                step *= 1.5;
            }
            direction * step / f64::from(PANELS)
        };
        let (left, right) = (end(-1.0), end(1.0));
        let mut edges: Vec<f64> = (0..=PANELS)
            .rev()
            .map(|k| mode + left * f64::from(k))
            .chain((1..=PANELS).map(|k| mode + right * f64::from(k)))
            .collect();
        edges.push(0.0);
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let density = |x: f64| (ln_density(x) - top).exp();
        let above = |edge: f64| if edge >= 0.0 { 1.0 } else { 0.0 };
        let mut mass = [0.0; 2];
        let mut losses = [0.0; 2];
        let mut panels = Vec::with_capacity(edges.len());
        for (a, b) in edges.iter().zip(edges.iter().skip(1)) {
            let (mut whole, mut gain) = (0.0, 0.0);
            for (x, weight) in rule().on(*a, *b) {
                let part = weight * density(x);
                whole += part;
                gain += part * x.exp_m1().abs();
            }
            let side = usize::from(above(*a) > 0.0);
            if let (Some(mass), Some(loss)) = (mass.get_mut(side), losses.get_mut(side)) {
                *mass += whole;
                *loss += gain;
            }
            panels.push((*a, *b, whole));
        }
        let [below, beyond] = mass;
        let total = finite(below + beyond)?;
        if total <= 0.0 {
            return Err(MissingReason::Overflow);
        }
        let at = |share: f64| quantile(&panels, share * total, density).exp_m1();
        let [ship, keep] = losses;
        Ok(Self {
            median: at(0.5),
            interval: Interval::between(at(alpha.per_tail()), at(1.0 - alpha.per_tail()))?,
            higher: Decision {
                chance_to_win: (beyond / total).min(1.0),
                chance_to_lose: (below / total).min(1.0),
                loss_if_control_is_kept: finite(keep / total)?,
                loss_if_treatment_ships: finite(ship / total)?,
            },
        })
    }

    /// Chance to win and expected losses, relative to the control's mean. If `higher_is_better` is
    /// `false`, a negative lift wins.
    pub fn decision(&self, higher_is_better: bool) -> Decision {
        if higher_is_better {
            return self.higher;
        }
        Decision {
            chance_to_win: self.higher.chance_to_lose,
            chance_to_lose: self.higher.chance_to_win,
            loss_if_control_is_kept: self.higher.loss_if_treatment_ships,
            loss_if_treatment_ships: self.higher.loss_if_control_is_kept,
        }
    }
}

/// The maximum of a function with one maximum, by golden section.
fn highest(f: impl Fn(f64) -> f64) -> f64 {
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (-MAX_LN_RATIO, MAX_LN_RATIO);
    for _ in 0..60 {
        let width = golden * (high - low);
        if f(high - width) < f(low + width) {
            low = high - width;
        } else {
            high = low + width;
        }
    }
    0.5 * (low + high)
}

/// The point below which the panels have this mass.
fn quantile(panels: &[(f64, f64, f64)], wanted: f64, density: impl Fn(f64) -> f64) -> f64 {
    let mut seen = 0.0;
    for (a, b, mass) in panels {
        if seen + mass < wanted {
            seen += mass;
            continue;
        }
        let (mut low, mut high) = (*a, *b);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            let below: f64 = rule().on(*a, middle).map(|(x, w)| w * density(x)).sum();
            if seen + below < wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        return 0.5 * (low + high);
    }
    panels.last().map_or(0.0, |(_, b, _)| *b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributions::normal_upper_quantile;
    use crate::{Proportion, log_ratio};

    fn arm(n: u64, conversions: u64) -> Proportion {
        Proportion::new(n, conversions).unwrap()
    }

    fn of_effect(control: Proportion, treatment: Proportion, prior: Prior) -> LiftPosterior {
        let ratio = log_ratio(
            &control.sample().unwrap(),
            &treatment.sample().unwrap(),
            Alpha::FIVE_PERCENT,
        )
        .unwrap();
        let units = control.n() + treatment.n();
        let effect = Effect::new(ratio.lift.ln_1p(), ratio.log_standard_error, None, units);
        LiftPosterior::of_effect(&effect.unwrap(), prior, Alpha::FIVE_PERCENT).unwrap()
    }

    fn of_rates(control: Proportion, treatment: Proportion) -> LiftPosterior {
        let likelihood = LiftLikelihood::new(&control, &treatment).unwrap();
        LiftPosterior::of_rates(&likelihood, Prior::default(), Alpha::FIVE_PERCENT).unwrap()
    }

    #[test]
    fn thirty_against_470_of_500_wins_almost_surely() {
        let posterior = of_effect(arm(500, 30), arm(500, 470), Prior::default());
        assert!(posterior.decision(true).chance_to_win > 0.999_999);
        assert!(posterior.decision(false).chance_to_win < 1e-9);
        let exact = of_rates(arm(500, 30), arm(500, 470));
        assert!(exact.decision(true).chance_to_win > 0.999_999_999);
    }

    #[test]
    fn losses_equal_those_of_a_fine_sum_over_the_posterior() {
        for (c, t) in [
            ((10_000, 1_000), (10_000, 1_050)),
            ((500, 50), (500, 20)),
            ((9_000, 900), (9_000, 900)),
        ] {
            let (c, t) = (arm(c.0, c.1), arm(t.0, t.1));
            let posterior = of_effect(c, t, Prior::default());
            let (mean, upper) = (posterior.median.ln_1p(), posterior.interval.upper.ln_1p());
            let sd = (upper - mean) / normal_upper_quantile(0.025).unwrap();
            let (mut keep, mut ship) = (0.0, 0.0);
            for i in -100_000..100_000 {
                let z = (f64::from(i) + 0.5) / 10_000.0;
                let weight = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() / 10_000.0;
                let lift = (mean + sd * z).exp_m1();
                keep += weight * lift.max(0.0);
                ship += weight * (-lift).max(0.0);
            }
            let decision = posterior.decision(true);
            assert!(
                (decision.loss_if_control_is_kept / keep - 1.0).abs() < 1e-6,
                "{decision:?} {keep}"
            );
            assert!(
                (decision.loss_if_treatment_ships / ship - 1.0).abs() < 1e-6,
                "{decision:?} {ship}"
            );
        }
    }

    #[test]
    fn with_many_conversions_the_counts_and_the_normal_likelihood_agree() {
        let (control, treatment) = (arm(44_700, 8_502), arm(45_489, 8_279));
        let normal = of_effect(control, treatment, Prior::default());
        let exact = of_rates(control, treatment);
        assert!((normal.median - exact.median).abs() < 1e-5);
        assert!((normal.interval.lower - exact.interval.lower).abs() < 2e-5);
        let chances = |p: &LiftPosterior| p.decision(true).chance_to_win;
        assert!(
            (chances(&normal) / chances(&exact) - 1.0).abs() < 0.02,
            "{normal:?} {exact:?}"
        );
        let loss = |p: &LiftPosterior| p.decision(true).loss_if_control_is_kept;
        assert!((loss(&normal) / loss(&exact) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_rate_that_drops_to_zero_loses_and_one_that_appears_wins() {
        let dead = of_rates(arm(400, 300), arm(400, 0));
        assert!(dead.decision(true).chance_to_lose > 0.999_999 && dead.median < -0.5);
        let born = of_rates(arm(1_000, 0), arm(1_000, 300));
        assert!(born.decision(true).chance_to_win > 0.999);
        assert!(born.interval.lower > 0.0);
    }

    #[test]
    fn one_conversion_says_little_against_the_prior() {
        let posterior = of_rates(arm(1_000, 1), arm(1_000, 0));
        let chance = posterior.decision(true).chance_to_win;
        assert!((0.4..0.5).contains(&chance), "{chance}");
    }
}
