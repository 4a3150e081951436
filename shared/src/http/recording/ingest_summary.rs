//! How many events of a request had which outcome.

use super::outcome::{AcceptedEvent, EventOutcome, EventResult, NotCounted};

/// Events by outcome.
#[derive(Debug, Default)]
pub struct IngestSummary {
    /// All events.
    pub received: usize,
    /// Newly stored.
    pub stored: usize,
    /// Stored before.
    pub duplicates: usize,
    /// With faults, of an erased user, or of a user with too many events.
    pub rejected: usize,
    erased: usize,
    too_many_events: usize,
    no_assignment: usize,
    before_assignment: usize,
    experiment_ended: usize,
    too_late: usize,
}

impl IngestSummary {
    /// The summary of these outcomes.
    pub fn of(outcomes: &[EventOutcome]) -> Self {
        let mut summary = Self {
            received: outcomes.len(),
            ..Self::default()
        };
        for outcome in outcomes {
            match &outcome.result {
                EventResult::Stored(event) => summary.stored(event),
                EventResult::Duplicate(_) => summary.duplicates += 1,
                EventResult::Rejected { .. } => summary.rejected += 1,
                EventResult::Erased { .. } => {
                    summary.rejected += 1;
                    summary.erased += 1;
                }
                EventResult::TooMany { .. } => {
                    summary.rejected += 1;
                    summary.too_many_events += 1;
                }
            }
        }
        summary
    }

    fn stored(&mut self, event: &AcceptedEvent) {
        self.stored += 1;
        match event.reason {
            Some(NotCounted::NoAssignment) => self.no_assignment += 1,
            Some(NotCounted::BeforeAssignment) => self.before_assignment += 1,
            Some(NotCounted::ExperimentEnded) => self.experiment_ended += 1,
            Some(NotCounted::TooLate) => self.too_late += 1,
            None => {}
        }
    }

    fn counted(&self) -> usize {
        let not_counted =
            self.no_assignment + self.before_assignment + self.experiment_ended + self.too_late;
        self.stored - not_counted
    }

    /// Logs a line if not every event counts. Rejected events are stored nowhere, so this line is the only trace of
    /// them for an operator who looks for missing events.
    pub fn log(&self) {
        let Self {
            received,
            stored,
            duplicates,
            rejected,
            erased,
            too_many_events,
            no_assignment,
            before_assignment,
            experiment_ended,
            too_late,
        } = self;
        if *rejected > 0 {
            tracing::warn!(
                received,
                stored,
                duplicates,
                rejected,
                erased,
                too_many_events,
                no_assignment,
                before_assignment,
                experiment_ended,
                too_late,
                "events were rejected"
            );
        } else if self.counted() < *received {
            tracing::info!(
                received,
                stored,
                duplicates,
                no_assignment,
                before_assignment,
                experiment_ended,
                too_late,
                "events count for no experiment"
            );
        }
    }
}
