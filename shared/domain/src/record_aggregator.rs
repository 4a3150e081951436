//! From raw records to aggregates: the one definition of counted events.
//!
//! All sums are over *users*. A user with ten purchases is one observation with the value ten, not ten observations:
//! sums over events would understate the variance of users who return.

use super::aggregates::{DimensionValue, ExperimentAggregates, day_of};
use super::assignment::Attributes;
use super::contribution::{AggregateBuilder, Enrolment, Names, UserContribution};
use super::decimal::Decimal;
use super::event::Event;
use super::experiment::Experiment;
use super::filter::RecordFilter;
use super::ids::{DimensionKey, EventType, UserId, VariantKey};
use super::metric::MetricSpec;
use super::sums::Overflow;
use super::time::Timestamp;
use std::collections::HashMap;

/// Aggregates the records of a set of users: first their assignments, then their events, each in any order.
/// Its memory grows with the users and the hours in which they were active, not with the events.
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
            aggregates: ExperimentAggregates::empty(
                experiment.allocation.variants.as_slice().len(),
            ),
        }
    }

    /// Takes a user's assignment with the attributes at that time.
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
        let Some(variant) = self.experiment.allocation.variants.position(variant) else {
            return;
        };
        let dimensions = &self.experiment.analysis.dimensions;
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

    /// The users whose assignments were taken.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys()
    }

    /// Takes a user's pre-exposure events as covariates, from all stored events of the user in the order of their keys.
    /// Pre-exposure is the time from `contribution::PRE_EXPOSURE_DAYS` before the assignment to the assignment itself.
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

    /// Takes an event. It is counted if its user was assigned strictly before it and the experiment had not ended.
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

    /// The aggregates of all users that were taken. An experiment without declared metrics has those of every event type.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn finish(self) -> Result<ExperimentAggregates, Overflow> {
        let metrics = self.experiment.analysis.metrics.iter();
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
