//! Targeting: only users whose attributes match are enrolled.

use super::support::{Answer, Caller, World, encoded, expected};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A platform with an experiment `e` that has this condition.
async fn world(condition: Value) -> World {
    let world = World::start().await;
    let fields = json!({ "targeting": condition, "dimensions": ["country"] });
    let created = world.admin().experiment("e", fields).await;
    assert_eq!(created["targeting"], condition);
    world
}

/// Requests a user's variant with these query parameters.
async fn ask(caller: &Caller, user: &str, query: &[(&str, &str)]) -> Answer {
    let query: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let (user, query) = (encoded(user), query.join("&"));
    let path = format!("/experiments/e/assignment/{user}?{query}");
    caller.get(&path).await
}

#[tokio::test]
async fn a_user_who_does_not_match_gets_the_control_and_nothing_is_stored() {
    let world = world(json!({"country": {"$in": ["DE", "AT"]}})).await;
    let admin = world.admin();
    for query in [
        &[("attributes.country", "FR")][..],
        &[("country", "FR")],
        &[("attributes.country", "")],
        &[("attributes.city", "Berlin")],
        &[],
    ] {
        let answer = ask(&admin, "u", query).await.json(200);
        let seen = (&answer["enrolled"], &answer["reason"], &answer["variant"]);
        let control = (&json!(false), &json!("targeting"), &json!("control"));
        assert_eq!(seen, control, "{query:?}");
        assert!(answer.get("assigned_at").is_none());
    }
    assert_eq!(world.items("AssignmentsTable").await.len(), 0);

    let answer = ask(&admin, "u", &[("attributes.country", "DE")]).await;
    assert_eq!(answer.json(200)["reason"], "new");
    assert_eq!(world.items("AssignmentsTable").await.len(), 1);
}

#[tokio::test]
async fn the_status_and_the_schedule_come_before_targeting_and_the_traffic_after_it() {
    let world = World::start().await;
    let admin = world.admin();
    let condition = json!({"country": "DE"});
    for (id, fields, matching, other) in [
        (
            "draft",
            json!({"status": "draft"}),
            "not_running",
            "not_running",
        ),
        (
            "later",
            json!({"starts_at": "2099-01-01T00:00:00Z"}),
            "not_started",
            "not_started",
        ),
        (
            "over",
            json!({"ends_at": "2001-01-01T00:00:00Z"}),
            "ended",
            "ended",
        ),
        (
            "closed",
            json!({"traffic_percent": 0}),
            "traffic",
            "targeting",
        ),
    ] {
        let mut fields = fields;
        fields["targeting"] = condition.clone();
        admin.experiment(id, fields).await;
        for (country, reason) in [("DE", matching), ("FR", other)] {
            let path = format!("/experiments/{id}/assignment/u?attributes.country={country}");
            assert_eq!(admin.get(&path).await.json(200)["reason"], reason, "{id}");
        }
    }
}

#[tokio::test]
async fn attributes_have_json_types_and_paths() {
    let condition = json!({
        "id": "team/ann",
        "age": {"$type": "number", "$gte": 18},
        "bot": {"$eq": false},
        "version": {"$vgte": "1.10.0"},
        "zip": {"$eq": "01067"},
        "code": {"$eq": "12"},
        "address.city": "Köln",
        "address.geo": {"$elemMatch": {"$gt": 50}},
        "nothing": null,
    });
    let world = world(condition).await;
    let admin = world.admin();
    let all = [
        ("attributes.age", "31"),
        ("attributes.bot", "false"),
        ("attributes.version", "1.10.0"),
        ("attributes.zip", "01067"),
        ("attributes.code", "\"12\""),
        ("attributes.address.city", "Köln"),
        ("attributes.address.geo", "[6.96, 50.94]"),
        ("attributes.nothing", "null"),
        ("attributes.id", "team/ann"),
    ];
    for left_out in 0..7 {
        let mut query = all.to_vec();
        query.remove(left_out);
        let answer = ask(&admin, "team/ann", &query).await.json(200);
        assert_eq!(answer["reason"], "targeting", "{:?}", all[left_out]);
    }
    let other = ask(&admin, "team/bob", &all[..8]).await.json(200);
    assert_eq!(other["reason"], "targeting");
    let answer = ask(&admin, "team/ann", &all).await.json(200);
    assert_eq!(answer["reason"], "new");
    assert!(answer.get("attributes").is_none(), "{answer}");
}

#[tokio::test]
async fn only_the_values_of_dimensions_are_stored() {
    let world = world(json!({"vip": true})).await;
    let admin = world.admin();
    let query = [("attributes.vip", "true"), ("attributes.country", "7")];
    let answer = ask(&admin, "u", &query).await.json(200);
    assert_eq!(answer["attributes"], json!({"country": "7"}));
    let items = world.items("AssignmentsTable").await;
    assert_eq!(items.len(), 1);
    assert!(!format!("{:?}", items[0]).contains("vip"));
    // A user stays assigned with other attributes, and after a change of the condition.
    for change in [json!({"vip": true}), json!({"country": "none"})] {
        admin
            .change("e", &json!({ "targeting": change }))
            .await
            .json(200);
        let again = ask(&admin, "u", &[("attributes.vip", "false")]).await;
        let again = again.json(200);
        assert_eq!(again["reason"], "existing");
        assert_eq!(again["attributes"], json!({"country": "7"}));
    }
}

#[tokio::test]
async fn all_faults_of_the_attributes_are_reported_at_once() {
    let world = world(json!({})).await;
    let admin = world.admin();
    let deep = format!("attributes.{}", ["a"; 17].join("."));
    let deep_value = format!("{}{}", "[".repeat(17), "]".repeat(17));
    for (query, expected) in [
        (
            vec![
                ("attributes.a", "1"),
                ("attributes.a.b", "2"),
                (deep.as_str(), "1"),
                ("attributes.id", "another user"),
                ("color", "red"),
                ("attributes.", "1"),
                ("attributes.country", "{\"a\": 1}"),
            ],
            vec![
                ("?attributes.a.b", "conflicting_attributes"),
                ("?attributes.id", "other_user"),
                ("?color", "unknown_parameter"),
                ("?attributes.", "unknown_parameter"),
                ("?attributes.country", "wrong_type"),
            ],
        ),
        (
            vec![("country", "DE"), ("attributes.country", "DE")],
            vec![("?country", "conflicting_attributes")],
        ),
        (
            vec![("attributes.country", "(none)")],
            vec![("?attributes.country", "reserved")],
        ),
        (
            vec![("attributes.x", deep_value.as_str())],
            vec![("?attributes.", "too_deep")],
        ),
    ] {
        let answer = ask(&admin, "u", &query).await;
        assert_eq!(answer.code(400), "bad_parameters");
        let mut seen = answer.faults();
        // The names of this fault are long.
        seen.retain(|(pointer, _)| !pointer.contains("a.a.a"));
        let expected: BTreeSet<_> = expected
            .into_iter()
            .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()))
            .collect();
        assert_eq!(seen, expected);
    }
    let long = "x".repeat(9_000);
    let answer = ask(&admin, "u", &[("attributes.x", &long)]).await;
    assert_eq!(answer.faults(), expected([("?attributes.", "too_long")]));
    assert_eq!(world.items("AssignmentsTable").await.len(), 0);
}

#[tokio::test]
async fn a_condition_with_faults_is_refused_as_a_whole_with_each_place() {
    let world = world(json!({})).await;
    let admin = world.admin();
    let before = world.contents().await;
    let condition = json!({"country": {"$in": "DE"}, "$or": [{"name": {"$regex": "(?=a)"}}], "a/b": {"$x": 1}, "id": {"$inGroup": "testers"}});
    let body = json!({
        "name": "",
        "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
        "targeting": condition,
    });
    let created = admin.post("/experiments", &body).await;
    assert_eq!(created.code(422), "invalid");
    let of_condition = [
        ("/targeting/country/$in", "wrong_type"),
        ("/targeting/$or/0/name/$regex", "bad_pattern"),
        ("/targeting/a~1b/$x", "unknown_operator"),
    ];
    let mut of_body = expected(of_condition);
    of_body.insert(("/name".to_owned(), "empty".to_owned()));
    assert_eq!(created.faults(), of_body);
    let changed = admin.change("e", &json!({ "targeting": condition })).await;
    assert_eq!(changed.code(422), "invalid");
    assert_eq!(changed.faults(), expected(of_condition));

    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let send = |body: &'static str| {
        let admin = admin.clone();
        async move { admin.send("PATCH", "/experiments/e", &headers, body).await }
    };
    for (body, pointer, code) in [
        (
            r#"{"targeting": {"a": 1, "a": 2}}"#,
            "/targeting/a",
            "duplicate_field",
        ),
        (
            r#"{"targeting": {"a": {"b": 1e999}}}"#,
            "/targeting/a/b",
            "out_of_range",
        ),
        (
            r#"{"targeting": {"a": {"b": 1e101}}}"#,
            "/targeting/a/b",
            "out_of_range",
        ),
        (
            r#"{"targeting": {"a": {"$inGroup": "x"}}}"#,
            "/targeting/a/$inGroup",
            "unknown_segment",
        ),
        (r#"{"targeting": []}"#, "/targeting", "wrong_type"),
    ] {
        let answer = send(body).await;
        assert_eq!(answer.code(422), "invalid", "{body}");
        assert_eq!(answer.faults(), expected([(pointer, code)]), "{body}");
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn the_condition_can_change_until_the_experiment_is_stopped() {
    let world = world(json!({"country": "DE"})).await;
    let admin = world.admin();
    let removed = admin.change("e", &json!({"targeting": null})).await;
    assert!(removed.json(200).get("targeting").is_none());
    assert_eq!(ask(&admin, "u", &[]).await.json(200)["reason"], "new");
    admin
        .change("e", &json!({"status": "stopped"}))
        .await
        .json(200);
    let answer = admin.change("e", &json!({"targeting": {"a": 1}})).await;
    assert_eq!(answer.code(409), "experiment_over");
    assert_eq!(
        answer.faults(),
        expected([("/targeting", "experiment_over")])
    );
}

/// Values that DynamoDB and the API must keep as they are.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e12..1e12).prop_map(Value::from),
        (1e-90..1e-80).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z0-9 _.]{1,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn any_valid_condition_is_read_as_it_was_sent() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(world(json!({})));
    let admin = world.admin();
    let mut runner = TestRunner::new(Config::with_cases(60));
    let conditions = prop::collection::btree_map("[a-zA-Z0-9 _.]{1,6}", any_json(), 0..4);
    runner
        .run(&conditions, |condition| {
            let condition = json!(condition);
            runtime.block_on(async {
                let change = json!({ "targeting": condition });
                let changed = admin.change("e", &change).await.json(200);
                let read = admin.get("/experiments/e").await.json(200);
                prop_assert_eq!(&changed, &read);
                prop_assert!(
                    same(&read["targeting"], &condition),
                    "{} {}",
                    read["targeting"],
                    condition
                );
                Ok(())
            })
        })
        .unwrap();
}

/// Equal, with numbers compared by their value: DynamoDB does not keep how they were written.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
