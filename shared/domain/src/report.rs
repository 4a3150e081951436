//! The report of an experiment: what the sums say, with how much certainty, or why they say nothing.
//!
//! Everything that is missing is absent with a reason, never zero. The sums themselves are part of the
//! analysis, so that anybody can compute the rest again.

mod arm;
mod comparison;
mod csv;
mod data_quality;
mod decision;
mod dimensions;
mod event_accounting;
mod extras;
mod fixed;
mod methods;
mod metrics;
mod monitoring;
mod request;
mod series;
mod summary;

pub use arm::{DenominatorSums, VariantValue};
pub use comparison::{Comparison, Decisive, Finding};
pub use csv::to_csv;
pub use data_quality::{
    DataQuality, PreExposureImbalance, SampleRatio, SampleRatioVerdict, SequentialSampleRatio,
};
pub use decision::{
    Decision, Facts, Impact, PrimaryState, Readiness, Reason, Ruling, VariantDecision, Verdict,
    decide,
};
pub use dimensions::{DimensionComparison, DimensionReport, HeterogeneityReport};
pub use event_accounting::{DailyEventCounts, EventAccountingByDay};
pub use extras::{Capped, CupedAdjusted, Margin, PowerToDate, PreExposureBalance};
pub use fixed::{Difference, RelativeDifference};
pub use methods::{Bayesian, Bounds, HybridView, Sequential};
pub use metrics::MetricReport;
pub use monitoring::Monitoring;
pub use request::{
    AnalysisRequest, AnalysisSettings, Breakdown, Correction, DEFAULT_ALPHA, DecidingMethod,
    UNPLANNED_USERS,
};
pub use series::{ComparisonSeries, Series, TrendReport, VariantSeries};
pub use summary::Summary;

use super::aggregates::{EventCounts, ExperimentAggregates};
use super::experiment::{Experiment, Status};
use super::ids::{EventType, ExperimentId, VariantKey};
use super::metric::MetricRole;
use super::plan::Plan;
use super::sums::Overflow;
use super::time::Timestamp;
use crate::reason::StatedReason;
use metrics::Material;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The whole analysis.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What it is about.
    pub experiment: About,
    /// What is taken for now.
    pub as_of: Timestamp,
    /// The part of the time looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The part of the time looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// The users looked at, where not all of them are: the breakdown and its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<BTreeMap<String, String>>,
    /// What to do, and why.
    pub decision: Decision,
    /// Where the numbers come from.
    pub source: &'static str,
    /// Why not from running sums, where nobody asked for the records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_reason: Option<StatedReason>,
    /// How new they are.
    pub freshness: Freshness,
    /// Who took part.
    pub variants: Vec<VariantUsers>,
    /// Whether the numbers can be trusted.
    pub data_quality: DataQuality,
    /// What was measured.
    pub metrics: Vec<MetricReport>,
    /// Where the stored events went, by type.
    pub event_accounting: BTreeMap<EventType, EventCounts>,
    /// The same by day, if series are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_accounting_by_day: Option<EventAccountingByDay>,
    /// How it was computed.
    pub analysis_settings: AnalysisSettings,
    /// SHA-256 over the sums and the settings: the same digest, the same report.
    pub digest: String,
}

/// The experiment in short.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    /// Its id.
    pub id: ExperimentId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// Which version of the definition was used.
    pub version: u64,
    /// When it first ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// From when on nothing counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// What it was planned to find.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

/// How new the numbers are.
#[derive(Debug, Clone, Serialize)]
pub struct Freshness {
    /// When the first user was assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_assignment_at: Option<Timestamp>,
    /// When the last one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_assignment_at: Option<Timestamp>,
    /// When the last event happened that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_at: Option<Timestamp>,
    /// When the last event was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_received_at: Option<Timestamp>,
    /// Seconds from then to now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_since_last_event: Option<i64>,
    /// Events that are stored, lie after the last one and are not in the numbers yet; at most a thousand for each
    /// shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_records: Option<u64>,
    /// Which running sums were read: when they were asked for, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

/// The users of one variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantUsers {
    /// Which variant.
    pub key: VariantKey,
    /// Whether it is the control of the definition.
    pub control: bool,
    /// Its share by the definition, in percent.
    pub percent: f64,
    /// Users assigned, outlier users excepted.
    pub users: u64,
    /// Users left out because no user data has that many events.
    pub outlier_users: u64,
}

impl Report {
    /// The report that follows from the sums.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn new(
        experiment: &Experiment,
        aggregates: &ExperimentAggregates,
        request: &AnalysisRequest,
    ) -> Result<Self, Overflow> {
        let settings = AnalysisSettings::new(experiment, request);
        let baseline = request
            .baseline
            .as_ref()
            .and_then(|key| experiment.variants.position(key))
            .unwrap_or(0);
        let material = Material::new(experiment, aggregates, &settings, baseline)?;
        let metrics = metrics::reports(&material, request)?;
        let only = request.filter.only.as_ref();
        let mut report = Self {
            experiment: About::new(experiment),
            as_of: request.as_of,
            from: request.filter.window.from,
            to: request.filter.window.to,
            dimension: only.map(|only| BTreeMap::from([(only.by.clone(), only.value.clone())])),
            decision: Decision::empty(),
            source: request.provenance.source.name(),
            source_reason: request.provenance.because.clone(),
            freshness: Freshness::new(aggregates, request),
            variants: users(experiment, aggregates),
            data_quality: DataQuality::check(experiment, aggregates, &metrics),
            metrics,
            event_accounting: aggregates.event_accounting_by_type(),
            event_accounting_by_day: request
                .series
                .then(|| EventAccountingByDay::new(aggregates)),
            analysis_settings: settings.clone(),
            digest: String::new(),
        };
        report.decision = Decision::new(experiment, &material, &report);
        report.digest = report.digest_of();
        Ok(report)
    }

    /// What the numbers rest on; not the clock, so that the same sums give the same digest on another day.
    fn digest_of(&self) -> String {
        let arms: Vec<_> = self
            .metrics
            .iter()
            .map(|metric| (&metric.metric, &metric.variants))
            .collect();
        let rest = (
            &self.experiment.id,
            self.experiment.version,
            (self.from, self.to, &self.dimension),
            &self.variants,
            arms,
            &self.analysis_settings,
        );
        // What serialised for the answer serialises here, too.
        let text = serde_json::to_vec(&rest).unwrap_or_default();
        format!(
            "sha256:{}",
            data_encoding::HEXLOWER.encode(&Sha256::digest(&text))
        )
    }

    /// The metrics that decide: those declared primary, else the first one.
    pub fn deciding(&self) -> Vec<&MetricReport> {
        decision::deciding(&self.metrics)
    }

    /// The guardrails.
    pub fn guardrails(&self) -> impl Iterator<Item = &MetricReport> {
        let is_guardrail = |metric: &&MetricReport| metric.metric.role == MetricRole::Guardrail;
        self.metrics.iter().filter(is_guardrail)
    }
}

impl About {
    fn new(experiment: &Experiment) -> Self {
        Self {
            id: experiment.id.clone(),
            name: experiment.name.clone(),
            status: experiment.status,
            version: experiment.version,
            started_at: experiment.started_at,
            end: experiment.end(),
            plan: experiment.plan.clone(),
        }
    }
}

impl Freshness {
    fn new(aggregates: &ExperimentAggregates, request: &AnalysisRequest) -> Self {
        let now = request.as_of.micros();
        let seconds = |since: Timestamp| (now - since.micros()).max(0) / 1_000_000;
        Self {
            first_assignment_at: aggregates.data_range.assigned.map(|(first, _)| first),
            last_assignment_at: aggregates.data_range.assigned.map(|(_, last)| last),
            last_event_at: aggregates.data_range.counted.map(|(_, last)| last),
            last_event_received_at: aggregates.data_range.received_last,
            seconds_since_last_event: aggregates.data_range.received_last.map(seconds),
            pending_records: request.provenance.pending_records,
            generation: request.provenance.generation,
        }
    }
}

fn users(experiment: &Experiment, aggregates: &ExperimentAggregates) -> Vec<VariantUsers> {
    let variants = experiment.variants.as_slice().iter().enumerate();
    variants
        .map(|(index, variant)| {
            let aggregates = aggregates.variants.get(index);
            VariantUsers {
                key: variant.key.clone(),
                control: index == 0,
                percent: variant.percent,
                users: aggregates.map_or(0, |aggregates| aggregates.users()),
                outlier_users: aggregates.map_or(0, |aggregates| aggregates.outlier_users),
            }
        })
        .collect()
}
