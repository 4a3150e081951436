//! The report of an experiment: what the sums say, with how much certainty, or why they say nothing.
//!
//! Everything that is missing is absent with a reason, never zero. The sums themselves are part of the
//! analysis, so that anybody can compute the rest again.

mod arm;
mod comparison;
mod csv;
mod decision;
mod extras;
mod fixed;
mod health;
mod ledger;
mod methods;
mod metrics;
mod monitoring;
mod question;
mod segments;
mod series;
mod source;
mod summary;

pub use arm::{DenominatorSums, VariantValue};
pub use comparison::{Comparison, Decisive, Finding};
pub use csv::to_csv;
pub use decision::{
    Decision, Facts, Impact, PrimaryState, Readiness, Reason, Ruling, Unsaid, VariantDecision,
    Verdict, decide,
};
pub use extras::{Adjusted, Before, Capped, Margin, Outlook};
pub use fixed::{Difference, RelativeDifference};
pub use health::{Bias, Health, SampleRatio, SampleRatioVerdict, WatchedSplit};
pub use ledger::{FatesByDay, LedgerByDay};
pub use methods::{Bayesian, Bounds, HybridView, Sequential};
pub use metrics::MetricReport;
pub use monitoring::Monitoring;
pub use question::{
    Breakdown, Correction, DEFAULT_ALPHA, Decider, Question, Settings, UNPLANNED_USERS,
};
pub use segments::{HeterogeneityReport, SegmentComparison, SegmentReport};
pub use series::{ComparisonSeries, Series, TrendReport, VariantSeries};
pub use source::{NotInSums, Provenance, Source, days_asked};
pub use summary::Summary;

use super::experiment::{Experiment, Status};
use super::ids::{EventType, ExperimentId, VariantKey};
use super::metric::MetricRole;
use super::plan::Plan;
use super::sums::Overflow;
use super::tally::{Fates, Tally};
use super::time::Timestamp;
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
    pub segment: Option<BTreeMap<String, String>>,
    /// What to do, and why.
    pub decision: Decision,
    /// Where the numbers come from.
    pub source: &'static str,
    /// Why not from running sums, where nobody asked for the records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_reason: Option<Unsaid>,
    /// How new they are.
    pub freshness: Freshness,
    /// Who took part.
    pub variants: Vec<VariantUsers>,
    /// Whether the numbers can be trusted.
    pub health: Health,
    /// What was measured.
    pub metrics: Vec<MetricReport>,
    /// Where the stored events went, by type.
    pub ledger: BTreeMap<EventType, Fates>,
    /// The same by day, if series are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger_by_day: Option<LedgerByDay>,
    /// How it was computed.
    pub method: Settings,
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
    pub lag_seconds: Option<i64>,
    /// Events that are stored, lie after the last one and are not in the numbers yet; at most a thousand for each
    /// shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_events: Option<u64>,
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
    /// Users assigned, robots excepted.
    pub users: u64,
    /// Users left out because no person has that many events.
    pub robots: u64,
}

impl Report {
    /// The report that follows from the sums.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn new(
        experiment: &Experiment,
        tally: &Tally,
        question: &Question,
    ) -> Result<Self, Overflow> {
        let settings = Settings::new(experiment, question);
        let baseline = question
            .baseline
            .as_ref()
            .and_then(|key| experiment.variants.position(key))
            .unwrap_or(0);
        let material = Material::new(experiment, tally, &settings, baseline)?;
        let metrics = metrics::reports(&material, question)?;
        let only = question.lens.only.as_ref();
        let mut report = Self {
            experiment: About::new(experiment),
            as_of: question.as_of,
            from: question.lens.window.from,
            to: question.lens.window.to,
            segment: only.map(|only| BTreeMap::from([(only.by.clone(), only.value.clone())])),
            decision: Decision::empty(),
            source: question.provenance.source.name(),
            source_reason: question.provenance.because.clone(),
            freshness: Freshness::new(tally, question),
            variants: users(experiment, tally),
            health: Health::check(experiment, tally, &metrics),
            metrics,
            ledger: tally.ledger_by_type(),
            ledger_by_day: question.series.then(|| LedgerByDay::new(tally)),
            method: settings.clone(),
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
            (self.from, self.to, &self.segment),
            &self.variants,
            arms,
            &self.method,
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
    fn new(tally: &Tally, question: &Question) -> Self {
        let now = question.as_of.micros();
        let seconds = |since: Timestamp| (now - since.micros()).max(0) / 1_000_000;
        Self {
            first_assignment_at: tally.reach.assigned.map(|(first, _)| first),
            last_assignment_at: tally.reach.assigned.map(|(_, last)| last),
            last_event_at: tally.reach.counted.map(|(_, last)| last),
            last_event_received_at: tally.reach.received_last,
            lag_seconds: tally.reach.received_last.map(seconds),
            pending_events: question.provenance.pending_events,
            generation: question.provenance.generation,
        }
    }
}

fn users(experiment: &Experiment, tally: &Tally) -> Vec<VariantUsers> {
    let variants = experiment.variants.as_slice().iter().enumerate();
    variants
        .map(|(index, variant)| {
            let tally = tally.variants.get(index);
            VariantUsers {
                key: variant.key.clone(),
                control: index == 0,
                percent: variant.percent,
                users: tally.map_or(0, |tally| tally.users()),
                robots: tally.map_or(0, |tally| tally.robots),
            }
        })
        .collect()
}
