//! The options of `assay results`, and which of them cannot be combined.

use super::support::World;
use crate::shared_world;
use std::sync::OnceLock;

/// A simulation with an effect. All tests here only read it, so they share one.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        shared_world::start(async {
            let world = World::start().await;
            let simulate = "simulate --users 1000 --rate 40 --lift 25 --seed 4";
            world
                .done(&simulate.split_whitespace().collect::<Vec<_>>())
                .await;
            world
        })
    })
}

async fn shown(world: &World, options: &str) -> String {
    let command = format!("results simulation-4 {options}");
    world
        .done(&command.split_whitespace().collect::<Vec<_>>())
        .await
}

#[tokio::test]
async fn the_requested_method_is_shown() {
    let world = world();
    let usual = shown(world, "").await;
    assert!(
        usual.contains("deciding method sequential, level 95%, correction holm"),
        "{usual}"
    );
    let fixed = shown(world, "--method fixed --alpha 0.1 --correction none").await;
    assert!(fixed.contains("90% interval"), "{fixed}");
    assert!(
        fixed.contains("deciding method fixed, level 90%, correction none"),
        "{fixed}"
    );
    assert!(
        !usual.contains("valid for one reading") && fixed.contains("valid for one reading"),
        "{fixed}"
    );
    let bayesian = shown(world, "--method bayesian").await;
    assert!(
        bayesian.contains("chance to win") && bayesian.contains("deciding method bayesian"),
        "{bayesian}"
    );
    let reversed = shown(world, "--baseline treatment").await;
    let row = reversed
        .lines()
        .find(|line| line.starts_with("  treatment "));
    assert!(row.unwrap().ends_with("  baseline"), "{reversed}");
    let adjusted = shown(world, "--cuped").await;
    assert!(
        adjusted.contains("with pre-exposure data, which reduces the variance by"),
        "{adjusted}"
    );
    assert!(adjusted.contains(", CUPED-adjusted"), "{adjusted}");
    let one = shown(world, "--metrics support").await;
    assert!(
        one.contains("Support requests") && !one.contains("Revenue per user"),
        "{one}"
    );
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn a_dimension_shows_all_its_values_or_one_selected_value() {
    let world = world();
    let all_values = shown(world, "--dimension platform --metrics purchase").await;
    for platform in ["ios", "android", "web"] {
        let row = all_values
            .lines()
            .find(|line| line.trim_start().starts_with(platform));
        assert!(row.is_some_and(|row| row.contains("% to ")), "{all_values}");
    }
    let one_value = shown(world, "--dimension platform:ios").await;
    assert!(
        one_value.contains("only users with platform = ios"),
        "{one_value}"
    );
    let other_users = one_value
        .lines()
        .find(|line| line.contains("of other users"));
    assert!(other_users.is_some(), "{one_value}");
    assert!(!shown(world, "--dimension none").await.contains("platform"));
}

#[tokio::test]
async fn the_daily_series_is_shown_if_requested() {
    let world = world();
    assert!(!shown(world, "").await.contains("by day"));
    let days = shown(world, "--series day --metrics purchase").await;
    let (_, below) = days.split_once("treatment by day, cumulative").unwrap();
    let rows = below.lines().filter(|line| line.starts_with("  20"));
    assert_eq!(rows.count(), 14, "{days}");
}

#[tokio::test]
async fn the_chart_is_printed_or_written_to_the_given_file() {
    let world = world();
    let effects = shown(world, "--svg").await;
    assert!(effects.trim_end().ends_with("</svg>"), "{effects}");
    let ran = world
        .run(&[
            "results",
            "simulation-4",
            "--svg",
            "days.svg",
            "--series",
            "day",
        ])
        .await;
    assert!(
        ran.ok && ran.stdout.is_empty(),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert!(
        ran.stderr.contains("The chart was written to days.svg."),
        "{}",
        ran.stderr
    );
    let days = std::fs::read_to_string(world.folder.path().join("days.svg")).unwrap();
    assert!(days.trim_end().ends_with("</svg>") && days != effects);
    let ran = world
        .run(&["results", "simulation-4", "--svg", "no/such/folder.svg"])
        .await;
    assert!(
        !ran.ok && ran.stderr.contains("cannot write no/such/folder.svg"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn conflicting_options_are_refused_before_any_request() {
    let world = World::start().await;
    for (options, sentence) in [
        ("--json --csv", "'--json' cannot be used with '--csv'"),
        ("--json --svg", "'--json' cannot be used with '--svg"),
        ("--csv --svg -", "'--csv' cannot be used with '--svg"),
        (
            "--csv --view summary",
            "'--csv' cannot be used with '--view",
        ),
        (
            "--csv --series day",
            "'--csv' cannot be used with '--series",
        ),
        (
            "--view monitoring --svg",
            "`--svg` draws effects, but `--view monitoring` has none",
        ),
        (
            "--view summary --series day",
            "`--series day` is part of the analysis, not of `--view summary`",
        ),
        (
            "--view summary --dimension platform",
            "or select one value with `--dimension platform:VALUE`",
        ),
        (
            "--view everything",
            "[possible values: summary, monitoring, analysis]",
        ),
        (
            "--method guess",
            "[possible values: fixed, sequential, hybrid, bayesian]",
        ),
    ] {
        let command = format!("results nothing {options}");
        let ran = world
            .run(&command.split_whitespace().collect::<Vec<_>>())
            .await;
        assert!(!ran.ok && ran.stdout.is_empty(), "{options}");
        assert!(ran.stderr.contains(sentence), "{options}\n{}", ran.stderr);
    }
}

#[tokio::test]
async fn refusals_of_the_api_are_shown() {
    let world = world();
    for (options, sentence) in [
        ("--alpha 2", "from 0.000001 to 0.5"),
        ("--method hybrid", "needs a planned end"),
        ("--baseline blue", "There is no variant `blue`"),
        ("--dimension country", "There is no dimension `country`"),
        ("--as-of 2100-01-01", "in the future"),
    ] {
        let command = format!("results simulation-4 {options}");
        let ran = world
            .run(&command.split_whitespace().collect::<Vec<_>>())
            .await;
        assert!(
            !ran.ok && ran.stderr.contains(sentence),
            "{options}\n{}",
            ran.stderr
        );
    }
}
