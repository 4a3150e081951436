//! A user's contribution, computed from the user's stored records.

use super::definitions::OpenGeneration;
use crate::store::event_summaries::UserEventSummary;
use domain::aggregates::DataRange;
use domain::assignment::Assignment;
use domain::contribution::{Enrolment, UserContribution};
use domain::event::EventSummary;
use domain::experiment::Experiment;
use domain::filter::TimeWindow;
use domain::sums::Overflow;

/// Where the pre-exposure data of a user comes from.
pub(super) enum PreExposureSource<'p> {
    /// The stored events of the pre-exposure period.
    Records(&'p [EventSummary]),
    /// The enrolment of the contribution that is in the aggregates.
    Stored(&'p Enrolment),
}

/// Computes contributions of one experiment by the definition of one generation.
pub(super) struct ContributionReader<'u> {
    pub(super) experiment: &'u Experiment,
    pub(super) generation: &'u OpenGeneration,
    /// Whether the properties of an event exclude the user.
    pub(super) has_excluding_event: bool,
    /// The range of the records that were read.
    pub(super) data_range: DataRange,
}

impl ContributionReader<'_> {
    /// The contribution of a user with these events. Of an outlier user, more may be stored.
    pub(super) fn contribution(
        &mut self,
        assignment: Option<&Assignment>,
        events: &[UserEventSummary],
        stored_events: u64,
        pre_exposure: &PreExposureSource<'_>,
    ) -> Result<UserContribution, Overflow> {
        let labels = &self.generation.labels;
        let enrolment = assignment.and_then(|one| self.enrolment(one, pre_exposure));
        let mut contribution = UserContribution::new(enrolment);
        if let Some(assignment) = assignment {
            contribution.exclude_by_values(labels, &assignment.attributes);
        }
        for UserEventSummary {
            event, received_at, ..
        } in events
        {
            self.data_range.event(event.counted_at, Some(*received_at));
            contribution.exclude_by_event(labels, &event.event_type, event.counted_at);
            let value = event.value.unwrap_or_default().millionths();
            contribution.event(
                self.experiment,
                TimeWindow::default(),
                labels.event_type(&event.event_type),
                value,
                event.counted_at,
            )?;
        }
        if self.has_excluding_event {
            contribution.exclude();
        }
        contribution.records = stored_events + u64::from(assignment.is_some());
        Ok(contribution.sealed(labels))
    }

    fn enrolment(
        &mut self,
        assignment: &Assignment,
        pre_exposure: &PreExposureSource<'_>,
    ) -> Option<Enrolment> {
        let variants = &self.experiment.allocation.variants;
        let variant = variants.position(&assignment.variant)?;
        self.data_range.assignment(assignment.assigned_at);
        if !self.experiment.enrols(assignment.assigned_at) {
            return None;
        }
        let labels = &self.generation.labels;
        let mut enrolment = Enrolment::new(
            self.experiment,
            &self.generation.spec.dimensions,
            labels,
            variant,
            assignment.assigned_at,
            &assignment.attributes,
        );
        match pre_exposure {
            PreExposureSource::Stored(stored) => {
                enrolment.pre_exposure.clone_from(&stored.pre_exposure)
            }
            PreExposureSource::Records(events) => enrolment.pre_exposure_events(labels, *events),
        }
        Some(enrolment)
    }
}
