//! The error level alpha and the alternative of a test, which the caller sets before the analysis.

use serde::{Serialize, Serializer};

use super::missing::MissingReason;

/// The error level: the accepted probability of a false positive, from 1e-12 to below 1.
///
/// Intervals at this level are two-sided with coverage 1 - alpha.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Alpha(f64);

impl Alpha {
    /// 0.05, the usual level.
    pub const FIVE_PERCENT: Self = Self(0.05);
    /// 0.001, the usual level of alarms.
    pub const ONE_PER_MILLE: Self = Self(0.001);

    /// Creates an error level from 1e-12 to below 1. The tails of real data are unknown below 1e-12.
    ///
    /// # Errors
    /// [`MissingReason::OutOfRange`] if the level is.
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

    /// The level divided into `parts` equal parts (at least one): the level of one part.
    pub fn divided_by(self, parts: u32) -> Self {
        Self((self.0 / f64::from(parts.max(1))).max(1e-12))
    }

    /// The error level in each of two tails.
    pub(crate) fn per_tail(self) -> f64 {
        self.0 / 2.0
    }
}

impl Serialize for Alpha {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

/// The alternative hypothesis of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Alternative {
    /// The effect differs from the null value in either direction.
    #[default]
    TwoSided,
    /// The effect, treatment minus control, is greater than the null value.
    Greater,
    /// The effect, treatment minus control, is less than the null value.
    Less,
}
