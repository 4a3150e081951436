//! Which of several arms is best: integrals over independent posteriors, without random draws.
//!
//! A normal posterior is taken as it is; a beta posterior on the logit scale, where its density is
//! smooth even for the priors that rise to infinity at 0 and 1.

use super::distributions::{normal_density, normal_upper_tail};
use super::missing::MissingReason;
use super::quadrature::{NODES, rule};

/// What is believed of one arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArmPosterior {
    /// A mean with its standard error: any metric with enough units.
    Normal {
        /// Expected value.
        mean: f64,
        /// Standard deviation, above 0.
        standard_deviation: f64,
    },
    /// A conversion rate: successes and failures, with the prior's counted in.
    Beta {
        /// Conversions plus the prior's, at least 0.001.
        a: f64,
        /// Misses plus the prior's, at least 0.001.
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

    /// Centre and spread on the scale of integration.
    fn scale(&self) -> (f64, f64) {
        match *self {
            Self::Normal {
                mean,
                standard_deviation,
            } => (mean, standard_deviation),
            Self::Beta { a, b } => ((a / b).ln(), (1.0 / a + 1.0 / b).sqrt()),
        }
    }

    /// Panel edges over all that matters of the density (to 1e-15).
    fn breakpoints(&self) -> Vec<f64> {
        let (centre, sd) = self.scale();
        let width = match *self {
            Self::Normal { .. } => 4.0 * sd,
            Self::Beta { a, b } if a.min(b) > 50.0 => 4.0 * sd,
            // Few counts make a skewed density, and the logarithm of a logit density is analytic
            // only within a distance of π.
            Self::Beta { .. } => (2.0 * sd).min(4.0),
        };
        let core = (8.0 * sd / width).ceil() as i32;
        let mut edges: Vec<f64> = (-core..=core)
            .map(|k| centre + f64::from(k) * width)
            .collect();
        if let Self::Beta { a, b } = *self {
            // Beyond the core the tails are exponential: few, wide panels.
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

    /// Densities at the nodes, on the scale of integration, up to a constant for beta.
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
                // From the side of the smaller count: there the terms that cancel are smallest.
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

/// One arm's density and tails at the common nodes.
struct Tabulated {
    density: Vec<f64>,
    below: Vec<f64>,
    above: Vec<f64>,
}

/// The common nodes with their weights, and every arm on them.
struct Contest {
    nodes: Vec<f64>,
    weights: Vec<f64>,
    arms: Vec<Tabulated>,
}

impl Contest {
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
        let mut contest = Self {
            nodes,
            weights,
            arms: Vec::with_capacity(arms.len()),
        };
        for arm in arms {
            let tabulated = contest.tabulate(arm, &panels);
            contest.arms.push(tabulated);
        }
        Ok(contest)
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
        let (below, above) = running(&density, panels);
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

    /// Product of the other arms' chances to be below node `i`, leaving out two of them.
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

/// The integral of the density up to each node and from each node on. Either is summed from its own
/// end, so that small tails keep their digits.
fn running(density: &[f64], panels: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    let rule = rule();
    let halves = panels.iter().map(|(left, right)| 0.5 * (right - left));
    let mut below = Vec::with_capacity(density.len());
    let mut above = Vec::with_capacity(density.len());
    let mut wholes = Vec::with_capacity(panels.len());
    let mut so_far = 0.0;
    for (values, half) in density.chunks(NODES).zip(halves) {
        let whole = half * dot(values, &rule.weights);
        for row in &rule.cumulative {
            let part = half * dot(values, row);
            below.push((so_far + part).clamp(0.0, 1.0));
            above.push(whole - part);
        }
        so_far += whole;
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

/// Probabilities of being best, for choosing what to show next.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct BestArm {
    /// Probability that each arm is the best: Thompson's weights (1933).
    pub best: Vec<f64>,
    /// Mean of the probabilities of being best and second best: top-two weights (Russo 2020),
    /// which find the winner sooner.
    pub top_two: Vec<f64>,
}

/// How likely each arm is the best (largest), for posteriors of one kind. For a metric where lower
/// is better negate the means (or swap `a` and `b`).
pub fn best_arm(arms: &[ArmPosterior]) -> Result<BestArm, MissingReason> {
    let contest = Contest::new(arms)?;
    let count = contest.arms.len();
    let mut result = BestArm {
        best: Vec::new(),
        top_two: Vec::new(),
    };
    for (k, arm) in contest.arms.iter().enumerate() {
        let best = contest.integrate(|i, _| at(&arm.density, i) * contest.others_below(i, k, k));
        let second = contest.integrate(|i, _| {
            let beaten_by =
                |j: usize, winner: &Tabulated| at(&winner.above, i) * contest.others_below(i, k, j);
            let winners = contest.arms.iter().enumerate().filter(|(j, _)| *j != k);
            at(&arm.density, i) * winners.map(|(j, winner)| beaten_by(j, winner)).sum::<f64>()
        });
        result.best.push(best.clamp(0.0, 1.0));
        let second = if count == 2 { 1.0 - best } else { second };
        result.top_two.push((0.5 * (best + second)).clamp(0.0, 1.0));
    }
    Ok(result)
}

/// Weights raised so that no arm gets less than `floor` (at most 1 / arms): f + (1 - K f) w.
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

/// Two conversion rates compared through their posteriors.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct RateContest {
    /// P(treatment rate > control rate).
    pub treatment_better: f64,
    /// P(control rate > treatment rate).
    pub control_better: f64,
    /// E[max(treatment - control, 0)]: the expected loss if the control is kept, as a rate.
    pub loss_if_control_is_kept: f64,
    /// E[max(control - treatment, 0)]: the expected loss if the treatment ships.
    pub loss_if_treatment_ships: f64,
}

/// Compares two beta posteriors `(a, b)`: successes and failures with the prior's counted in.
pub fn compare_rates(
    control: (f64, f64),
    treatment: (f64, f64),
) -> Result<RateContest, MissingReason> {
    let beta = |(a, b): (f64, f64)| ArmPosterior::Beta { a, b };
    let contest = Contest::new(&[beta(control), beta(treatment)])?;
    let [c, t] = contest.arms.as_slice() else {
        return Err(MissingReason::TooFewArms { needed: 2, seen: 0 });
    };
    // The width of a piece of the rate's own scale is rate (1 - rate) on the logit scale.
    let slope = |u: f64| {
        let e = (-u.abs()).exp();
        e / (1.0 + e) / (1.0 + e)
    };
    let chance = |a: &Tabulated, b: &Tabulated| {
        contest.integrate(|i, _| at(&a.density, i) * at(&b.below, i))
    };
    let loss = |a: &Tabulated, b: &Tabulated| {
        contest.integrate(|i, u| at(&a.below, i) * at(&b.above, i) * slope(u))
    };
    Ok(RateContest {
        treatment_better: chance(t, c).min(1.0),
        control_better: chance(c, t).min(1.0),
        loss_if_control_is_kept: loss(c, t),
        loss_if_treatment_ships: loss(t, c),
    })
}
