//! Sums over users as plain numbers in items: the form in which they are kept and changed.
//!
//! A [`Totals`] is a sparse vector of integers. Those of different users add up, and a user's own can be taken away
//! again, digit for digit; so it does not matter in which order, in how many pieces, or how often users are looked
//! at again. It says the same as a [`Tally`], which is made from it to be read.

mod item;
mod metrics;
mod read;

pub use item::Item;
pub use read::Damaged;

use super::experiment::Experiment;
use super::ids::SegmentKey;
use super::metric::MetricSpec;
use super::subject::{Contribution, Subject};
use super::sums::Overflow;
use super::tally::{Cell, Days, Segment, Tally};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The numbers of one item, by attribute.
pub type Numbers = BTreeMap<String, i128>;

/// What the sums are of. Everything else about an experiment may change without touching them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// No metrics: those of every event type seen.
    pub metrics: Vec<MetricSpec>,
    /// By what the users are told apart.
    pub segments: Vec<SegmentKey>,
}

impl Spec {
    /// What an experiment's sums are to be of.
    pub fn of(experiment: &Experiment) -> Self {
        Self {
            metrics: experiment.metrics.iter().map(MetricSpec::from).collect(),
            segments: experiment.segments.clone(),
        }
    }
}

/// Sums as numbers in items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<Item, Numbers>);

impl Totals {
    /// What one user adds.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn of(subject: &Subject, spec: &Spec, variants: usize) -> Result<Self, Overflow> {
        let mut tally = Tally::of_nobody(variants);
        Contribution::new(&spec.metrics, true).add(subject, &mut tally)?;
        Ok(Self::of_tally(&tally, spec))
    }

    /// A tally as numbers.
    pub fn of_tally(tally: &Tally, spec: &Spec) -> Self {
        let mut totals = Self::default();
        for (index, variant) in tally.variants.iter().enumerate() {
            totals.set(Item::Robots, format!("v{index}"), variant.robots);
            totals.days(index, &variant.days, None, spec);
            for (segment, days) in &variant.segments {
                totals.days(index, days, Some(segment), spec);
            }
            for ((day, offset), cell) in &variant.cohorts {
                let item = |page| Item::Cohort {
                    day: *day,
                    offset: *offset,
                    variant: index,
                    page,
                };
                totals.set(item(0), "u".to_owned(), cell.users);
                totals.metrics(cell, spec, |page, _| item(page));
            }
        }
        for (day, types) in &tally.ledger {
            for (event_type, fates) in types {
                let mut set = |fate: char, events: u64| {
                    totals.set(Item::Ledger(*day), format!("{fate}.{event_type}"), events);
                };
                set('c', fates.counted);
                set('e', fates.after_end);
                set('w', fates.outside_window);
                set('o', fates.other_users);
            }
        }
        for (hour, traffic) in &tally.hours {
            for (variant, users) in traffic.assigned.iter().enumerate() {
                totals.set(Item::Hour(*hour), format!("a{variant}"), *users);
            }
            for (event_type, counts) in &traffic.events {
                for (variant, events) in counts.iter().enumerate() {
                    totals.set(
                        Item::Hour(*hour),
                        format!("e{variant}.{event_type}"),
                        *events,
                    );
                }
            }
        }
        totals
    }

    fn days(&mut self, variant: usize, days: &Days, segment: Option<&Segment>, spec: &Spec) {
        for ((day, phase), cell) in days {
            let item = |page, buckets| Item::Days {
                day: *day,
                variant,
                phase: *phase,
                page,
                buckets,
                segment: segment.cloned(),
            };
            self.set(item(0, false), "u".to_owned(), cell.users);
            self.metrics(cell, spec, item);
        }
    }

    fn metrics(&mut self, cell: &Cell, spec: &Spec, item: impl Fn(usize, bool) -> Item) {
        for (key, sums) in &cell.metrics {
            metrics::numbers(spec, key, sums, |page, buckets, name, number| {
                self.add(item(page, buckets), name, number);
            });
        }
    }

    fn set(&mut self, item: Item, name: String, number: u64) {
        self.add(item, name, i128::from(number));
    }

    fn add(&mut self, item: Item, name: String, number: i128) {
        if number != 0 {
            self.0.entry(item).or_default().insert(name, number);
        }
    }

    /// Adds others.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn plus(&mut self, other: &Self) -> Result<(), Overflow> {
        self.combine(other, i128::checked_add)
    }

    /// Takes others away.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn minus(&mut self, other: &Self) -> Result<(), Overflow> {
        self.combine(other, i128::checked_sub)
    }

    fn combine(
        &mut self,
        other: &Self,
        with: impl Fn(i128, i128) -> Option<i128>,
    ) -> Result<(), Overflow> {
        for (item, numbers) in &other.0 {
            let mine = self.0.entry(item.clone()).or_default();
            for (name, number) in numbers {
                let sum = mine.entry(name.clone()).or_default();
                *sum = with(*sum, *number).ok_or(Overflow)?;
                if *sum == 0 {
                    mine.remove(name);
                }
            }
            if mine.is_empty() {
                self.0.remove(item);
            }
        }
        Ok(())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
