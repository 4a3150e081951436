//! Products of exact sums in 256 bits. The difference of two such products is the numerator of a
//! variance, which would cancel in fewer bits.

use std::cmp::Ordering;

/// An unsigned 256-bit integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct U256 {
    high: u128,
    low: u128,
}

const LOW_64: u128 = u64::MAX as u128;

impl U256 {
    fn product(a: u128, b: u128) -> Self {
        let (a1, a0) = (a >> 64, a & LOW_64);
        let (b1, b0) = (b >> 64, b & LOW_64);
        let low_low = a0 * b0;
        let middle_1 = a1 * b0 + (low_low >> 64);
        let middle_2 = a0 * b1 + (middle_1 & LOW_64);
        Self {
            high: a1 * b1 + (middle_1 >> 64) + (middle_2 >> 64),
            low: (middle_2 << 64) | (low_low & LOW_64),
        }
    }

    /// `self - other`, for `self >= other`.
    fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self
            .high
            .wrapping_sub(other.high)
            .wrapping_sub(u128::from(borrow));
        Self { high, low }
    }

    /// `self + other`, modulo 2^256. The sums of all callers are below 2^255.
    fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self
            .high
            .wrapping_add(other.high)
            .wrapping_add(u128::from(carry));
        Self { high, low }
    }

    /// The nearest f64.
    fn to_f64(self) -> f64 {
        if self.high == 0 {
            return self.low as f64;
        }
        let shift = self.high.leading_zeros();
        let (top, rest) = if shift == 0 {
            (self.high, self.low)
        } else {
            (
                (self.high << shift) | (self.low >> (128 - shift)),
                self.low << shift,
            )
        };
        // The bits that are dropped only matter for a tie, where one sticky bit represents them.
        let sticky = u128::from(rest != 0);
        (top | sticky) as f64 * f64::from(128 - shift).exp2()
    }
}

/// `a * b - c * d`, exact in 256 bits, rounded once to f64.
///
/// The absolute value of each factor is at most 2^127, so the difference is at most 2^255.
pub(crate) fn difference_of_products(a: i128, b: i128, c: i128, d: i128) -> f64 {
    let left = U256::product(a.unsigned_abs(), b.unsigned_abs());
    let right = U256::product(c.unsigned_abs(), d.unsigned_abs());
    let left_negative = (a < 0) != (b < 0);
    let right_negative = (c < 0) != (d < 0);
    let magnitude = if left_negative != right_negative {
        left.plus(right).to_f64()
    } else {
        match left.cmp(&right) {
            Ordering::Equal => return 0.0,
            Ordering::Greater => left.minus(right).to_f64(),
            Ordering::Less => return signed(right.minus(left).to_f64(), !left_negative),
        }
    };
    signed(magnitude, left_negative)
}

fn signed(magnitude: f64, negative: bool) -> f64 {
    if negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_one_between_huge_products_is_exact() {
        let x = 10_i128.pow(37);
        assert_eq!(difference_of_products(x + 1, x - 1, x, x), -1.0);
        assert_eq!(difference_of_products(x, x, x + 1, x - 1), 1.0);
        assert_eq!(difference_of_products(-x, x, x, -x), 0.0);
    }

    #[test]
    fn large_products_round_to_the_nearest_number() {
        let x = 10_i128.pow(38);
        assert_eq!(difference_of_products(x, x, 0, 0), 1e76);
        assert_eq!(difference_of_products(x, -x, 0, 0), -1e76);
        assert_eq!(difference_of_products(x, x, -x, x), 2e76);
    }
}
