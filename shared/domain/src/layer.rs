//! Layers: experiments of one layer have no users in common.
//!
//! A layer divides units of one kind: an account and a user would have no bucket value in common. It has a hash of its own,
//! with 10,000 bucket values. Each experiment of the layer has ranges of these values, and
//! no value belongs to two experiments. A definition contains a copy of its ranges, so that an evaluation reads no layer.
//! A layer is what GrowthBook's SDKs call a filter with hash version 2.

mod ranges;

pub use ranges::{BucketRange, LayerRange, LayerRanges, percent_of};

use super::Invalid;
use super::bucketing::bucket;
use super::ids::{ExperimentId, LayerId, UnitKind, UserId};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Identifies it in paths and definitions.
    pub id: LayerId,
    /// Number of its changes, from 1; the `ETag`. The ranges of its experiments are part of it.
    pub version: u64,
    /// A name for readers.
    pub name: String,
    /// A description for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// What its experiments assign. None until it is declared or the first experiment joins.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<UnitKind>,
    /// Seed of the hash.
    pub seed: String,
    /// The bucket values that are or were given to experiments.
    pub ranges: LayerRanges,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A percentage of the users of a layer, in hundredths: the number of bucket values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct LayerPercent(u16);

impl LayerPercent {
    /// Reads a percentage. It is rounded to two decimals, because a layer has 10,000 bucket values.
    ///
    /// # Errors
    /// If it is not from 0.01 to 100.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let percent = text.parse().ok();
        percent.and_then(Self::rounded).ok_or_else(not_a_percentage)
    }

    fn rounded(percent: f64) -> Option<Self> {
        let allowed = (0.01..=100.0).contains(&percent);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 1 to 10,000"
        )]
        allowed.then(|| Self((percent * 100.0).round() as u16))
    }

    /// The number of bucket values.
    pub fn buckets(self) -> u16 {
        self.0
    }

    /// The percentage.
    pub fn percent(self) -> f64 {
        percent_of(self.0)
    }
}

impl TryFrom<f64> for LayerPercent {
    type Error = Invalid;
    fn try_from(percent: f64) -> Result<Self, Invalid> {
        Self::rounded(percent).ok_or_else(not_a_percentage)
    }
}

impl From<LayerPercent> for f64 {
    fn from(percent: LayerPercent) -> f64 {
        percent.percent()
    }
}

fn not_a_percentage() -> Invalid {
    Invalid::new(
        "not_a_percentage",
        "Must be a number from 0.01 to 100. It is rounded to two decimals.",
    )
}

/// The part of a layer that an experiment has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerShare {
    /// The layer.
    pub id: LayerId,
    /// The percentage of all users.
    pub percent: LayerPercent,
    /// Seed of the layer's hash.
    pub seed: String,
    /// The bucket values.
    pub ranges: Vec<BucketRange>,
}

impl LayerShare {
    /// A request for a part of a layer. It contains no user until the layer gives it ranges.
    pub fn requested(id: LayerId, percent: LayerPercent) -> Self {
        Self {
            id,
            percent,
            seed: String::new(),
            ranges: Vec::new(),
        }
    }

    /// Whether the user's bucket value is in one of the ranges.
    pub fn contains(&self, user: &UserId) -> bool {
        let bucket = bucket(&self.seed, user.as_str());
        self.ranges.iter().any(|range| range.contains(bucket))
    }
}

impl Layer {
    /// A new layer without experiments.
    pub fn new(
        id: LayerId,
        seed: String,
        name: String,
        description: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            version: 1,
            name,
            description,
            unit: None,
            seed,
            ranges: LayerRanges::default(),
            created_at: now,
            updated_at: now,
        }
    }

    /// The next version, with other texts.
    #[must_use]
    pub fn with_texts(self, name: String, description: Option<String>, now: Timestamp) -> Self {
        Self {
            version: self.version + 1,
            name,
            description,
            updated_at: now,
            ..self
        }
    }

    /// The same layer with a declared kind of unit. No kind declares nothing.
    ///
    /// # Errors
    /// If it has another kind, or experiments have had a part of it before a kind was known.
    pub fn with_unit(self, unit: Option<UnitKind>) -> Result<Self, Invalid> {
        let detail = match (&unit, &self.unit) {
            (None, _) => return Ok(self),
            (Some(new), Some(unit)) if new == unit => return Ok(self),
            (Some(_), None) if self.ranges.as_slice().is_empty() => return Ok(Self { unit, ..self }),
            (Some(_), Some(unit)) => {
                format!("The layer has the unit `{unit}`, which cannot change. Create another layer.")
            }
            (Some(_), None) => "The layer has or had experiments, so its unit is that of the next one that joins. Leave \
                                `unit` out."
                .to_owned(),
        };
        Err(Invalid::new("unit_fixed", detail))
    }

    /// Lets an experiment with this kind of unit join: the first one sets the kind of the layer.
    ///
    /// # Errors
    /// If the layer has another kind.
    pub(crate) fn join(&mut self, unit: &UnitKind) -> Result<(), Invalid> {
        let own = self.unit.get_or_insert_with(|| unit.clone());
        if own == unit {
            return Ok(());
        }
        let detail = format!(
            "The layer `{}` is for experiments with the unit `{own}`, and this one has `{unit}`: they could not exclude each \
             other. Choose another layer, or create the experiment with the unit `{own}`.",
            self.id
        );
        Err(Invalid::new("other_unit", detail))
    }

    /// The share of an experiment with its current ranges.
    pub fn share(&self, experiment: &ExperimentId, percent: LayerPercent) -> LayerShare {
        LayerShare {
            id: self.id.clone(),
            percent,
            seed: self.seed.clone(),
            ranges: self.ranges.of(experiment),
        }
    }
}
