//! Group sequential tests: planned looks with error spending (Lan & DeMets 1983), an option for daily
//! analyses.
//!
//! The power is nearly that of a single look. In exchange, the final size is fixed in advance, and
//! every look is recorded before its result is shown. The boundaries follow from the recursion of
//! Armitage, McPherson & Rowe (1969) over the recorded information fractions.

use super::distributions::{normal_density, normal_upper_quantile, normal_upper_tail};
use super::level::Alpha;
use super::missing::MissingReason;
use super::p_value::PValue;
use super::quadrature::rule;

/// How much of the error level is spent at each information fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spending {
    /// Spends almost nothing early and nearly everything at the end. It is the usual choice.
    OBrienFleming,
    /// Spends so that the boundary z is about the same at each look.
    Pocock,
    /// Spends alpha times the information fraction to this power.
    Power(f64),
}

impl Spending {
    /// One-sided error spent up to information fraction `t` (0 to 1), of `a` in all.
    fn spent(self, a: f64, t: f64) -> f64 {
        match self {
            Self::OBrienFleming => {
                let z = normal_upper_quantile(a / 2.0).unwrap_or(0.0);
                2.0 * normal_upper_tail(z / t.sqrt())
            }
            Self::Pocock => a * ((std::f64::consts::E - 1.0) * t).ln_1p(),
            Self::Power(phi) => a * t.powf(phi),
        }
    }
}

/// The boundary at one look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Boundary {
    /// The effect is significant if z (two-sided: its absolute value) is at least this. `None` if the
    /// look has practically no error to spend.
    pub z: Option<f64>,
    /// Error spent up to this look, per side.
    pub cumulative_alpha: f64,
    /// The p-value of a fixed test at the boundary, over all sides.
    pub nominal_p: PValue,
}

/// The boundaries at these information fractions, which increase and are in (0, 1]. A two-sided test
/// spends alpha / 2 on each side.
///
/// # Errors
/// [`MissingReason::OutOfRange`] if the information fractions are not increasing or not in (0, 1].
pub fn group_sequential_boundaries(
    information: &[f64],
    alpha: Alpha,
    two_sided: bool,
    spending: Spending,
) -> Result<Vec<Boundary>, MissingReason> {
    let sides: f64 = if two_sided { 2.0 } else { 1.0 };
    let a = alpha.get() / sides;
    let mut distribution = ScoreDistribution::default();
    let mut spent = 0.0;
    let mut boundaries = Vec::with_capacity(information.len());
    let mut previous = 0.0;
    for t in information.iter().copied() {
        if !(t > previous && t <= 1.0) {
            return Err(MissingReason::OutOfRange("information"));
        }
        previous = t;
        let cumulative_alpha = spending.spent(a, t).clamp(spent, a.max(spent));
        let z = distribution.advance_to(t, cumulative_alpha - spent);
        spent = cumulative_alpha;
        let ln_tail = z.map_or(f64::MIN, super::distributions::normal_ln_upper_tail);
        let nominal_p = PValue::from_ln(ln_tail + sides.ln());
        boundaries.push(Boundary {
            z,
            cumulative_alpha,
            nominal_p,
        });
    }
    Ok(boundaries)
}

/// The distribution of the score z * sqrt(t) of an experiment that has not crossed a boundary.
#[derive(Default)]
struct ScoreDistribution {
    t: f64,
    /// Pairs of a score and the probability mass at this node. It is empty before the first look.
    mass: Vec<(f64, f64)>,
}

/// Lower end of the integration, in standard deviations of the score.
const FLOOR: f64 = -9.0;
/// Maximum number of integration panels per look. A panel is about as wide as the standard deviation
/// of the score's step.
const MAX_PANELS: f64 = 80.0;

impl ScoreDistribution {
    /// Moves the distribution to information fraction `t`, and returns the z that is first crossed
    /// there with this probability.
    fn advance_to(&mut self, t: f64, crossing: f64) -> Option<f64> {
        let step = (t - self.t).sqrt();
        let bound = if crossing < 1e-290 {
            None
        } else {
            self.solve(t, step, crossing)
        };
        let top = bound.unwrap_or(9.0 * t.sqrt());
        let bottom = FLOOR * t.sqrt();
        let panels = ((top - bottom) / step).ceil().clamp(8.0, MAX_PANELS) as usize;
        let width = (top - bottom) / panels as f64;
        let mass = (0..panels)
            .flat_map(|k| {
                let left = bottom + width * k as f64;
                rule().on(left, left + width)
            })
            .map(|(s, w)| (s, w * self.density(s, step)))
            .collect();
        *self = Self { t, mass };
        bound.map(|b| b / t.sqrt())
    }

    fn density(&self, s: f64, step: f64) -> f64 {
        if self.mass.is_empty() {
            return normal_density(s / step) / step;
        }
        // The contribution of nodes more than nine standard deviations away is negligible.
        let near = self
            .mass
            .iter()
            .filter(|(from, _)| (s - from).abs() < 9.0 * step);
        near.map(|(from, p)| p * normal_density((s - from) / step))
            .sum::<f64>()
            / step
    }

    fn crossing(&self, bound: f64, step: f64) -> f64 {
        if self.mass.is_empty() {
            return normal_upper_tail(bound / step);
        }
        self.mass
            .iter()
            .map(|(from, p)| p * normal_upper_tail((bound - from) / step))
            .sum()
    }

    /// Bisection, because the crossing probability decreases with the bound. 60 halvings reach 1e-16.
    fn solve(&self, t: f64, step: f64, crossing: f64) -> Option<f64> {
        if self.mass.is_empty() {
            return normal_upper_quantile(crossing).map(|z| z * step);
        }
        let (mut low, mut high) = (FLOOR * t.sqrt(), 40.0 * t.sqrt());
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.crossing(middle, step) > crossing {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(0.5 * (low + high))
    }
}
