//! The report of an experiment: what the sums say, with how much certainty, or why they say nothing.
//!
//! Everything that is missing is absent with a reason, never zero. The sums themselves are part of the
//! analysis, so that anybody can compute the rest again.

mod compare;
mod csv;
mod health;
mod summary;

pub use compare::{Comparison, Difference, RelativeDifference};
pub use csv::to_csv;
pub use health::{SampleRatio, SampleRatioVerdict};
pub use summary::Summary;

use super::decimal::Decimal;
use super::experiment::{Experiment, Status};
use super::fold::{Tally, TypeSums, Window};
use super::ids::{EventType, ExperimentId, MetricKey, VariantKey};
use super::metric::{Direction, Metric, MetricKind, MetricRole};
use super::time::Timestamp;
use crate::stats::{Moments, Proportion, Undefined};
use serde::Serialize;
use std::collections::BTreeSet;

/// The whole analysis.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What it is about.
    pub experiment: About,
    /// When it was computed.
    pub as_of: Timestamp,
    /// The part of the time looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The part of the time looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// What the numbers say, in words.
    pub headline: String,
    /// Where the numbers come from.
    pub source: &'static str,
    /// Who took part.
    pub variants: Vec<VariantUsers>,
    /// Whether the numbers can be trusted.
    pub health: Health,
    /// What was measured.
    pub metrics: Vec<MetricReport>,
    /// How it was computed.
    pub method: Method,
}

/// The experiment in short.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    /// Its id.
    pub id: ExperimentId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// Which version of the definition was used.
    pub version: u64,
    /// When it first ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// From when on nothing counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

/// The users of one variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantUsers {
    /// Which variant.
    pub key: VariantKey,
    /// Whether the others are compared with it.
    pub control: bool,
    /// Its share by the definition, in percent.
    pub percent: f64,
    /// Users assigned, robots excepted.
    pub users: u64,
    /// Users left out because no person has that many events.
    pub robots: u64,
}

/// Checks on the data.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// Whether the variants got the users that they should have got.
    pub sample_ratio: SampleRatio,
}

/// One metric: the value of each variant, and each variant against the control.
#[derive(Debug, Clone, Serialize)]
pub struct MetricReport {
    /// Its key.
    pub key: MetricKey,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How events become a user's value.
    pub kind: MetricKind,
    /// The events that it is made of.
    pub event_type: EventType,
    /// What it is for.
    pub role: MetricRole,
    /// Which way is better.
    pub direction: Direction,
    /// Each variant.
    pub variants: Vec<VariantValue>,
    /// Each variant but the control, against the control.
    pub comparisons: Vec<Comparison>,
}

/// A metric in one variant, with the sums that it follows from.
#[derive(Debug, Clone, Serialize)]
pub struct VariantValue {
    /// Which variant.
    pub key: VariantKey,
    /// Users assigned: every one counts, with or without an event.
    pub users: u64,
    /// Users with at least one event.
    pub converted: u64,
    /// Σ over users, exactly.
    pub sum: String,
    /// Σ of squares over users, exactly.
    pub sum_squares: String,
    /// Mean per user; for a conversion the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Unbiased variance over users; for a conversion p(1−p).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<f64>,
    /// Why mean or variance is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined: Option<Undefined>,
}

/// How the numbers were computed.
#[derive(Debug, Clone, Serialize)]
pub struct Method {
    /// Two-sided error level.
    pub alpha: f64,
    /// Test for conversions.
    pub conversion: &'static str,
    /// Test for counts and sums.
    pub mean: &'static str,
    /// Interval of a relative difference.
    pub relative: &'static str,
}

/// Two-sided error level of intervals.
pub const ALPHA: f64 = 0.05;

/// A metric's observations in one variant.
pub(super) enum Observed {
    Rate(Proportion),
    Mean(Moments),
}

impl Report {
    /// The report that follows from the sums.
    ///
    /// `only`: the keys of the metrics to report, all if empty.
    pub fn new(
        experiment: &Experiment,
        tally: &Tally,
        window: Window,
        only: &BTreeSet<MetricKey>,
        as_of: Timestamp,
    ) -> Self {
        let metrics = metrics_of(experiment, tally)
            .into_iter()
            .filter(|metric| only.is_empty() || only.contains(&metric.key))
            .map(|metric| metric_report(experiment, tally, metric))
            .collect();
        let users = |(index, variant): (usize, &super::allocation::Variant)| {
            let tally = tally.variants.get(index);
            VariantUsers {
                key: variant.key.clone(),
                control: index == 0,
                percent: variant.percent,
                users: tally.map_or(0, |tally| tally.users()),
                robots: tally.map_or(0, |tally| tally.robots),
            }
        };
        let mut report = Self {
            experiment: About {
                id: experiment.id.clone(),
                name: experiment.name.clone(),
                status: experiment.status,
                version: experiment.version,
                started_at: experiment.started_at,
                end: experiment.end(),
            },
            as_of,
            from: window.from,
            to: window.to,
            headline: String::new(),
            source: "raw",
            variants: experiment
                .variants
                .as_slice()
                .iter()
                .enumerate()
                .map(users)
                .collect(),
            health: Health {
                sample_ratio: SampleRatio::check(experiment, tally),
            },
            metrics,
            method: Method {
                alpha: ALPHA,
                conversion: "two-proportion z, pooled; interval: Newcombe",
                mean: "Welch t",
                relative: "log ratio where both means are positive, else Fieller",
            },
        };
        report.headline = summary::headline(&report);
        report
    }
}

/// The declared metrics, or those of every event type that was seen.
pub fn metrics_of(experiment: &Experiment, tally: &Tally) -> Vec<Metric> {
    if !experiment.metrics.is_empty() {
        return experiment.metrics.clone();
    }
    let types: BTreeSet<&EventType> = tally
        .variants
        .iter()
        .flat_map(|variant| variant.types.keys())
        .collect();
    types.into_iter().flat_map(Metric::of_seen_type).collect()
}

fn metric_report(experiment: &Experiment, tally: &Tally, metric: Metric) -> MetricReport {
    let observed: Vec<(VariantKey, u64, TypeSums)> = experiment
        .variants
        .as_slice()
        .iter()
        .enumerate()
        .map(|(index, variant)| {
            let tally = tally.variants.get(index);
            let sums = tally
                .and_then(|tally| tally.types.get(&metric.event_type))
                .copied();
            (
                variant.key.clone(),
                tally.map_or(0, |tally| tally.users()),
                sums.unwrap_or_default(),
            )
        })
        .collect();
    let comparisons = observed
        .split_first()
        .map(|(control, others)| {
            others
                .iter()
                .map(|other| {
                    let before = observations(metric.kind, control.1, &control.2);
                    let after = observations(metric.kind, other.1, &other.2);
                    Comparison::new(&control.0, before, &other.0, after)
                })
                .collect()
        })
        .unwrap_or_default();
    MetricReport {
        variants: observed
            .iter()
            .map(|(key, users, sums)| variant_value(metric.kind, key, *users, sums))
            .collect(),
        comparisons,
        key: metric.key,
        name: metric.name,
        kind: metric.kind,
        event_type: metric.event_type,
        role: metric.role,
        direction: metric.direction,
    }
}

fn observations(kind: MetricKind, users: u64, sums: &TypeSums) -> Result<Observed, Undefined> {
    match kind {
        MetricKind::Conversion => Proportion::new(users, sums.users).map(Observed::Rate),
        MetricKind::Count => Ok(Observed::Mean(sums.count_moments(users))),
        MetricKind::Sum => Ok(Observed::Mean(sums.value_moments(users))),
    }
}

fn variant_value(kind: MetricKind, key: &VariantKey, users: u64, sums: &TypeSums) -> VariantValue {
    let (sum, squares) = match kind {
        MetricKind::Conversion => (sums.users.to_string(), sums.users.to_string()),
        MetricKind::Count => (exact(sums.count, 6), exact(sums.count_squares, 12)),
        MetricKind::Sum => (exact(sums.value, 6), exact(sums.value_squares, 12)),
    };
    let numbers = observations(kind, users, sums).and_then(|observed| match observed {
        Observed::Rate(rate) => Ok((rate.rate(), Ok(rate.variance()))),
        Observed::Mean(moments) => Ok((moments.mean()?, moments.variance())),
    });
    let (mean, variance, undefined) = match numbers {
        Ok((mean, Ok(variance))) => (Some(mean), Some(variance), None),
        Ok((mean, Err(undefined))) => (Some(mean), None, Some(undefined)),
        Err(undefined) => (None, None, Some(undefined)),
    };
    VariantValue {
        key: key.clone(),
        users,
        converted: sums.users,
        sum,
        sum_squares: squares,
        mean,
        variance,
        undefined,
    }
}

/// An integer with so many decimal places, as a plain number without trailing zeros.
fn exact(scaled: i128, places: usize) -> String {
    if places == 6 {
        return Decimal::from_millionths(scaled).to_string();
    }
    let sign = if scaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", scaled.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}
