//! Exact moments of one metric. They can be added and subtracted without rounding.
//!
//! With sums of squares in f64 the variance of a large mean is lost: n = 1e10, mean 1e8 and standard
//! deviation 0.5 give variance 0. Subtracting a user from f64 sums is not exact either. Therefore
//! the sums are fixed-point numbers in `i128`, which fit DynamoDB's 38-digit numbers.

use super::double_double::DoubleDouble;
use super::missing::MissingReason;
use super::sample::Sample;
use super::wide::difference_of_products;

/// Micros per metric unit: the sums have six decimal places.
pub(crate) const MICROS: i128 = 1_000_000;

/// Number of users, and the sum and the sum of squares of their values.
///
/// The value of a user is the sum over the user's events. The squares are of these values and not
/// of single events, because the user is the unit of analysis: squares of events understate the
/// variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// Number of users.
    pub n: u64,
    /// Sum of the users' values, in millionths of a metric unit.
    pub sum_micros: i128,
    /// Sum of the squares of the users' values, in 1e-12 squared metric units.
    pub sum_squares_picos: i128,
}

impl Moments {
    /// The moments of one user whose value is `value_micros` millionths. Returns `None` if the square
    /// overflows (an absolute value above 1.3e13 metric units).
    pub fn of_user(value_micros: i128) -> Option<Self> {
        let sum_squares_picos = value_micros.checked_mul(value_micros)?;
        Some(Self {
            n: 1,
            sum_micros: value_micros,
            sum_squares_picos,
        })
    }

    /// The moments of both groups of users together. Returns `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            n: self.n.checked_add(other.n)?,
            sum_micros: self.sum_micros.checked_add(other.sum_micros)?,
            sum_squares_picos: self
                .sum_squares_picos
                .checked_add(other.sum_squares_picos)?,
        })
    }

    /// The exact moments of the users that remain when `other` is removed. Returns `None` if `other`
    /// has more users, or on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            n: self.n.checked_sub(other.n)?,
            sum_micros: self.sum_micros.checked_sub(other.sum_micros)?,
            sum_squares_picos: self
                .sum_squares_picos
                .checked_sub(other.sum_squares_picos)?,
        })
    }

    /// Mean in metric units.
    ///
    /// # Errors
    /// [`MissingReason::NoUnits`] without users.
    pub fn mean(&self) -> Result<f64, MissingReason> {
        Ok(exact_mean(self.sum_micros, self.n)?.to_f64())
    }

    /// Unbiased variance in squared metric units, at least 0.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] below two users; [`MissingReason::Inconsistent`] if the sums
    /// imply a negative variance.
    pub fn variance(&self) -> Result<f64, MissingReason> {
        let variance = exact_covariance(
            self.n,
            self.sum_squares_picos,
            self.sum_micros,
            self.sum_micros,
        )?;
        // A negative variance is impossible, so the two sums are not of the same users.
        if variance < 0.0 {
            Err(MissingReason::Inconsistent)
        } else {
            Ok(variance)
        }
    }

    /// The arm as a [`Sample`] for the tests.
    ///
    /// # Errors
    /// The same as for [`Moments::variance`].
    pub fn sample(&self) -> Result<Sample, MissingReason> {
        Sample::from_parts(
            self.n,
            exact_mean(self.sum_micros, self.n)?,
            self.variance()?,
        )
    }
}

/// The mean of `n` values whose sum is `sum_micros` millionths, to thirty digits.
pub(crate) fn exact_mean(sum_micros: i128, n: u64) -> Result<DoubleDouble, MissingReason> {
    if n == 0 {
        return Err(MissingReason::NoUnits);
    }
    let divisor = DoubleDouble::from(i128::from(n)).times((MICROS as f64).into());
    Ok(DoubleDouble::from(sum_micros).over(divisor))
}

/// The covariance `(n Σxy - Σx Σy) / (n (n-1))` of fixed-point sums, with an exact numerator.
pub(crate) fn exact_covariance(
    n: u64,
    sum_products_picos: i128,
    sum_x_micros: i128,
    sum_y_micros: i128,
) -> Result<f64, MissingReason> {
    if n < 2 {
        return Err(MissingReason::TooFewUnits { needed: 2, seen: n });
    }
    let numerator = difference_of_products(
        i128::from(n),
        sum_products_picos,
        sum_x_micros,
        sum_y_micros,
    );
    let pairs = (u128::from(n) * u128::from(n - 1)) as f64;
    Ok(numerator / (pairs * 1e12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variance_of_a_quarter_is_exact_at_a_mean_of_a_hundred_million() {
        let low = Moments::of_user(99_999_999_500_000).unwrap();
        let high = Moments::of_user(100_000_000_500_000).unwrap();
        let half = 5_000_000_000_u64;
        let arm = Moments {
            n: 2 * half,
            sum_micros: i128::from(half) * (low.sum_micros + high.sum_micros),
            sum_squares_picos: i128::from(half) * (low.sum_squares_picos + high.sum_squares_picos),
        };
        assert!((arm.variance().unwrap() - 0.25).abs() < 1e-10);
        assert_eq!(arm.mean().unwrap(), 1e8);
    }

    #[test]
    fn subtracting_an_added_user_restores_the_previous_moments() {
        let a = Moments::of_user(19_990_000).unwrap();
        let b = Moments::of_user(-1).unwrap();
        assert_eq!(a.checked_add(b).unwrap().checked_sub(b), Some(a));
        assert_eq!(a.checked_sub(a.checked_add(b).unwrap()), None);
    }

    #[test]
    fn sums_that_overflow_return_none() {
        assert_eq!(Moments::of_user(i128::MAX), None);
        let full = Moments {
            n: 1,
            sum_micros: i128::MAX,
            sum_squares_picos: 0,
        };
        assert_eq!(
            full.checked_add(Moments {
                n: 1,
                sum_micros: 1,
                sum_squares_picos: 0
            }),
            None
        );
    }
}
