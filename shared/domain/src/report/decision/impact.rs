//! The impact of an effect: in the metric's own unit, for all users, per month.

use crate::aggregates::{ExperimentAggregates, day_of};
use crate::allocation::Phase;
use crate::experiment::Experiment;
use crate::ids::{MetricKey, VariantKey};
use crate::metric::MetricKind;
use crate::reason::StatedReason;
use crate::report::effects::Bounds;
use crate::report::metrics::MetricReport;
use serde::Serialize;
use std::collections::BTreeMap;

/// A month, on average.
const DAYS_PER_MONTH: f64 = 30.4375;
/// Days that the traffic is estimated from: the latest ones.
const LATEST_DAYS: usize = 28;

/// The expected effect of shipping a variant to all users.
#[derive(Debug, Clone, Serialize)]
pub struct Impact {
    /// The metric.
    pub metric: MetricKey,
    /// The unit.
    pub unit: &'static str,
    /// Users per month if all users took part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_per_month: Option<f64>,
    /// The expected difference per month if all users got the variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_month: Option<Bounds>,
    /// Why the difference is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<StatedReason>,
}

impl Impact {
    pub(super) fn of(
        experiment: &Experiment,
        aggregates: &ExperimentAggregates,
        metric: &MetricReport,
        variant: &VariantKey,
    ) -> Self {
        let unit = match metric.metric.kind {
            MetricKind::Conversion => "converted users",
            MetricKind::Count => "events",
            MetricKind::Sum => "value",
            MetricKind::Ratio { .. } => "ratio",
            MetricKind::Quantile { .. } => "quantile",
        };
        let mut impact = Self {
            metric: metric.metric.key.clone(),
            unit,
            users_per_month: None,
            per_month: None,
            missing: None,
        };
        let adds_up = !matches!(
            metric.metric.kind,
            MetricKind::Ratio { .. } | MetricKind::Quantile { .. }
        );
        if !adds_up {
            impact.missing = Some(StatedReason {
                reason: "not_a_total",
                message: "A ratio or a quantile does not add up over a month.",
            });
            return impact;
        }
        let Some(users) = users_per_day(experiment, aggregates) else {
            impact.missing = Some(StatedReason {
                reason: "traffic_unknown",
                message: "Users were assigned on too few days to estimate the monthly traffic.",
            });
            return impact;
        };
        let phase = latest_phase(experiment, last_day(aggregates));
        let traffic = phase.map_or(experiment.allocation.traffic_percent, |phase| {
            phase.traffic_percent
        });
        let users = users * DAYS_PER_MONTH * 100.0 / traffic;
        let comparison = metric
            .comparisons
            .iter()
            .find(|comparison| comparison.variant == *variant);
        let absolute = comparison
            .and_then(|comparison| comparison.decisive.as_ref())
            .and_then(|decisive| decisive.absolute);
        if users.is_finite() {
            impact.users_per_month = Some(users);
            impact.per_month = absolute.map(|effect| Bounds {
                estimate: effect.estimate * users,
                ci_lower: effect.ci_lower * users,
                ci_upper: effect.ci_upper * users,
            });
        }
        if impact.per_month.is_none() {
            impact.missing = Some(StatedReason {
                reason: "no_difference",
                message: "The deciding method gives no absolute effect yet.",
            });
        }
        impact
    }
}

/// The latest day on which users were assigned.
fn last_day(aggregates: &ExperimentAggregates) -> Option<i64> {
    let cells = aggregates.variants.iter().flat_map(|variant| &variant.days);
    let days = cells.filter(|(_, cell)| cell.users > 0);
    days.map(|((day, _), _)| *day).max()
}

/// The latest phase that began until a day. Later phases are steps of a ramp that are to come.
fn latest_phase(experiment: &Experiment, day: Option<i64>) -> Option<&Phase> {
    let phases = experiment.allocation.phases.iter().rev();
    let mut begun = phases.filter(|phase| day.is_some_and(|day| day_of(phase.since) <= day));
    begun.next().or(experiment.allocation.phases.first())
}

/// Assigned users per day, over the latest days with the current traffic. None before there are two days.
pub(super) fn users_per_day(
    experiment: &Experiment,
    aggregates: &ExperimentAggregates,
) -> Option<f64> {
    let mut by_day = BTreeMap::<i64, u64>::new();
    for ((day, _), cell) in aggregates.variants.iter().flat_map(|variant| &variant.days) {
        if cell.users > 0 {
            *by_day.entry(*day).or_default() += cell.users;
        }
    }
    let last_day = by_day.keys().next_back().copied();
    let phase =
        latest_phase(experiment, last_day).filter(|_| experiment.allocation.phases.len() > 1);
    let since = phase.map_or(i64::MIN, |phase| day_of(phase.since) + 1);
    let first = by_day.range(since..).next().map(|(day, _)| *day)?;
    let last = by_day.range(since..).next_back().map(|(day, _)| *day)?;
    // The first and the last day are rarely complete.
    let (first, last) = if last - first >= 3 {
        (first + 1, last - 1)
    } else {
        (first, last)
    };
    let latest = i64::try_from(LATEST_DAYS).unwrap_or(28);
    let first = first.max(last - latest + 1);
    let days = last - first + 1;
    if days < 2 {
        return None;
    }
    let users: u64 = by_day.range(first..=last).map(|(_, users)| users).sum();
    #[expect(clippy::cast_precision_loss, reason = "counts of users and days")]
    let per_day = users as f64 / days as f64;
    (per_day > 0.0).then_some(per_day)
}
