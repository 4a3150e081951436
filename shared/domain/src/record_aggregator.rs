//! From raw records to aggregates: the one definition of counted events.
//!
//! All sums are over *users*. A user with ten purchases is one observation with the value ten, not ten observations:
//! sums over events would understate the variance of users who return.

use super::aggregates::{DimensionValue, ExperimentAggregates, day_of};
use super::assignment::Attributes;
use super::contribution::{AggregateBuilder, Enrolment, UserContribution};
use super::decimal::Decimal;
use super::event::EventSummary;
use super::experiment::Experiment;
use super::filter::RecordFilter;
use super::ids::{DimensionKey, EventType, UserId, VariantKey};
use super::metric::MetricSpec;
use super::registry::Labels;
use super::sums::Overflow;
use super::time::Timestamp;
use std::collections::{HashMap, HashSet};

/// Aggregates the records of a set of users: first their assignments, then their events, each in any order.
/// Its memory grows with the users and the hours in which they were active, not with the events.
pub struct RecordAggregator<'e> {
    experiment: &'e Experiment,
    filter: &'e RecordFilter,
    labels: &'e Labels,
    users: HashMap<UserId, UserContribution>,
    /// Users with an event whose properties decide whether results leave them out.
    undecided: HashSet<UserId>,
    aggregates: ExperimentAggregates,
}

impl<'e> RecordAggregator<'e> {
    /// An empty aggregator over an experiment.
    pub fn new(experiment: &'e Experiment, filter: &'e RecordFilter, labels: &'e Labels) -> Self {
        Self {
            experiment,
            filter,
            labels,
            users: HashMap::new(),
            undecided: HashSet::new(),
            aggregates: ExperimentAggregates::empty(
                experiment.allocation.variants.as_slice().len(),
            ),
        }
    }

    /// Takes a user's assignment with the attributes at that time. A user who was assigned after the end is not a user of
    /// the results.
    pub fn assignment(
        &mut self,
        user: UserId,
        variant: &VariantKey,
        assigned_at: Timestamp,
        attributes: &Attributes,
    ) {
        self.aggregates.records += 1;
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
            self.labels,
            variant,
            assigned_at,
            attributes,
        );
        if self
            .filter
            .only
            .as_ref()
            .is_some_and(|only| !is_in(&enrolment, attributes, only))
        {
            return;
        }
        self.aggregates.data_range.assignment(assigned_at);
        if self.experiment.enrols(assigned_at) {
            let mut contribution = UserContribution::new(Some(enrolment));
            contribution.exclude_by_values(self.labels, attributes);
            self.users.insert(user, contribution);
        }
    }

    /// The users whose assignments were taken, with the times of their assignments.
    pub fn users(&self) -> impl Iterator<Item = (&UserId, Timestamp)> {
        self.users.iter().filter_map(|(user, contribution)| {
            let enrolment = contribution.enrolment.as_ref()?;
            Some((user, enrolment.assigned_at))
        })
    }

    /// Takes a user's pre-exposure events as covariates, from stored events of the user in the order of their keys.
    /// Pre-exposure is the time from `contribution::PRE_EXPOSURE_DAYS` before the assignment to the assignment itself.
    pub fn pre_exposure_events<'p>(
        &mut self,
        user: &UserId,
        events: impl IntoIterator<Item = &'p EventSummary>,
    ) {
        let user = self.users.get_mut(user);
        if let Some(enrolment) = user.and_then(|user| user.enrolment.as_mut()) {
            enrolment.pre_exposure_events(self.labels, events);
        }
    }

    /// Notes whether results leave the user of an event out because of it. Events before the requested time decide too:
    /// a user who was a bot then still is one.
    pub fn exclude_by_event(
        &mut self,
        user: &UserId,
        event_type: &EventType,
        counted_at: Timestamp,
    ) {
        let excluded = self.labels.excluded();
        let is_later = self.filter.window.to.is_some_and(|to| counted_at >= to);
        // Most experiments exclude by no event, and may have millions of events.
        if is_later || !excluded.depends_on_events() {
            return;
        }
        let Some(contribution) = self.users.get_mut(user) else {
            return;
        };
        contribution.exclude_by_event(self.labels, event_type, counted_at);
        let decides = excluded.needs_properties_of(event_type);
        if decides && contribution.is_after_assignment(counted_at) && !self.undecided.contains(user)
        {
            self.undecided.insert(user.clone());
        }
    }

    /// Users with an event whose properties decide whether results leave them out, with the times of their assignments.
    pub fn undecided(&self) -> impl Iterator<Item = (&UserId, Timestamp)> {
        self.undecided.iter().filter_map(|user| {
            let contribution = self.users.get(user)?;
            let enrolment = contribution.enrolment.as_ref()?;
            (!contribution.excluded).then_some((user, enrolment.assigned_at))
        })
    }

    /// Leaves a user out of the results, because of the properties of an event.
    pub fn exclude(&mut self, user: &UserId) {
        if let Some(contribution) = self.users.get_mut(user) {
            contribution.exclude();
        }
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
        self.aggregates.records += 1;
        self.aggregates.data_range.event(counted_at, received_at);
        let event_type = self.labels.event_type(event_type);
        let Some(contribution) = self.users.get_mut(user) else {
            let day = self
                .aggregates
                .event_accounting
                .entry(day_of(counted_at))
                .or_default();
            let event_type = EventType::clone(&event_type);
            day.entry(event_type).or_default().other_users += 1;
            return Ok(());
        };
        let value = value.unwrap_or_default().millionths();
        contribution.event(
            self.experiment,
            self.filter.window,
            event_type,
            value,
            counted_at,
        )
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
            builder.add(&contribution.sealed(self.labels), &mut aggregates)?;
        }
        Ok(aggregates)
    }
}

/// Whether the user has this dimension value or this label. The user's own value counts, also without aggregates of its
/// own.
fn is_in(enrolment: &Enrolment, attributes: &Attributes, only: &DimensionValue) -> bool {
    let phase = || (enrolment.phase + 1).to_string();
    let own = DimensionKey::parse(&only.by).ok();
    let own = own.and_then(|by| attributes.get(&by));
    enrolment.dimensions.contains(only)
        || own.is_some_and(|own| own.as_str() == only.value)
        || only.by == DimensionKey::PHASE && only.value == phase()
}
