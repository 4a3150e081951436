//! How many events of a request went which way.

use crate::record::Outcome;

/// Events by what became of them. What is stored but counts for no experiment is told by its reason.
#[derive(Debug, Default)]
pub(crate) struct IngestSummary {
    pub(crate) received: usize,
    pub(crate) stored: usize,
    pub(crate) duplicates: usize,
    /// Erased users' events among them.
    pub(crate) rejected: usize,
    erased: usize,
    no_assignment: usize,
    before_assignment: usize,
    experiment_ended: usize,
}

impl IngestSummary {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let mut ingest_summary = Self {
            received: outcomes.len(),
            ..Self::default()
        };
        for outcome in outcomes {
            match (outcome.status, outcome.reason) {
                ("rejected", _) => {
                    ingest_summary.rejected += 1;
                    let erased = outcome.errors.iter().any(|fault| fault.code == "erased");
                    ingest_summary.erased += usize::from(erased);
                }
                ("duplicate", _) => ingest_summary.duplicates += 1,
                (_, reason) => {
                    ingest_summary.stored += 1;
                    match reason {
                        Some("no_assignment") => ingest_summary.no_assignment += 1,
                        Some("before_assignment") => ingest_summary.before_assignment += 1,
                        Some("experiment_ended") => ingest_summary.experiment_ended += 1,
                        _ => {}
                    }
                }
            }
        }
        ingest_summary
    }

    fn counted(&self) -> usize {
        self.stored - self.no_assignment - self.before_assignment - self.experiment_ended
    }

    /// A line where not every event counts. What was refused is stored nowhere: the line is all that is left when
    /// somebody looks for what is missing.
    pub(crate) fn log(&self) {
        let Self {
            received,
            stored,
            duplicates,
            rejected,
            erased,
            no_assignment,
            before_assignment,
            experiment_ended,
        } = self;
        if *rejected > 0 {
            tracing::warn!(
                received,
                stored,
                duplicates,
                rejected,
                erased,
                no_assignment,
                before_assignment,
                experiment_ended,
                "events were refused"
            );
        } else if self.counted() < *received {
            tracing::info!(
                received,
                stored,
                duplicates,
                no_assignment,
                before_assignment,
                experiment_ended,
                "events do not count"
            );
        }
    }
}
