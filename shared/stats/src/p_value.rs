//! A p-value that knows its natural logarithm, so that 1e-400 is still a number and not zero.

use std::f64::consts::LN_10;

use serde::{Serialize, Serializer};

/// A p-value in [0, 1], held as its natural logarithm.
///
/// Serialises as a plain number (zero below about 5e-324); [`PValue::log10`] stays exact there.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PValue {
    ln: f64,
}

impl PValue {
    /// The p-value that speaks of nothing: 1.
    pub const ONE: Self = Self { ln: 0.0 };

    /// From a natural logarithm, brought into the range of finite numbers up to 0.
    pub fn from_ln(ln: f64) -> Self {
        Self {
            ln: ln.clamp(f64::MIN, 0.0),
        }
    }

    /// From a number in [0, 1]; none for anything else.
    pub fn new(p: f64) -> Option<Self> {
        (0.0..=1.0).contains(&p).then(|| Self::from_ln(p.ln()))
    }

    /// The p-value as a number; zero when it is below the smallest f64.
    pub fn value(self) -> f64 {
        self.ln.exp()
    }

    /// Natural logarithm, right far beyond the underflow of [`PValue::value`].
    pub fn ln(self) -> f64 {
        self.ln
    }

    /// Logarithm to base 10: -200 for 1e-200.
    pub fn log10(self) -> f64 {
        self.ln / LN_10
    }

    /// The smaller of two, as an always-valid p-value keeps it over looks.
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
