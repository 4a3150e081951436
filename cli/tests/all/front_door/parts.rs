//! Kinds of metrics, parts of the users, and what they did before.

use super::shop::{close, comparison, metric, number, orders, shop};
use super::support::World;
use super::users::{TestUser, bring, crowd};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

#[tokio::test]
async fn ratios_quantiles_and_cuts_are_what_the_users_numbers_say() {
    let world = World::start().await;
    let admin = world.admin();
    let users = shop(&admin).await;
    let report = admin.results("shop", "series=none").await;
    for (place, variant) in ["control", "green"].into_iter().enumerate() {
        let users: Vec<(f64, f64)> = users
            .iter()
            .filter(|user| user.variant == variant)
            .map(orders)
            .collect();
        let (sum, count) = users
            .iter()
            .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let value = |key: &str| number(&metric(&report, key)["variants"][place]["mean"]);
        assert!(close(value("per_order"), sum / count));
        let denominator = &metric(&report, "per_order")["variants"][place]["denominator"];
        assert_eq!(denominator["sum"], format!("{count}"));
        #[expect(clippy::cast_precision_loss, reason = "hundreds of users")]
        let n = users.len() as f64;
        assert!(close(value("revenue"), sum / n));
        assert!(close(value("orders"), count / n));
        let mut aggregate_items: Vec<f64> = users.iter().map(|(sum, _)| *sum).collect();
        aggregate_items.sort_by(f64::total_cmp);
        let median = aggregate_items[(aggregate_items.len() - 1) / 2];
        // A bucket is two per cent wide.
        assert!(
            (value("median") / median - 1.0).abs() < 0.03,
            "{} {median}",
            value("median")
        );
    }
    // One user with 90,000 drowns everything; with the cut something can be seen.
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
async fn parts_of_the_users_add_up_to_all_and_one_part_can_be_looked_at_alone() {
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
    for place in [0, 1] {
        let users: u64 = values
            .iter()
            .map(|value| value["users"][place].as_u64().unwrap())
            .sum();
        assert_eq!(users, report["variants"][place]["users"].as_u64().unwrap());
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
        for (place, users) in value["users"].as_array().unwrap().iter().enumerate() {
            assert_eq!(only["variants"][place]["users"], *users);
            let mean = &metric(&only, "revenue")["variants"][place]["mean"];
            assert!(
                close(number(mean), number(&value["means"][place])),
                "{country}"
            );
        }
        assert_ne!(only["digest"], report["digest"]);
    }
    // As rows of the table, too: two variants and four parts for each of five metrics.
    let answer = admin.get("/experiments/shop/results?format=csv").await;
    assert_eq!(answer.text.lines().count(), 1 + 5 * (2 + 4));
}

#[tokio::test]
async fn a_part_that_acts_differently_is_found_and_parts_that_do_not_are_left_in_peace() {
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
                users.extend(of_country.map(|user| user.who_is(json!({"country": country}))));
            }
        }
        bring(&admin, "e", &users).await;
        let report = admin.results("e", "series=none").await;
        metric(&report, "buyers")["dimensions"][0]["different"].clone()
    };
    assert_eq!(differing(60).await, json!([]));
    assert_eq!(differing(140).await, json!(["FR"]));
}

#[tokio::test]
async fn what_users_did_before_sharpens_the_result_and_a_difference_before_is_an_alarm() {
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
            let now = (habit + f64::from(random.random_range(0..100_u32)) / 10.0).round();
            let user = TestUser::new(variant, 2)
                .did_at("buy", -24.0, Some(habit))
                // Too long ago to tell anything.
                .did_at("buy", -24.0 * 15.0, Some(100_000.0))
                .did("buy", Some(now));
            users.push(user);
        }
        bring(&admin, id, &users).await;
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
    let adjustment = &comparison(&adjusted, "spent")["cuped_adjusted"];
    assert!(
        number(&adjustment["variance_reduction"]) > 0.95,
        "{adjustment}"
    );
    assert!(
        (number(&adjustment["coefficients"][0]) - 1.0).abs() < 0.1,
        "{adjustment}"
    );
    // The sums that it is computed from are those of the plain result.
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
