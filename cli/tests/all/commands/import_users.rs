//! `assay import` of files with several rows of a user.

use super::support::World;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;

const MAPPING: [&str; 12] = [
    "--experiment",
    "log",
    "--user",
    "user",
    "--variant",
    "group",
    "--assigned-at",
    "at",
    "--assignments-when",
    "action=view",
    "--event",
    "click,time=at,when=action=click",
];

async fn world() -> World {
    let world = World::start().await;
    let metrics = json!([
        {"key": "clicked", "kind": "conversion", "event_type": "click"},
        {"key": "clicks", "kind": "count", "event_type": "click"},
    ]);
    world.experiment("log", ["old", "new"], metrics).await;
    world
}

/// An exposure log of this many users in an order that looks random. Each user has views at three times and a click between
/// the first two.
fn log(users: usize) -> String {
    let mut lines = Vec::new();
    for user in 0..users {
        let group = ["old", "new"][user % 2];
        for (action, time) in [
            ("view", "2026-11-01T00:00:00Z"),
            ("click", "2026-11-01T12:00:00Z"),
            ("view", "2026-11-02T00:00:00Z"),
            ("view", "2026-11-03T00:00:00Z"),
        ] {
            lines.push(format!("u{user},{group},{time},{action}\n"));
        }
    }
    // A multiplication by a number without a common factor with the length is a permutation.
    let length = lines.len();
    let step = (length / 2..)
        .find(|step| divisor(*step, length) == 1)
        .unwrap();
    let shuffled = (0..length).map(|index| lines[index * step % length].as_str());
    format!("user,group,at,action\n{}", shuffled.collect::<String>())
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The results without the fields that depend on the time of the request.
async fn results(world: &World) -> Value {
    world.platform.settle().await;
    let results = world.done_json(&["results", "log", "--json"]).await;
    json!([
        results["variants"],
        results["metrics"],
        results["event_accounting"],
        results["series"]
    ])
}

async fn first_views(world: &World, users: usize) -> Vec<String> {
    let mut times = Vec::new();
    for user in 0..users {
        let export = world.get(&format!("/users/u{user}")).await;
        let at = export["assignments"][0]["assigned_at"].as_str();
        times.push(at.unwrap_or("none").to_owned());
    }
    times
}

#[tokio::test]
async fn each_user_keeps_the_earliest_row_of_a_file_or_of_standard_input() {
    for from_file in [true, false] {
        let world = world().await;
        let file = world.file("log.csv", &log(40));
        let path = if from_file { "log.csv" } else { "-" };
        let mut command = world.command(&[&["import", path, "--json"], &MAPPING[..]].concat());
        command.stdin(std::fs::File::open(file).unwrap());
        let output = command.output().await.unwrap();
        let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(counts["assignments"]["stored"], 40, "{counts}");
        assert_eq!(counts["assignments"]["later_rows"], 80, "{counts}");
        let expected = vec!["2026-11-01T00:00:00.000000Z"; 40];
        assert_eq!(first_views(&world, 40).await, expected);
        // Every click is between the first and the second view.
        let results = results(&world).await;
        assert_eq!(results[1][0]["variants"][0]["converted"], 20, "{results}");
        assert_eq!(results[1][0]["variants"][1]["converted"], 20, "{results}");
    }
}

#[tokio::test]
async fn users_with_several_variants_are_reported_and_can_be_left_out() {
    let file = "user,group,at,action\n\
                a,new,2026-11-02,view\n\
                a,old,2026-11-01,view\n\
                b,new,2026-11-01,view\n\
                b,new,2026-11-02,view\n\
                a,old,2026-11-03,click\n";
    let kept = world().await;
    kept.file("log.csv", file);
    let ran = kept
        .run(&[&["import", "log.csv"], &MAPPING[..]].concat())
        .await;
    assert!(ran.ok, "{}", ran.stderr);
    for expected in [
        "assignments  2 stored, 0 existing, 0 rejected",
        "2 later rows not sent: each user's earliest row is imported",
        "1 user has rows with more than one variant",
        "--exclude-multiple-variants",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
    }
    assert_eq!(
        kept.get("/users/a").await["assignments"][0]["variant"],
        "old"
    );

    let excluded = world().await;
    excluded.file("log.csv", file);
    let exclude = ["--exclude-multiple-variants", "--json"];
    let counts = excluded
        .done_json(&[&["import", "log.csv"], &MAPPING[..], &exclude].concat())
        .await;
    assert_eq!(counts["assignments"]["stored"], 1, "{counts}");
    assert_eq!(counts["assignments"]["users_with_multiple_variants"], 1);
    assert_eq!(counts["assignments"]["excluded_rows"], 2, "{counts}");
    assert_eq!(counts["events"]["not_counted"]["no_assignment"], 1);
    assert_eq!(excluded.get("/users/a").await["assignments"], json!([]));
}

#[tokio::test]
#[ignore = "takes long: scripts/check soak"]
async fn the_number_of_requests_at_once_and_an_interruption_change_no_result() {
    const USERS: usize = 240;
    let file = log(USERS);
    let mut expected: Option<Value> = None;
    for (parallel, killed) in [("1", false), ("4", true), ("16", true)] {
        let world = world().await;
        world.file("log.csv", &file);
        let arguments = [&["import", "log.csv", "--parallel", parallel], &MAPPING[..]].concat();
        if killed {
            kill_within(&world, &arguments).await;
        }
        world.done(&arguments).await;
        let seen = results(&world).await;
        assert_eq!(seen[1][0]["variants"][0]["converted"], USERS / 2, "{seen}");
        let expected = expected.get_or_insert_with(|| seen.clone());
        assert_eq!(
            seen.to_string(),
            expected.to_string(),
            "{parallel} {killed}"
        );
    }
}

/// Kills the command when it has stored an assignment.
async fn kill_within(world: &World, arguments: &[&str]) {
    let mut command = world.command(arguments);
    command.stderr(Stdio::null());
    let mut import = command.spawn().unwrap();
    while world.assignments().await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        import.try_wait().unwrap().is_none(),
        "the import was too fast"
    );
    import.kill().await.unwrap();
}
