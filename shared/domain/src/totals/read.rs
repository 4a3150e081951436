//! From numbers back to the sums that a report is made from.

use super::{Item, Numbers, Spec, Totals, metrics};
use crate::experiment::Experiment;
use crate::ids::{EventType, MetricKey};
use crate::sums::MetricSums;
use crate::tally::{Cell, Day, Tally, VariantTally};

/// A number that no sum has, or one that is not in its place. The totals must be made again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the totals hold `{name}` = {number} in {item:?}")]
pub struct Damaged {
    /// Where.
    pub item: Box<Item>,
    /// Which number.
    pub name: String,
    /// Its value.
    pub number: i128,
}

impl Totals {
    /// The tally of the same users: all of it, or as it was at the beginning of a day. Without `past` as if nothing
    /// were known of what the users did before.
    ///
    /// # Errors
    /// If there is a number that can't be.
    pub fn tally(
        &self,
        experiment: &Experiment,
        spec: &Spec,
        before: Option<Day>,
        past: bool,
    ) -> Result<Tally, Damaged> {
        let mut tally = Tally::of_nobody(experiment.variants.as_slice().len());
        for (item, numbers) in &self.0 {
            if before.is_some_and(|before| item.day().is_some_and(|day| day >= before)) {
                continue;
            }
            for (name, number) in numbers {
                put(&mut tally, spec, item, name, *number).ok_or_else(|| Damaged {
                    item: Box::new(item.clone()),
                    name: name.clone(),
                    number: *number,
                })?;
            }
        }
        if !past {
            for variant in &mut tally.variants {
                forget_past(variant, spec);
            }
        }
        Ok(tally)
    }

    /// The numbers of one item.
    pub fn numbers(&self, item: &Item) -> Option<&Numbers> {
        self.0.get(item)
    }
}

fn put(tally: &mut Tally, spec: &Spec, item: &Item, name: &str, number: i128) -> Option<()> {
    let count = || u64::try_from(number).ok();
    match item {
        Item::Days {
            day,
            variant,
            phase,
            segment,
            ..
        } => {
            let variant = tally.variants.get_mut(*variant)?;
            let days = match segment {
                None => &mut variant.days,
                Some(segment) => variant.segments.entry(segment.clone()).or_default(),
            };
            put_in_cell(days.entry((*day, *phase)).or_default(), spec, name, number)
        }
        Item::Cohort {
            day,
            offset,
            variant,
            ..
        } => {
            let variant = tally.variants.get_mut(*variant)?;
            let cell = variant.cohorts.entry((*day, *offset)).or_default();
            put_in_cell(cell, spec, name, number)
        }
        Item::Hour(hour) => {
            let variants = tally.variants.len();
            let hour = tally.hours.entry(*hour).or_default();
            let (kind, rest) = name.split_at_checked(1)?;
            let (counts, variant) = match kind {
                "a" => (&mut hour.assigned, rest),
                "e" => {
                    let (variant, event_type) = rest.split_once('.')?;
                    let event_type = EventType::parse(event_type).ok()?;
                    (hour.events.entry(event_type).or_default(), variant)
                }
                _ => return None,
            };
            counts.resize(variants, 0);
            *counts.get_mut(variant.parse::<usize>().ok()?)? += count()?;
            Some(())
        }
        Item::Ledger(day) => {
            let (kind, event_type) = name.split_once('.')?;
            let event_type = EventType::parse(event_type).ok()?;
            let types = tally.ledger.entry(*day).or_default();
            let fates = types.entry(event_type).or_default();
            let fate = match kind {
                "c" => &mut fates.counted,
                "e" => &mut fates.after_end,
                "w" => &mut fates.outside_window,
                "o" => &mut fates.other_users,
                _ => return None,
            };
            *fate += count()?;
            Some(())
        }
        Item::Robots => {
            let variant = name.strip_prefix('v')?.parse::<usize>().ok()?;
            tally.variants.get_mut(variant)?.robots += count()?;
            Some(())
        }
    }
}

fn put_in_cell(cell: &mut Cell, spec: &Spec, name: &str, number: i128) -> Option<()> {
    if name == "u" {
        cell.users += u64::try_from(number).ok()?;
        return Some(());
    }
    // A key may hold dots; what follows the last one may not.
    let (key, name) = name.rsplit_once('.')?;
    let key = metrics::key_of(spec, key)?;
    metrics::put(cell.metrics.entry(key).or_default(), name, number)
}

fn forget_past(variant: &mut VariantTally, spec: &Spec) {
    let own = |key: &MetricKey| {
        let metric = spec.metrics.iter().find(|metric| metric.key == *key);
        1 + usize::from(metric.is_some_and(|metric| metric.denominator.is_some()))
    };
    let segments = variant.segments.values_mut().flatten();
    let cells = variant.days.iter_mut().chain(segments);
    for (_, cell) in cells {
        for (key, sums) in &mut cell.metrics {
            metrics::without_past(sums, own(key));
        }
        // With nothing left the user was only here before.
        cell.metrics
            .retain(|_, sums| *sums != MetricSums::default());
    }
    variant.days.retain(|_, cell| *cell != Cell::default());
    for days in variant.segments.values_mut() {
        days.retain(|_, cell| *cell != Cell::default());
    }
}
