//! Aggregates as named integers in items: the form in which they are stored and changed.
//!
//! [`AggregateItems`] is a sparse vector of integers. The vectors of different users can be added, and a user's vector
//! can be subtracted again, exactly. So the result does not depend on the order, the grouping or the repetition of
//! refreshes. [`ExperimentAggregates`] has the same content in the form that reports are computed from.

mod item;
mod layout;
mod metrics;
mod read;

pub use item::AggregateItemKey;
pub use layout::AggregateLayout;
pub use read::DamagedAggregates;

use super::aggregates::{AggregateCell, Days, DimensionValue, ExperimentAggregates};
use super::contribution::{AggregateBuilder, ContributionPart, Path, UserContribution};
use super::exclusion::ExcludedUsers;
use super::experiment::Experiment;
use super::ids::DimensionKey;
use super::metric::MetricSpec;
use super::sums::Overflow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The numbers of one item, by attribute name.
pub type ItemNumbers = BTreeMap<String, i128>;

/// What the aggregates contain. Every other change of an experiment leaves them as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateSpec {
    /// Declared metrics. If there are none, every event type has metrics.
    pub metrics: Vec<MetricSpec>,
    /// The dimensions.
    pub dimensions: Vec<DimensionKey>,
    /// Assigned users that are left out.
    #[serde(skip_serializing_if = "ExcludedUsers::is_empty", default)]
    pub excluded: ExcludedUsers,
}

impl AggregateSpec {
    /// What the aggregates of an experiment should contain.
    pub fn of(experiment: &Experiment) -> Self {
        Self {
            metrics: experiment
                .analysis
                .metrics
                .iter()
                .map(MetricSpec::from)
                .collect(),
            dimensions: experiment.analysis.dimensions.clone(),
            excluded: experiment
                .exclusion
                .as_ref()
                .map(|exclusion| exclusion.results.clone())
                .unwrap_or_default(),
        }
    }
}

/// Aggregates as numbers in items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AggregateItems(pub BTreeMap<AggregateItemKey, ItemNumbers>);

impl AggregateItems {
    /// The numbers of one user's contribution.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn of(
        contribution: &UserContribution,
        layout: &AggregateLayout,
        variants: usize,
    ) -> Result<Self, Overflow> {
        Self::of_part(&ContributionPart::all(contribution), layout, variants)
    }

    fn of_part(
        part: &ContributionPart<'_>,
        layout: &AggregateLayout,
        variants: usize,
    ) -> Result<Self, Overflow> {
        let mut aggregates = ExperimentAggregates::empty(variants);
        AggregateBuilder::new(&layout.spec().metrics, true).add_part(part, &mut aggregates)?;
        Ok(Self::from_aggregates(&aggregates, layout))
    }

    /// What changes from one state of a path to a later one. The time it takes depends on the days on which they differ,
    /// and not on the number of entries.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn difference(
        path: &Path<'_>,
        (steps, later): (usize, usize),
        layout: &AggregateLayout,
        variants: usize,
    ) -> Result<Self, Overflow> {
        let (from, to) = path.parts(steps, later);
        let of = |part: Option<ContributionPart<'_>>| {
            part.map_or(Ok(Self::default()), |part| {
                Self::of_part(&part, layout, variants)
            })
        };
        let mut difference = of(to)?;
        difference.minus(&of(from)?)?;
        Ok(difference)
    }

    /// Aggregates as numbers.
    pub fn from_aggregates(aggregates: &ExperimentAggregates, layout: &AggregateLayout) -> Self {
        let mut aggregate_items = Self::default();
        aggregate_items.set(
            AggregateItemKey::Records,
            "n".to_owned(),
            aggregates.records,
        );
        for (index, variant) in aggregates.variants.iter().enumerate() {
            aggregate_items.set(
                AggregateItemKey::OutlierUsers,
                format!("v{index}"),
                variant.outlier_users,
            );
            aggregate_items.set(
                AggregateItemKey::OutlierUsers,
                format!("x{index}"),
                variant.excluded_users,
            );
            aggregate_items.days(index, &variant.days, None, layout);
            for (dimension, days) in &variant.dimensions {
                aggregate_items.days(index, days, Some(dimension), layout);
            }
            for ((day, offset), cell) in &variant.cohorts {
                let item = |page| AggregateItemKey::Cohort {
                    day: *day,
                    offset: *offset,
                    variant: index,
                    page,
                };
                aggregate_items.set(item(0), "u".to_owned(), cell.users);
                aggregate_items.metrics(cell, layout, |page, _| item(page));
            }
        }
        for (day, types) in &aggregates.event_accounting {
            for (event_type, event_counts) in types {
                let event_type = layout.code_of(event_type);
                let mut set = |disposition: char, events: u64| {
                    aggregate_items.set(
                        AggregateItemKey::EventAccounting(*day),
                        format!("{disposition}.{event_type}"),
                        events,
                    );
                };
                set('c', event_counts.counted);
                set('e', event_counts.excluded_by_end);
                set('w', event_counts.outside_window);
                set('o', event_counts.other_users);
                set('x', event_counts.excluded_users);
            }
        }
        for (hour, traffic) in &aggregates.hours {
            for (variant, users) in traffic.assigned.iter().enumerate() {
                aggregate_items.set(AggregateItemKey::Hour(*hour), format!("a{variant}"), *users);
            }
            for (event_type, counts) in &traffic.events {
                let event_type = layout.code_of(event_type);
                for (variant, events) in counts.iter().enumerate() {
                    aggregate_items.set(
                        AggregateItemKey::Hour(*hour),
                        format!("e{variant}.{event_type}"),
                        *events,
                    );
                }
            }
        }
        aggregate_items
    }

    fn days(
        &mut self,
        variant: usize,
        days: &Days,
        dimension: Option<&DimensionValue>,
        layout: &AggregateLayout,
    ) {
        for ((day, phase), cell) in days {
            let item = |page, buckets| AggregateItemKey::Days {
                day: *day,
                variant,
                phase: *phase,
                page,
                buckets,
                dimension: dimension.cloned(),
            };
            self.set(item(0, false), "u".to_owned(), cell.users);
            self.metrics(cell, layout, item);
        }
    }

    fn metrics(
        &mut self,
        cell: &AggregateCell,
        layout: &AggregateLayout,
        item: impl Fn(usize, bool) -> AggregateItemKey,
    ) {
        for (key, sums) in &cell.metrics {
            metrics::numbers(layout, key, sums, |page, buckets, name, number| {
                self.add(item(page, buckets), name, number);
            });
        }
    }

    fn set(&mut self, item: AggregateItemKey, name: String, number: u64) {
        self.add(item, name, i128::from(number));
    }

    fn add(&mut self, item: AggregateItemKey, name: String, number: i128) {
        if number != 0 {
            self.0.entry(item).or_default().insert(name, number);
        }
    }

    /// Adds other numbers.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn plus(&mut self, other: &Self) -> Result<(), Overflow> {
        self.combine(other, i128::checked_add)
    }

    /// Subtracts other numbers.
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

    /// Whether it has no numbers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
