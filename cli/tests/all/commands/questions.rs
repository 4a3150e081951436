//! What can be asked of `assay results`, and what cannot be asked together.

use super::support::World;

/// A simulation with something to find.
async fn world() -> World {
    let world = World::start().await;
    let simulate = "simulate --users 1500 --rate 40 --lift 25 --seed 4";
    world
        .done(&simulate.split_whitespace().collect::<Vec<_>>())
        .await;
    world
}

async fn shown(world: &World, options: &str) -> String {
    let command = format!("results simulation-4 {options}");
    world
        .done(&command.split_whitespace().collect::<Vec<_>>())
        .await
}

#[tokio::test]
async fn the_method_that_is_asked_for_is_the_one_that_is_shown() {
    let world = world().await;
    let usual = shown(&world, "").await;
    assert!(
        usual.contains("sequential decides, level 95 %, correction holm"),
        "{usual}"
    );
    let fixed = shown(&world, "--method fixed --alpha 0.1 --correction none").await;
    assert!(fixed.contains("90 % interval"), "{fixed}");
    assert!(
        fixed.contains("fixed decides, level 90 %, correction none"),
        "{fixed}"
    );
    assert!(
        !usual.contains("hold for one look") && fixed.contains("hold for one look"),
        "{fixed}"
    );
    let bayesian = shown(&world, "--method bayesian").await;
    assert!(
        bayesian.contains("chance to win") && bayesian.contains("bayesian decides"),
        "{bayesian}"
    );
    let turned = shown(&world, "--baseline treatment").await;
    let row = turned.lines().find(|line| line.starts_with("  treatment "));
    assert!(row.unwrap().ends_with("  baseline"), "{turned}");
    let adjusted = shown(&world, "--cuped").await;
    assert!(
        adjusted.contains("by what users did before, which takes"),
        "{adjusted}"
    );
    assert!(
        adjusted.contains("adjusted by the pre_exposure"),
        "{adjusted}"
    );
    let one = shown(&world, "--metrics support").await;
    assert!(
        one.contains("Support requests") && !one.contains("Revenue per user"),
        "{one}"
    );
}

#[tokio::test]
async fn parts_of_the_users_are_shown_one_by_one_or_alone() {
    let world = world().await;
    let parts = shown(&world, "--dimension platform --metrics purchase").await;
    for platform in ["ios", "android", "web"] {
        let row = parts
            .lines()
            .find(|line| line.trim_start().starts_with(platform));
        assert!(row.is_some_and(|row| row.contains(" % to ")), "{parts}");
    }
    let alone = shown(&world, "--dimension platform:ios").await;
    assert!(alone.contains("only users with platform = ios"), "{alone}");
    let event_accounting = alone
        .lines()
        .find(|line| line.contains("of users not asked for"));
    assert!(event_accounting.is_some(), "{alone}");
    assert!(!shown(&world, "--dimension none").await.contains("platform"));
}

#[tokio::test]
async fn the_days_are_shown_where_they_are_asked_for() {
    let world = world().await;
    assert!(!shown(&world, "").await.contains("by day"));
    let days = shown(&world, "--series day --metrics purchase").await;
    let (_, below) = days
        .split_once("treatment by day, all users so far")
        .unwrap();
    let rows = below.lines().filter(|line| line.starts_with("  20"));
    assert_eq!(rows.count(), 14, "{days}");
}

#[tokio::test]
async fn the_picture_goes_where_it_is_told() {
    let world = world().await;
    let effects = shown(&world, "--svg").await;
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
        ran.stderr.contains("The picture is in days.svg."),
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
async fn options_that_do_not_go_together_are_refused_before_anything_is_asked() {
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
            "`--svg` draws effects, and `--view monitoring` has none",
        ),
        (
            "--view summary --series day",
            "`--series day` is part of the analysis, not of `--view summary`",
        ),
        (
            "--view summary --dimension platform",
            "or look at one part with `--dimension platform:VALUE`",
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
async fn what_the_api_refuses_is_passed_on() {
    let world = world().await;
    for (options, sentence) in [
        ("--alpha 2", "from 0.000001 to 0.5"),
        ("--method hybrid", "end that was planned"),
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
