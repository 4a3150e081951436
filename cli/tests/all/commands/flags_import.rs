//! `assay flags import`: files of other systems become flags that give users the same variants.

use super::support::World;
use assay::serve::PlatformOptions;
use serde_json::{Value, json};

async fn world() -> World {
    let options = PlatformOptions::for_tests().with_parameter("DefinitionCacheSeconds", "0");
    World::with(options).await
}

impl World {
    /// Imports a file and returns the report.
    async fn import(&self, system: &str, file: &Value, more: &[&str]) -> super::support::Ran {
        let path = self.file(&format!("{system}.json"), &file.to_string());
        let arguments = ["flags", "import", path.to_str().unwrap(), "--from", system];
        self.run(&[&arguments[..], more].concat()).await
    }

    /// The first line of an explanation for a user with this attribute.
    async fn variant_of(&self, flag: &str, user: &str, attribute: &str) -> String {
        let arguments = [
            "flags",
            "evaluate",
            flag,
            "--user",
            user,
            "--attribute",
            attribute,
        ];
        let printed = self.done(&arguments).await;
        printed.lines().next().unwrap().replace("variant  ", "")
    }
}

#[tokio::test]
async fn growthbook() {
    let world = world().await;
    let payload = json!({"features": {
        "gb-needs": {"defaultValue": "a", "rules": [
            {"parentConditions": [{"id": "gb-switch", "condition": {"value": true}, "gate": true}]}, {"force": "b"}]},
        "gb-switch": {"defaultValue": false, "rules": [{"condition": {"country": "DE"}, "force": true}]},
        "gb-list": {"defaultValue": []},
    }});
    let dry = world.import("growthbook", &payload, &["--dry-run"]).await;
    assert!(
        !dry.ok
            && dry
                .stdout
                .contains("gb-switch: would be created\ngb-needs: would be created\n"),
        "{}",
        dry.stdout
    );
    assert_eq!(world.get("/flags").await["flags"], json!([]));
    let ran = world.import("growthbook", &payload, &[]).await;
    assert!(!ran.ok, "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains("gb-list: not imported\n  the values must all be"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .ends_with("3 flags: 2 created, 0 existing and unchanged, 1 not imported\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.variant_of("gb-needs", "ann", "country=DE").await, "b");
    assert_eq!(world.variant_of("gb-needs", "ann", "country=FR").await, "a");

    // A flag that was changed since is not overwritten.
    world.done(&["flags", "off", "gb-switch"]).await;
    let ran = world.import("growthbook", &payload, &[]).await;
    assert!(
        ran.stdout.contains("gb-switch: exists, and is unchanged\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.get("/flags/gb-switch").await["version"], 2);
}

#[tokio::test]
async fn flagd() {
    let world = world().await;
    let file = json!({"flags": {"color": {
        "state": "ENABLED", "variants": {"red": "r", "green": "g", "blue": "b"}, "defaultVariant": "red",
        "targeting": {"if": [
            {"ends_with": [{"var": "email"}, "@shop.example"]}, "green",
            {"==": [{"var": "plan"}, "pro"]}, {"fractional": [["blue", 50], ["green", 50]]},
        ]},
    }}});
    let ran = world.import("flagd", &file, &[]).await;
    assert!(
        ran.ok
            && ran
                .stdout
                .contains("  /targeting/if/3: users get other variants"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!(
        world
            .variant_of("color", "ann", "email=ann@shop.example")
            .await,
        "green"
    );
    assert_eq!(world.variant_of("color", "ann", "plan=free").await, "red");
    assert_ne!(world.variant_of("color", "ann", "plan=pro").await, "red");
}

#[tokio::test]
async fn launchdarkly() {
    let world = world().await;
    let flag = |more: Value| {
        let mut flag = json!({
            "on": true, "variations": [true, false], "offVariation": 1, "fallthrough": {"variation": 1}, "rules": [],
            "targets": [{"variation": 0, "values": ["ann"]}],
        });
        flag.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        flag
    };
    let segment = json!([{"id": "r", "variation": 0, "clauses": [{"op": "segmentMatch", "values": ["beta"]}]}]);
    let clause = json!({"attribute": "country", "op": "in", "values": ["DE"], "negate": true});
    let file = json!({"flags": {
        "ld-a": flag(json!({"rules": [{"id": "abroad", "variation": 0, "clauses": [clause]}]})),
        "ld-b": flag(json!({"prerequisites": [{"key": "ld-a", "variation": 0}], "fallthrough": {"variation": 0}})),
        "ld-c": flag(json!({"rules": segment})),
    }});
    let ran = world
        .import("launchdarkly", &file, &["--environment", "production"])
        .await;
    assert!(
        ran.stdout
            .contains("ld-c: not imported\n  /environments/production/rules/1/condition"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("  /rules/0/clauses/0: it names segments"),
        "{}",
        ran.stdout
    );
    assert!(
        !ran.ok && ran.stderr.contains("1 of 3 flags were not imported"),
        "{}",
        ran.stderr
    );
    for (user, country, expected) in [
        ("ann", "DE", "on"),
        ("bob", "AT", "on"),
        ("bob", "DE", "off"),
    ] {
        let attribute = format!("country={country}");
        for flag in ["ld-a", "ld-b"] {
            assert_eq!(
                world.variant_of(flag, user, &attribute).await,
                expected,
                "{flag} {user}"
            );
        }
    }
    let elsewhere = world
        .import("launchdarkly", &file, &["--environment", "moon"])
        .await;
    assert!(
        elsewhere.stdout.contains("no environment `moon`"),
        "{}",
        elsewhere.stdout
    );
}

#[tokio::test]
async fn evidently() {
    let world = world().await;
    let dump = json!([{"feature": {
        "name": "price", "valueType": "LONG", "defaultVariation": "normal", "evaluationStrategy": "ALL_RULES",
        "variations": [{"name": "normal", "value": {"longValue": 100}}, {"name": "low", "value": {"longValue": 80}}],
        "entityOverrides": {"ann": "low"}, "evaluationRules": [{"name": "spring", "type": "aws.evidently.onlineab"}],
    }}]);
    let ran = world.import("evidently", &dump, &[]).await;
    assert!(
        ran.ok
            && ran
                .stdout
                .contains("  /evaluationRules/0: the experiment `spring` is left out"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.variant_of("price", "ann", "a=b").await, "low");
    assert_eq!(world.variant_of("price", "bob", "a=b").await, "normal");
    // The rollout is added by hand, as the report says.
    world
        .done(&["flags", "rollout", "price", "100", "--variant", "low"])
        .await;
    assert_eq!(world.variant_of("price", "bob", "a=b").await, "low");

    let wrong = world.import("evidently", &json!({"flags": {}}), &[]).await;
    assert!(
        !wrong.ok && wrong.stderr.contains("it has no `feature`"),
        "{}",
        wrong.stderr
    );
    let missing = world
        .run(&["flags", "import", "none.json", "--from", "flagd"])
        .await;
    assert!(
        !missing.ok && missing.stderr.contains("cannot read none.json"),
        "{}",
        missing.stderr
    );
}
