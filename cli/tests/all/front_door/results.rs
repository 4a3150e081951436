//! Results: their contents, formats and data quality.

use super::support::{Caller, World, ago};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde_json::{Value, json};
use shared::http::routes::ROUTES;

/// Creates an experiment with these numbers of imported users and buyers in each variant.
async fn filled(admin: &Caller, id: &str, fields: Value, users: [usize; 2], buyers: [usize; 2]) {
    admin.experiment(id, fields).await;
    let at = ago(3600).to_string();
    let (mut rows, mut events) = (Vec::new(), Vec::new());
    for (variant, key) in ["control", "green"].into_iter().enumerate() {
        for number in 0..users[variant] {
            let user = format!("{id} {key} {number}");
            rows.push(json!({"user_id": user, "variant": key, "assigned_at": at}));
            if number < buyers[variant] {
                let timestamp = ago(1800).to_string();
                events.push(
                    json!({"user_id": user, "type": "buy", "timestamp": timestamp, "value": 0.1}),
                );
            }
        }
    }
    for rows in rows.chunks(500) {
        admin.import(id, rows).await;
    }
    for events in events.chunks(500) {
        admin.track(events).await;
    }
}

/// Checks that a cell contains this number, or is empty if there is none. Reading JSON may change the last bit.
fn assert_same(cell: &str, value: &Value) {
    match value.as_f64() {
        None => assert_eq!(cell, ""),
        Some(value) => {
            let cell: f64 = cell.parse().unwrap();
            assert!(
                (cell - value).abs() <= 2.0 * f64::EPSILON * value.abs(),
                "{cell} {value}"
            );
        }
    }
}

fn metric<'r>(report: &'r Value, key: &str) -> &'r Value {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["key"] == key).unwrap()
}

#[tokio::test]
async fn only_declared_metrics_are_shown_and_without_them_two_for_each_event_type() {
    let world = World::start().await;
    let admin = world.admin();
    let declared = json!([{"key": "revenue", "kind": "sum", "event_type": "buy"}, {"key": "never", "kind": "count", "event_type": "nothing"}]);
    admin.experiment("seen", json!({})).await;
    admin
        .experiment("declared", json!({"metrics": declared}))
        .await;
    for id in ["seen", "declared"] {
        admin.assign(id, "u").await;
    }
    let event =
        |event_type: &str| json!({"user_id": "u", "type": event_type, "event_id": event_type});
    let types = ["buy", "view", "Käse & Brot", "=1+1"];
    assert_eq!(admin.track(&types.map(event)).await["stored"], 4);
    let keys = |report: &Value| -> Vec<String> {
        let metrics = report["metrics"].as_array().unwrap().iter();
        metrics
            .map(|metric| metric["key"].as_str().unwrap().to_owned())
            .collect()
    };
    let seen = keys(&admin.results("seen", "").await);
    assert_eq!(seen.len(), 8, "{seen:?}");
    for key in [
        "buy.conversion",
        "buy.count",
        "view.conversion",
        "view.count",
    ] {
        assert!(seen.contains(&key.to_owned()), "{key} of {seen:?}");
    }
    let declared = admin.results("declared", "").await;
    assert_eq!(keys(&declared), ["revenue", "never"]);
    let never = &metric(&declared, "never")["variants"][0];
    assert_eq!(
        (&never["converted"], &never["sum"]),
        (&json!(0), &json!("0"))
    );
    for (only, expected) in [
        ("revenue", vec!["revenue"]),
        ("never,revenue", vec!["revenue", "never"]),
    ] {
        let report = admin.results("declared", &format!("metrics={only}")).await;
        assert_eq!(keys(&report), expected);
    }
}

#[tokio::test]
async fn a_number_that_cannot_be_computed_is_absent_with_a_reason() {
    let world = World::start().await;
    let admin = world.admin();
    admin
        .experiment(
            "empty",
            json!({"metrics": [{"key": "m", "kind": "sum", "event_type": "buy"}]}),
        )
        .await;
    let report = admin.results("empty", "").await;
    let metric = metric(&report, "m");
    for variant in metric["variants"].as_array().unwrap() {
        assert!(
            variant.get("mean").is_none() && variant["missing"].is_object(),
            "{variant}"
        );
    }
    let comparison = &metric["comparisons"][0];
    assert!(comparison.get("absolute").is_none() && comparison.get("relative").is_none());
    assert_eq!(
        comparison["missing"].as_array().unwrap().len(),
        2,
        "{comparison}"
    );
    assert_eq!(
        report["data_quality"]["sample_ratio"]["verdict"],
        "not_enough_data"
    );
    let summary = admin.results("empty", "view=summary").await;
    assert!(
        summary["headline"]
            .as_str()
            .unwrap()
            .contains("not enough data"),
        "{summary}"
    );
}

#[tokio::test]
async fn csv_and_summary_agree_with_the_analysis() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([
        {"key": "buyers", "kind": "conversion", "event_type": "buy", "role": "primary"},
        {"key": "revenue", "kind": "sum", "event_type": "buy", "name": "Revenue, \"gross\""},
        {"key": "none", "kind": "count", "event_type": "=cmd, \"x\""},
    ]);
    filled(
        &admin,
        "e",
        json!({"metrics": metrics}),
        [100, 100],
        [26, 52],
    )
    .await;
    let report = admin.results("e", "").await;
    let answer = admin.get("/experiments/e/results?format=csv").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let mut table = csv::Reader::from_reader(answer.text.as_bytes());
    let headers = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 6);
    let mut rows = rows.iter();
    for metric in report["metrics"].as_array().unwrap() {
        for (index, variant) in metric["variants"].as_array().unwrap().iter().enumerate() {
            let row = rows.next().unwrap();
            let cell = |name: &str| {
                row.get(headers.iter().position(|h| h == name).unwrap())
                    .unwrap()
            };
            assert_eq!(cell("metric"), metric["key"].as_str().unwrap());
            assert_eq!(
                cell("event_type").trim_start_matches('\''),
                metric["event_type"].as_str().unwrap()
            );
            assert!(!cell("event_type").starts_with('='), "no cell is a formula");
            assert_eq!(cell("variant"), variant["key"].as_str().unwrap());
            assert_eq!(cell("users"), variant["users"].to_string());
            assert_eq!(cell("converted"), variant["converted"].to_string());
            for exact in ["sum", "sum_squares"] {
                assert_eq!(cell(exact), variant[exact].as_str().unwrap());
            }
            assert_same(cell("mean"), &variant["mean"]);
            assert_same(cell("variance"), &variant["variance"]);
            let comparison = if index == 0 {
                &Value::Null
            } else {
                &metric["comparisons"][0]
            };
            assert_same(cell("difference"), &comparison["absolute"]["estimate"]);
            assert_same(cell("p_value"), &comparison["absolute"]["p_value"]);
            assert_same(cell("lift"), &comparison["relative"]["estimate"]);
        }
    }
    let summary = admin.results("e", "view=summary&method=fixed").await;
    assert_eq!(summary["users"], 200);
    assert_eq!(
        summary["sample_ratio"],
        report["data_quality"]["sample_ratio"]["verdict"]
    );
    let test = &metric(&report, "buyers")["comparisons"][0];
    let variant = &summary["metrics"][0]["variants"][1];
    assert_eq!(variant["p_value"], test["absolute"]["p_value"]);
    assert_eq!(variant["lift"]["estimate"], test["relative"]["estimate"]);
    let headline = summary["headline"].as_str().unwrap();
    assert!(
        headline.contains("better so far on `buyers`: +100.0%"),
        "{headline}"
    );
}

#[tokio::test]
async fn sums_are_exact_where_floating_point_is_not() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "m", "kind": "sum", "event_type": "t"}]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": ago(60).to_string()});
    admin.import("e", &[row]).await;
    let mut events = Vec::new();
    for (number, value) in [
        "0.1",
        "0.2",
        "1000000000",
        "-999999999.999999",
        "1e-6",
        "0.0000005",
        "0.0000015",
        "3e2",
    ]
    .iter()
    .enumerate()
    {
        events.push(format!(
            r#"{{"user_id":"u","type":"t","event_id":"{number}","value":{value}}}"#
        ));
    }
    let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
    assert_eq!(
        admin.send("POST", "/events", &[], body).await.json(200)["stored"],
        8
    );
    let report = admin.results("e", "").await;
    let variant = &metric(&report, "m")["variants"][1];
    // 0.1 + 0.2 + 0.000001 (the two large ones) + 0.000001 + 0 + 0.000002 + 300
    assert_eq!(variant["sum"], "300.300004");
    assert_eq!(variant["sum_squares"], "90180.092402400016");
}

#[tokio::test]
async fn a_sample_ratio_mismatch_is_reported_and_no_winner_is_named() {
    let world = World::start().await;
    let admin = world.admin();
    filled(&admin, "e", json!({}), [300, 200], [30, 60]).await;
    let report = admin.results("e", "").await;
    let sample_ratio = &report["data_quality"]["sample_ratio"];
    assert_eq!(
        (&sample_ratio["verdict"], &sample_ratio["observed"]),
        (&json!("mismatch"), &json!([300, 200]))
    );
    assert!(
        sample_ratio["p_value"].as_f64().unwrap() < 1e-4,
        "{sample_ratio}"
    );
    let summary = admin.results("e", "view=summary").await;
    assert!(
        summary["headline"]
            .as_str()
            .unwrap()
            .starts_with("Do not trust"),
        "{summary}"
    );
}

#[tokio::test]
async fn the_sample_ratio_is_tested_against_the_weights_at_the_time_of_each_assignment() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let import = async |variant: &str, range: std::ops::Range<usize>| {
        let at = ago(0).to_string();
        let row = |number| json!({"user_id": format!("{variant} {number}"), "variant": variant, "assigned_at": at});
        let rows: Vec<Value> = range.map(row).collect();
        assert_eq!(admin.import("e", &rows).await["stored"], rows.len());
    };
    import("control", 0..100).await;
    import("green", 0..100).await;
    let weights = json!([{"key": "control", "percent": 10}, {"key": "green", "percent": 90}]);
    admin
        .change("e", &json!({"variants": weights}))
        .await
        .json(200);
    import("control", 100..120).await;
    import("green", 100..280).await;
    let sample_ratio = admin.results("e", "").await["data_quality"]["sample_ratio"].take();
    assert_eq!(sample_ratio["observed"], json!([120, 280]));
    // The control expects half of the first 200 users and a tenth of the next 200.
    assert_eq!(sample_ratio["expected"], json!([120.0, 280.0]));
    assert_eq!(sample_ratio["verdict"], "ok");
}

/// Stores copies of a user's only event with these ids. It writes to the database without the API, since 10,000
/// requests take too long.
async fn copy_event(world: &World, user: &str, ids: std::ops::Range<usize>) {
    let text = |text: String| AttributeValue::S(text);
    let items = world.items("EventsTable").await;
    let mut of_user = items
        .into_iter()
        .filter(|item| item["user_id"] == text(user.to_owned()));
    let original = of_user.next().unwrap();
    let counted_at = original["counted_at"].as_s().unwrap();
    let table = &world.platform.template.tables["EventsTable"].name;
    let puts = ids.map(|id| {
        let mut item = original.clone();
        item.insert("event_id".to_owned(), text(id.to_string()));
        item.insert("experiment_event".to_owned(), text(format!("e#{id}")));
        item.insert(
            "stored_at_event".to_owned(),
            text(format!("{counted_at}#{id}")),
        );
        let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    for puts in puts.collect::<Vec<_>>().chunks(25) {
        let request = world.platform.dynamodb.batch_write_item();
        let answer = request
            .request_items(table, puts.to_vec())
            .send()
            .await
            .unwrap();
        assert!(
            answer
                .unprocessed_items()
                .is_none_or(|rest| rest.is_empty())
        );
    }
}

#[tokio::test]
async fn a_user_with_too_many_events_is_excluded_as_an_outlier_user() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "n", "kind": "count", "event_type": "n"}]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    let at = ago(3600).to_string();
    let rows = ["outlier", "user"]
        .map(|user| json!({"user_id": user, "variant": "green", "assigned_at": at}));
    admin.import("e", &rows).await;
    let event = |user: &str, number: usize| json!({"user_id": user, "type": "n", "event_id": number.to_string()});
    admin.track(&[event("user", 0), event("outlier", 0)]).await;
    let limit = usize::try_from(domain::limits::MAX_EVENTS_PER_USER).unwrap();
    copy_event(&world, "outlier", 1..limit + 1).await;
    let report = admin.results("e", "").await;
    let users = &report["variants"][1];
    assert_eq!(
        (&users["users"], &users["outlier_users"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(metric(&report, "n")["variants"][1]["sum"], "1");
}

#[tokio::test]
async fn answers_are_not_cached_and_results_must_be_revalidated() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.layer("e").await;
    let segment = json!({"id": "e", "name": "E", "ids": ["u"]});
    admin.post("/segments", &segment).await.json(201);
    let flag = json!({"key": "e", "name": "E", "value_type": "boolean", "variants": [{"key": "on", "value": true}]});
    admin.post("/flags", &flag).await.json(201);
    let key = admin.post("/client-keys", &json!({"name": "E"})).await;
    let key = key.json(201)["key"].as_str().unwrap().to_owned();
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let parameters = [
            ("{id}", "e"),
            ("{user_id}", "u"),
            ("{key}", "e"),
            ("{client_key}", &key),
        ];
        let path = parameters
            .iter()
            .fold(route.path.to_owned(), |path, (name, value)| {
                path.replace(name, value)
            });
        let answer = admin.get(&path).await;
        let caching = match route.function {
            "get-results" => "private, no-cache",
            // They are the same for all users of a client key.
            "get-sdk-features" => "public, max-age=10, stale-while-revalidate=60",
            _ => "no-store",
        };
        assert_eq!(
            (answer.status, answer.header("cache-control")),
            (200, caching),
            "{path}"
        );
    }
}
