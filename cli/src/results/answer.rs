//! The analysis as the API answers it, as far as the table shows it. Fields that a newer server adds are no
//! fault.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) experiment: About,
    pub(super) as_of: String,
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) to: Option<String>,
    pub(super) headline: String,
    pub(super) variants: Vec<Variant>,
    pub(super) health: Health,
    pub(super) metrics: Vec<Metric>,
    pub(super) method: Method,
}

#[derive(Debug, Deserialize)]
pub(super) struct About {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) started_at: Option<String>,
    #[serde(default)]
    pub(super) end: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Variant {
    pub(super) users: u64,
    #[serde(default)]
    pub(super) robots: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Health {
    pub(super) sample_ratio: SampleRatio,
}

#[derive(Debug, Deserialize)]
pub(super) struct SampleRatio {
    pub(super) verdict: String,
    pub(super) observed: Vec<u64>,
    pub(super) expected: Vec<f64>,
    #[serde(default)]
    pub(super) p_value: Option<f64>,
    pub(super) threshold: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metric {
    pub(super) key: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) kind: String,
    pub(super) event_type: String,
    pub(super) role: String,
    pub(super) direction: String,
    pub(super) variants: Vec<Value>,
    pub(super) comparisons: Vec<Comparison>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Value {
    pub(super) key: String,
    pub(super) users: u64,
    pub(super) converted: u64,
    #[serde(default)]
    pub(super) mean: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comparison {
    pub(super) variant: String,
    #[serde(default)]
    pub(super) absolute: Option<Absolute>,
    #[serde(default)]
    pub(super) relative: Option<Interval>,
    #[serde(default)]
    pub(super) undefined: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Absolute {
    #[serde(flatten)]
    pub(super) interval: Interval,
    pub(super) p_value: f64,
    pub(super) log10_p_value: f64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Interval {
    pub(super) estimate: f64,
    pub(super) ci_lower: f64,
    pub(super) ci_upper: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reason {
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Method {
    pub(super) alpha: f64,
    pub(super) conversion: String,
    pub(super) mean: String,
    pub(super) relative: String,
}
