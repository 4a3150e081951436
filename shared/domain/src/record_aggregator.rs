//! From raw records to sums over users: the one definition of what is counted.
//!
//! Sums are over *users*. A user with ten purchases is one observation of ten, not ten of one; summing
//! squares of events would understate the variance of everybody who comes back.

use super::aggregates::{DimensionValue, ExperimentAggregates, day_of};
use super::assignment::Attributes;
use super::contribution::{AggregateBuilder, Enrolment, Names, UserContribution};
use super::decimal::Decimal;
use super::event::Event;
use super::experiment::Experiment;
use super::ids::{DimensionKey, EventType, UserId, VariantKey};
use super::metric::MetricSpec;
use super::time::Timestamp;
use std::collections::HashMap;

pub use super::sums::Overflow;

/// How long after their assignment the users of a day are sequential, so that days can be compared with one another.
pub const COHORT_HOURS: i64 = 24;
/// How long before the assignment a user's events tell what kind of user this is: two weeks see every weekday twice.
pub const PRE_EXPOSURE_DAYS: i64 = 14;

/// Which part of the time is looked at: events in `[from, to)`, users assigned before `to`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Events before it are left out.
    pub from: Option<Timestamp>,
    /// Events and assignments from it on are left out.
    pub to: Option<Timestamp>,
}

impl Window {
    /// Whether an event at this instant is left out.
    pub fn excludes(self, counted_at: Timestamp) -> bool {
        self.from.is_some_and(|from| counted_at < from)
            || self.to.is_some_and(|to| counted_at >= to)
    }
}

/// What of the records is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Which part of the time.
    pub window: Window,
    /// Only the users of this dimension.
    pub only: Option<DimensionValue>,
    /// Whether the users' pre exposure is known and goes into the sums as covariates.
    pub pre_exposure: bool,
}

/// Reads the records of a set of users, assignments first, then events, in any order among themselves.
/// What it holds grows with the users and the hours in which they did something, not with the events.
pub struct RecordAggregator<'e> {
    experiment: &'e Experiment,
    filter: &'e RecordFilter,
    users: HashMap<UserId, UserContribution>,
    names: Names,
    aggregates: ExperimentAggregates,
}

impl<'e> RecordAggregator<'e> {
    /// An empty aggregator over an experiment.
    pub fn new(experiment: &'e Experiment, filter: &'e RecordFilter) -> Self {
        Self {
            experiment,
            filter,
            users: HashMap::new(),
            names: Names::default(),
            aggregates: ExperimentAggregates::empty(experiment.variants.as_slice().len()),
        }
    }

    /// Takes a user's assignment, with what the user was at that moment.
    pub fn assignment(
        &mut self,
        user: UserId,
        variant: &VariantKey,
        assigned_at: Timestamp,
        attributes: &Attributes,
    ) {
        if self.filter.window.to.is_some_and(|to| assigned_at >= to) {
            return;
        }
        let Some(variant) = self.experiment.variants.position(variant) else {
            return;
        };
        let dimensions = &self.experiment.dimensions;
        let enrolment = Enrolment::new(
            self.experiment,
            dimensions,
            variant,
            assigned_at,
            attributes,
        );
        if self
            .filter
            .only
            .as_ref()
            .is_some_and(|only| !is_in(&enrolment, only))
        {
            return;
        }
        self.aggregates.data_range.assignment(assigned_at);
        self.users
            .insert(user, UserContribution::new(Some(enrolment)));
    }

    /// Who was taken, with the time of the assignment: those whose pre exposure can be taken, too.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys()
    }

    /// Takes what a user did within [`PRE_EXPOSURE_DAYS`] before the assignment, the moment of the assignment included, from
    /// all the user's stored events in the order of their keys: it goes into the covariates.
    ///
    /// # Errors
    /// If the user's sum grows beyond 38 digits.
    pub fn pre_exposure_events<'p>(
        &mut self,
        user: &UserId,
        events: impl IntoIterator<Item = &'p Event>,
    ) -> Result<(), Overflow> {
        let user = self.users.get_mut(user);
        let Some(enrolment) = user.and_then(|user| user.enrolment.as_mut()) else {
            return Ok(());
        };
        enrolment.pre_exposure_events(&mut self.names, events)
    }

    /// Takes an event; it counts if its user was assigned strictly before it and the experiment had not ended.
    ///
    /// # Errors
    /// If the user's sum grows beyond 38 digits.
    pub fn event(
        &mut self,
        user: &UserId,
        event_type: &EventType,
        value: Option<Decimal>,
        counted_at: Timestamp,
        received_at: Option<Timestamp>,
    ) -> Result<(), Overflow> {
        self.aggregates.data_range.event(counted_at, received_at);
        let Some(contribution) = self.users.get_mut(user) else {
            let day = self
                .aggregates
                .event_accounting
                .entry(day_of(counted_at))
                .or_default();
            day.entry(event_type.clone()).or_default().other_users += 1;
            return Ok(());
        };
        let value = value.unwrap_or_default().millionths();
        let name = self.names.of(event_type);
        contribution.event(self.experiment, self.filter.window, name, value, counted_at)
    }

    /// The sums over all users that were taken. Without declared metrics there are those of every type seen.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn finish(self) -> Result<ExperimentAggregates, Overflow> {
        let metrics = self.experiment.metrics.iter();
        let metrics: Vec<MetricSpec> = metrics.map(MetricSpec::from).collect();
        let mut builder = AggregateBuilder::new(metrics, self.filter.pre_exposure);
        let mut aggregates = self.aggregates;
        for contribution in self.users.into_values() {
            builder.add(&contribution.sealed(), &mut aggregates)?;
        }
        Ok(aggregates)
    }
}

fn is_in(enrolment: &Enrolment, only: &DimensionValue) -> bool {
    let phase = || (enrolment.phase + 1).to_string();
    enrolment.dimensions.contains(only) || only.by == DimensionKey::PHASE && only.value == phase()
}
