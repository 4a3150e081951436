//! A p-value stored as its natural logarithm, which represents values such as 1e-400 that an f64
//! rounds to zero.

use std::f64::consts::LN_10;

use serde::{Serialize, Serializer};

/// A p-value in [0, 1], stored as its natural logarithm.
///
/// It serialises as a plain number, which is zero below about 5e-324. [`PValue::log10`] keeps its
/// precision there.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PValue {
    ln: f64,
}

impl PValue {
    /// The p-value 1: no evidence against the null hypothesis.
    pub const ONE: Self = Self { ln: 0.0 };

    /// Creates a p-value from its natural logarithm, which is clamped to finite numbers of at most 0.
    pub fn from_ln(ln: f64) -> Self {
        Self {
            ln: ln.clamp(f64::MIN, 0.0),
        }
    }

    /// Creates a p-value from a number in [0, 1]. Returns `None` for any other number.
    pub fn new(p: f64) -> Option<Self> {
        (0.0..=1.0).contains(&p).then(|| Self::from_ln(p.ln()))
    }

    /// The p-value as a number in [0, 1]. It is zero below the smallest positive f64.
    pub fn value(self) -> f64 {
        self.ln.exp()
    }

    /// Natural logarithm, at most 0. It keeps its precision where [`PValue::value`] underflows.
    pub fn ln(self) -> f64 {
        self.ln
    }

    /// Logarithm to base 10, at most 0: -200 for 1e-200.
    pub fn log10(self) -> f64 {
        self.ln / LN_10
    }

    /// The smaller of two p-values. An always-valid p-value is the minimum over all looks so far.
    pub fn min(self, other: Self) -> Self {
        Self {
            ln: self.ln.min(other.ln),
        }
    }
}

impl Serialize for PValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.value())
    }
}
