//! The probability that each arm is the best, by numerical integration over independent posteriors.
//! It uses no random draws.
//!
//! A normal posterior is integrated on its own scale. A beta posterior is integrated on the logit
//! scale, where its density is smooth even for priors that are infinite at 0 and 1.

use super::distributions::{normal_density, normal_upper_tail};
use super::missing::MissingReason;
use super::quadrature::{NODES, rule};

/// The posterior distribution of one arm's mean or conversion rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArmPosterior {
    /// A normal distribution, for any metric with enough units.
    Normal {
        /// Posterior mean.
        mean: f64,
        /// Standard deviation, above 0.
        standard_deviation: f64,
    },
    /// A beta distribution, for a conversion rate.
    Beta {
        /// Conversions plus those of the prior, at least 0.001.
        a: f64,
        /// Users without a conversion plus those of the prior, at least 0.001.
        b: f64,
    },
}

impl ArmPosterior {
    fn check(&self) -> Result<(), MissingReason> {
        let fine = match *self {
            Self::Normal {
                mean,
                standard_deviation,
            } => mean.is_finite() && standard_deviation > 0.0 && standard_deviation.is_finite(),
            Self::Beta { a, b } => a >= 0.001 && b >= 0.001 && a.is_finite() && b.is_finite(),
        };
        if fine {
            Ok(())
        } else {
            Err(MissingReason::OutOfRange("posterior"))
        }
    }

    fn is_beta(&self) -> bool {
        matches!(self, Self::Beta { .. })
    }

    /// Centre and standard deviation on the scale of integration.
    fn scale(&self) -> (f64, f64) {
        match *self {
            Self::Normal {
                mean,
                standard_deviation,
            } => (mean, standard_deviation),
            Self::Beta { a, b } => ((a / b).ln(), (1.0 / a + 1.0 / b).sqrt()),
        }
    }

    /// Panel edges that cover the density up to a mass of 1e-15.
    fn breakpoints(&self) -> Vec<f64> {
        let (centre, sd) = self.scale();
        let width = match *self {
            Self::Normal { .. } => 4.0 * sd,
            Self::Beta { a, b } if a.min(b) > 50.0 => 4.0 * sd,
            // Small counts give a skewed density. The logarithm of a logit density is analytic only
            // within a distance of π.
            Self::Beta { .. } => (2.0 * sd).min(4.0),
        };
        let core = (8.0 * sd / width).ceil() as i32;
        let mut edges: Vec<f64> = (-core..=core)
            .map(|k| centre + f64::from(k) * width)
            .collect();
        if let Self::Beta { a, b } = *self {
            // The tails are exponential, so a few wide panels are enough.
            let reach = f64::from(core) * width;
            for (rate, sign) in [(a, -1.0), (b, 1.0)] {
                let mut distance = reach;
                while distance < 40.0 / rate {
                    distance += 6.0 / rate;
                    edges.push(centre + sign * distance);
                }
            }
        }
        edges
    }

    /// Densities at the nodes on the scale of integration. A beta density is not normalised.
    fn densities(&self, nodes: &[f64]) -> Vec<f64> {
        match *self {
            Self::Normal {
                mean,
                standard_deviation: sd,
            } => nodes
                .iter()
                .map(|u| normal_density((u - mean) / sd) / sd)
                .collect(),
            Self::Beta { a, b } => {
                // The side of the smaller count has the smallest terms that cancel.
                let (count, sign) = if a <= b { (a, 1.0) } else { (b, -1.0) };
                let (centre, n) = ((a / b).ln(), a + b);
                let ln_density = |u: &f64| {
                    let w = sign * (u - centre);
                    let ln_growth = if w < 700.0 {
                        (count / n * w.exp_m1()).ln_1p()
                    } else {
                        (count / n).ln() + w
                    };
                    count * w - n * ln_growth
                };
                nodes.iter().map(|u| ln_density(u).exp()).collect()
            }
        }
    }
}

/// The density and the tail probabilities of one arm at the common nodes.
struct Tabulated {
    density: Vec<f64>,
    below: Vec<f64>,
    above: Vec<f64>,
}

/// The integration nodes with their weights, and every arm tabulated at these nodes.
struct PosteriorGrid {
    nodes: Vec<f64>,
    weights: Vec<f64>,
    arms: Vec<Tabulated>,
}

impl PosteriorGrid {
    fn new(arms: &[ArmPosterior]) -> Result<Self, MissingReason> {
        if arms.len() < 2 {
            return Err(MissingReason::TooFewArms {
                needed: 2,
                seen: arms.len() as u64,
            });
        }
        for arm in arms {
            arm.check()?;
        }
        if arms
            .iter()
            .any(|arm| arm.is_beta() != arms.iter().all(ArmPosterior::is_beta))
        {
            return Err(MissingReason::OutOfRange("posteriors of different kinds"));
        }
        let mut edges: Vec<f64> = arms.iter().flat_map(ArmPosterior::breakpoints).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let panels: Vec<(f64, f64)> = edges
            .iter()
            .copied()
            .zip(edges.iter().copied().skip(1))
            .collect();
        let (nodes, weights) = panels
            .iter()
            .flat_map(|(left, right)| rule().on(*left, *right))
            .unzip();
        let mut grid = Self {
            nodes,
            weights,
            arms: Vec::with_capacity(arms.len()),
        };
        for arm in arms {
            let tabulated = grid.tabulate(arm, &panels);
            grid.arms.push(tabulated);
        }
        Ok(grid)
    }

    fn tabulate(&self, arm: &ArmPosterior, panels: &[(f64, f64)]) -> Tabulated {
        let mut density = arm.densities(&self.nodes);
        if let ArmPosterior::Normal {
            mean,
            standard_deviation,
        } = *arm
        {
            let z = |u: &f64| (u - mean) / standard_deviation;
            return Tabulated {
                below: self
                    .nodes
                    .iter()
                    .map(|u| normal_upper_tail(-z(u)))
                    .collect(),
                above: self.nodes.iter().map(|u| normal_upper_tail(z(u))).collect(),
                density,
            };
        }
        let total: f64 = density.iter().zip(&self.weights).map(|(f, w)| f * w).sum();
        density.iter_mut().for_each(|f| *f /= total);
        let (below, above) = cumulative_integrals(&density, panels);
        Tabulated {
            density,
            below,
            above,
        }
    }

    /// The integral of `f(i, node)` over the common nodes.
    fn integrate(&self, f: impl Fn(usize, f64) -> f64) -> f64 {
        let points = self.nodes.iter().zip(&self.weights).enumerate();
        points.map(|(i, (u, w))| w * f(i, *u)).sum()
    }

    /// The product of the probabilities that the other arms are below node `i`, without the two arms
    /// to skip.
    fn others_below(&self, i: usize, skip: usize, skip_too: usize) -> f64 {
        let others = self.arms.iter().enumerate();
        others
            .filter(|(k, _)| *k != skip && *k != skip_too)
            .map(|(_, arm)| at(&arm.below, i))
            .product()
    }
}

fn at(values: &[f64], i: usize) -> f64 {
    values.get(i).copied().unwrap_or(0.0)
}

/// The integrals of the density below and above each node. Each is summed from its own end, so that
/// small tails keep their precision.
fn cumulative_integrals(density: &[f64], panels: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    let rule = rule();
    let halves = panels.iter().map(|(left, right)| 0.5 * (right - left));
    let mut below = Vec::with_capacity(density.len());
    let mut above = Vec::with_capacity(density.len());
    let mut wholes = Vec::with_capacity(panels.len());
    let mut before = 0.0;
    for (values, half) in density.chunks(NODES).zip(halves) {
        let whole = half * dot(values, &rule.weights);
        for row in &rule.cumulative {
            let part = half * dot(values, row);
            below.push((before + part).clamp(0.0, 1.0));
            above.push(whole - part);
        }
        before += whole;
        wholes.push(whole);
    }
    let mut beyond = 0.0;
    for (slots, whole) in above.chunks_mut(NODES).zip(wholes).rev() {
        slots
            .iter_mut()
            .for_each(|slot| *slot = (*slot + beyond).clamp(0.0, 1.0));
        beyond += whole;
    }
    (below, above)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The probabilities that each arm is the best, for adaptive allocation.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct BestArm {
    /// Probability that each arm is the best, in the order of the input: the weights of Thompson
    /// sampling (1933).
    pub best: Vec<f64>,
    /// Mean of the probabilities of being best and second best: the weights of top-two sampling
    /// (Russo 2020), which finds the winner sooner.
    pub top_two: Vec<f64>,
}

/// The probability that each arm is the best, which means the largest.
///
/// All posteriors must be of one kind. If lower is better, negate the means or swap `a` and `b`.
///
/// # Errors
/// [`MissingReason::TooFewArms`] with fewer than two arms; [`MissingReason::OutOfRange`] if the
/// posteriors are of different kinds or a parameter is out of range.
pub fn best_arm(arms: &[ArmPosterior]) -> Result<BestArm, MissingReason> {
    let grid = PosteriorGrid::new(arms)?;
    let count = grid.arms.len();
    let mut result = BestArm {
        best: Vec::new(),
        top_two: Vec::new(),
    };
    for (k, arm) in grid.arms.iter().enumerate() {
        let best = grid.integrate(|i, _| at(&arm.density, i) * grid.others_below(i, k, k));
        let second = grid.integrate(|i, _| {
            let beaten_by =
                |j: usize, winner: &Tabulated| at(&winner.above, i) * grid.others_below(i, k, j);
            let winners = grid.arms.iter().enumerate().filter(|(j, _)| *j != k);
            at(&arm.density, i) * winners.map(|(j, winner)| beaten_by(j, winner)).sum::<f64>()
        });
        result.best.push(best.clamp(0.0, 1.0));
        let second = if count == 2 { 1.0 - best } else { second };
        result.top_two.push((0.5 * (best + second)).clamp(0.0, 1.0));
    }
    Ok(result)
}

/// Weights with a minimum of `floor` for each of the K arms: floor + (1 - K floor) weight.
///
/// # Errors
/// [`MissingReason::OutOfRange`] if `floor` is not between 0 and 1 / K.
pub fn with_floor(weights: &[f64], floor: f64) -> Result<Vec<f64>, MissingReason> {
    let arms = weights.len() as f64;
    if !(floor >= 0.0 && floor * arms <= 1.0) {
        return Err(MissingReason::OutOfRange("floor"));
    }
    Ok(weights
        .iter()
        .map(|w| floor + (1.0 - arms * floor) * w)
        .collect())
}

/// The comparison of two conversion rates by their posteriors.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct RateComparison {
    /// P(treatment rate > control rate).
    pub treatment_better: f64,
    /// P(control rate > treatment rate).
    pub control_better: f64,
    /// Expected loss in rate if the control is kept: E[max(treatment - control, 0)].
    pub loss_if_control_is_kept: f64,
    /// Expected loss in rate if the treatment ships: E[max(control - treatment, 0)].
    pub loss_if_treatment_ships: f64,
}

/// Compares two beta posteriors `(a, b)`: conversions and users without a conversion, each plus those
/// of the prior.
///
/// # Errors
/// [`MissingReason::OutOfRange`] if a parameter is below 0.001 or not finite.
pub fn compare_rates(
    control: (f64, f64),
    treatment: (f64, f64),
) -> Result<RateComparison, MissingReason> {
    let beta = |(a, b): (f64, f64)| ArmPosterior::Beta { a, b };
    let grid = PosteriorGrid::new(&[beta(control), beta(treatment)])?;
    let [c, t] = grid.arms.as_slice() else {
        return Err(MissingReason::TooFewArms { needed: 2, seen: 0 });
    };
    // The derivative of the rate with respect to its logit is rate (1 - rate).
    let slope = |u: f64| {
        let e = (-u.abs()).exp();
        e / (1.0 + e) / (1.0 + e)
    };
    let chance =
        |a: &Tabulated, b: &Tabulated| grid.integrate(|i, _| at(&a.density, i) * at(&b.below, i));
    let loss = |a: &Tabulated, b: &Tabulated| {
        grid.integrate(|i, u| at(&a.below, i) * at(&b.above, i) * slope(u))
    };
    Ok(RateComparison {
        treatment_better: chance(t, c).min(1.0),
        control_better: chance(c, t).min(1.0),
        loss_if_control_is_kept: loss(c, t),
        loss_if_treatment_ships: loss(t, c),
    })
}
