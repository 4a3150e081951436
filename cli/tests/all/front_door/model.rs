//! Results against a model: simple code that computes the sums of the same history.

use super::support::{World, ago};
use domain::time::Timestamp;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A user in the model.
struct User {
    variant: usize,
    assigned_at: Timestamp,
    /// Type, time and millionths of every event, each once.
    events: Vec<(String, Timestamp, i128)>,
}

/// Converted users, the sum in millionths, and the sum of squares in units of 1e-12.
#[derive(Debug, Default, PartialEq)]
struct ModelSums {
    converted: u64,
    sum: i128,
    squares: i128,
}

/// A decimal with at most this many places, as an integer.
fn scaled(text: &str, places: usize) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<places$}").parse().unwrap()
}

/// The metrics of the experiment: key, kind, event type.
const METRICS: [(&str, &str, &str); 4] = [
    ("buyers", "conversion", "buy"),
    ("buys", "count", "buy"),
    ("revenue", "sum", "buy"),
    ("clicks", "count", "click 👆"),
];

/// The sums of each metric and variant, by the model.
fn expected(users: &BTreeMap<String, User>, window: (Timestamp, Timestamp)) -> Value {
    let (from, to) = window;
    let mut metrics = Vec::new();
    for (key, kind, event_type) in METRICS {
        let mut sums = [
            (0_u64, ModelSums::default()),
            (0, ModelSums::default()),
            (0, ModelSums::default()),
        ];
        for user in users.values().filter(|user| user.assigned_at < to) {
            let (count, sums) = &mut sums[user.variant];
            *count += 1;
            let counted = |(kind, at, _): &&(String, Timestamp, i128)| {
                kind == event_type && user.assigned_at < *at && from <= *at && *at < to
            };
            let values: Vec<i128> = user
                .events
                .iter()
                .filter(counted)
                .map(|(.., value)| *value)
                .collect();
            if values.is_empty() {
                continue;
            }
            let (value, scale) = match kind {
                "conversion" => (1, 1),
                "count" => (values.len() as i128 * 1_000_000, 1),
                _ => (values.iter().sum(), 1),
            };
            sums.converted += 1;
            sums.sum += value * scale;
            sums.squares += value * value;
        }
        let shown: Vec<Value> = sums
            .iter()
            .map(|(users, sums)| {
                let (sum, squares) = (sums.sum.to_string(), sums.squares.to_string());
                json!([users, sums.converted, sum, squares])
            })
            .collect();
        metrics.push(json!([key, shown]));
    }
    Value::Array(metrics)
}

/// The report in the form of the model.
fn seen(report: &Value) -> Value {
    let metrics = report["metrics"].as_array().unwrap().iter().map(|metric| {
        let places = if metric["kind"] == "conversion" {
            (0, 0)
        } else {
            (6, 12)
        };
        let variants = metric["variants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variant| {
                let sum = scaled(variant["sum"].as_str().unwrap(), places.0).to_string();
                let squares =
                    scaled(variant["sum_squares"].as_str().unwrap(), places.1).to_string();
                json!([variant["users"], variant["converted"], sum, squares])
            });
        json!([metric["key"], variants.collect::<Vec<_>>()])
    });
    metrics.collect()
}

#[tokio::test]
async fn results_equal_the_model_in_any_time_window() {
    let world = World::start().await;
    let admin = world.admin();
    for seed in 0..3 {
        let mut random = Pcg64::seed_from_u64(seed);
        let id = format!("model-{seed}");
        let metrics: Vec<Value> = METRICS.map(|(key, kind, event_type)| json!({"key": key, "kind": kind, "event_type": event_type})).into();
        let variants = json!([{"key": "a", "percent": 20}, {"key": "b", "percent": 30}, {"key": "c", "percent": 50}]);
        let shards = [1, 3, 8][usize::try_from(seed).unwrap()];
        admin
            .experiment(
                &id,
                json!({"variants": variants, "metrics": metrics, "shards": shards}),
            )
            .await;
        let start = ago(1_000_000);
        let mut users = BTreeMap::new();
        let (mut rows, mut events) = (Vec::new(), Vec::new());
        for number in 0..40 {
            let user_id = format!("{seed}/user {number}");
            let variant = random.random_range(0..3);
            let key = ["a", "b", "c"][variant];
            let assigned_at = start.plus_micros(random.random_range(0..800_000_000_000));
            rows.push(
                json!({"user_id": user_id, "variant": key, "assigned_at": assigned_at.to_string()}),
            );
            let mut user = User {
                variant,
                assigned_at,
                events: Vec::new(),
            };
            for number in 0..random.random_range(0..8) {
                let event_type = ["buy", "click 👆", "other"][random.random_range(0..3)];
                let at =
                    assigned_at.plus_micros(random.random_range(-50_000_000_000..200_000_000_000));
                let millionths: i128 = random.random_range(-5_000_000..200_000_000_000);
                let sign = if millionths < 0 { "-" } else { "" };
                let size = millionths.abs();
                let text = format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000);
                // The JSON is written as text, since `serde_json` would convert the number to floating point.
                events.push(format!(
                    r#"{{"user_id":{},"type":"{event_type}","timestamp":"{at}","value":{text},"event_id":"{number}"}}"#,
                    json!(user_id)
                ));
                user.events.push((event_type.to_owned(), at, millionths));
            }
            users.insert(user_id, user);
        }
        events.shuffle(&mut random);
        let repeated: Vec<String> = events
            .iter()
            .filter(|_| random.random_bool(0.2))
            .cloned()
            .collect();
        events.extend(repeated);
        let (early, late) = events.split_at(events.len() / 2);
        let send = |events: &[String]| {
            let body = format!("{{\"events\":[{}]}}", events.join(","));
            let admin = admin.clone();
            async move { admin.send("POST", "/events", &[], body).await.json(200) }
        };
        assert_eq!(send(early).await["rejected"], 0);
        admin.import(&id, &rows).await;
        assert_eq!(send(late).await["rejected"], 0);

        let all = (Timestamp::MIN, Timestamp::MAX);
        assert_eq!(
            seen(&admin.results(&id, "").await),
            expected(&users, all),
            "seed {seed}"
        );
        for _ in 0..8 {
            let from = start.plus_micros(random.random_range(0..600_000_000_000));
            let to = from.plus_micros(random.random_range(1..600_000_000_000));
            for (query, window) in [
                (format!("from={from}"), (from, Timestamp::MAX)),
                (format!("to={to}"), (Timestamp::MIN, to)),
                (format!("from={from}&to={to}"), (from, to)),
            ] {
                let report = admin.results(&id, &query).await;
                assert_eq!(
                    seen(&report),
                    expected(&users, window),
                    "seed {seed}, {query}"
                );
            }
        }
    }
}
