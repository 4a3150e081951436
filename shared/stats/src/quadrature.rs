//! Gauss-Legendre integration on panels. It is deterministic, and accurate to the last digits for
//! smooth densities.

use std::sync::OnceLock;

/// Nodes per panel.
pub(crate) const NODES: usize = 20;

/// The nodes in (-1, 1), in increasing order, with their weights.
pub(crate) struct Rule {
    pub(crate) nodes: [f64; NODES],
    pub(crate) weights: [f64; NODES],
    /// `cumulative[i][j]` is the weight of node j in the integral from -1 to node i.
    pub(crate) cumulative: [[f64; NODES]; NODES],
}

/// The integration rule, which is computed once.
pub(crate) fn rule() -> &'static Rule {
    static RULE: OnceLock<Rule> = OnceLock::new();
    RULE.get_or_init(Rule::compute)
}

impl Rule {
    fn compute() -> Self {
        let n = NODES as f64;
        let mut rule = Self {
            nodes: [0.0; NODES],
            weights: [0.0; NODES],
            cumulative: [[0.0; NODES]; NODES],
        };
        for (i, (node, weight)) in rule.nodes.iter_mut().zip(&mut rule.weights).enumerate() {
            let mut x = -(std::f64::consts::PI * (i as f64 + 0.75) / (n + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..50 {
                let (value, previous) = legendre(NODES, x);
                slope = n * (x * value - previous) / (x * x - 1.0);
                let step = value / slope;
                x -= step;
                if step.abs() < 1e-16 {
                    break;
                }
            }
            *node = x;
            *weight = 2.0 / ((1.0 - x * x) * slope * slope);
        }
        // The polynomial through the nodes, written in Legendre polynomials, is integrated term by
        // term: the integral of P(k) from -1 is (P(k+1) - P(k-1)) / (2k + 1).
        for (row, x) in rule.cumulative.iter_mut().zip(rule.nodes) {
            for (cell, (y, weight)) in row.iter_mut().zip(rule.nodes.iter().zip(rule.weights)) {
                *cell = (0..NODES)
                    .map(|k| {
                        let (above, _) = legendre(k + 1, x);
                        let below = if k == 0 { -1.0 } else { legendre(k - 1, x).0 };
                        0.5 * weight * legendre(k, *y).0 * (above - below)
                    })
                    .sum();
            }
        }
        rule
    }

    /// Nodes and weights on [a, b].
    pub(crate) fn on(&self, a: f64, b: f64) -> impl Iterator<Item = (f64, f64)> + '_ {
        let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
        self.nodes
            .iter()
            .zip(&self.weights)
            .map(move |(x, w)| (centre + half * x, half * w))
    }
}

/// Legendre polynomials of degree `n` and `n - 1` at `x`.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut previous, mut value) = (0.0, 1.0);
    for k in 0..n {
        let k = k as f64;
        let next = ((2.0 * k + 1.0) * x * value - k * previous) / (k + 1.0);
        previous = value;
        value = next;
    }
    (value, previous)
}

/// The integral of `f` over adjacent panels with these breakpoints, in increasing order.
pub(crate) fn integrate(breakpoints: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    breakpoints
        .iter()
        .zip(breakpoints.iter().skip(1))
        .map(|(a, b)| rule().on(*a, *b).map(|(x, w)| w * f(x)).sum::<f64>())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_two_and_cumulative_integrals_are_exact() {
        let rule = rule();
        assert!((rule.weights.iter().sum::<f64>() - 2.0).abs() < 1e-14);
        for (row, x) in rule.cumulative.iter().zip(rule.nodes) {
            let integral: f64 = row.iter().zip(rule.nodes).map(|(w, y)| w * y.exp()).sum();
            assert!((integral - (x.exp() - (-1.0_f64).exp())).abs() < 1e-14);
        }
    }
}
