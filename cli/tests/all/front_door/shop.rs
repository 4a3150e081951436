//! A shop with orders, some large, from three countries, and how to read its report.

use super::support::Caller;
use super::users::{TestUser, bring};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

pub(crate) fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

pub(crate) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-12)
}

pub(crate) fn metric<'r>(report: &'r Value, key: &str) -> &'r Value {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["key"] == key).unwrap()
}

pub(crate) fn comparison<'r>(report: &'r Value, key: &str) -> &'r Value {
    &metric(report, key)["comparisons"][0]
}

/// Shoppers with orders, some large, from three countries.
pub(crate) fn shoppers(seed: u64) -> Vec<TestUser> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut users = Vec::new();
    for number in 0..800 {
        let variant = if number % 2 == 0 { "control" } else { "green" };
        let country = ["DE", "FR", "IT"][number % 3];
        let mut user = TestUser::new(variant, 1 + i64::from(random.random_range(0..6_u8)));
        if number % 7 != 6 {
            user = user.who_is(json!({"country": country}));
        }
        for order in 0..random.random_range(0..4_u8) {
            let value = f64::from(random.random_range(100..9_000_u32)) / 100.0;
            user = user.did_at("order", 0.1 + f64::from(order) / 4.0, Some(value));
        }
        if number == 7 {
            user = user.did_at("order", 1.2, Some(90_000.0));
        }
        users.push(user);
    }
    users
}

pub(crate) async fn shop(admin: &Caller) -> Vec<TestUser> {
    let metrics = json!([
        {"key": "revenue", "kind": "sum", "event_type": "order", "role": "primary", "cap_percentile": 0.99},
        {"key": "per_order", "kind": "ratio", "event_type": "order", "denominator": {"event_type": "order"}},
        {"key": "median", "kind": "quantile", "event_type": "order", "quantile": 0.5},
        {"key": "orders", "kind": "count", "event_type": "order"},
        {"key": "buyers", "kind": "conversion", "event_type": "order"},
    ]);
    admin
        .experiment(
            "shop",
            json!({"metrics": metrics, "dimensions": ["country"]}),
        )
        .await;
    let users = shoppers(1);
    bring(admin, "shop", &users).await;
    users
}

/// Σ of a user's orders, and how many.
pub(crate) fn orders(user: &TestUser) -> (f64, f64) {
    let values = user.events.iter().filter_map(|(_, _, value)| *value);
    #[expect(clippy::cast_precision_loss, reason = "up to five")]
    let count = user.events.len() as f64;
    (values.sum(), count)
}

/// What is missing is absent with a reason: no null anywhere but in the columns of a series.
pub(crate) fn nothing_is_null(value: &Value) {
    match value {
        Value::Null => panic!("a null stands where a reason should"),
        Value::Array(array) => array.iter().for_each(nothing_is_null),
        Value::Object(object) => {
            let parts = object.iter().filter(|(name, _)| *name != "series");
            parts.for_each(|(_, part)| nothing_is_null(part));
        }
        _ => {}
    }
}
