//! A shop experiment with orders from three countries, and helpers that read its report.

use super::support::{Caller, World};
use super::users::{TestUser, import_users};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};
use std::sync::OnceLock;

pub(crate) fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not a number"))
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

/// 800 users with orders, most of them from three countries. One order is very large.
pub(crate) fn shoppers(seed: u64) -> Vec<TestUser> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut users = Vec::new();
    for number in 0..800 {
        let variant = if number % 2 == 0 { "control" } else { "green" };
        let country = ["DE", "FR", "IT"][number % 3];
        let mut user = TestUser::new(variant, 1 + i64::from(random.random_range(0..6_u8)));
        if number % 7 != 6 {
            user = user.with_attributes(json!({"country": country}));
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

/// Creates the experiment `shop` and imports its users.
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
    import_users(admin, "shop", &users).await;
    users
}

/// A caller of a platform with the shop experiment, and its users. Tests that only read results share it.
pub(crate) fn shared_shop() -> (Caller, &'static [TestUser]) {
    static SHOP: OnceLock<(World, Vec<TestUser>)> = OnceLock::new();
    let (world, users) = SHOP.get_or_init(|| {
        crate::shared_world::start(async {
            let world = World::start().await;
            let users = shop(&world.admin()).await;
            (world, users)
        })
    });
    // Connections belong to the runtime of a test, so each caller has its own.
    let admin = Caller::of(&world.platform.url(), &world.platform.token);
    (admin, users)
}

/// The sum of a user's order values, and the number of orders.
pub(crate) fn orders(user: &TestUser) -> (f64, f64) {
    let values = user.events.iter().filter_map(|(_, _, value)| *value);
    #[expect(clippy::cast_precision_loss, reason = "up to five")]
    let count = user.events.len() as f64;
    (values.sum(), count)
}

/// Missing values are absent with a reason. Only the columns of a series contain null.
pub(crate) fn nothing_is_null(value: &Value) {
    match value {
        Value::Null => panic!("null instead of a missing value with a reason"),
        Value::Array(array) => array.iter().for_each(nothing_is_null),
        Value::Object(object) => {
            let members = object.iter().filter(|(name, _)| *name != "series");
            members.for_each(|(_, member)| nothing_is_null(member));
        }
        _ => {}
    }
}
