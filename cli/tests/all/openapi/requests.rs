//! A request is accepted exactly if the schema of the document accepts it. Each case is at the edge of one rule, with a
//! valid rest. `scripts/schemathesis` searches for further differences.

use super::answers::{experiment, variants};
use super::api::Api;
use serde_json::{Value, json};

/// Sends bodies that are `valid` except for the value at a pointer, and compares the schema's judgement with the server's.
pub(crate) async fn agrees(
    api: &Api,
    path: &str,
    valid: Value,
    pointer: &str,
    values: &[(Value, bool)],
) {
    let operation = api.document.operation("post", path);
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    for (value, accepted) in values {
        let mut body = valid.clone();
        *body.pointer_mut(pointer).unwrap() = value.clone();
        let faults = api.document.faults(schema, &body);
        assert_eq!(
            faults.is_empty(),
            *accepted,
            "the schema of {path}, {pointer} = {value}: {faults:?}"
        );
        let answer = api.call("post", path, &[], Some(body.to_string())).await;
        let rejected = answer.body["rejected"] != 0 && answer.body.get("rejected").is_some();
        assert_eq!(
            answer.status < 300 && !rejected,
            *accepted,
            "POST {path}, {pointer} = {value}: {}",
            answer.text
        );
        if !accepted && !rejected {
            assert_eq!(answer.status, 422, "{}", answer.text);
        }
    }
}

fn texts(accepted: &[&str], refused: &[&str]) -> Vec<(Value, bool)> {
    let accepted = accepted.iter().map(|text| (json!(text), true));
    accepted
        .chain(refused.iter().map(|text| (json!(text), false)))
        .collect()
}

#[tokio::test]
async fn texts_have_no_control_characters_and_prose_is_not_blank() {
    let api = Api::start().await;
    let id = texts(
        &["x", " ", "é", "🦀", "a\u{200b}", "\u{feff}"],
        &["", "\0", "a\nb", "\t", "\u{7f}", "a\u{85}", "\u{9f}"],
    );
    let event = json!({"user_id": "u", "type": "t", "event_id": "e"});
    for pointer in ["/user_id", "/type", "/event_id"] {
        agrees(&api, "/events", event.clone(), pointer, &id).await;
    }
    let reserved = texts(&["(other type)"], &["(other types)"]);
    agrees(&api, "/events", event, "/type", &reserved).await;

    let prose = texts(
        &["x", "a\nb", "\ta", "\u{feff}", "🦀"],
        &[
            "",
            " ",
            "\n",
            "\u{3000}\u{a0}",
            "\0",
            "a\rb",
            "a\u{1f}",
            "a\u{85}",
        ],
    );
    let new = json!({"name": "N", "description": "D", "hash_seed": "S", "variants": variants(), "metrics": [{"key": "k", "kind": "sum", "event_type": "t", "name": "M"}]});
    for pointer in ["/name", "/description", "/hash_seed", "/metrics/0/name"] {
        agrees(&api, "/experiments", new.clone(), pointer, &prose).await;
    }
    agrees(
        &api,
        "/experiments",
        new.clone(),
        "/metrics/0/event_type",
        &reserved,
    )
    .await;

    let mut dimensioned = experiment("e");
    dimensioned["dimensions"] = json!(["country"]);
    api.post("/experiments", dimensioned).await;
    let values = texts(
        &["DE", "", "(others)", "\u{200b}"],
        &["(none)", "(other values)", "a\nb", "\u{9f}"],
    );
    for (index, value) in values.iter().enumerate() {
        let row = json!({"assignments": [{"user_id": format!("u{index}"), "variant": "control", "assigned_at": "2026-01-01T00:00:00Z", "attributes": {"country": ""}}]});
        let pointer = "/assignments/0/attributes/country";
        agrees(
            &api,
            "/experiments/e/assignments",
            row,
            pointer,
            std::slice::from_ref(value),
        )
        .await;
    }
}

#[tokio::test]
async fn times_are_between_1970_and_9999() {
    let api = Api::start().await;
    let event = json!({"user_id": "u", "type": "t", "timestamp": "2026-01-01T00:00:00Z"});
    let times = texts(
        &[
            "1970-01-01T00:00:00Z",
            "2026-01-31T23:59:59.123456789+14:00",
        ],
        &[
            "1969-12-30T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-01-01",
            "",
        ],
    );
    agrees(&api, "/events", event, "/timestamp", &times).await;
    let new = json!({"name": "N", "variants": variants(), "ends_at": "2030-01-01T00:00:00Z"});
    let times = texts(
        &["9999-12-31T00:00:00Z"],
        &["10000-01-01T00:00:00Z", "1800-01-01T00:00:00Z"],
    );
    agrees(&api, "/experiments", new, "/ends_at", &times).await;
}

#[tokio::test]
async fn percentages_of_layers_and_holdouts_have_the_ranges_of_the_document() {
    let api = Api::start().await;
    let layer = Some(json!({"name": "L"}).to_string());
    let created = api.call("put", "/layers/l", &[], layer).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let percents = |percents: &[(f64, bool)]| -> Vec<(Value, bool)> {
        let percents = percents.iter();
        percents
            .map(|(percent, ok)| (json!(percent), *ok))
            .collect()
    };
    let new = json!({"name": "N", "variants": variants(), "layer": {"id": "l", "percent": 1}});
    let values = percents(&[
        (0.0, false),
        (0.009, false),
        (0.01, true),
        (0.019, true),
        (100.01, false),
    ]);
    agrees(&api, "/experiments", new, "/layer/percent", &values).await;
    let new = json!({"name": "N", "holdout": {"percent": 1, "layer": null}, "variants": null});
    let values = percents(&[
        (0.0, false),
        (0.099, false),
        (0.1, true),
        (20.0, true),
        (20.01, false),
    ]);
    agrees(
        &api,
        "/experiments",
        new.clone(),
        "/holdout/percent",
        &values,
    )
    .await;
    let values = [(variants(), false), (Value::Null, true)];
    agrees(&api, "/experiments", new, "/variants", &values).await;
}

#[tokio::test]
async fn a_whole_number_may_have_a_decimal_point() {
    let api = Api::start().await;
    let new = json!({"name": "N", "variants": variants(), "shards": 8, "plan": {"minimum_detectable_effect": 0.1, "users": 2}});
    let shards = [
        ("8.0", true),
        ("100.0", true),
        ("256", true),
        ("8.5", false),
        ("0.0", false),
        ("256.5", false),
        ("257.0", false),
        ("-8", false),
    ];
    let users = [
        ("2.0", true),
        ("1000000000000.0", true),
        ("1000000000000", true),
        ("1000000000001.0", false),
        ("2.5", false),
        ("0.5", false),
    ];
    for (pointer, numbers) in [("/shards", &shards[..]), ("/plan/users", &users[..])] {
        let values: Vec<(Value, bool)> = numbers
            .iter()
            .map(|(text, accepted)| (serde_json::from_str(text).unwrap(), *accepted))
            .collect();
        agrees(&api, "/experiments", new.clone(), pointer, &values).await;
    }
    for (limit, status) in [
        ("20", 200),
        ("20.0", 200),
        ("20.5", 400),
        ("0", 400),
        ("101", 400),
    ] {
        let answer = api.get(&format!("/experiments?limit={limit}")).await;
        assert_eq!(answer.status, status, "{limit}");
    }
}

#[tokio::test]
async fn the_fractions_of_a_metric_are_large_enough_to_be_stored() {
    let api = Api::start().await;
    let fractions: Vec<_> = [
        (0.0, false),
        (5e-324, false),
        (1e-131, false),
        (0.000_000_9, false),
        (0.000_001, true),
        (1.0, false),
    ]
    .map(|(fraction, accepted)| (json!(fraction), accepted))
    .into();
    let metrics = json!([
        {"key": "q", "kind": "quantile", "event_type": "t", "quantile": 0.5},
        {"key": "g", "kind": "sum", "event_type": "t", "role": "guardrail", "margin": 0.5, "cap_percentile": 0.9},
    ]);
    let new = json!({"name": "N", "variants": variants(), "metrics": metrics});
    for pointer in ["/metrics/0/quantile", "/metrics/1/margin"] {
        agrees(&api, "/experiments", new.clone(), pointer, &fractions).await;
    }
    let caps = [(0.5, false), (0.500_000_1, true), (1.0, false)];
    let caps = caps.map(|(cap, accepted)| (json!(cap), accepted));
    let pointer = "/metrics/1/cap_percentile";
    agrees(&api, "/experiments", new, pointer, &caps).await;
}

#[tokio::test]
async fn a_plan_request_has_the_ranges_of_the_document() {
    let api = Api::start().await;
    let number = |values: &[(f64, bool)]| -> Vec<(Value, bool)> {
        values
            .iter()
            .map(|(value, accepted)| (json!(value), *accepted))
            .collect()
    };
    let conversion = json!({"metric": {"kind": "conversion", "rate": 0.2}, "minimum_detectable_effect": 0.1, "alpha": 0.05, "power": 0.8, "traffic_percent": 50, "variants": variants()});
    for (pointer, values) in [
        (
            "/metric/rate",
            number(&[(0.0, false), (1.0, false), (1e-9, true)]),
        ),
        (
            "/power",
            number(&[(1.0, false), (0.999, true), (0.0, false)]),
        ),
        (
            "/alpha",
            number(&[(0.5, false), (0.000001, true), (0.0, false)]),
        ),
        (
            "/traffic_percent",
            number(&[
                (0.0, false),
                (1e-9, true),
                (5e-324, false),
                (100.0, true),
                (100.1, false),
            ]),
        ),
        (
            "/minimum_detectable_effect",
            number(&[
                (0.0, false),
                (0.000001, true),
                (-1.0, false),
                (1001.0, false),
            ]),
        ),
    ] {
        agrees(
            &api,
            "/experiments/plan",
            conversion.clone(),
            pointer,
            &values,
        )
        .await;
    }
    let mean = json!({"metric": {"kind": "sum", "mean": 3, "standard_deviation": 10}, "minimum_detectable_effect": 0.1});
    for (pointer, values) in [
        (
            "/metric/mean",
            number(&[(0.0, false), (1e-13, false), (-1e15, true), (1e16, false)]),
        ),
        (
            "/metric/standard_deviation",
            number(&[(0.0, false), (1e-13, false), (1e15, true), (1e16, false)]),
        ),
    ] {
        agrees(&api, "/experiments/plan", mean.clone(), pointer, &values).await;
    }
    let mut without_users = conversion;
    without_users["variants"] = json!([{"key": "a", "percent": 100}, {"key": "b", "percent": 0}]);
    let share = number(&[(0.0, false)]);
    agrees(
        &api,
        "/experiments/plan",
        without_users,
        "/variants/1/percent",
        &share,
    )
    .await;
}

#[tokio::test]
async fn a_plan_with_numbers_at_the_limits_conforms_to_the_document() {
    let api = Api::start().await;
    let rates = [5e-324, 1e-300, 1e-9, 0.5, 1.0 - f64::EPSILON];
    let rates = rates.map(|rate| json!({"kind": "conversion", "rate": rate}));
    let moments = [(1e-12, 1e15), (-1e15, 1e-12), (1e15, 1e15), (-1e-12, 1e-12)].map(
        |(mean, deviation)| json!({"kind": "sum", "mean": mean, "standard_deviation": deviation}),
    );
    let uneven = json!([{"key": "a", "percent": 100}, {"key": "b", "percent": 1e-9}]);
    let mut planned = 0;
    for metric in rates.iter().chain(&moments) {
        for lift in [0.000_001, 35.0, 1000.0, -0.999_999] {
            for (alpha, power) in [(0.000_001, 0.999_999), (0.499_999, 0.5)] {
                for (users_per_day, variants) in
                    [(3000_u64, &Value::Null), (1_000_000_000_000, &uneven)]
                {
                    let body = json!({"metric": metric, "minimum_detectable_effect": lift, "alpha": alpha, "power": power, "users_per_day": users_per_day, "variants": variants});
                    // `Api` checks that the response conforms to the document: no number of it is `null`.
                    let answer = api.post("/experiments/plan", body).await;
                    planned += usize::from(answer.status == 200);
                }
            }
        }
    }
    assert!(planned >= 100, "only {planned} plans");
}

#[tokio::test]
async fn an_empty_query_parameter_counts_as_missing_as_the_document_says() {
    let api = Api::start().await;
    let mut dimensioned = experiment("e");
    dimensioned["dimensions"] = json!(["country"]);
    api.post("/experiments", dimensioned).await;
    for path in ["/experiments", "/experiments/e/results", "/users/u"] {
        let parameters = &api.document.operation("get", path)["parameters"];
        let parameters = parameters.as_array().unwrap().iter();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            assert_eq!(parameter["allowEmptyValue"], true, "{path}: {parameter}");
            let name = parameter["name"].as_str().unwrap();
            let answer = api.get(&format!("{path}?{name}=")).await;
            assert_eq!(answer.status, 200, "{path}?{name}=: {}", answer.text);
        }
    }
    let answer = api.get("/experiments/e/assignment/u?country=").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let described = api.document.at("/components/schemas/AttributeParameters");
    assert!(
        api.document
            .faults(described, &json!({"country": ""}))
            .is_empty()
    );
}
