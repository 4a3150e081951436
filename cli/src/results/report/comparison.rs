//! Comparisons of a variant with the baseline: for all users, by dimension, and by day.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) variant: String,
    pub(crate) finding: String,
    #[serde(default)]
    pub(crate) decisive: Option<Decisive>,
    #[serde(default)]
    pub(crate) absolute: Option<Difference>,
    #[serde(default)]
    pub(crate) bayesian: Option<Bayesian>,
    #[serde(default)]
    pub(crate) cuped_adjusted: Option<CupedAdjusted>,
    #[serde(default)]
    pub(crate) capped: Option<Capped>,
    #[serde(default)]
    pub(crate) non_inferiority: Option<NonInferiority>,
    #[serde(default)]
    pub(crate) power_to_date: Option<PowerToDate>,
    #[serde(default)]
    pub(crate) missing: Vec<Missing>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Interval {
    pub(crate) estimate: f64,
    pub(crate) ci_lower: f64,
    pub(crate) ci_upper: f64,
}

/// The result of the deciding method.
#[derive(Debug, Deserialize)]
pub(crate) struct Decisive {
    #[serde(default)]
    pub(crate) absolute: Option<Interval>,
    #[serde(default)]
    pub(crate) relative: Option<Interval>,
    pub(crate) p_value: f64,
    pub(crate) log10_p_value: f64,
    pub(crate) adjusted_p_value: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Difference {
    #[serde(flatten)]
    pub(crate) interval: Interval,
    pub(crate) p_value: f64,
    pub(crate) log10_p_value: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Bayesian {
    pub(crate) chance_to_win: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CupedAdjusted {
    pub(crate) variance_reduction: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Capped {
    pub(crate) cap: f64,
    #[serde(default)]
    pub(crate) lower_cap: Option<f64>,
    pub(crate) absolute: Difference,
    #[serde(default)]
    pub(crate) relative: Option<Interval>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NonInferiority {
    pub(crate) margin: f64,
    pub(crate) worst: f64,
    pub(crate) shown: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PowerToDate {
    pub(crate) minimum_detectable_effect: f64,
    pub(crate) power: f64,
    pub(crate) target_power: f64,
    #[serde(default)]
    pub(crate) additional_users_needed: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Missing {
    pub(crate) what: String,
    pub(crate) message: String,
}

/// A comparison by the values of a dimension.
#[derive(Debug, Deserialize)]
pub(crate) struct DimensionReport {
    pub(crate) by: String,
    pub(crate) variant: String,
    #[serde(default)]
    pub(crate) heterogeneity: Option<Heterogeneity>,
    #[serde(default)]
    pub(crate) different: Vec<String>,
    pub(crate) values: Vec<DimensionComparison>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Heterogeneity {
    pub(crate) p_value: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DimensionComparison {
    pub(crate) value: String,
    pub(crate) users: [u64; 2],
    #[serde(default)]
    pub(crate) means: Option<[f64; 2]>,
    #[serde(default)]
    pub(crate) relative: Option<Interval>,
    #[serde(default)]
    pub(crate) adjusted_p_value: Option<f64>,
    #[serde(default)]
    pub(crate) different_p_value: Option<f64>,
}

/// Results by day. Each list has one item per day.
#[derive(Debug, Deserialize)]
pub(crate) struct Series {
    pub(crate) days: Vec<String>,
    pub(crate) variants: Vec<VariantSeries>,
    pub(crate) comparisons: Vec<ComparisonSeries>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct VariantSeries {
    pub(crate) key: String,
    pub(crate) users: Vec<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ComparisonSeries {
    pub(crate) variant: String,
    pub(crate) lift: Vec<Option<f64>>,
    pub(crate) ci_lower: Vec<Option<f64>>,
    pub(crate) ci_upper: Vec<Option<f64>>,
    pub(crate) p_value: Vec<Option<f64>>,
}
