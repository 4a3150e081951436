//! `assay flags`: lists, changes and explanations.

use super::support::World;
use assay::client::http_client;
use assay::serve::PlatformOptions;
use reqwest::Method;
use serde_json::{Value, json};

/// A platform that reads each changed definition immediately, with a flag in two environments.
async fn world() -> World {
    let options = PlatformOptions::for_tests()
        .with_parameter("DefinitionCacheSeconds", "0")
        .with_parameter("Environments", "production,staging");
    let world = World::with(options).await;
    let settings = |rules: Value| json!({"enabled": true, "off_variant": "off", "default_variant": "off", "rules": rules});
    let team =
        json!([{"id": "team", "type": "serve", "condition": {"team": "core"}, "variant": "on"}]);
    let flag = json!({
        "key": "checkout", "name": "New checkout", "owner": "payments", "tags": ["web"], "value_type": "boolean",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "environments": {"production": settings(team), "staging": settings(json!([]))},
    });
    send(&world, Method::POST, "/flags", &flag).await;
    world
}

async fn send(world: &World, method: Method, path: &str, body: &Value) {
    let request = http_client()
        .request(method, format!("{}{path}", world.platform.url()))
        .bearer_auth(&world.platform.token)
        .header("if-match", "*")
        .json(body);
    let answer = request.send().await.unwrap();
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap()
    );
}

impl World {
    /// Runs a command of `assay flags` that must fail with this text.
    async fn refused(&self, arguments: &[&str], expected: &str) {
        let ran = self.run(&[&["flags"], arguments].concat()).await;
        assert!(
            !ran.ok && ran.stderr.contains(expected),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[tokio::test]
async fn flags_are_listed_and_shown() {
    let world = world().await;
    let second = json!({
        "key": "price", "name": "Price", "value_type": "integer", "variants": [{"key": "low", "value": 80}],
    });
    send(&world, Method::POST, "/flags", &second).await;
    let table = world.done(&["flags", "list"]).await;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        ["key", "type", "environments", "rules", "stale", "owner"]
    );
    let checkout = [
        "checkout",
        "boolean",
        "production",
        "on,",
        "staging",
        "on",
        "1,",
        "0",
        "-",
        "payments",
    ];
    assert_eq!(rows[1], checkout);
    assert_eq!(rows[2], ["price", "integer", "-", "-", "-"]);
    let tagged = world
        .done_json(&["flags", "list", "--tag", "web", "--json"])
        .await;
    let keys: Vec<&Value> = tagged
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| &flag["key"])
        .collect();
    assert_eq!(keys, ["checkout"]);
    assert_eq!(
        world
            .done_json(&["flags", "list", "--stale", "--json"])
            .await,
        json!([])
    );

    let shown = world.done(&["flags", "show", "checkout"]).await;
    for line in [
        "checkout: New checkout",
        "  on = true",
        "production: on, default off, off variant off",
        "  1. team: serve on if {\"team\":\"core\"}",
    ] {
        assert!(shown.lines().any(|each| each == line), "{line}\n{shown}");
    }
    let shown = world
        .done_json(&["flags", "show", "checkout", "--json"])
        .await;
    assert_eq!(shown["owner"], "payments");
    world.refused(&["show", "nothing"], "flag_not_found").await;
}

#[tokio::test]
async fn the_kill_switch_changes_one_environment_and_nothing_else() {
    let world = world().await;
    world
        .refused(
            &["off", "checkout"],
            "several environments: production, staging",
        )
        .await;
    world
        .refused(
            &["off", "checkout", "--environment", "moon"],
            "no environment `moon`",
        )
        .await;
    let before = world.get("/flags/checkout").await;
    let off = [
        "flags",
        "off",
        "checkout",
        "--environment",
        "production",
        "--reason",
        "errors in payments",
    ];
    let printed = world.done(&off).await;
    assert_eq!(
        printed,
        "checkout in production is now off: all users get `off` (version 2).\n"
    );
    let after = world.get("/flags/checkout").await;
    assert_eq!(after["environments"]["production"]["enabled"], false);
    assert_eq!(
        after["environments"]["production"]["rules"],
        before["environments"]["production"]["rules"]
    );
    assert_eq!(
        after["environments"]["staging"],
        before["environments"]["staging"]
    );
    let again = world.done(&off).await;
    assert!(
        again.contains("is already off") && again.contains("version 2"),
        "{again}"
    );

    let history = world.done(&["flags", "history", "checkout"]).await;
    assert!(
        history.starts_with("version 2") && history.contains(": errors in payments\n"),
        "{history}"
    );
    assert!(
        history.contains("  environments/production/enabled: true -> false"),
        "{history}"
    );
    let on = world
        .done(&["flags", "on", "checkout", "--environment", "production"])
        .await;
    assert!(on.contains("now on") && on.contains("version 3"), "{on}");
    world
        .done(&["flags", "revert", "checkout", "2", "--reason", "again"])
        .await;
    let reverted = world.get("/flags/checkout").await;
    assert_eq!(
        (
            &reverted["version"],
            &reverted["environments"]["production"]["enabled"]
        ),
        (&json!(4), &json!(false))
    );
    world
        .refused(&["revert", "checkout", "9"], "/version")
        .await;
}

#[tokio::test]
async fn changes_at_the_same_moment_are_all_made() {
    let world = world().await;
    let environments = ["production", "staging"];
    let commands = environments.iter().flat_map(|environment| {
        let environment = ["--environment", *environment];
        let off = [&["flags", "off", "checkout"][..], &environment].concat();
        let rollout = [&["flags", "rollout", "checkout", "20"][..], &environment].concat();
        [off, rollout]
    });
    let commands = commands.map(|arguments| {
        let world = &world;
        async move { world.done(&arguments).await }
    });
    futures::future::join_all(commands).await;
    let flag = world.get("/flags/checkout").await;
    for name in environments {
        let settings = &flag["environments"][name];
        assert_eq!(settings["enabled"], false, "{flag}");
        let rules = settings["rules"].as_array().unwrap();
        assert!(rules.iter().any(|rule| rule["id"] == "rollout"), "{flag}");
    }
    assert_eq!(flag["version"], 5);
}

#[tokio::test]
async fn a_rollout_is_created_raised_and_moves_no_user() {
    let world = world().await;
    let rollout = |percent: &'static str| {
        [
            "flags",
            "rollout",
            "checkout",
            percent,
            "--environment",
            "staging",
        ]
    };
    world.done(&rollout("20")).await;
    let rules = world.get("/flags/checkout").await["environments"]["staging"]["rules"].clone();
    assert_eq!(
        rules,
        json!([{
            "id": "rollout", "type": "rollout", "variants": [{"variant": "on", "percent": 100.0}], "traffic_percent": 20.0,
            "attribute": "id", "hash_seed": "checkout:rollout:",
        }])
    );
    let on = async || {
        let mut on = Vec::new();
        for user in 0..12 {
            let user = format!("user-{user}");
            let arguments = [
                "flags",
                "evaluate",
                "checkout",
                "--user",
                &user,
                "--environment",
                "staging",
            ];
            if world.done(&arguments).await.starts_with("variant  on\n") {
                on.push(user);
            }
        }
        on
    };
    let first = on().await;
    let printed = world.done(&rollout("60.5%")).await;
    assert!(printed.contains("60.5% of the users"), "{printed}");
    let second = on().await;
    assert!(
        first.iter().all(|user| second.contains(user)) && first.len() < second.len(),
        "{first:?} {second:?}"
    );

    let named = |more: [&'static str; 2]| [&rollout("10")[1..], &more].concat();
    world
        .refused(&named(["--variant", "off"]), "gives its users on")
        .await;
    world
        .refused(&named(["--rule", "other"]), "the rules are: rollout")
        .await;
    world
        .refused(
            &[
                "rollout",
                "checkout",
                "10",
                "--environment",
                "production",
                "--rule",
                "team",
            ],
            "is not a rollout",
        )
        .await;
    world
        .refused(
            &["rollout", "checkout", "101", "--environment", "staging"],
            "from 0 to 100",
        )
        .await;

    // No user gets to a rollout after a rule for all.
    let all = json!({"environments": {"production": {
        "enabled": true, "off_variant": "off", "default_variant": "off",
        "rules": [{"id": "all", "type": "serve", "variant": "off"}],
    }}});
    send(&world, Method::PATCH, "/flags/checkout", &all).await;
    let ran = world
        .run(&[
            "flags",
            "rollout",
            "checkout",
            "10",
            "--environment",
            "production",
        ])
        .await;
    assert!(
        ran.ok && ran.stderr.contains("The rule `all` is before the rollout"),
        "{}",
        ran.stderr
    );

    // A ramp would replace the percentage at its next step.
    let mut staging = world.get("/flags/checkout").await["environments"]["staging"].clone();
    staging["rules"][0]["ramp"] = json!([{"at": "2026-01-01T00:00:00Z", "traffic_percent": 90}]);
    staging["enabled"] = json!(false);
    send(
        &world,
        Method::PATCH,
        "/flags/checkout",
        &json!({"environments": {"staging": staging}}),
    )
    .await;
    let ran = world.run(&rollout("30")).await;
    assert!(
        ran.ok && ran.stderr.contains("The flag is off"),
        "{}",
        ran.stderr
    );
    let rule = world.get("/flags/checkout").await["environments"]["staging"]["rules"][0].clone();
    assert_eq!(
        (&rule["ramp"], &rule["traffic_percent"]),
        (&Value::Null, &json!(30.0))
    );
}

#[tokio::test]
async fn an_evaluation_says_why() {
    let world = world().await;
    let second = json!({
        "key": "upsell", "name": "Upsell", "value_type": "boolean",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "prerequisites": [{"flag": "checkout", "variants": ["on"]}],
        "environments": {"production": {"enabled": true, "off_variant": "off", "default_variant": "on", "rules": [
            {"id": "half", "type": "rollout", "condition": {"plan": "pro"}, "traffic_percent": 50,
             "variants": [{"variant": "on", "percent": 50}, {"variant": "off", "percent": 50}]},
            {"id": "later", "type": "serve", "variant": "off", "starts_at": "2090-01-01T00:00:00Z"},
        ]}},
    });
    send(&world, Method::POST, "/flags", &second).await;
    let evaluate = async |attributes: &[&str]| {
        let arguments = ["flags", "evaluate", "upsell", "--user", "ann"];
        let attributes = attributes.iter().flat_map(|each| ["--attribute", *each]);
        let arguments: Vec<&str> = arguments.into_iter().chain(attributes).collect();
        world.done(&arguments).await
    };
    assert_eq!(
        evaluate(&["team=core", "age=7"]).await,
        "variant  on\nvalue    true\nreason   DEFAULT\nversion 1 in production\n  prerequisite checkout: met\n  \
         rule half (rollout): the attributes do not match its condition\n  \
         rule later: lets no user take part at present (not scheduled)\n"
    );
    let refused = evaluate(&["plan=pro"]).await;
    assert!(refused.contains("reason   DISABLED\n"), "{refused}");
    assert!(
        refused.contains("  prerequisite checkout: not met"),
        "{refused}"
    );
    let arguments = ["evaluate", "upsell", "--user", "ann", "--attribute", "x"];
    world.refused(&arguments, "NAME=VALUE").await;
    world
        .refused(
            &[
                "evaluate",
                "upsell",
                "--user",
                "ann",
                "--environment",
                "staging",
            ],
            "flag_not_found",
        )
        .await;
}
