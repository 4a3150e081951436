//! The history of an experiment, its documentation, and copies of it.

use super::support::World;
use domain::access::Scope;
use serde_json::{Value, json};

#[tokio::test]
async fn the_history_says_who_changed_what_when_and_why() {
    let world = World::start().await;
    let token = world
        .new_token("alice", &[Scope::Manage, Scope::Read], None)
        .await;
    let alice = world.bearer(&token);
    let created = alice
        .experiment("e", json!({"status": "draft", "description": "Old."}))
        .await;
    let changes = [
        json!({"status": "running", "reason": "launch"}),
        json!({"description": null, "owner": "shop team"}),
        json!({"name": "A test"}),
        json!({"traffic_percent": 50, "tags": ["q4"]}),
    ];
    let mut versions = vec![created];
    for change in &changes {
        versions.push(alice.change("e", change).await.json(200));
    }
    let refused = alice
        .change("e", &json!({"status": "draft", "reason": "back"}))
        .await;
    assert_eq!(refused.status, 409);

    let history = world.admin().get("/experiments/e/history").await.json(200);
    assert_eq!(history["experiment_id"], "e");
    assert!(history.get("next_cursor").is_none());
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 5);
    let started = &versions[1]["started_at"];
    let expected = [
        json!([{"field": "tags", "after": ["q4"]}, {"field": "traffic_percent", "before": 100.0, "after": 50.0}]),
        json!([]),
        json!([{"field": "description", "before": "Old."}, {"field": "owner", "after": "shop team"}]),
        json!([{"field": "started_at", "after": started}, {"field": "status", "before": "draft", "after": "running"}]),
        json!([]),
    ];
    for ((entry, version), expected) in entries.iter().zip(versions.iter().rev()).zip(expected) {
        assert_eq!(entry["version"], version["version"]);
        assert_eq!(entry["at"], version["updated_at"]);
        assert_eq!(entry["by"], "alice");
        assert_eq!(entry["changes"], expected);
    }
    assert_eq!(entries[3]["reason"], "launch");
    assert!(entries[2].get("reason").is_none());
    // The reason is not part of the definition.
    assert!(versions[1].get("reason").is_none());
    assert_eq!(
        alice
            .change("e", &json!({"reason": "none"}))
            .await
            .code(422),
        "invalid"
    );
}

#[tokio::test]
async fn pages_of_the_history_have_each_version_once() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    for version in 2..=12 {
        admin
            .change("e", &json!({"name": format!("Version {version}")}))
            .await
            .json(200);
    }
    for limit in [1, 3, 12, 100] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/experiments/e/history?limit={limit}&cursor={cursor}");
            let page = admin.get(&path).await.json(200);
            for entry in page["entries"].as_array().unwrap() {
                let version = entry["version"].as_u64().unwrap();
                assert_eq!(
                    entry["changes"].as_array().unwrap().len(),
                    usize::from(version > 1)
                );
                seen.push(version);
            }
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(seen, (1..=12).rev().collect::<Vec<_>>(), "{limit}");
    }
    assert_eq!(
        admin.get("/experiments/nothing/history").await.code(404),
        "experiment_not_found"
    );
    for query in ["limit=0", "limit=101", "cursor=x", "color=red"] {
        let answer = admin.get(&format!("/experiments/e/history?{query}")).await;
        assert_eq!(answer.code(400), "bad_parameters", "{query}");
    }
}

#[tokio::test]
async fn a_history_of_the_largest_definitions_is_read_in_pages_that_fit() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let metric = |number: usize, name: &str| json!({"key": format!("{}-{number}", "m".repeat(100)), "kind": "count", "event_type": "t".repeat(128), "name": name.repeat(200)});
    for version in 0..12 {
        let name = if version % 2 == 0 { "😀" } else { "😁" };
        let metrics: Vec<_> = (0..100).map(|number| metric(number, name)).collect();
        admin
            .change("e", &json!({ "metrics": metrics }))
            .await
            .json(200);
    }
    let (mut versions, mut pages, mut cursor) = (0, 0, String::new());
    loop {
        let page = admin
            .get(&format!("/experiments/e/history?limit=100&cursor={cursor}"))
            .await;
        assert!(page.text.len() < 5_000_000);
        let page = page.json(200);
        let entries = page["entries"].as_array().unwrap().len();
        assert!(entries > 0);
        (versions, pages) = (versions + entries, pages + 1);
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(versions, 13);
    assert!(pages > 1);
}

#[tokio::test]
async fn documentation_is_kept_and_checked() {
    let world = World::start().await;
    let admin = world.admin();
    let documentation = json!({
        "hypothesis": "Green sells more.",
        "owner": "shop team",
        "tags": ["shop", "q4"],
        "links": [{"url": "https://example.com/spec?a=1", "title": "Spec"}, {"url": "http://example.com"}],
    });
    let created = admin.experiment("e", documentation.clone()).await;
    for (name, value) in documentation.as_object().unwrap() {
        assert_eq!(&created[name], value);
    }
    let tags: Vec<_> = (0..21).map(|tag| tag.to_string()).collect();
    for (change, pointer, code) in [
        (json!({"tags": ["a", "a"]}), "/tags/1", "duplicate_key"),
        (json!({"tags": [" "]}), "/tags/0", "empty"),
        (json!({"tags": ["x".repeat(51)]}), "/tags/0", "too_long"),
        (json!({ "tags": tags }), "/tags", "too_many"),
        (json!({"tags": null}), "/tags", "not_removable"),
        (
            json!({"links": [{"url": "javascript:alert(1)"}]}),
            "/links/0/url",
            "not_a_url",
        ),
        (
            json!({"links": [{"url": "https://a b"}]}),
            "/links/0/url",
            "not_a_url",
        ),
        (
            json!({"links": [{"title": "x"}]}),
            "/links/0/url",
            "required",
        ),
        (
            json!({"links": vec![json!({"url": "https://a"}); 21]}),
            "/links",
            "too_many",
        ),
        (json!({"owner": ""}), "/owner", "empty"),
        (
            json!({"hypothesis": "x".repeat(4_001)}),
            "/hypothesis",
            "too_long",
        ),
    ] {
        let answer = admin.change("e", &change).await;
        let problem = answer.problem().unwrap();
        let fault = &problem["errors"][0];
        assert_eq!(
            (&fault["pointer"], &fault["code"]),
            (&json!(pointer), &json!(code)),
            "{change}"
        );
    }
    let removal = json!({"hypothesis": null, "owner": null, "tags": [], "links": []});
    let removed = admin.change("e", &removal).await.json(200);
    for name in documentation.as_object().unwrap().keys() {
        assert!(removed.get(name).is_none(), "{name}");
    }
}

/// The fields that a copy takes over.
fn taken_over() -> Value {
    json!({
        "description": "D.",
        "variants": [{"key": "a", "percent": 20.0}, {"key": "b", "percent": 80.0, "name": "B"}],
        "traffic_percent": 30.0,
        "targeting": {"country": "DE"},
        "overrides": [{"variant": "b", "users": ["ann"]}],
        "dimensions": ["country"],
        "metrics": [{"key": "m", "kind": "count", "event_type": "buy", "role": "secondary", "direction": "increase"}],
        "plan": {"metric": "m", "minimum_detectable_effect": 0.1, "alpha": 0.05, "power": 0.8, "users": 100},
        "hypothesis": "H.",
        "owner": "O",
        "tags": ["t"],
        "links": [{"url": "https://example.com"}],
        "shards": 3,
    })
}

#[tokio::test]
async fn a_copy_takes_over_what_the_body_leaves_out() {
    let world = World::start().await;
    let admin = world.admin();
    let mut fields = taken_over();
    fields["ramp"] = json!([{"at": "2099-01-01T00:00:00Z", "traffic_percent": 100}]);
    fields["ends_at"] = json!("2099-02-01T00:00:00Z");
    let original = admin.experiment("original", fields).await;
    admin
        .change(
            "original",
            &json!({"release": "b", "conclusion": {"outcome": "lost"}}),
        )
        .await
        .json(200);
    let copy = json!({"name": "Copy", "copy_of": "original"});
    let copy = admin.post("/experiments", &copy).await.json(201);
    for (name, value) in taken_over().as_object().unwrap() {
        assert_eq!(&copy[name], value, "{name}");
    }
    assert_ne!(copy["hash_seed"], original["hash_seed"]);
    assert_ne!(copy["id"], original["id"]);
    assert_eq!(
        (&copy["name"], &copy["version"], &copy["status"]),
        (&json!("Copy"), &json!(1), &json!("running"))
    );
    for name in [
        "ramp",
        "ends_at",
        "release",
        "conclusion",
        "stopped_at",
        "copy_of",
    ] {
        assert!(copy.get(name).is_none(), "{name}");
    }

    let other = json!({"name": "Other", "copy_of": "original", "traffic_percent": 10, "metrics": [], "plan": {"minimum_detectable_effect": 0.2, "users": 50}, "tags": []});
    let other = admin.post("/experiments", &other).await.json(201);
    assert_eq!(other["traffic_percent"], 10.0);
    assert!(other.get("metrics").is_none() && other.get("tags").is_none());
    assert_eq!(other["owner"], "O");

    for (body, pointer, code) in [
        (
            json!({"name": "N", "copy_of": "a b"}),
            "/copy_of",
            "bad_characters",
        ),
        // The overrides and the plan of the original do not fit.
        (
            json!({"name": "N", "copy_of": "original", "variants": [{"key": "a", "percent": 50}, {"key": "c", "percent": 50}]}),
            "/overrides/0/variant",
            "unknown_variant",
        ),
        (
            json!({"name": "N", "copy_of": "original", "metrics": [{"key": "n", "kind": "count", "event_type": "buy"}]}),
            "/plan/metric",
            "unknown_metric",
        ),
    ] {
        let answer = admin.post("/experiments", &body).await;
        assert_eq!(answer.code(422), "invalid", "{body}");
        let problem = answer.problem().unwrap();
        let errors = problem["errors"].as_array().unwrap();
        let found = errors
            .iter()
            .any(|fault| fault["pointer"] == pointer && fault["code"] == code);
        assert!(found, "{problem}");
    }
    let unknown = admin
        .post("/experiments", &json!({"name": "N", "copy_of": "nothing"}))
        .await;
    let problem = unknown.problem().unwrap();
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{problem}");
    assert_eq!(errors[0]["code"], "unknown_experiment");
}
