//! The report of the largest definition: it fits into one response, and says what it leaves out.

use domain::aggregates::{AggregateCell, Days, DimensionValue, ExperimentAggregates};
use domain::coverage::Provenance;
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::limits;
use domain::report::{AnalysisRequest, Breakdown, Correction, Report, to_csv};
use domain::sums::UserMetricValues;
use domain::time::Timestamp;
use serde_json::{Value, json};

const DAY: i64 = 20_000;
const DAY_MICROS: i64 = 86_400_000_000;
const DAYS: i64 = 20;

/// A name of the longest kind.
fn long(fill: char, chars: usize, number: usize) -> String {
    let number = number.to_string();
    fill.to_string().repeat(chars - number.len()) + &number
}

/// Every metric is secondary except the last one, which decides.
fn experiment(variants: usize) -> Experiment {
    let start = Timestamp::from_micros(DAY * DAY_MICROS);
    let percent = 100.0 / f64::from(u32::try_from(variants).unwrap());
    let variants: Vec<Value> = (0..variants)
        .map(|index| json!({"key": long('v', limits::MAX_KEY_CHARS, index), "percent": percent}))
        .collect();
    let metrics: Vec<Value> = (0..limits::MAX_METRICS)
        .map(|index| {
            json!({
                "key": long('m', limits::MAX_KEY_CHARS, index), "kind": "sum", "event_type": "buy",
                "name": long('"', limits::MAX_NAME_CHARS, index),
                "role": if index == 99 { "primary" } else { "secondary" },
            })
        })
        .collect();
    serde_json::from_value(json!({
        "id": long('e', limits::MAX_EXPERIMENT_ID_CHARS, 0), "version": 1, "name": "e", "status": "running",
        "traffic_percent": 100.0, "hash_seed": "e", "hash_version": 2, "phases": [], "shards": 1,
        "created_at": start, "updated_at": start, "started_at": start, "variants": variants, "metrics": metrics,
    }))
    .unwrap()
}

/// Users of one variant in one group, with values that differ from user to user and from day to day.
fn days(experiment: &Experiment, variant: usize, group: usize) -> Days {
    let mut days = Days::new();
    for day in 0..DAYS {
        let mut cell = AggregateCell {
            users: 40,
            ..AggregateCell::default()
        };
        for (index, metric) in experiment.analysis.metrics.iter().enumerate() {
            let sums = cell.metrics.entry(metric.key.clone()).or_default();
            for user in 0..4_usize {
                let value = (user * 37 + index * 3 + variant * 7 + group) % 50;
                let value = i128::try_from(value).unwrap() * 1_234_567 + i128::from(day);
                let values = UserMetricValues {
                    converted: true,
                    values: [value, 0, 0, 0],
                };
                sums.apply(&values, true, false).unwrap();
            }
        }
        days.insert((DAY + day, 0), cell);
    }
    days
}

fn aggregates(experiment: &Experiment) -> ExperimentAggregates {
    let mut aggregates =
        ExperimentAggregates::empty(experiment.allocation.variants.as_slice().len());
    for (index, variant) in aggregates.variants.iter_mut().enumerate() {
        variant.days = days(experiment, index, 0);
        for group in 0..3 {
            let value = DimensionValue {
                by: "country".to_owned(),
                value: long('"', limits::MAX_DIMENSION_VALUE_CHARS, group),
            };
            let of_group = days(experiment, index, group);
            variant.dimensions.insert(value, of_group);
        }
    }
    aggregates
}

fn request(metrics: &[&str]) -> AnalysisRequest {
    AnalysisRequest {
        filter: RecordFilter::default(),
        as_of: Timestamp::from_micros((DAY + DAYS) * DAY_MICROS),
        metrics: metrics
            .iter()
            .map(|key| serde_json::from_value(json!(key)).unwrap())
            .collect(),
        baseline: None,
        method: None,
        alpha: None,
        correction: Correction::Holm,
        breakdown: Breakdown::All,
        series: true,
    }
}

/// The report as JSON, with its number of bytes. It has to fit one response.
fn report(experiment: &Experiment, metrics: &[&str]) -> Value {
    let aggregates = aggregates(experiment);
    let request = request(metrics);
    let report = Report::new(experiment, &aggregates, &request, &Provenance::default()).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    let table = to_csv(&report);
    // As Lambda counts: in a JSON string, beside the headers.
    for text in [&text, &table] {
        let bytes = serde_json::to_string(text).unwrap().len();
        assert!(bytes <= 6_000_000, "{bytes} bytes");
    }
    serde_json::from_str(&text).unwrap()
}

fn broken_down(report: &Value) -> usize {
    let metrics = report["metrics"].as_array().unwrap().iter();
    metrics.filter(|one| one["dimensions"].is_array()).count()
}

fn days_of_series(report: &Value) -> usize {
    let days = report["metrics"][0]["series"]["days"].as_array();
    days.map_or(0, Vec::len)
}

#[test]
fn the_report_of_the_largest_definition_fits_one_response() {
    let experiment = experiment(limits::MAX_VARIANTS);
    let all = report(&experiment, &[]);
    assert_eq!((broken_down(&all), days_of_series(&all)), (0, 0));
    assert_eq!(all["metrics_not_broken_down"], limits::MAX_METRICS);
    let notes = all["decision"]["notes"].to_string();
    assert!(
        notes.contains("100 of 100 metrics have no results by dimension"),
        "{notes}"
    );

    let keys: Vec<String> = all["metrics"].as_array().unwrap()[..20]
        .iter()
        .map(|metric| metric["key"].as_str().unwrap().to_owned())
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let some = report(&experiment, &keys);
    assert_eq!((broken_down(&some), days_of_series(&some)), (20, 20));
    assert_eq!(some.get("metrics_not_broken_down"), None);
}

#[test]
fn deciding_metrics_are_broken_down_first() {
    let experiment = experiment(16);
    let report = report(&experiment, &[]);
    assert_eq!(report["metrics_not_broken_down"], 83);
    let metrics = report["metrics"].as_array().unwrap();
    let of = |index: usize| metrics[index]["dimensions"].is_array();
    assert_eq!(
        (of(0), of(15), of(16), of(99)),
        (true, true, false, true),
        "16 metrics and the deciding one"
    );
}
