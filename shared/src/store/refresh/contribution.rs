//! A user's contribution, computed from the user's stored records.

use crate::store::events::UserEvent;
use domain::aggregate_items::AggregateSpec;
use domain::aggregates::DataRange;
use domain::assignment::Assignment;
use domain::contribution::{Enrolment, Names, UserContribution};
use domain::experiment::Experiment;
use domain::filter::TimeWindow;
use domain::sums::Overflow;

/// Where the pre-exposure data of a user comes from.
pub(super) enum PreExposureSource<'p> {
    /// All stored events of the user.
    Records(&'p [UserEvent]),
    /// The enrolment of the contribution that is in the aggregates.
    Stored(&'p Enrolment),
}

/// Computes contributions of one experiment by the definition of one generation.
pub(super) struct ContributionReader<'u> {
    pub(super) experiment: &'u Experiment,
    pub(super) spec: &'u AggregateSpec,
    pub(super) names: Names,
    /// The range of the records that were read.
    pub(super) data_range: DataRange,
}

impl ContributionReader<'_> {
    pub(super) fn contribution(
        &mut self,
        assignment: Option<&Assignment>,
        events: &[UserEvent],
        pre_exposure: &PreExposureSource<'_>,
    ) -> Result<UserContribution, Overflow> {
        let enrolment = assignment
            .map(|one| self.enrolment(one, pre_exposure))
            .transpose()?;
        let mut contribution = UserContribution::new(enrolment.flatten());
        for UserEvent {
            event, received_at, ..
        } in events
        {
            self.data_range.event(event.counted_at, Some(*received_at));
            let name = self.names.of(&event.event_type);
            let value = event.value.unwrap_or_default().millionths();
            contribution.event(
                self.experiment,
                TimeWindow::default(),
                name,
                value,
                event.counted_at,
            )?;
        }
        Ok(contribution.sealed())
    }

    fn enrolment(
        &mut self,
        assignment: &Assignment,
        pre_exposure: &PreExposureSource<'_>,
    ) -> Result<Option<Enrolment>, Overflow> {
        let Some(variant) = self
            .experiment
            .allocation
            .variants
            .position(&assignment.variant)
        else {
            return Ok(None);
        };
        self.data_range.assignment(assignment.assigned_at);
        let mut enrolment = Enrolment::new(
            self.experiment,
            &self.spec.dimensions,
            variant,
            assignment.assigned_at,
            &assignment.attributes,
        );
        match pre_exposure {
            PreExposureSource::Stored(stored) => {
                enrolment.pre_exposure.clone_from(&stored.pre_exposure)
            }
            PreExposureSource::Records(all) => {
                let events = all.iter().map(|stored| &stored.event);
                enrolment.pre_exposure_events(&mut self.names, events)?;
            }
        }
        Ok(Some(enrolment))
    }
}
