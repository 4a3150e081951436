//! A look at the results of an experiment, from the aggregates only.

use crate::app::App;
use crate::store::aggregates::AggregateSections;
use crate::store::raw::RawError;
use crate::store::sourced_aggregates::SourcedAggregates;
use domain::coverage::DataSource;
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::ids::MetricKey;
use domain::metric::MetricRole;
use domain::notification::Findings;
use domain::report::{AnalysisRequest, Breakdown, Correction, DecidingMethod, Report};
use futures::future::BoxFuture;
use std::collections::BTreeSet;

/// The aggregates of an experiment at one moment, complete enough for a decision. What is asked of them is computed then.
#[derive(Debug)]
pub struct ResultsLook<'e> {
    experiment: &'e Experiment,
    sourced: SourcedAggregates,
    /// The deciding method is that of the API.
    request: AnalysisRequest,
}

impl<'e> ResultsLook<'e> {
    /// Looks at the results of an experiment now. None if the aggregates cannot say, because too many records are pending or
    /// a backfill is under way.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn new(
        app: &'e App,
        experiment: &'e Experiment,
    ) -> BoxFuture<'e, Result<Option<Self>, RawError>> {
        Box::pin(async move {
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
            Ok(Some(Self {
                experiment,
                sourced,
                request,
            }))
        })
    }

    /// The guardrails that are worse in any variant, by the method that is valid however often one looks.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn worse_guardrails(&self) -> Result<Vec<MetricKey>, RawError> {
        let metrics = self.experiment.analysis.metrics.iter();
        let guardrails = metrics.filter(|metric| metric.role == MetricRole::Guardrail);
        let guardrails: BTreeSet<_> = guardrails.map(|metric| metric.key.clone()).collect();
        // A request without metrics is about all of them.
        if guardrails.is_empty() {
            return Ok(Vec::new());
        }
        let report = self.report(&AnalysisRequest {
            metrics: guardrails,
            method: Some(DecidingMethod::Sequential),
            ..self.request.clone()
        })?;
        Ok(report.worse_guardrails())
    }

    /// What notifications say about the results; none if a verdict cannot be given.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn findings(&self) -> Result<Option<Findings>, RawError> {
        let worse = self.worse_guardrails()?;
        Ok(Findings::new(&self.report(&self.request)?, worse))
    }

    fn report(&self, request: &AnalysisRequest) -> Result<Report, RawError> {
        let Self {
            experiment,
            sourced,
            ..
        } = self;
        let provenance = &sourced.provenance;
        Ok(Report::new(
            experiment,
            &sourced.aggregates,
            request,
            provenance,
        )?)
    }
}
