//! The error level alpha and the direction of a test: what a caller decides before looking.

use serde::{Serialize, Serializer};

use super::missing::MissingReason;

/// Probability of a false alarm that the caller accepts, strictly between 0 and 1.
///
/// Every interval made from it is two-sided with coverage 1 - alpha.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Alpha(f64);

impl Alpha {
    /// One in twenty, the usual level.
    pub const FIVE_PERCENT: Self = Self(0.05);
    /// One in a thousand, the usual level of alarms.
    pub const ONE_PER_MILLE: Self = Self(0.001);

    /// Any level from 1e-12 to below 1. Below 1e-12 the tails of real data are not known.
    pub fn new(alpha: f64) -> Result<Self, MissingReason> {
        if (1e-12..1.0).contains(&alpha) {
            Ok(Self(alpha))
        } else {
            Err(MissingReason::OutOfRange("alpha"))
        }
    }

    /// The level as a number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The level that is left for one of `parts` equal shares (at least one).
    pub fn divided_by(self, parts: u32) -> Self {
        Self((self.0 / f64::from(parts.max(1))).max(1e-12))
    }

    /// The level in each of two tails.
    pub(crate) fn per_tail(self) -> f64 {
        self.0 / 2.0
    }
}

impl Serialize for Alpha {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

/// Which effects of the treatment count as evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Alternative {
    /// The arms differ, either way.
    #[default]
    TwoSided,
    /// The treatment is above the control (by more than the null value).
    Greater,
    /// The treatment is below the control.
    Less,
}
