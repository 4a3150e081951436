//! A look at the results of an experiment, from the aggregates only.

use crate::app::App;
use crate::store::aggregates::AggregateSections;
use crate::store::raw::RawError;
use domain::coverage::DataSource;
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::ids::MetricKey;
use domain::metric::MetricRole;
use domain::notification::Findings;
use domain::report::{AnalysisRequest, Breakdown, Correction, DecidingMethod, Report};
use std::collections::BTreeSet;

/// What a look at the results shows.
#[derive(Debug)]
pub struct ResultsLook {
    /// The guardrails that are worse in any variant, by the method that is valid however often one looks.
    pub worse_guardrails: Vec<MetricKey>,
    /// What notifications say about the results; none if a verdict cannot be given.
    pub findings: Option<Findings>,
}

impl ResultsLook {
    /// Looks at the results of an experiment now. None if the aggregates cannot say, because too many records are pending or
    /// a backfill is under way.
    ///
    /// # Errors
    /// If the database fails, an item is damaged, or a sum grows beyond 38 digits.
    pub async fn new(app: &App, experiment: &Experiment) -> Result<Option<Self>, RawError> {
        let filter = RecordFilter::default();
        let sections = AggregateSections::default();
        let source = Some(DataSource::Aggregates);
        let sourced = app
            .store()
            .sourced_aggregates(experiment, &filter, sections, source)
            .await;
        let sourced = match sourced {
            Err(RawError::CoverageGap(_)) => return Ok(None),
            other => other?,
        };
        let pending = sourced.provenance.pending.unwrap_or_default();
        if pending.still_counting() {
            return Ok(None);
        }
        // The deciding method is that of the API.
        let request = AnalysisRequest {
            filter,
            as_of: app.now(),
            metrics: BTreeSet::new(),
            baseline: None,
            method: None,
            alpha: None,
            correction: Correction::default(),
            breakdown: Breakdown::None,
            series: false,
        };
        let report = |request: &AnalysisRequest| {
            Report::new(
                experiment,
                &sourced.aggregates,
                request,
                &sourced.provenance,
            )
        };
        let guardrails = experiment.analysis.metrics.iter();
        let guardrails = guardrails.filter(|metric| metric.role == MetricRole::Guardrail);
        let guardrails: BTreeSet<_> = guardrails.map(|metric| metric.key.clone()).collect();
        let worse_guardrails = match guardrails.is_empty() {
            true => Vec::new(),
            false => report(&AnalysisRequest {
                metrics: guardrails,
                method: Some(DecidingMethod::Sequential),
                ..request.clone()
            })?
            .worse_guardrails(),
        };
        let findings = Findings::new(&report(&request)?, worse_guardrails.clone());
        Ok(Some(Self {
            worse_guardrails,
            findings,
        }))
    }
}
