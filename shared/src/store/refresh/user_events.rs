//! A user's events, as far as a refresh needs them.

use crate::store::event_summaries::{MOST_EVENTS, UserEventSummary};
use crate::store::{Store, StoreError};
use domain::assignment::Assignment;
use domain::contribution::is_pre_exposure;
use domain::event::EventSummary;
use domain::experiment::Experiment;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::limits::MAX_PRE_EXPOSURE_EVENTS;
use futures::TryStreamExt;
use std::collections::BTreeMap;
use std::pin::pin;

/// What all events of a user contain for one experiment.
#[derive(Debug, Default)]
pub(super) struct FoundEvents {
    /// Events that are stored for the experiment, in the order of their keys, as many as make an outlier user.
    pub(super) stored: Vec<UserEventSummary>,
    /// Events of the pre-exposure period, in the order of their keys, as many as are looked at.
    pub(super) pre_exposure: Vec<EventSummary>,
    /// Events that count for the experiment and are stored for others or for none, as many as make an outlier user. Each
    /// with what its first record is stored for.
    pub(super) elsewhere: BTreeMap<EventId, Option<ExperimentId>>,
}

impl FoundEvents {
    fn take(&mut self, event: &UserEventSummary, experiment: &Experiment, assignment: &Assignment) {
        let counted_at = event.event.counted_at;
        let assigned_at = assignment.assigned_at;
        if is_pre_exposure(assigned_at, counted_at)
            && self.pre_exposure.len() < MAX_PRE_EXPOSURE_EVENTS
        {
            self.pre_exposure.push(event.event.clone());
        }
        if event.experiment.as_ref() == Some(&experiment.id) {
            if self.stored.len() <= MOST_EVENTS {
                self.stored.push(event.clone());
            }
        } else if experiment.counts(assigned_at, counted_at)
            && experiment.accepts(event.received_at)
            && self.elsewhere.len() <= MOST_EVENTS
        {
            let first = self.elsewhere.entry(event.event.id.clone());
            first.or_insert_with(|| event.experiment.clone());
        }
    }
}

impl Store {
    /// Reads all events of a user once, and keeps what these experiments need. Memory does not grow with the number of
    /// events beyond the limits of an outlier user.
    pub(super) async fn found_events(
        &self,
        user: &UserId,
        experiments: &[(&Experiment, &Assignment)],
    ) -> Result<BTreeMap<ExperimentId, FoundEvents>, StoreError> {
        let mut all = BTreeMap::<ExperimentId, FoundEvents>::new();
        if experiments.is_empty() {
            return Ok(all);
        }
        let mut pages = pin!(self.all_event_summaries_of(user));
        while let Some(page) = pages.try_next().await? {
            for event in &page {
                for (experiment, assignment) in experiments {
                    let found = all.entry(experiment.id.clone()).or_default();
                    found.take(event, experiment, assignment);
                }
            }
        }
        Ok(all)
    }
}
