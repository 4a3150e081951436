//! The report of an experiment: estimates with their uncertainty, the state of the data, and a decision.
//!
//! A report is made in steps. Each step makes one complete value from the values before it:
//!
//! | step | value | module |
//! | --- | --- | --- |
//! | 1 | `AnalysisRequest`: what the caller asks for | `request` |
//! | 2 | `AnalysisInputs`: definition, aggregates and settings | `inputs` |
//! | 3 | `Analysis`: metrics, users and data quality | `analysis` |
//! | 4 | `Decision`: verdict, reason and sentences | `decision` |
//! | 5 | `Report`: all of it, with its digest | here |
//!
//! A number that is missing is absent and has a reason; it is never zero. The exact sums are part of the report, so
//! that a reader can compute all other numbers again.

mod analysis;
mod arm;
mod comparison;
mod csv;
mod data_quality;
mod decision;
mod dimensions;
mod effects;
mod estimate;
mod event_accounting;
mod extras;
mod fixed;
mod header;
mod inputs;
mod methods;
mod metrics;
mod monitoring;
mod pair;
mod request;
mod series;
mod size;
mod summary;

pub use arm::{DenominatorSums, VariantValue};
pub use comparison::{Comparison, Decisive, Finding};
pub use csv::to_csv;
pub use data_quality::{
    DataQuality, PreExposureImbalance, SampleRatio, SampleRatioVerdict, SequentialSampleRatio,
    UnsentDimension,
};
pub use decision::{
    Decision, Facts, Impact, PrimaryState, Readiness, Reason, Ruling, VariantDecision, Verdict,
    decide,
};
pub use dimensions::{DimensionComparison, DimensionReport, HeterogeneityReport};
pub use effects::Bounds;
pub use event_accounting::{DailyEventCounts, EventAccountingByDay};
pub use extras::{Capped, CupedAdjusted, Margin, PowerToDate, PreExposureBalance};
pub use fixed::{Difference, RelativeDifference};
pub use header::{About, Freshness, VariantUsers};
pub use methods::{Bayesian, HybridView, Sequential};
pub use metrics::MetricReport;
pub use monitoring::Monitoring;
pub use request::{
    AnalysisRequest, AnalysisSettings, Breakdown, Correction, DEFAULT_ALPHA, DecidingMethod,
    UNPLANNED_USERS,
};
pub use series::{ComparisonSeries, Series, TrendReport, VariantSeries};
pub use summary::Summary;

use super::aggregates::{EventCounts, ExperimentAggregates};
use super::coverage::Provenance;
use super::experiment::Experiment;
use super::ids::{EventType, MetricKey};
use super::sums::Overflow;
use super::time::Timestamp;
use crate::reason::StatedReason;
use analysis::Analysis;
use inputs::AnalysisInputs;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// All results of an experiment.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The experiment.
    pub experiment: About,
    /// The instant that the report takes as the present.
    pub as_of: Timestamp,
    /// Start of the time range, where the request has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// End of the time range, where the request has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// The dimension and the value that the users are filtered by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<BTreeMap<String, String>>,
    /// Verdict, reason and sentences.
    pub decision: Decision,
    /// The name of the source: `aggregates` or `raw`.
    pub source: &'static str,
    /// Why the source is `raw` although the request did not ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_reason: Option<StatedReason>,
    /// How recent the data is.
    pub freshness: Freshness,
    /// The users of each variant.
    pub variants: Vec<VariantUsers>,
    /// Whether the data can be trusted.
    pub data_quality: DataQuality,
    /// The metrics.
    pub metrics: Vec<MetricReport>,
    /// Event types whose metrics are not shown, in an experiment without declared metrics; absent if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_types_left_out: Option<usize>,
    /// Metrics without results by dimension, because the answer has no room for them; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_not_broken_down: Option<usize>,
    /// How many stored events were counted or left out, by event type.
    pub event_accounting: BTreeMap<EventType, EventCounts>,
    /// The same by day, if the request asks for series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_accounting_by_day: Option<EventAccountingByDay>,
    /// How the numbers were computed.
    pub analysis_settings: AnalysisSettings,
    /// SHA-256 over sums and settings, without the clock: equal digests mean equal results.
    pub digest: String,
}

impl Report {
    /// The report of an experiment.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn new(
        experiment: &Experiment,
        aggregates: &ExperimentAggregates,
        request: &AnalysisRequest,
        provenance: &Provenance,
    ) -> Result<Self, Overflow> {
        let inputs = AnalysisInputs::new(experiment, aggregates, request)?;
        let analysis = Analysis::new(&inputs)?;
        let pending = provenance.pending.unwrap_or_default();
        let decision = Decision::new(&inputs, &analysis, pending);
        Ok(Self::assemble(inputs, analysis, decision, provenance))
    }

    fn assemble(
        inputs: AnalysisInputs<'_>,
        analysis: Analysis,
        decision: Decision,
        provenance: &Provenance,
    ) -> Self {
        let AnalysisInputs {
            experiment,
            aggregates,
            request,
            ..
        } = inputs;
        let only = request.filter.only.as_ref();
        let dimension = only.map(|only| BTreeMap::from([(only.by.clone(), only.value.clone())]));
        Self {
            digest: digest(experiment, request, dimension.as_ref(), &analysis),
            experiment: About::new(experiment),
            as_of: request.as_of,
            from: request.filter.window.from,
            to: request.filter.window.to,
            dimension,
            decision,
            source: provenance.source.name(),
            source_reason: provenance.because,
            freshness: Freshness::new(aggregates, request.as_of, provenance),
            variants: analysis.variants,
            data_quality: analysis.data_quality,
            metrics: analysis.metrics,
            event_types_left_out: Some(analysis.event_types_left_out).filter(|types| *types > 0),
            metrics_not_broken_down: Some(analysis.metrics_not_broken_down)
                .filter(|metrics| *metrics > 0),
            event_accounting: aggregates.event_accounting_by_type(),
            event_accounting_by_day: request
                .series
                .then(|| EventAccountingByDay::new(aggregates)),
            analysis_settings: analysis.settings,
        }
    }

    /// The deciding metrics: those declared primary, else the first one.
    pub fn deciding(&self) -> Vec<&MetricReport> {
        metrics::deciding(&self.metrics)
    }

    /// The guardrails.
    pub fn guardrails(&self) -> impl Iterator<Item = &MetricReport> {
        metrics::guardrails(&self.metrics)
    }

    /// The guardrails that are worse in any variant.
    pub fn worse_guardrails(&self) -> Vec<MetricKey> {
        let is_worse = |comparison: &Comparison| comparison.finding == Finding::Worse;
        let worse = self
            .guardrails()
            .filter(|report| report.comparisons.iter().any(is_worse));
        worse.map(|report| report.metric.key.clone()).collect()
    }
}

/// The digest of what the results follow from. The clock is not part of it: equal sums give equal digests on any day.
fn digest(
    experiment: &Experiment,
    request: &AnalysisRequest,
    dimension: Option<&BTreeMap<String, String>>,
    analysis: &Analysis,
) -> String {
    let arms: Vec<_> = analysis
        .metrics
        .iter()
        .map(|metric| (&metric.metric, &metric.variants))
        .collect();
    let window = request.filter.window;
    let content = (
        &experiment.id,
        experiment.version,
        (window.from, window.to, dimension),
        &analysis.variants,
        arms,
        &analysis.settings,
    );
    // The same values are serialised for the response, so this does not fail where that succeeds.
    let text = serde_json::to_vec(&content).unwrap_or_default();
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&text));
    format!("sha256:{hash}")
}
