//! `assay simulate`.

use super::support::World;
use serde_json::{Value, json};

#[tokio::test]
async fn the_same_seed_gives_the_same_experiment() {
    let world = World::start().await;
    let simulate = ["simulate", "--users", "600", "--rate", "40", "--seed", "7"];
    let first = world.done(&simulate).await;
    assert!(
        first.contains("40.00% in the control, 50.00% in the treatment: +25.0%"),
        "{first}"
    );
    assert!(first.contains("assay simulate --seed 7 --users 600 --rate 40 --lift 25"));
    let before = world.done(&["results", "simulation-7", "--csv"]).await;
    let again = world.run(&simulate).await;
    assert!(
        again.ok && again.stderr.contains("\n0 events recorded"),
        "{}",
        again.stderr
    );
    assert_eq!(
        world.done(&["results", "simulation-7", "--csv"]).await,
        before
    );

    let other = world
        .run(&["simulate", "--users", "601", "--rate", "40", "--seed", "7"])
        .await;
    assert!(
        !other.ok && other.stderr.contains("choose another --seed"),
        "{}",
        other.stderr
    );
    let wrong = world.run(&["simulate", "--rate", "90"]).await;
    assert!(
        !wrong.ok && wrong.stderr.contains("between 0 and 100"),
        "{}",
        wrong.stderr
    );
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn every_part_of_the_report_has_content() {
    let world = World::start().await;
    let simulate = [
        "simulate", "--users", "6000", "--rate", "40", "--lift", "20", "--seed", "3",
    ];
    let shown = world.done(&simulate).await;
    for part in [
        "SHIP\nShip `treatment`: better on “Purchase rate”",
        "With `treatment` for all users: +",
        "the power to date for the planned lift of",
        "treatment: harm of 15% or more is ruled out",
        "treatment: with values capped at",
        "treatment: the effect differs by platform",
        "planned for 6,000 users",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    // Two weeks with all their days: enough for a verdict, with pre-exposure data for CUPED.
    let report = world
        .done_json(&["results", "simulation-3", "--json", "--cuped"])
        .await;
    assert_eq!(
        report["metrics"][0]["series"]["days"]
            .as_array()
            .map(Vec::len),
        Some(14)
    );
    let adjusted = &report["metrics"][0]["comparisons"][0]["cuped_adjusted"];
    assert!(
        adjusted["variance_reduction"].as_f64().unwrap() > 0.1,
        "{adjusted}"
    );
    assert_eq!(
        report["data_quality"]["pre_exposure_imbalance"],
        Value::Null
    );
}

#[tokio::test]
async fn imported_users_have_the_variant_that_an_assignment_by_hash_gives() {
    let world = World::start().await;
    let users = ["--users", "100", "--rate", "40"];
    world
        .done(&[&["simulate", "--seed", "5"], &users[..]].concat())
        .await;
    // An experiment with the same hash seed and no assigned users.
    let halves = json!([{"key": "control", "percent": 50}, {"key": "treatment", "percent": 50}]);
    let same_seed = json!({"id": "same-seed", "name": "Same seed", "variants": halves, "hash_seed": "simulation-5"});
    world.create(&same_seed).await;
    let variant = async |experiment: &str, number: u32| {
        let path = format!("/experiments/{experiment}/assignment/simulation-5-user-{number}");
        world.get(&path).await["variant"].clone()
    };
    for number in 0..20 {
        assert_eq!(
            variant("simulation-5", number).await,
            variant("same-seed", number).await
        );
    }
}

#[tokio::test]
async fn a_live_simulation_assigns_its_users_now() {
    let world = World::start().await;
    let simulate = [
        "simulate", "--live", "--users", "120", "--rate", "40", "--seed", "9",
    ];
    let shown = world.done(&simulate).await;
    assert!(shown.contains("--lift 25 --live"), "{shown}");
    let report = world
        .done_json(&["results", "simulation-9", "--json"])
        .await;
    let [started, assigned] = [
        &report["experiment"]["started_at"],
        &report["freshness"]["first_assignment_at"],
    ];
    assert!(assigned.as_str() > started.as_str(), "{report}");
    let mixed = world.run(&[&["simulate"], &simulate[2..]].concat()).await;
    assert!(
        !mixed.ok && mixed.stderr.contains("other settings"),
        "{}",
        mixed.stderr
    );
}
