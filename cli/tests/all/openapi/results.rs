//! All forms of results. `Api` checks each answer against the document.

use super::answers::{all_documented, experiment};
use super::api::{Api, CheckedAnswer};
use super::document::Document;
use crate::shared_world;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;

const VARIANTS: [&str; 3] = ["control", "green", "blue"];

/// Creates an experiment that has ended, with every kind of metric, a plan, and pre-exposure events.
async fn fill(api: &Api) {
    let definition = json!({
        "id": "rich", "name": "Rich", "dimensions": ["country", "platform"], "ends_at": "2026-02-01T00:00:00Z",
        "variants": [{"key": "control", "percent": 40}, {"key": "green", "percent": 30}, {"key": "blue", "percent": 30}],
        "plan": {"metric": "buys", "minimum_detectable_effect": 0.5, "users": 600},
        "metrics": [
            {"key": "buys", "kind": "conversion", "event_type": "buy", "role": "primary"},
            {"key": "worth", "kind": "sum", "event_type": "buy", "cap_percentile": 0.9},
            {"key": "order", "kind": "ratio", "event_type": "buy", "measure": "sum", "denominator": {"event_type": "buy", "measure": "count"}},
            {"key": "share", "kind": "ratio", "event_type": "buy", "measure": "conversion", "denominator": {"event_type": "view"}},
            {"key": "median", "kind": "quantile", "event_type": "load", "quantile": 0.5, "direction": "decrease"},
            {"key": "views", "kind": "count", "event_type": "view", "role": "guardrail", "margin": 0.5},
            {"key": "never", "kind": "sum", "event_type": "never", "name": "Never seen"},
        ],
    });
    let created = api.post("/experiments", definition).await;
    assert_eq!(created.at("/planned_end"), "2026-02-01T00:00:00.000000Z");
    let (mut rows, mut events) = (Vec::new(), Vec::new());
    for user in 0..480 {
        let id = format!("u{user}");
        let (variant, day) = (
            if user % 10 < 4 {
                0
            } else {
                1 + (user / 10 + user) % 2
            },
            1 + user % 5,
        );
        let country = ["DE", "FR", "GB"][user / 10 % 3];
        let mut row = json!({"user_id": id, "variant": VARIANTS[variant], "assigned_at": format!("2026-01-0{day}T00:00:00Z")});
        if user % 7 != 0 {
            row["attributes"] = json!({ "country": country });
        }
        rows.push(row);
        let mut event = |kind: &str, at: String, value: usize| {
            events.push(json!({"user_id": id, "type": kind, "timestamp": at, "value": value}));
        };
        // The users of one variant bought more before their assignment: a pre-exposure imbalance.
        if user % 2 == 0 || variant == 1 {
            event(
                "buy",
                "2025-12-30T00:00:00Z".to_owned(),
                10 + user % 9 + 40 * (variant % 2),
            );
        }
        for minute in 0..=user % 3 {
            event("view", format!("2026-01-0{day}T01:0{minute}:00Z"), 0);
        }
        event(
            "load",
            format!("2026-01-0{day}T01:00:01Z"),
            100 + user * 7 % 300,
        );
        if user / 3 % 4 <= variant {
            event("buy", format!("2026-01-0{day}T02:00:00Z"), 5 + user % 60);
        }
    }
    for events in events.chunks(500) {
        let answer = api.post("/events", json!({ "events": events })).await;
        assert_eq!(answer.at("/rejected"), 0);
    }
    let path = "/experiments/rich/assignments";
    let imported = api.post(path, json!({ "assignments": rows })).await;
    assert_eq!(imported.at("/stored"), 480);
}

/// A platform with the experiment of [`fill`]. The tests that use it only read.
fn filled() -> Api {
    static API: OnceLock<Api> = OnceLock::new();
    let api = API.get_or_init(|| {
        shared_world::start(async {
            let api = Api::start().await;
            fill(&api).await;
            api
        })
    });
    api.in_another_test()
}

async fn results(api: &Api, query: &str) -> CheckedAnswer {
    let answer = api.get(&format!("/experiments/rich/results?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    all_documented(&answer);
    answer
}

#[tokio::test]
async fn results_of_all_requests_conform_to_the_document() {
    let api = filled();
    for query in [
        "view=summary",
        "view=monitoring",
        "as_of=2026-01-03T12:00:00Z",
        "as_of=2025-01-01T00:00:00Z",
        "view=summary&as_of=2026-01-10T00:00:00Z",
        "view=monitoring&as_of=2026-01-03T12:00:00Z",
        "baseline=blue",
        "method=fixed&correction=none",
        "method=sequential&correction=bh",
        "method=hybrid&correction=holm",
        "method=bayesian&alpha=0.000001",
        "view=summary&method=bayesian&alpha=0.5",
        "view=summary&baseline=green&method=fixed",
        "dimension=country",
        "dimension=country:DE",
        "dimension=country:(none)",
        "dimension=platform:ios",
        "dimension=none&series=none",
        "view=summary&series=day&metrics=worth",
        "metrics=never",
        "from=2026-01-02T00:00:00Z&to=2026-01-04T00:00:00%2B01:00&source=raw",
    ] {
        results(&api, query).await;
    }
    for (query, kind) in [
        ("format=svg", "image/svg+xml"),
        ("format=svg&view=summary&method=bayesian", "image/svg+xml"),
        ("format=svg&series=day&metrics=worth", "image/svg+xml"),
        ("format=csv", "text/csv; charset=utf-8"),
        ("format=csv&view=summary", "text/csv; charset=utf-8"),
    ] {
        let answer = results(&api, query).await;
        assert_eq!(answer.headers["content-type"], kind);
    }
}

#[tokio::test]
async fn every_part_of_an_analysis_is_present_if_it_can_be_computed() {
    let api = filled();
    let report = results(&api, "").await;
    let metric = |report: &CheckedAnswer, key: &str| {
        let mut all = report.at("/metrics").as_array().unwrap().iter();
        all.find(|metric| metric["key"] == key).unwrap().clone()
    };
    let missing = |comparison: &Value| -> BTreeSet<String> {
        let missing = comparison["missing"].as_array().into_iter().flatten();
        missing
            .map(|missing| format!("{}: {}", missing["what"], missing["reason"]))
            .collect()
    };
    let buys = &metric(&report, "buys")["comparisons"][0];
    for part in [
        "decisive",
        "absolute",
        "relative",
        "sequential",
        "hybrid",
        "bayesian",
        "power_to_date",
    ] {
        assert!(buys[part].is_object(), "{part}: {buys}");
    }
    assert_eq!(buys["hybrid"]["phase"], "planned_end");
    assert!(metric(&report, "worth")["comparisons"][0]["capped"]["cap"].is_number());
    assert!(metric(&report, "order")["variants"][0]["denominator"]["sum_products"].is_string());
    assert!(metric(&report, "median")["variants"][0]["mean"].is_number());
    assert!(metric(&report, "views")["comparisons"][0]["non_inferiority"]["shown"].is_boolean());
    let country = &metric(&report, "worth")["dimensions"][0];
    assert!(
        country["heterogeneity"].is_object() && country["stratified"].is_object(),
        "{country}"
    );
    assert_eq!(country["values"].as_array().unwrap().len(), 4);
    assert!(metric(&report, "buys")["novelty"][0]["slope_per_day"].is_number());
    assert_eq!(metric(&report, "buys")["series"]["days"][0], "2026-01-01");
    let never = &metric(&report, "never")["comparisons"][0];
    assert!(
        missing(never).contains(r#""absolute": "zero_variance""#),
        "{never}"
    );
    assert_eq!(report.at("/experiment/plan/users"), 600);
    assert_eq!(report.at("/analysis_settings/deciding_method"), "hybrid");

    let before = results(&api, "as_of=2026-01-10T00:00:00Z").await;
    let running = &metric(&before, "buys")["comparisons"][0]["hybrid"]["phase"];
    assert_eq!(running, "running");
    let early = results(&api, "as_of=2026-01-01T03:00:00Z").await;
    let early = missing(&metric(&early, "buys")["comparisons"][0]);
    assert!(
        early.contains(r#""finding": "too_few_conversions""#),
        "{early:?}"
    );

    let adjusted = results(&api, "cuped=true").await;
    let worth = &metric(&adjusted, "worth")["comparisons"][0];
    assert!(
        worth["cuped_adjusted"]["pre_exposure"][0]["p_value"].is_number(),
        "{worth}"
    );
    assert_eq!(worth["relative"]["method"], "delta");
    let median = missing(&metric(&adjusted, "median")["comparisons"][0]);
    assert!(
        median.contains(r#""cuped_adjusted": "not_adjustable""#),
        "{median:?}"
    );
    assert_eq!(
        adjusted.at("/data_quality/pre_exposure_imbalance/0/variant"),
        "green"
    );
    assert_eq!(adjusted.at("/decision/verdict"), "do_not_trust");

    let summary = results(&api, "view=summary").await;
    assert_eq!(summary.at("/variants").as_array().unwrap().len(), 2);
    let monitoring = results(&api, "view=monitoring").await;
    assert_eq!(monitoring.at("/refused/missing/reason"), "not_kept");
    let hours = monitoring.at("/traffic/hours").as_array().unwrap().len();
    let assigned = monitoring.at("/traffic/variants/0/assigned");
    assert_eq!(assigned.as_array().unwrap().len(), hours);
}

#[tokio::test]
async fn alarms_conform_to_the_document() {
    let api = Api::start().await;
    let at = "2026-01-01T00:00:00Z";
    let rows = |users: std::ops::Range<usize>, variant: &str| -> Vec<Value> {
        let row =
            |user| json!({"user_id": format!("u{user}"), "variant": variant, "assigned_at": at});
        users.map(row).collect()
    };
    let codes = |answer: &CheckedAnswer| -> BTreeSet<String> {
        let alarms = answer.at("/alarms").as_array().unwrap().iter();
        alarms
            .map(|alarm| alarm["code"].as_str().unwrap().to_owned())
            .collect()
    };
    let named = |names: &[&str]| {
        names
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };

    api.post("/experiments", experiment("lopsided")).await;
    let body = json!({"assignments": rows(0..60, "green")});
    api.post("/experiments/lopsided/assignments", body).await;
    let answer = api
        .get("/experiments/lopsided/results?view=monitoring")
        .await;
    all_documented(&answer);
    assert_eq!(
        codes(&answer),
        named(&["variant_without_users", "sample_ratio_mismatch"])
    );
    let summary = api.get("/experiments/lopsided/results?view=summary").await;
    all_documented(&summary);
    assert_eq!(summary.at("/verdict"), "do_not_trust");

    api.post("/experiments", experiment("shifted")).await;
    let both = [rows(0..20, "green"), rows(20..40, "control")].concat();
    let body = json!({ "assignments": both });
    api.post("/experiments/shifted/assignments", body).await;
    let weights =
        json!({"variants": [{"key": "control", "percent": 40}, {"key": "green", "percent": 60}]});
    api.call(
        "patch",
        "/experiments/shifted",
        &[("if-match", "*")],
        Some(weights.to_string()),
    )
    .await;
    api.get("/experiments/shifted/assignment/new-user").await;
    for user in 0..3 {
        let event = json!({"user_id": format!("u{user}"), "type": "buy", "timestamp": "2026-01-02T00:00:00Z"});
        api.post("/events", event).await;
    }
    let answer = api
        .get("/experiments/shifted/results?view=monitoring")
        .await;
    all_documented(&answer);
    assert_eq!(codes(&answer), named(&["weights_changed"]));
    let phases = api
        .get("/experiments/shifted/results?dimension=phase")
        .await;
    all_documented(&phases);
    let first = phases.at("/metrics/0/dimensions/0");
    assert_eq!(
        (&first["by"], &first["values"][0]["value"]),
        (&json!("phase"), &json!("1"))
    );
}

#[tokio::test]
async fn invalid_analysis_requests_are_refused_with_all_faults() {
    let api = Api::start().await;
    let mut body = experiment("e");
    body["metrics"] = json!([{"key": "m", "kind": "count", "event_type": "t"}]);
    api.post("/experiments", body).await;
    for (query, mut expected) in [
        (
            "view=all&format=pdf&cuped=1&series=week&method=t&correction=fdr&source=events",
            vec!["not_a_choice"; 7],
        ),
        ("dimension=country", vec!["unknown_dimension"]),
        ("dimension=phase", vec!["unknown_dimension"]),
        (
            "baseline=blue&metrics=m,n",
            vec!["unknown_metric", "unknown_variant"],
        ),
        ("alpha=0.6", vec!["out_of_range"]),
        ("alpha=five", vec!["out_of_range"]),
        ("as_of=2099-01-01T00:00:00Z", vec!["in_the_future"]),
        (
            "from=2026-02-01T00:00:00Z&as_of=2026-01-01T00:00:00Z",
            vec!["empty_window"],
        ),
        ("method=hybrid", vec!["no_planned_end"]),
        ("format=svg&view=monitoring", vec!["no_picture"]),
        (
            "views=summary&alpha=0.1&alpha=0.2",
            vec!["unknown_parameter", "repeated_parameter"],
        ),
    ] {
        let answer = api.get(&format!("/experiments/e/results?{query}")).await;
        assert_eq!(
            (answer.status, answer.at("/code")),
            (400, &json!("bad_parameters")),
            "{query}"
        );
        all_documented(&answer);
        let faults = answer.at("/errors").as_array().unwrap().iter();
        let mut codes: Vec<&str> = faults
            .map(|fault| fault["code"].as_str().unwrap())
            .collect();
        // The order of unknown and repeated parameters is random.
        codes.sort_unstable();
        expected.sort_unstable();
        assert_eq!(codes, expected, "{query}");
    }
}

#[tokio::test]
async fn invalid_metrics_are_refused_with_all_faults() {
    let api = Api::start().await;
    let mut body = experiment("e");
    body["metrics"] = json!([
        {"key": "a", "kind": "ratio", "event_type": "t"},
        {"key": "b", "kind": "ratio", "event_type": "t", "denominator": {"event_type": "", "measure": "mean", "by": 1}, "quantile": 0.5},
        {"key": "c", "kind": "quantile", "event_type": "t", "quantile": 1, "measure": "mean"},
        {"key": "d", "kind": "count", "event_type": "t", "cap_percentile": 0.5, "margin": 0.1},
        {"key": "e", "kind": "conversion", "event_type": "t", "cap_percentile": 0.9, "role": "guardrail", "margin": 1},
    ]);
    let answer = api.post("/experiments", body).await;
    assert_eq!(
        (answer.status, answer.at("/code")),
        (422, &json!("invalid"))
    );
    all_documented(&answer);
    let found: BTreeSet<(&str, &str)> = answer
        .at("/errors")
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            (
                fault["pointer"].as_str().unwrap(),
                fault["code"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = BTreeSet::from([
        ("/metrics/0/denominator", "required"),
        ("/metrics/1/denominator/event_type", "empty"),
        ("/metrics/1/denominator/measure", "not_a_choice"),
        ("/metrics/1/denominator/by", "unknown_field"),
        ("/metrics/1/quantile", "unknown_field"),
        ("/metrics/2/quantile", "out_of_range"),
        ("/metrics/2/measure", "not_a_choice"),
        ("/metrics/3/cap_percentile", "out_of_range"),
        ("/metrics/3/margin", "not_a_guardrail"),
        ("/metrics/4/cap_percentile", "unknown_field"),
        ("/metrics/4/margin", "out_of_range"),
    ]);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_guide_shows_the_csv_header_and_explains_every_column() {
    let api = Api::start().await;
    api.post("/experiments", experiment("e")).await;
    let table = api.get("/experiments/e/results?format=csv").await;
    let head = table.text.lines().next().unwrap();
    let (_, shown) = Document::guide().split_once("### CSV").unwrap();
    assert!(
        shown.contains(&format!("\n{head}\n")),
        "docs/api.md does not show {head}"
    );
    for column in head.split(',') {
        assert!(
            shown.contains(&format!("`{column}`")),
            "docs/api.md does not explain {column}"
        );
    }
}
