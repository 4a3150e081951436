//! The analysis: methods, daily series, event accounting, traffic, charts, and analysis requests.

use super::shop::{close, comparison, metric, nothing_is_null, number, shared_shop, shop};
use super::support::{World, ago};
use super::users::{TestUser, crowd, import_users};
use serde_json::{Value, json};

#[tokio::test]
async fn every_method_is_reported_and_the_requested_one_decides() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics =
        json!([{"key": "buyers", "kind": "conversion", "event_type": "buy", "role": "primary"}]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    let mut users = crowd("control", 1000, 150, 8);
    users.extend(crowd("green", 1000, 200, 8));
    import_users(&admin, "e", &users).await;
    let requested = async |method: &str| {
        admin
            .results("e", &format!("series=none&method={method}"))
            .await
    };
    let (fixed, sequential, bayesian) = (
        requested("fixed").await,
        requested("sequential").await,
        requested("bayesian").await,
    );
    let of = |report: &Value| comparison(report, "buyers").clone();
    for report in [&fixed, &sequential, &bayesian] {
        let compared = of(report);
        for part in ["absolute", "relative", "sequential", "bayesian"] {
            assert_eq!(
                compared[part],
                of(&fixed)[part],
                "the numbers do not depend on the deciding method"
            );
        }
    }
    assert_eq!(of(&fixed)["finding"], "better");
    assert_eq!(
        of(&fixed)["decisive"]["p_value"],
        of(&fixed)["absolute"]["p_value"]
    );
    // The sequential method is undecided on the same data.
    assert_eq!(of(&sequential)["finding"], "undecided");
    assert_eq!(
        of(&sequential)["decisive"]["relative"],
        of(&fixed)["sequential"]["relative"]
    );
    assert!(
        number(&of(&sequential)["decisive"]["p_value"])
            > number(&of(&fixed)["decisive"]["p_value"])
    );
    let chances = &of(&bayesian)["bayesian"];
    let smaller = number(&chances["chance_to_win"]).min(number(&chances["chance_to_lose"]));
    assert!(close(
        number(&of(&bayesian)["decisive"]["p_value"]),
        2.0 * smaller
    ));
    let notes = fixed["decision"]["notes"].to_string();
    assert!(notes.contains("one reading"), "{notes}");

    // A larger alpha narrows the interval, and the report states it.
    let loose = admin.results("e", "series=none&alpha=0.2").await;
    assert_eq!(loose["analysis_settings"]["alpha"], 0.2);
    let width = |report: &Value| {
        let lift = &of(report)["decisive"]["relative"];
        number(&lift["ci_upper"]) - number(&lift["ci_lower"])
    };
    assert!(width(&loose) < width(&sequential));
}

#[tokio::test]
async fn another_baseline_reverses_the_comparison() {
    let (admin, _) = shared_shop();
    let (usual, reversed) = (
        admin.results("shop", "series=none&dimension=none").await,
        admin
            .results("shop", "series=none&dimension=none&baseline=green")
            .await,
    );
    for key in ["revenue", "per_order", "median", "orders", "buyers"] {
        let (one, other) = (comparison(&usual, key), comparison(&reversed, key));
        assert_eq!(
            (&one["variant"], &other["variant"]),
            (&json!("green"), &json!("control"))
        );
        let (a, b) = (&one["absolute"], &other["absolute"]);
        assert!(
            close(number(&a["estimate"]), -number(&b["estimate"])),
            "{key}"
        );
        assert!(
            close(number(&a["ci_lower"]), -number(&b["ci_upper"])),
            "{key}"
        );
        assert!(close(number(&a["p_value"]), number(&b["p_value"])), "{key}");
        assert!(
            close(
                number(&one["sequential"]["p_value"]),
                number(&other["sequential"]["p_value"])
            ),
            "{key}"
        );
    }
}

#[tokio::test]
async fn the_last_day_of_the_series_equals_the_result_and_each_day_equals_the_result_as_of_its_end()
{
    let (admin, _) = shared_shop();
    let report = admin.results("shop", "").await;
    for key in ["revenue", "per_order", "median", "buyers"] {
        let series = &metric(&report, key)["series"];
        let days = series["days"].as_array().unwrap();
        assert!(days.len() >= 6, "{series}");
        let last = |column: &Value| column.as_array().unwrap().last().unwrap().clone();
        for (index, variant) in metric(&report, key)["variants"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
        {
            assert_eq!(last(&series["variants"][index]["users"]), variant["users"]);
            assert_eq!(
                last(&series["variants"][index]["mean"]),
                variant["mean"],
                "{key}"
            );
        }
        let lift = &comparison(&report, key)["decisive"]["relative"];
        assert_eq!(
            last(&series["comparisons"][0]["ci_lower"]),
            lift["ci_lower"]
        );

        // The third day of the series equals the result as of its end.
        let end = format!("{}T00:00:00Z", days[3].as_str().unwrap());
        let then = admin
            .results("shop", &format!("series=none&as_of={end}"))
            .await;
        for index in [0, 1] {
            let users = &series["variants"][index]["users"][2];
            assert_eq!(then["variants"][index]["users"], *users);
            assert_eq!(
                metric(&then, key)["variants"][index]["mean"],
                series["variants"][index]["mean"][2]
            );
        }
    }
}

#[tokio::test]
async fn the_digest_depends_on_the_sums_and_not_on_the_time() {
    let world = World::start().await;
    let admin = world.admin();
    let users = shop(&admin).await;
    let digest = async || admin.results("shop", "series=none").await["digest"].clone();
    let before = digest().await;
    import_users(&admin, "shop", &users[..50]).await;
    assert_eq!(digest().await, before, "a repeated record counts once");
    let event = json!({"user_id": "shop control 0", "type": "order", "event_id": "one more", "value": 0.01});
    admin.track(&[event]).await;
    assert_ne!(digest().await, before);
}

#[tokio::test]
async fn the_event_accounting_shows_the_disposition_of_every_stored_event() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let users = [
        TestUser::new("control", 2)
            .did("buy", None)
            .did_at("buy", 2.0, None),
        TestUser::new("green", 2).did("view", None),
    ];
    import_users(&admin, "e", &users).await;
    let end = ago(2 * 86_400 + 3_000).to_string();
    admin.change("e", &json!({"ends_at": end})).await.json(200);
    let report = admin.results("e", "series=none").await;
    let event_counts = |counted: u64, excluded_by_end: u64| json!({"counted": counted, "excluded_by_end": excluded_by_end, "other_users": 0});
    assert_eq!(
        report["event_accounting"],
        json!({"buy": event_counts(1, 1), "view": event_counts(1, 0)})
    );
}

#[tokio::test]
async fn the_event_accounting_by_day_adds_up_to_the_event_accounting() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let now = ago(0);
    let at = |days: i64| now.plus_micros(-days * 86_400_000_000).to_string();
    let row = json!({"user_id": "u", "variant": "control", "assigned_at": at(6)});
    admin.import("e", &[row]).await;
    let day = |days: i64| at(days)[..10].to_owned();
    // Days without events are not listed.
    let events = ["buy 5", "view 5", "buy 3", "buy 3 again", "view 1"].map(|id| {
        let mut words = id.split(' ');
        let event_type = words.next().unwrap();
        let days = words.next().unwrap().parse().unwrap();
        json!({"user_id": "u", "event_id": id, "type": event_type, "timestamp": at(days)})
    });
    let days = [day(5), day(3), day(1)];
    admin.track(&events).await;
    let end = json!({"ends_at": at(2)});
    admin.change("e", &end).await.json(200);
    for source in ["aggregates", "raw"] {
        let report = admin.results("e", &format!("source={source}")).await;
        let none = [0, 0, 0];
        assert_eq!(
            report["event_accounting_by_day"],
            json!({"days": days, "types": {
                "buy": {"counted": [1, 2, 0], "excluded_by_end": none, "other_users": none},
                "view": {"counted": [1, 0, 0], "excluded_by_end": [0, 0, 1], "other_users": none}}})
        );
        let whole = |counted, excluded_by_end| json!({"counted": counted, "excluded_by_end": excluded_by_end, "other_users": 0});
        assert_eq!(
            report["event_accounting"],
            json!({"buy": whole(3, 0), "view": whole(1, 1)})
        );
        let query = format!("source={source}&series=none");
        let short = admin.results("e", &query).await;
        assert!(short.get("event_accounting_by_day").is_none());
    }
}

#[tokio::test]
async fn monitoring_shows_the_traffic_by_hour() {
    let (admin, users) = shared_shop();
    let report = admin.results("shop", "view=monitoring").await;
    let hours = report["traffic"]["hours"].as_array().unwrap().len();
    assert!(hours <= 72, "{hours}");
    for variant in report["traffic"]["variants"].as_array().unwrap() {
        assert_eq!(variant["assigned"].as_array().unwrap().len(), hours);
        assert_eq!(variant["events"]["order"].as_array().unwrap().len(), hours);
    }
    // As of an early time, all users are assigned within the 72 hours.
    let early = ago(86_400 * 4).to_string();
    let report = admin
        .results("shop", &format!("view=monitoring&as_of={early}"))
        .await;
    let assigned = |index: usize| -> u64 {
        let column = report["traffic"]["variants"][index]["assigned"]
            .as_array()
            .unwrap();
        column.iter().map(|users| users.as_u64().unwrap()).sum()
    };
    for index in [0, 1] {
        assert_eq!(
            assigned(index),
            report["variants"][index]["users"].as_u64().unwrap()
        );
    }
    assert!(report["data_quality"]["sample_ratio"]["sequential_test"]["p_value"].is_number());
    let buyers: usize = users.iter().filter(|user| !user.events.is_empty()).count();
    assert!(buyers > 0 && number(&report["rates"][0]["per_user"]["control"]) > 0.0);
}

#[tokio::test]
async fn charts_are_svg_and_a_view_without_a_chart_is_refused() {
    let (admin, _) = shared_shop();
    for query in [
        "format=svg",
        "format=svg&view=summary",
        "format=svg&series=day&metrics=orders",
    ] {
        let answer = admin
            .get(&format!("/experiments/shop/results?{query}"))
            .await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "image/svg+xml")
        );
        assert!(
            answer.text.starts_with("<svg ") && answer.text.ends_with("</svg>\n"),
            "{query}"
        );
        assert!(!answer.text.contains("NaN"));
    }
    let none = admin
        .get("/experiments/shop/results?format=svg&view=monitoring")
        .await;
    assert_eq!(none.code(400), "bad_parameters");
}

#[tokio::test]
async fn all_faults_of_an_analysis_request_are_reported_at_once() {
    let (admin, _) = shared_shop();
    let wrong = "view=x&format=pdf&metrics=y&baseline=z&method=hybrid&alpha=2&correction=q&cuped=maybe&dimension=planet\
                 &from=yesterday&to=x&as_of=2999-01-01T00:00:00Z&series=hour&source=memory&more=1";
    let answer = admin
        .get(&format!("/experiments/shop/results?{wrong}"))
        .await;
    let problem = answer.json(400);
    let pointers: std::collections::BTreeSet<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    let names = wrong
        .split('&')
        .map(|pair| pair.split_once('=').unwrap().0.trim());
    let expected: Vec<String> = names.map(|name| format!("?{name}")).collect();
    assert_eq!(pointers, expected.iter().map(String::as_str).collect());
}

#[tokio::test]
async fn with_few_or_equal_users_no_value_is_null_and_every_missing_value_has_a_reason() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([
        {"key": "sum", "kind": "sum", "event_type": "buy", "role": "primary", "cap_percentile": 0.9},
        {"key": "rate", "kind": "conversion", "event_type": "buy", "role": "guardrail", "margin": 0.1},
        {"key": "ratio", "kind": "ratio", "event_type": "buy", "denominator": {"event_type": "view"}},
        {"key": "median", "kind": "quantile", "event_type": "buy", "quantile": 0.5},
    ]);
    let crowds: [&[TestUser]; 4] = [
        &[],
        &[TestUser::new("green", 1).did("buy", Some(-5.0))],
        &[
            TestUser::new("control", 1).did("buy", Some(1.0)),
            TestUser::new("green", 1).did("buy", Some(1.0)),
        ],
        &crowd("control", 30, 0, 1),
    ];
    for (number, users) in crowds.into_iter().enumerate() {
        let id = format!("e{number}");
        let plan = json!({"minimum_detectable_effect": 0.1, "users": 1000});
        let fields = json!({"metrics": metrics, "plan": plan, "dimensions": ["country"]});
        admin.experiment(&id, fields).await;
        import_users(&admin, &id, users).await;
        for query in [
            "",
            "cuped=true",
            "method=bayesian&correction=bh",
            "view=summary",
            "view=monitoring",
            "baseline=green",
        ] {
            let report = admin.results(&id, query).await;
            nothing_is_null(&report);
            for metric in report["metrics"].as_array().into_iter().flatten() {
                for comparison in metric["comparisons"].as_array().into_iter().flatten() {
                    let has_reason = comparison["missing"]
                        .as_array()
                        .is_some_and(|missing| !missing.is_empty());
                    let complete =
                        comparison["absolute"].is_object() && comparison["sequential"].is_object();
                    assert!(complete || has_reason, "{id} {query}: {comparison}");
                }
            }
        }
        let chart = admin
            .get(&format!("/experiments/{id}/results?format=svg"))
            .await;
        assert_eq!(chart.status, 200, "{}", chart.text);
    }
}
