//! Kinds of metrics, results by dimension, and pre-exposure data.

use super::shop::{close, comparison, metric, number, orders, shop};
use super::support::World;
use super::users::{TestUser, crowd, import_users};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn ratios_quantiles_and_capped_sums_equal_values_computed_per_user() {
    let world = World::start().await;
    let admin = world.admin();
    let users = shop(&admin).await;
    let report = admin.results("shop", "series=none").await;
    for (index, variant) in ["control", "green"].into_iter().enumerate() {
        let users: Vec<(f64, f64)> = users
            .iter()
            .filter(|user| user.variant == variant)
            .map(orders)
            .collect();
        let (sum, count) = users
            .iter()
            .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let value = |key: &str| number(&metric(&report, key)["variants"][index]["mean"]);
        assert!(close(value("per_order"), sum / count));
        let denominator = &metric(&report, "per_order")["variants"][index]["denominator"];
        assert_eq!(denominator["sum"], format!("{count}"));
        #[expect(clippy::cast_precision_loss, reason = "hundreds of users")]
        let n = users.len() as f64;
        assert!(close(value("revenue"), sum / n));
        assert!(close(value("orders"), count / n));
        let mut sums: Vec<f64> = users.iter().map(|(sum, _)| *sum).collect();
        sums.sort_by(f64::total_cmp);
        let median = sums[(sums.len() - 1) / 2];
        // A histogram bucket is 2% wide.
        assert!(
            (value("median") / median - 1.0).abs() < 0.03,
            "{} {median}",
            value("median")
        );
    }
    // One order of 90,000 widens the interval. Capping makes it narrow again.
    let revenue = comparison(&report, "revenue");
    let width =
        |difference: &Value| number(&difference["ci_upper"]) - number(&difference["ci_lower"]);
    assert!(
        width(&revenue["absolute"]) > 5.0 * width(&revenue["capped"]["absolute"]),
        "{revenue}"
    );
    assert!(number(&revenue["capped"]["cap"]) < 1_000.0, "{revenue}");
}

#[tokio::test]
async fn dimension_values_add_up_to_all_users_and_one_value_can_be_selected() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    let report = admin.results("shop", "series=none").await;
    let dimension = &metric(&report, "revenue")["dimensions"][0];
    let values = dimension["values"].as_array().unwrap();
    let mut names: Vec<&str> = values
        .iter()
        .map(|value| value["value"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["(none)", "DE", "FR", "IT"]);
    for index in [0, 1] {
        let users: u64 = values
            .iter()
            .map(|value| value["users"][index].as_u64().unwrap())
            .sum();
        assert_eq!(users, report["variants"][index]["users"].as_u64().unwrap());
    }
    for country in ["DE", "(none)"] {
        let only = admin
            .results("shop", &format!("series=none&dimension=country:{country}"))
            .await;
        assert_eq!(only["dimension"], json!({"country": country}));
        let value = values
            .iter()
            .find(|value| value["value"] == country)
            .unwrap();
        for (index, users) in value["users"].as_array().unwrap().iter().enumerate() {
            assert_eq!(only["variants"][index]["users"], *users);
            let mean = &metric(&only, "revenue")["variants"][index]["mean"];
            assert!(
                close(number(mean), number(&value["means"][index])),
                "{country}"
            );
        }
        assert_ne!(only["digest"], report["digest"]);
    }
    // Each of the five metrics has a CSV row for each of two variants and four dimension values.
    let answer = admin.get("/experiments/shop/results?format=csv").await;
    assert_eq!(answer.text.lines().count(), 1 + 5 * (2 + 4));
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn a_dimension_value_with_another_effect_is_found_and_equal_ones_are_not() {
    let differing = async |green_in_fr: usize| {
        let world = World::start().await;
        let admin = world.admin();
        let metrics = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy", "role": "primary"}]);
        admin
            .experiment("e", json!({"metrics": metrics, "dimensions": ["country"]}))
            .await;
        let mut users = Vec::new();
        for country in ["DE", "FR", "IT", "ES"] {
            let green = if country == "FR" { green_in_fr } else { 60 };
            for (variant, buyers) in [("control", 60), ("green", green)] {
                let of_country = crowd(variant, 200, buyers, 3).into_iter();
                users.extend(
                    of_country.map(|user| user.with_attributes(json!({"country": country}))),
                );
            }
        }
        import_users(&admin, "e", &users).await;
        let report = admin.results("e", "series=none").await;
        metric(&report, "buyers")["dimensions"][0]["different"].clone()
    };
    assert_eq!(differing(60).await, json!([]));
    assert_eq!(differing(140).await, json!(["FR"]));
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn cuped_reduces_the_variance_and_a_pre_exposure_imbalance_is_reported() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "spent", "kind": "sum", "event_type": "buy", "role": "primary"}]);
    for id in ["fair", "biased"] {
        admin.experiment(id, json!({"metrics": metrics})).await;
        let mut random = Pcg64::seed_from_u64(5);
        let mut users = Vec::new();
        for number in 0..400 {
            let variant = if number % 2 == 0 { "control" } else { "green" };
            let mut habit = f64::from(random.random_range(0..1_000_u32)) / 10.0;
            if id == "biased" && variant == "green" {
                habit += 40.0;
            }
            let after = (habit + f64::from(random.random_range(0..100_u32)) / 10.0).round();
            let user = TestUser::new(variant, 2)
                .did_at("buy", -24.0, Some(habit))
                // Before the pre-exposure period.
                .did_at("buy", -24.0 * 15.0, Some(100_000.0))
                .did("buy", Some(after));
            users.push(user);
        }
        import_users(&admin, id, &users).await;
    }
    let plain = admin.results("fair", "series=none").await;
    let adjusted = admin.results("fair", "series=none&cuped=true").await;
    let error = |report: &Value| number(&comparison(report, "spent")["absolute"]["standard_error"]);
    assert!(
        error(&adjusted) < 0.2 * error(&plain),
        "{} {}",
        error(&adjusted),
        error(&plain)
    );
    let cuped = &comparison(&adjusted, "spent")["cuped_adjusted"];
    assert!(number(&cuped["variance_reduction"]) > 0.95, "{cuped}");
    assert!(
        (number(&cuped["coefficients"][0]) - 1.0).abs() < 0.1,
        "{cuped}"
    );
    // The sums equal those of the result without CUPED.
    assert_eq!(
        metric(&plain, "spent")["variants"],
        metric(&adjusted, "spent")["variants"]
    );
    assert!(adjusted["data_quality"]["pre_exposure_imbalance"].is_null());

    let biased = admin.results("biased", "series=none&cuped=true").await;
    assert_eq!(
        biased["decision"]["reason"], "pre_exposure_imbalance",
        "{}",
        biased["decision"]
    );
    assert_eq!(
        biased["data_quality"]["pre_exposure_imbalance"][0]["metric"],
        "spent"
    );
}
