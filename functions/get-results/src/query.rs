//! The parameters of the query string.

use domain::Invalid;
use domain::aggregates::DimensionValue;
use domain::coverage::DataSource;
use domain::experiment::Experiment;
use domain::filter::{RecordFilter, TimeWindow};
use domain::ids::{DimensionKey, DimensionLabel, MetricKey, VariantKey};
use domain::report::{AnalysisRequest, Breakdown, Correction, DecidingMethod};
use domain::time::Timestamp;
use shared::http::{Problem, Request, params};
use shared::store::aggregates::AggregateSections;
use std::collections::BTreeSet;

/// Which view of the results.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Summary,
    Monitoring,
    Analysis,
}

/// The format of the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    Svg,
}

/// The query of a request for results.
pub(crate) struct ResultsQuery {
    pub(crate) view: View,
    pub(crate) format: Format,
    pub(crate) request: AnalysisRequest,
    /// The data source, if the caller chooses one.
    pub(crate) source: Option<DataSource>,
    /// Whether the results are as of the request itself, and not of a time in the query.
    pub(crate) as_of_now: bool,
}

impl ResultsQuery {
    /// The sections of the aggregates that the answer needs.
    pub(crate) fn sections(&self) -> AggregateSections {
        AggregateSections {
            hours: self.view == View::Monitoring,
            dimensions: self.request.breakdown != Breakdown::None,
        }
    }
}

const PARAMETERS: [&str; 14] = [
    "view",
    "format",
    "metrics",
    "baseline",
    "method",
    "alpha",
    "correction",
    "cuped",
    "dimension",
    "from",
    "to",
    "as_of",
    "series",
    "source",
];
const VIEWS: [(&str, View); 3] = [
    ("summary", View::Summary),
    ("monitoring", View::Monitoring),
    ("analysis", View::Analysis),
];
const FORMATS: [(&str, Format); 3] = [
    ("json", Format::Json),
    ("csv", Format::Csv),
    ("svg", Format::Svg),
];
const YES_OR_NO: [(&str, bool); 2] = [("true", true), ("false", false)];
const SERIES: [(&str, bool); 2] = [("day", true), ("none", false)];

/// Reads the query.
///
/// # Errors
/// 400 with all faults.
pub(crate) fn read(
    request: &Request,
    experiment: &Experiment,
    now: Timestamp,
) -> Result<ResultsQuery, Problem> {
    let mut query = params::Query::read(request, &PARAMETERS);
    let view = query
        .optional("view", params::choice(&VIEWS))
        .unwrap_or(View::Analysis);
    let format = query
        .optional("format", params::choice(&FORMATS))
        .unwrap_or(Format::Json);
    let metrics = query
        .optional("metrics", |text| metric_keys(text, experiment))
        .unwrap_or_default();
    let baseline = query.optional("baseline", |text| variant(text, experiment));
    let method = query.optional("method", params::choice(&DecidingMethod::ALL));
    let alpha = query.optional("alpha", alpha);
    let correction = query.optional("correction", params::choice(&Correction::ALL));
    let cuped = query.optional("cuped", params::choice(&YES_OR_NO));
    let dimension = query.optional("dimension", |text| dimension(text, experiment));
    let as_of = query.optional("as_of", |text| past_instant(text, now));
    let from = query.optional("from", Timestamp::parse);
    let to = query.optional("to", Timestamp::parse);
    let series = query.optional("series", params::choice(&SERIES));
    let source = query.optional("source", params::choice(&DataSource::ALL));
    if let (Some(from), Some(end)) = (from, to.or(as_of))
        && end <= from
    {
        let detail = format!("Must be after `from`, {from}.");
        let name = if to.is_some() { "to" } else { "as_of" };
        query.fault(name, Invalid::new("empty_window", detail));
    }
    let kept_end = experiment
        .schedule
        .planned_end
        .filter(|planned| experiment.end() == Some(*planned));
    if method == Some(DecidingMethod::Hybrid) && kept_end.is_none() {
        let detail = "`hybrid` needs a planned end: an `ends_at` that was set before the start and not changed. This \
                      experiment has none. Use `sequential`.";
        query.fault("method", Invalid::new("no_planned_end", detail.to_owned()));
    }
    query.finish()?;

    let (only, breakdown) = dimension.unwrap_or((None, Breakdown::All));
    // Results as of an earlier time include nothing that came later.
    let to = [to, as_of].into_iter().flatten().min();
    let table = format == Format::Csv;
    // A summary does not show days, and computing 400 of them takes most of the time.
    let series = series.unwrap_or(view == View::Analysis && format == Format::Json);
    Ok(ResultsQuery {
        view,
        format,
        source,
        as_of_now: as_of.is_none(),
        request: AnalysisRequest {
            filter: RecordFilter {
                window: TimeWindow { from, to },
                only,
                pre_exposure: cuped.unwrap_or(false),
            },
            as_of: as_of.unwrap_or(now),
            metrics,
            baseline,
            method,
            alpha,
            correction: correction.unwrap_or_default(),
            breakdown: if table || (view == View::Analysis && format == Format::Json) {
                breakdown
            } else {
                Breakdown::None
            },
            series,
        },
    })
}

/// An unknown key is refused: it must not look like a metric without data. An experiment without declared metrics
/// takes any key, because its metrics follow from the event types.
fn metric_keys(text: &str, experiment: &Experiment) -> Result<BTreeSet<MetricKey>, Invalid> {
    let keys: BTreeSet<MetricKey> = text
        .split(',')
        .map(|key| MetricKey::parse(key.trim()))
        .collect::<Result<_, _>>()?;
    let known = |key: &MetricKey| {
        experiment
            .analysis
            .metrics
            .iter()
            .any(|metric| metric.key == *key)
    };
    match keys.iter().find(|key| !known(key)) {
        Some(key) if !experiment.analysis.metrics.is_empty() => {
            let declared: Vec<&str> = experiment
                .analysis
                .metrics
                .iter()
                .map(|metric| metric.key.as_str())
                .collect();
            let detail = format!(
                "There is no metric `{key}`; there are {}.",
                declared.join(", ")
            );
            Err(Invalid::new("unknown_metric", detail))
        }
        _ => Ok(keys),
    }
}

fn variant(text: &str, experiment: &Experiment) -> Result<VariantKey, Invalid> {
    let variants = experiment.allocation.variants.as_slice();
    let found = variants.iter().find(|variant| variant.key.as_str() == text);
    found.map(|variant| variant.key.clone()).ok_or_else(|| {
        let keys: Vec<&str> = variants
            .iter()
            .map(|variant| variant.key.as_str())
            .collect();
        let detail = format!(
            "There is no variant `{text}`; there are {}.",
            keys.join(", ")
        );
        Invalid::new("unknown_variant", detail)
    })
}

fn alpha(text: &str) -> Result<f64, Invalid> {
    let alpha = text
        .parse()
        .ok()
        .filter(|alpha: &f64| *alpha >= 1e-6 && *alpha <= 0.5);
    alpha.ok_or_else(|| {
        let detail = "Must be a number from 0.000001 to 0.5, such as 0.05.";
        Invalid::new("out_of_range", detail.to_owned())
    })
}

/// The users of one dimension, `country:DE`; or one breakdown, `country`; or `none`.
fn dimension(
    text: &str,
    experiment: &Experiment,
) -> Result<(Option<DimensionValue>, Breakdown), Invalid> {
    if text == "none" {
        return Ok((None, Breakdown::None));
    }
    let (by, value) = match text.split_once(':') {
        Some((by, value)) => (by, Some(value)),
        None => (text, None),
    };
    let declared = experiment
        .analysis
        .dimensions
        .iter()
        .map(DimensionKey::as_str);
    let phase = experiment
        .allocation
        .weights_changed()
        .then_some(DimensionKey::PHASE);
    let known: Vec<&str> = declared.chain(phase).collect();
    if !known.contains(&by) {
        let there = if known.is_empty() {
            "this experiment declares none".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        let detail = format!("There is no dimension `{by}`; {there}.");
        return Err(Invalid::new("unknown_dimension", detail));
    }
    let Some(value) = value else {
        return Ok((None, Breakdown::By(by.to_owned())));
    };
    if value != DimensionLabel::NONE {
        DimensionLabel::parse(value)?;
    }
    let only = DimensionValue {
        by: by.to_owned(),
        value: value.to_owned(),
    };
    Ok((Some(only), Breakdown::All))
}

fn past_instant(text: &str, now: Timestamp) -> Result<Timestamp, Invalid> {
    let instant = Timestamp::parse(text)?;
    if instant > now {
        return Err(Invalid::new(
            "in_the_future",
            "Must not be in the future.".to_owned(),
        ));
    }
    Ok(instant)
}
