//! Numbers with twice the precision of f64, as the unevaluated sum of two f64. They keep differences
//! of large means accurate.

/// `high + low` with `|low|` at most half a unit in the last place of `high` (Dekker 1971).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DoubleDouble {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl From<f64> for DoubleDouble {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

impl From<i128> for DoubleDouble {
    fn from(x: i128) -> Self {
        let high = x as f64;
        // i128::MAX rounds up to 2^127. The cast back saturates, so the subtraction must too.
        let low = x.saturating_sub(high as i128) as f64;
        Self { high, low }
    }
}

impl DoubleDouble {
    pub(crate) fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let b_part = high - a;
        Self {
            high,
            low: (a - (high - b_part)) + (b - b_part),
        }
    }

    pub(crate) fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        Self {
            high,
            low: a.mul_add(b, -high),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let s = Self::sum(self.high, other.high);
        let t = Self::sum(self.low, other.low);
        let first = Self::sum(s.high, s.low + t.high);
        Self::sum(first.high, first.low + t.low)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        self.plus(Self {
            high: -other.high,
            low: -other.low,
        })
    }

    pub(crate) fn times(self, other: Self) -> Self {
        let p = Self::product(self.high, other.high);
        Self::sum(
            p.high,
            p.low + (self.high * other.low + self.low * other.high),
        )
    }

    pub(crate) fn over(self, other: Self) -> Self {
        let q1 = self.high / other.high;
        let rest = self.minus(other.times(q1.into()));
        let q2 = rest.high / other.high;
        let rest = rest.minus(other.times(q2.into()));
        let q3 = rest.high / other.high;
        let first = Self::sum(q1, q2);
        Self::sum(first.high, first.low + q3)
    }

    pub(crate) fn to_f64(self) -> f64 {
        self.high + self.low
    }

    pub(crate) fn is_finite(self) -> bool {
        self.high.is_finite() && self.low.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_times_its_divisor_gives_the_dividend_to_thirty_digits() {
        let third = DoubleDouble::from(1.0).over(3.0.into());
        let one = third.times(3.0.into());
        assert!((one.minus(1.0.into())).to_f64().abs() < 1e-31);
    }

    #[test]
    fn an_integer_is_exact_to_its_last_digit() {
        let x = DoubleDouble::from(1_234_567_890_123_456_789_i128);
        assert_eq!(x.high as i128 + x.low as i128, 1_234_567_890_123_456_789);
    }
}
