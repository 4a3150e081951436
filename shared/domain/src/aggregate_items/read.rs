//! From numbers back to the aggregates that a report is computed from.

use super::{AggregateItemKey, AggregateItems, AggregateLayout, ItemNumbers, metrics};
use crate::aggregates::{AggregateCell, Day, ExperimentAggregates, VariantAggregates};
use crate::experiment::Experiment;
use crate::ids::MetricKey;
use crate::sums::MetricSums;

/// A number that is impossible or in the wrong item. The aggregates must be computed again by a backfill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the aggregate_items hold `{name}` = {number} in {item:?}")]
pub struct DamagedAggregates {
    /// The item.
    pub item: Box<AggregateItemKey>,
    /// The name of the number.
    pub name: String,
    /// Its value.
    pub number: i128,
}

impl AggregateItems {
    /// The aggregates, complete or as they were at the beginning of a day. Without `pre_exposure` they have no
    /// covariates.
    ///
    /// # Errors
    /// If a number is impossible.
    pub fn aggregates(
        &self,
        experiment: &Experiment,
        layout: &AggregateLayout,
        before: Option<Day>,
        pre_exposure: bool,
    ) -> Result<ExperimentAggregates, DamagedAggregates> {
        let mut aggregates =
            ExperimentAggregates::empty(experiment.allocation.variants.as_slice().len());
        for (item, numbers) in &self.0 {
            if before.is_some_and(|before| item.day().is_some_and(|day| day >= before)) {
                continue;
            }
            for (name, number) in numbers {
                put(&mut aggregates, layout, item, name, *number).ok_or_else(|| {
                    DamagedAggregates {
                        item: Box::new(item.clone()),
                        name: name.clone(),
                        number: *number,
                    }
                })?;
            }
        }
        if !pre_exposure {
            for variant in &mut aggregates.variants {
                forget_pre_exposure(variant, layout);
            }
        }
        Ok(aggregates)
    }

    /// The numbers of one item.
    pub fn numbers(&self, item: &AggregateItemKey) -> Option<&ItemNumbers> {
        self.0.get(item)
    }
}

fn put(
    aggregates: &mut ExperimentAggregates,
    layout: &AggregateLayout,
    item: &AggregateItemKey,
    name: &str,
    number: i128,
) -> Option<()> {
    let count = || u64::try_from(number).ok();
    match item {
        AggregateItemKey::Days {
            day,
            variant,
            phase,
            dimension,
            ..
        } => {
            let variant = aggregates.variants.get_mut(*variant)?;
            let days = match dimension {
                None => &mut variant.days,
                Some(dimension) => variant.dimensions.entry(dimension.clone()).or_default(),
            };
            put_in_cell(
                days.entry((*day, *phase)).or_default(),
                layout,
                name,
                number,
            )
        }
        AggregateItemKey::Cohort {
            day,
            offset,
            variant,
            ..
        } => {
            let variant = aggregates.variants.get_mut(*variant)?;
            let cell = variant.cohorts.entry((*day, *offset)).or_default();
            put_in_cell(cell, layout, name, number)
        }
        AggregateItemKey::Hour(hour) => {
            let variants = aggregates.variants.len();
            let hour = aggregates.hours.entry(*hour).or_default();
            let (kind, rest) = name.split_at_checked(1)?;
            let (counts, variant) = match kind {
                "a" => (&mut hour.assigned, rest),
                "e" => {
                    let (variant, event_type) = rest.split_once('.')?;
                    let event_type = layout.event_type(event_type)?;
                    (hour.events.entry(event_type).or_default(), variant)
                }
                _ => return None,
            };
            counts.resize(variants, 0);
            *counts.get_mut(variant.parse::<usize>().ok()?)? += count()?;
            Some(())
        }
        AggregateItemKey::EventAccounting(day) => {
            let (kind, event_type) = name.split_once('.')?;
            let event_type = layout.event_type(event_type)?;
            let types = aggregates.event_accounting.entry(*day).or_default();
            let event_counts = types.entry(event_type).or_default();
            let disposition = match kind {
                "c" => &mut event_counts.counted,
                "e" => &mut event_counts.excluded_by_end,
                "w" => &mut event_counts.outside_window,
                "o" => &mut event_counts.other_users,
                "x" => &mut event_counts.excluded_users,
                _ => return None,
            };
            *disposition += count()?;
            Some(())
        }
        AggregateItemKey::Records => {
            aggregates.records += (name == "n").then_some(count()?)?;
            Some(())
        }
        AggregateItemKey::OutlierUsers => {
            let (kind, variant) = name.split_at_checked(1)?;
            let variant = variant.parse::<usize>().ok()?;
            let variant = aggregates.variants.get_mut(variant)?;
            let users = match kind {
                "v" => &mut variant.outlier_users,
                "x" => &mut variant.excluded_users,
                _ => return None,
            };
            *users += count()?;
            Some(())
        }
    }
}

fn put_in_cell(
    cell: &mut AggregateCell,
    layout: &AggregateLayout,
    name: &str,
    number: i128,
) -> Option<()> {
    if name == "u" {
        cell.users += u64::try_from(number).ok()?;
        return Some(());
    }
    let (metric, name) = name.split_once('.')?;
    let keys = match name.starts_with(['+', '-']) {
        true => layout.sharing_buckets(metric)?,
        false => vec![layout.key_of(metric)?],
    };
    for key in keys {
        metrics::put(cell.metrics.entry(key.clone()).or_default(), name, number)?;
    }
    Some(())
}

fn forget_pre_exposure(variant: &mut VariantAggregates, layout: &AggregateLayout) {
    let own = |key: &MetricKey| {
        let metric = layout
            .spec()
            .metrics
            .iter()
            .find(|metric| metric.key == *key);
        1 + usize::from(metric.is_some_and(|metric| metric.denominator.is_some()))
    };
    let dimensions = variant.dimensions.values_mut().flatten();
    let cells = variant.days.iter_mut().chain(dimensions);
    for (_, cell) in cells {
        for (key, sums) in &mut cell.metrics {
            metrics::without_pre_exposure(sums, own(key));
        }
        // The user had only pre-exposure data.
        cell.metrics
            .retain(|_, sums| *sums != MetricSums::default());
    }
    variant
        .days
        .retain(|_, cell| *cell != AggregateCell::default());
    for days in variant.dimensions.values_mut() {
        days.retain(|_, cell| *cell != AggregateCell::default());
    }
}
