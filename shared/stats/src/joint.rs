//! Joint moments of several quantities per user: exact sums of values and of products, and the means
//! and covariances that follow from them.
//!
//! A ratio metric has the quantities (numerator, denominator). A CUPED-adjusted metric has the metric
//! followed by its covariates.

use super::double_double::DoubleDouble;
use super::missing::MissingReason;
use super::moments::{exact_covariance, exact_mean};
use super::sample::Sample;

/// Exact sums and sums of products of `k` quantities over all users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossMoments {
    /// Number of users.
    pub n: u64,
    /// Sum of each of the `k` quantities, in millionths.
    pub sums_micros: Vec<i128>,
    /// Sums of products in 1e-12, the upper triangle by rows: (0,0), (0,1), …, (1,1), (1,2), …. There
    /// are `k (k + 1) / 2`.
    pub products_picos: Vec<i128>,
}

impl CrossMoments {
    /// The moments of `k` quantities without users.
    pub fn empty(k: usize) -> Self {
        Self {
            n: 0,
            sums_micros: vec![0; k],
            products_picos: vec![0; triangle(k)],
        }
    }

    /// The moments of one user with these values, in millionths. Returns `None` if a product
    /// overflows.
    pub fn of_user(values_micros: &[i128]) -> Option<Self> {
        let mut products_picos = Vec::with_capacity(triangle(values_micros.len()));
        for (i, x) in values_micros.iter().enumerate() {
            for y in values_micros.iter().skip(i) {
                products_picos.push(x.checked_mul(*y)?);
            }
        }
        Some(Self {
            n: 1,
            sums_micros: values_micros.to_vec(),
            products_picos,
        })
    }

    /// The moments of both groups of users together. Returns `None` on overflow, or if the numbers of
    /// quantities differ.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        Some(Self {
            n: self.n.checked_add(other.n)?,
            sums_micros: zip(&self.sums_micros, &other.sums_micros, i128::checked_add)?,
            products_picos: zip(
                &self.products_picos,
                &other.products_picos,
                i128::checked_add,
            )?,
        })
    }

    /// The exact moments of the users that remain when `other` is removed. Returns `None` if `other`
    /// has more users, on overflow, or if the numbers of quantities differ.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        Some(Self {
            n: self.n.checked_sub(other.n)?,
            sums_micros: zip(&self.sums_micros, &other.sums_micros, i128::checked_sub)?,
            products_picos: zip(
                &self.products_picos,
                &other.products_picos,
                i128::checked_sub,
            )?,
        })
    }

    /// Means and covariances, each rounded once.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] below two users ([`MissingReason::NoUnits`] without any);
    /// [`MissingReason::OutOfRange`] if the number of products does not match the quantities.
    pub fn joint_sample(&self) -> Result<JointSample, MissingReason> {
        let k = self.sums_micros.len();
        if self.products_picos.len() != triangle(k) {
            return Err(MissingReason::OutOfRange("products"));
        }
        let means: Result<Vec<_>, _> = self
            .sums_micros
            .iter()
            .map(|sum| exact_mean(*sum, self.n))
            .collect();
        let covariances: Result<Vec<_>, _> = pairs(&self.sums_micros)
            .zip(&self.products_picos)
            .map(|((x, y), product)| exact_covariance(self.n, *product, x, y))
            .collect();
        JointSample::from_parts(self.n, means?, covariances?)
    }
}

fn triangle(k: usize) -> usize {
    k * (k + 1) / 2
}

fn pairs<T: Copy>(values: &[T]) -> impl Iterator<Item = (T, T)> + '_ {
    values
        .iter()
        .enumerate()
        .flat_map(move |(i, x)| values.iter().skip(i).map(move |y| (*x, *y)))
}

fn zip(a: &[i128], b: &[i128], f: fn(i128, i128) -> Option<i128>) -> Option<Vec<i128>> {
    if a.len() != b.len() {
        return None;
    }
    a.iter().zip(b).map(|(x, y)| f(*x, *y)).collect()
}

/// Means and covariances of `k` quantities of the units of one arm.
#[derive(Debug, Clone, PartialEq)]
pub struct JointSample {
    n: u64,
    means: Vec<DoubleDouble>,
    /// The upper triangle by rows.
    covariances: Vec<f64>,
}

impl JointSample {
    /// Creates a joint sample from f64 sums and sums of products (upper triangle by rows) over `n`
    /// units. The subtraction uses twice the precision of f64.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] below two units; [`MissingReason::OutOfRange`] if the number of
    /// products does not match; [`MissingReason::Overflow`] if a result is not finite.
    pub fn from_sums(n: u64, sums: &[f64], products: &[f64]) -> Result<Self, MissingReason> {
        if n < 2 {
            return Err(MissingReason::TooFewUnits { needed: 2, seen: n });
        }
        if products.len() != triangle(sums.len()) {
            return Err(MissingReason::OutOfRange("products"));
        }
        let units = DoubleDouble::from(i128::from(n));
        let means = sums
            .iter()
            .map(|sum| DoubleDouble::from(*sum).over(units))
            .collect();
        let covariances = pairs(sums)
            .zip(products)
            .map(|((x, y), product)| {
                let expected = DoubleDouble::product(x, y).over(units);
                DoubleDouble::from(*product).minus(expected).to_f64() / (n - 1) as f64
            })
            .collect();
        Self::from_parts(n, means, covariances)
    }

    pub(crate) fn from_parts(
        n: u64,
        means: Vec<DoubleDouble>,
        mut covariances: Vec<f64>,
    ) -> Result<Self, MissingReason> {
        if n < 2 {
            return Err(MissingReason::TooFewUnits { needed: 2, seen: n });
        }
        if means.is_empty() {
            return Err(MissingReason::OutOfRange("quantities"));
        }
        if !means.iter().all(|m| m.is_finite()) || !covariances.iter().all(|c| c.is_finite()) {
            return Err(MissingReason::Overflow);
        }
        for i in 0..means.len() {
            if let Some(variance) = covariances.get_mut(triangle_index(means.len(), i, i)) {
                *variance = variance.max(0.0);
            }
        }
        Ok(Self {
            n,
            means,
            covariances,
        })
    }

    /// Units in the arm, at least two.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Number of quantities.
    pub fn quantities(&self) -> usize {
        self.means.len()
    }

    /// Mean of quantity `i`, counted from 0. It is 0 if there is no such quantity.
    pub fn mean(&self, i: usize) -> f64 {
        self.exact_mean(i).to_f64()
    }

    pub(crate) fn exact_mean(&self, i: usize) -> DoubleDouble {
        self.means
            .get(i)
            .copied()
            .unwrap_or(DoubleDouble::from(0.0))
    }

    /// Covariance of quantities `i` and `j`, or the variance if they are equal. It is 0 if there is
    /// no such quantity.
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        let (i, j) = (i.min(j), i.max(j));
        if j >= self.means.len() {
            return 0.0;
        }
        self.covariances
            .get(triangle_index(self.means.len(), i, j))
            .copied()
            .unwrap_or(0.0)
    }

    /// Quantity `i` alone, as a sample.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if there is no such quantity.
    pub fn sample(&self, i: usize) -> Result<Sample, MissingReason> {
        if i >= self.means.len() {
            return Err(MissingReason::OutOfRange("quantity"));
        }
        Sample::from_parts(self.n, self.exact_mean(i), self.covariance(i, i))
    }
}

/// The index of (i, j), i <= j < k, in the upper triangle by rows.
fn triangle_index(k: usize, i: usize, j: usize) -> usize {
    i * (2 * k - i + 1) / 2 + (j - i)
}
