//! Bots and internal traffic: kept out of the assignment, or left out of the results.

use super::support::{Caller, World, ago, expected};
use serde_json::{Value, json};

fn row(user: &str, variant: &str, platform: &str) -> Value {
    json!({
        "user_id": user, "variant": variant, "assigned_at": ago(600).to_string(), "attributes": {"platform": platform},
    })
}

fn event(user: &str, kind: &str) -> Value {
    json!({"user_id": user, "type": kind, "value": 1, "timestamp": ago(60).to_string()})
}

/// The results from both sources, which agree except for the source.
async fn results(admin: &Caller) -> Value {
    let mut aggregates = admin.results("e", "source=aggregates").await;
    let mut raw = admin.results("e", "source=raw").await;
    for report in [&mut aggregates, &mut raw] {
        for field in ["source", "freshness"] {
            report.as_object_mut().unwrap().remove(field);
        }
    }
    assert_eq!(aggregates, raw);
    raw
}

fn of_variants(report: &Value, field: &str) -> Vec<u64> {
    let variants = report["variants"].as_array().unwrap().iter();
    variants
        .map(|variant| variant[field].as_u64().unwrap_or_default())
        .collect()
}

/// The results with another exclusion, which have these users and leave out these, by variant.
async fn excluding(
    world: &World,
    exclude: &Value,
    (users, excluded): ([u64; 2], [u64; 2]),
) -> Value {
    let admin = world.admin();
    let change = json!({ "exclude": exclude });
    let changed = admin.change("e", &change).await.json(200);
    assert_eq!(changed.get("exclude").unwrap_or(&Value::Null), exclude);
    world.platform.settle().await;
    let report = results(&admin).await;
    assert_eq!(of_variants(&report, "users"), users, "{exclude}");
    assert_eq!(
        of_variants(&report, "excluded_users"),
        excluded,
        "{exclude}"
    );
    report
}

#[tokio::test]
async fn results_leave_out_users_with_excluded_events_or_values_after_each_change() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "pay", "kind": "sum", "event_type": "pay"}]);
    let fields = json!({"metrics": metrics, "dimensions": ["platform"]});
    admin.experiment("e", fields).await;
    let rows = [
        row("a", "control", "ios"),
        row("b", "control", "crawler"),
        row("c", "green", "ios"),
        row("d", "green", "web"),
    ];
    admin.import("e", &rows).await;
    let early = json!({"user_id": "c", "type": "bot", "timestamp": ago(6_000).to_string()});
    let events = ["a", "b", "c", "d"].map(|user| event(user, "pay"));
    admin.track(&events).await;
    admin.track(&[event("d", "bot"), early]).await;
    world.platform.settle().await;
    assert_eq!(of_variants(&results(&admin).await, "users"), [2, 2]);

    let both = json!({"event_types": ["bot"], "dimensions": {"platform": ["crawler"]}});
    for (exclude, users, excluded) in [
        (json!({"event_types": ["bot"]}), [2, 1], [0, 1]),
        (
            json!({"dimensions": {"platform": ["crawler", "other"]}}),
            [1, 2],
            [1, 0],
        ),
        (both, [1, 1], [1, 1]),
        (Value::Null, [2, 2], [0, 0]),
        (json!({"event_types": ["never"]}), [2, 2], [0, 0]),
    ] {
        let report = excluding(&world, &exclude, (users, excluded)).await;
        let accounting = &report["event_accounting"]["pay"];
        let left_out: u64 = excluded.iter().sum();
        let events = accounting["excluded_users"].as_u64().unwrap_or_default();
        assert_eq!(events, left_out, "{exclude}");
        assert_eq!(accounting["counted"], 4 - left_out);
        let observed = &report["data_quality"]["sample_ratio"]["observed"];
        assert_eq!(observed, &json!(users));
    }
    // A later event leaves a counted user out.
    admin.track(&[event("a", "never")]).await;
    world.platform.settle().await;
    let report = results(&admin).await;
    assert_eq!(of_variants(&report, "excluded_users"), [1, 0]);
    let export = admin.get("/users/a").await.json(200);
    let mut sums = export["sums"].as_array().unwrap().iter();
    let excluded = sums.find(|one| one["excluded"] == true).unwrap();
    assert_eq!(excluded["hours"][0]["disposition"], "excluded_user");
}

fn load(user: &str, properties: &Value, seconds_ago: i64) -> Value {
    json!({
        "user_id": user, "type": "load", "timestamp": ago(seconds_ago).to_string(), "properties": properties,
    })
}

#[tokio::test]
async fn results_leave_out_users_with_properties_of_events_after_each_change() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "pay", "kind": "sum", "event_type": "pay"}]);
    admin.experiment("e", json!({ "metrics": metrics })).await;
    let users = ["a", "b", "c", "d"];
    let variants = ["control", "control", "green", "green"];
    let rows = users.iter().zip(variants).map(|(user, variant)| {
        json!({"user_id": user, "variant": variant, "assigned_at": ago(600).to_string()})
    });
    admin.import("e", &rows.collect::<Vec<_>>()).await;
    admin.track(&users.map(|user| event(user, "pay"))).await;
    let internal = json!({"internal": true});
    let loads = [
        load("a", &json!({"internal": false, "page": {"path": "/"}}), 60),
        load("b", &json!({"page": {"path": "/admin"}}), 60),
        // Before the assignment.
        load("c", &internal, 6_000),
        load("d", &internal, 400),
        json!({"user_id": "d", "type": "load", "timestamp": ago(300).to_string()}),
    ];
    admin.track(&loads).await;
    world.platform.settle().await;
    let events =
        |condition: Value| json!({"events": [{"event_type": "load", "condition": condition}]});
    for (exclude, users, excluded) in [
        (events(json!({"internal": true})), [2, 1], [0, 1]),
        (
            events(json!({"page.path": {"$regex": "^/admin"}})),
            [1, 2],
            [1, 0],
        ),
        // Also the event without properties.
        (events(json!({"page": {"$exists": false}})), [2, 1], [0, 1]),
        (
            json!({"events": [
                {"event_type": "pay", "condition": {"internal": true}},
                {"event_type": "load", "condition": {"internal": false}},
                {"event_type": "load", "condition": {"internal": true}},
            ]}),
            [1, 1],
            [1, 1],
        ),
        (Value::Null, [2, 2], [0, 0]),
        (events(json!({"never": 1})), [2, 2], [0, 0]),
    ] {
        excluding(&world, &exclude, (users, excluded)).await;
    }
    // A later event leaves a counted user out.
    admin.track(&[load("a", &json!({"never": 1}), 30)]).await;
    world.platform.settle().await;
    assert_eq!(
        of_variants(&results(&admin).await, "excluded_users"),
        [1, 0]
    );
    // An audit finds the same numbers.
    let audit = admin.post("/experiments/e/audit", &json!({})).await;
    assert_eq!(audit.json(200)["differing_numbers"], 0);
}

#[tokio::test]
async fn a_bot_before_the_requested_time_is_left_out_and_one_after_it_is_not() {
    let world = World::start().await;
    let admin = world.admin();
    let exclude = json!({
        "event_types": ["bot"],
        "events": [{"event_type": "load", "condition": {"internal": true}}],
    });
    admin.experiment("e", json!({ "exclude": exclude })).await;
    let rows = ["a", "b", "c"].map(|user| {
        json!({"user_id": user, "variant": "control", "assigned_at": ago(6_000).to_string()})
    });
    admin.import("e", &rows).await;
    let bot = json!({"user_id": "a", "type": "bot", "timestamp": ago(3_000).to_string()});
    let internal = load("b", &json!({"internal": true}), 3_000);
    admin.track(&[bot, internal, event("c", "pay")]).await;
    world.platform.settle().await;
    for (window, users) in [
        (format!("from={}", ago(1_000)), 1),
        // All records are stored before this time.
        (format!("from={}", ago(0)), 1),
        (format!("to={}", ago(1_000)), 1),
        (format!("to={}", ago(4_000)), 3),
    ] {
        let report = admin.results("e", &window).await;
        assert_eq!(of_variants(&report, "users")[0], users, "{window}");
    }
}

#[tokio::test]
async fn users_who_match_the_condition_are_not_assigned() {
    let world = World::start().await;
    let admin = world.admin();
    let exclude = json!({"condition": {"bot": true}});
    admin.experiment("e", json!({ "exclude": exclude })).await;
    let path = "/experiments/e/assignment/crawler?attributes.bot=true";
    let answer = admin.get(path).await.json(200);
    assert_eq!(answer["reason"], "excluded");
    assert_eq!(answer["enrolled"], false);
    let answer = admin
        .get("/experiments/e/assignment/crawler")
        .await
        .json(200);
    assert_eq!(answer["reason"], "new");
    // A stored assignment holds.
    assert_eq!(admin.get(path).await.json(200)["reason"], "existing");
    let dry = "/experiments/e/assignment/other?attributes.bot=true&enroll=false";
    let dry = admin.get(dry).await.json(200);
    let trace = dry["trace"].as_array().unwrap();
    let last = json!({"rule": "exclusion", "outcome": "decided"});
    assert_eq!(trace.last().unwrap(), &last);
    let copy = json!({"id": "copy", "name": "Copy", "copy_of": "e"});
    let copy = admin.post("/experiments", &copy).await.json(201);
    assert_eq!(copy["exclude"], exclude);
}

#[tokio::test]
async fn an_exclusion_with_faults_is_refused_with_each_place() {
    let world = World::start().await;
    let admin = world.admin();
    let types: Vec<String> = (0..21).map(|number| format!("t{number}")).collect();
    admin
        .experiment("e", json!({"dimensions": ["platform"]}))
        .await;
    for (exclude, faults) in [
        (json!({}), vec![("/exclude", "empty")]),
        (json!([]), vec![("/exclude", "wrong_type")]),
        (
            json!({"condition": {"a": {"$foo": 1}}}),
            vec![("/exclude/condition/a/$foo", "unknown_operator")],
        ),
        (
            json!({"event_types": []}),
            vec![("/exclude/event_types", "empty")],
        ),
        (
            json!({ "event_types": types }),
            vec![("/exclude/event_types", "too_many")],
        ),
        (
            json!({"event_types": ["a", "a", "(other types)", 1]}),
            vec![
                ("/exclude/event_types/1", "duplicate_key"),
                ("/exclude/event_types/2", "reserved"),
                ("/exclude/event_types/3", "wrong_type"),
            ],
        ),
        (json!({"events": []}), vec![("/exclude/events", "empty")]),
        (
            json!({"events": vec![json!({"event_type": "a", "condition": {"b": 1}}); 21]}),
            vec![("/exclude/events", "too_many")],
        ),
        (
            json!({"events": [
                {"event_type": "a"},
                {"event_type": "(other types)", "condition": {"a": {"$foo": 1}}, "value": 1},
                {"event_type": "a", "condition": {"id": {"$inGroup": "staff"}}},
                3,
            ]}),
            vec![
                ("/exclude/events/0/condition", "required"),
                ("/exclude/events/1/condition/a/$foo", "unknown_operator"),
                ("/exclude/events/1/event_type", "reserved"),
                ("/exclude/events/1/value", "unknown_field"),
                (
                    "/exclude/events/2/condition/id/$inGroup",
                    "no_segments_here",
                ),
                ("/exclude/events/3", "wrong_type"),
            ],
        ),
        (
            json!({"events": vec![
                json!({"event_type": "a", "condition": {"$or": vec![json!({"b": {"$regex": "c"}}); 11]}});
                2
            ]}),
            vec![("/exclude/events", "too_many")],
        ),
        (
            json!({"events": vec![
                json!({"event_type": "a", "condition": {"b": "x".repeat(11_000)}});
                2
            ]}),
            vec![("/exclude/events", "too_long")],
        ),
        (
            json!({"dimensions": {}}),
            vec![("/exclude/dimensions", "wrong_number")],
        ),
        (
            json!({"dimensions": {"platform": [], "A": ["x"]}}),
            vec![
                ("/exclude/dimensions/A", "bad_characters"),
                ("/exclude/dimensions/platform", "empty"),
            ],
        ),
        (
            json!({"colour": "red"}),
            vec![("/exclude", "empty"), ("/exclude/colour", "unknown_field")],
        ),
    ] {
        let change = json!({ "exclude": exclude });
        let refused = admin.change("e", &change).await;
        let found: Vec<_> = refused.faults().into_iter().collect();
        let own = |(at, code): &(&str, &str)| ((*at).to_owned(), (*code).to_owned());
        let faults: Vec<_> = faults.iter().map(own).collect();
        assert_eq!(found, faults, "{exclude}");
    }
    let unknown = json!({"dimensions": {"country": ["DE"]}});
    let refused = admin.change("e", &json!({ "exclude": unknown })).await;
    assert_eq!(refused.code(409), "unknown_dimension");
    let variants = json!([{"key": "a", "percent": 50}, {"key": "b", "percent": 50}]);
    let body = json!({"id": "f", "name": "F", "variants": variants, "exclude": unknown});
    let refused = admin.post("/experiments", &body).await;
    let pointer = "/exclude/dimensions/country";
    assert_eq!(refused.faults(), expected([(pointer, "unknown_dimension")]));
    let events = json!({"events": [{"event_type": "load", "condition": {"internal": true}}]});
    let body =
        json!({"id": "g", "name": "G", "unit": "account", "variants": variants, "exclude": events});
    let refused = admin.post("/experiments", &body).await;
    let of_accounts = expected([("/exclude/events", "properties_of_another_unit")]);
    assert_eq!(refused.faults(), of_accounts);
    admin.experiment("h", json!({"unit": "account"})).await;
    let refused = admin.change("h", &json!({ "exclude": events })).await;
    assert_eq!(refused.code(409), "properties_of_another_unit");
}
