//! Exact running sums of one metric: they add, they subtract, and they lose nothing.
//!
//! f64 sums of squares lose the variance of large means altogether (n = 1e10, mean 1e8, sd 0.5
//! comes out as 0), and cannot be undone. Fixed point in `i128` can, and is what DynamoDB's 38-digit
//! numbers hold.

use super::double_double::DoubleDouble;
use super::missing::MissingReason;
use super::sample::Sample;
use super::wide::difference_of_products;

/// Millionths in one: the fixed point in which values are counted.
pub(crate) const MICROS: i128 = 1_000_000;

/// Number of users, sum and sum of squares of their aggregate items.
///
/// The squares are of each user's *total*, not of single events: squares of events understate the
/// noise of users who have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// Users counted.
    pub n: u64,
    /// Sum of the users' aggregate items, in millionths.
    pub sum_micros: i128,
    /// Sum of the squares of the users' aggregate items, in 1e-12 (millionths squared).
    pub sum_squares_picos: i128,
}

impl Moments {
    /// The moments of one user whose total is `value_micros` millionths; none when its square is
    /// too large (a total beyond 1.3e13).
    pub fn of_user(value_micros: i128) -> Option<Self> {
        let sum_squares_picos = value_micros.checked_mul(value_micros)?;
        Some(Self {
            n: 1,
            sum_micros: value_micros,
            sum_squares_picos,
        })
    }

    /// Both groups of users together; none on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            n: self.n.checked_add(other.n)?,
            sum_micros: self.sum_micros.checked_add(other.sum_micros)?,
            sum_squares_picos: self
                .sum_squares_picos
                .checked_add(other.sum_squares_picos)?,
        })
    }

    /// The users that remain without `other`, exactly; none when there were not that many.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            n: self.n.checked_sub(other.n)?,
            sum_micros: self.sum_micros.checked_sub(other.sum_micros)?,
            sum_squares_picos: self
                .sum_squares_picos
                .checked_sub(other.sum_squares_picos)?,
        })
    }

    /// Mean in metric units; none without users.
    pub fn mean(&self) -> Result<f64, MissingReason> {
        Ok(exact_mean(self.sum_micros, self.n)?.to_f64())
    }

    /// Unbiased variance in squared metric units; none below two users.
    pub fn variance(&self) -> Result<f64, MissingReason> {
        let variance = exact_covariance(
            self.n,
            self.sum_squares_picos,
            self.sum_micros,
            self.sum_micros,
        )?;
        // No set of real values has a negative one: the sums belong to different users.
        if variance < 0.0 {
            Err(MissingReason::Inconsistent)
        } else {
            Ok(variance)
        }
    }

    /// What the tests need of this arm; none below two users.
    pub fn sample(&self) -> Result<Sample, MissingReason> {
        Sample::from_parts(
            self.n,
            exact_mean(self.sum_micros, self.n)?,
            self.variance()?,
        )
    }
}

/// The mean of `n` values that add up to `sum_micros`, to thirty digits.
pub(crate) fn exact_mean(sum_micros: i128, n: u64) -> Result<DoubleDouble, MissingReason> {
    if n == 0 {
        return Err(MissingReason::NoUnits);
    }
    let divisor = DoubleDouble::from(i128::from(n)).times((MICROS as f64).into());
    Ok(DoubleDouble::from(sum_micros).over(divisor))
}

/// `(n Σxy - Σx Σy) / (n (n-1))` with the numerator exact, from fixed-point sums.
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
    fn a_variance_of_a_quarter_survives_a_mean_of_a_hundred_million() {
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
    fn taking_a_user_out_again_leaves_the_others_untouched() {
        let a = Moments::of_user(19_990_000).unwrap();
        let b = Moments::of_user(-1).unwrap();
        assert_eq!(a.checked_add(b).unwrap().checked_sub(b), Some(a));
        assert_eq!(a.checked_sub(a.checked_add(b).unwrap()), None);
    }

    #[test]
    fn sums_that_do_not_fit_are_refused() {
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
