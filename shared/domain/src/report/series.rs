//! Cumulative results by day, and the novelty effect.

use super::effects::Effects;
use super::estimate::ComparisonInputs;
use super::inputs::AnalysisInputs;
use super::pair::Pair;
use crate::aggregates::{AggregateCell, Day, VariantAggregates, start_of, sum_of};
use crate::contribution::COHORT_HOURS;
use crate::ids::VariantKey;
use crate::metric::{Metric, MetricKind};
use crate::sums::Overflow;
use crate::time::Timestamp;
use serde::Serialize;
use stats::{MissingReason, trend};

/// Columns of equal length, one row per day. A missing number is null.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// UTC days. A row has the state at the end of its day.
    pub days: Vec<String>,
    /// The variants.
    pub variants: Vec<VariantSeries>,
    /// The variants other than the baseline, by the deciding method.
    pub comparisons: Vec<ComparisonSeries>,
}

/// A variant by day.
#[derive(Debug, Clone, Serialize)]
pub struct VariantSeries {
    /// The variant.
    pub key: VariantKey,
    /// Users until then.
    pub users: Vec<u64>,
    /// The metric's value until then.
    pub mean: Vec<Option<f64>>,
}

/// A comparison by day: the lift until then.
#[derive(Debug, Clone, Serialize)]
pub struct ComparisonSeries {
    /// The variant.
    pub variant: VariantKey,
    /// The lift.
    pub lift: Vec<Option<f64>>,
    /// Lower end.
    pub ci_lower: Vec<Option<f64>>,
    /// Upper end.
    pub ci_upper: Vec<Option<f64>>,
    /// The p-value of the deciding method, not corrected.
    pub p_value: Vec<Option<f64>>,
}

/// The day as in RFC 3339.
pub(super) fn date(day: Day) -> String {
    start_of(day).to_string().chars().take(10).collect()
}

pub(super) fn series(
    inputs: &AnalysisInputs<'_>,
    metric: &Metric,
    latest_days: usize,
) -> Result<Series, Overflow> {
    let variants = &inputs.aggregates.variants;
    let known = || {
        variants
            .iter()
            .flat_map(|variant| variant.days.keys().map(|(day, _)| *day))
    };
    let (first, last) = match (known().min(), known().max()) {
        (Some(first), Some(last)) => (first, last),
        _ => (1, 0),
    };
    let keys = inputs.experiment.allocation.variants.as_slice();
    let mut series = Series {
        days: Vec::new(),
        variants: keys
            .iter()
            .map(|variant| VariantSeries {
                key: variant.key.clone(),
                users: Vec::new(),
                mean: Vec::new(),
            })
            .collect(),
        comparisons: inputs
            .others()
            .filter_map(|index| keys.get(index))
            .map(|variant| ComparisonSeries {
                variant: variant.key.clone(),
                lift: Vec::new(),
                ci_lower: Vec::new(),
                ci_upper: Vec::new(),
                p_value: Vec::new(),
            })
            .collect(),
    };
    let mut cells = vec![AggregateCell::default(); variants.len()];
    let most = i64::try_from(latest_days).unwrap_or(i64::MAX);
    for day in first..=last {
        for (cell, variant) in cells.iter_mut().zip(variants) {
            for change in variant.on(day) {
                cell.users += change.users;
                if let Some(sums) = change.metrics.get(&metric.key) {
                    cell.metrics
                        .entry(metric.key.clone())
                        .or_default()
                        .add(sums)?;
                }
            }
        }
        if last - day < most {
            push(&mut series, inputs, metric, &cells, day);
        }
    }
    Ok(series)
}

fn push(
    series: &mut Series,
    inputs: &AnalysisInputs<'_>,
    metric: &Metric,
    cells: &[AggregateCell],
    day: Day,
) {
    let arms = inputs.arms(metric, |index| cells.get(index));
    series.days.push(date(day));
    for (column, arm) in series.variants.iter_mut().zip(&arms) {
        column.users.push(arm.users);
        column
            .mean
            .push(super::arm::VariantValue::new(metric, arm).mean);
    }
    let comparison = ComparisonInputs {
        metric,
        arms: &arms,
        cap: None,
        plan: None,
        only_deciding: true,
        settings: &inputs.settings,
    };
    for (column, variant) in series.comparisons.iter_mut().zip(inputs.others()) {
        let estimate = comparison.estimate(inputs.baseline, variant);
        let decisive = estimate.as_ref().and_then(|estimate| estimate.decisive());
        let lift = decisive.and_then(|decisive| decisive.relative);
        column.lift.push(lift.map(|lift| lift.estimate));
        column.ci_lower.push(lift.map(|lift| lift.ci_lower));
        column.ci_upper.push(lift.map(|lift| lift.ci_upper));
        column
            .p_value
            .push(decisive.map(|decisive| decisive.p_value));
    }
}

/// The novelty effect: the trend of the lift over cohorts of users, by the day of their assignment. All users are
/// observed for equally long.
#[derive(Debug, Clone, Serialize)]
pub struct TrendReport {
    /// The variant.
    pub variant: VariantKey,
    /// Days with enough users to measure an effect.
    pub cohorts: usize,
    /// Hours that each user is observed for.
    pub hours: i64,
    /// Change of the lift from one day's cohort to the next day's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope_per_day: Option<f64>,
    /// Two-sided p-value of the slope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Whether the effect clearly decays towards zero.
    pub novelty_effect: bool,
    /// Why there is no slope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingReason>,
}

pub(super) fn novelty(
    inputs: &AnalysisInputs<'_>,
    metric: &Metric,
    as_of: Timestamp,
) -> Vec<TrendReport> {
    if matches!(metric.kind, MetricKind::Quantile { .. }) {
        return Vec::new();
    }
    let variants = &inputs.aggregates.variants;
    let days: std::collections::BTreeSet<Day> = variants
        .iter()
        .flat_map(|variant| variant.cohorts.keys().map(|(day, _)| *day))
        // The last user of the day must have been observed for the whole period.
        .filter(|day| start_of(*day + 1).plus_micros(COHORT_HOURS * 3_600_000_000) <= as_of)
        .collect();
    let of_variant = |variant: usize| {
        let effect = |day: &Day| {
            let cohort = |variant: &VariantAggregates| {
                sum_of(
                    variant
                        .cohorts
                        .range((*day, 0)..=(*day, u8::MAX))
                        .map(|(_, cell)| cell),
                )
            };
            let cells: Vec<AggregateCell> =
                variants.iter().map(cohort).collect::<Result<_, _>>().ok()?;
            let arms = inputs.arms(metric, |index| cells.get(index));
            let (control, treatment) = (arms.get(inputs.baseline)?, arms.get(variant)?);
            let pair = Pair {
                metric,
                control,
                treatment,
                alpha: inputs.settings.alpha,
            };
            let effects = Effects::of(&pair).ok()?;
            #[expect(clippy::cast_precision_loss, reason = "a number of days")]
            let period = *day as f64;
            Some((period, effects.relative.ok()?))
        };
        let cohorts: Vec<_> = days.iter().filter_map(effect).collect();
        let found = trend(&cohorts);
        let key = inputs
            .experiment
            .allocation
            .variants
            .as_slice()
            .get(variant)?;
        Some(TrendReport {
            variant: key.key.clone(),
            cohorts: cohorts.len(),
            hours: COHORT_HOURS,
            slope_per_day: found.as_ref().ok().map(|trend| trend.slope),
            p_value: found.as_ref().ok().map(|trend| trend.p_value.value()),
            novelty_effect: found.as_ref().is_ok_and(|trend| trend.is_novelty()),
            missing: found.err(),
        })
    };
    inputs.others().filter_map(of_variant).collect()
}
