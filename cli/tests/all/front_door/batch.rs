//! Assignments of one user in several experiments, of several users in one experiment, and dry runs.

use super::support::{Answer, Caller, World, encoded};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn evaluate(caller: &Caller, id: &str, body: &Value) -> Answer {
    let path = format!("/experiments/{id}/assignments:evaluate");
    caller.post(&path, body).await
}

async fn dry_run(caller: &Caller, id: &str, user: &str, query: &str) -> Value {
    let path = format!(
        "/experiments/{id}/assignment/{}?enroll=false&{query}",
        encoded(user)
    );
    caller.get(&path).await.json(200)
}

/// The assignments in the world, as user and experiment.
async fn stored(world: &World) -> usize {
    let items = world.items("AssignmentsTable").await;
    items
        .iter()
        .filter(|item| item.contains_key("variant"))
        .count()
}

/// The names of the rules that passed, and of the one that decided.
fn trace(answer: &Value) -> (Vec<&str>, &str) {
    let steps = answer["trace"].as_array().unwrap();
    let (last, passed) = steps.split_last().unwrap();
    assert_eq!(last["outcome"], "decided");
    assert!(passed.iter().all(|step| step["outcome"] == "passed"));
    let passed = passed
        .iter()
        .map(|step| step["rule"].as_str().unwrap())
        .collect();
    (passed, last["rule"].as_str().unwrap())
}

#[tokio::test]
async fn a_dry_run_says_which_rule_decides_and_stores_nothing() {
    let world = World::start().await;
    let admin = world.admin();
    let overrides = json!([{"variant": "green", "users": ["tester"]}]);
    for (id, fields) in [
        ("draft", json!({"status": "draft"})),
        ("later", json!({"starts_at": "2099-01-01T00:00:00Z"})),
        ("over", json!({"ends_at": "2001-01-01T00:00:00Z"})),
        ("closed", json!({"traffic_percent": 0})),
        ("german", json!({"targeting": {"country": "DE"}})),
        ("released", json!({})),
        ("open", json!({})),
    ] {
        let mut fields = fields;
        fields["overrides"] = overrides.clone();
        admin.experiment(id, fields).await;
    }
    admin.assign("released", "old").await;
    admin.assign("open", "old").await;
    admin.assign("open", "gone").await;
    admin.send("DELETE", "/users/gone", &[], "").await.json(200);
    admin
        .change("released", &json!({"release": "green"}))
        .await
        .json(200);
    world.platform.settle().await;
    let before = world.contents().await;
    let all = [
        "release",
        "assignment",
        "end",
        "overrides",
        "status",
        "layer",
        "exclusion",
        "targeting",
        "traffic",
        "erasure",
    ];
    for (id, user, query, reason, rule) in [
        ("released", "old", "", "released", "release"),
        ("open", "old", "", "existing", "assignment"),
        ("over", "u", "", "ended", "end"),
        ("over", "tester", "", "ended", "end"),
        ("draft", "tester", "", "override", "overrides"),
        ("draft", "u", "", "not_running", "status"),
        ("later", "u", "", "not_started", "status"),
        (
            "german",
            "u",
            "attributes.country=FR",
            "targeting",
            "targeting",
        ),
        ("german", "u", "attributes.country=DE", "split", "traffic"),
        ("closed", "u", "", "traffic", "traffic"),
        ("open", "u", "", "split", "traffic"),
        ("open", "gone", "", "erased", "erasure"),
    ] {
        let answer = dry_run(&admin, id, user, query).await;
        assert_eq!(answer["reason"], reason, "{id} {user}");
        assert_eq!(answer["enrolled"], reason == "existing");
        let (passed, decided) = trace(&answer);
        assert_eq!(decided, rule, "{id} {user}");
        let expected: Vec<_> = all.into_iter().take_while(|name| *name != rule).collect();
        assert_eq!(passed, expected, "{id} {user}");
    }
    assert_eq!(world.contents().await, before);
    let bad = admin.get("/experiments/open/assignment/u?enroll=no").await;
    assert_eq!(
        bad.faults(),
        BTreeSet::from([("?enroll".to_owned(), "not_a_choice".to_owned())])
    );
    // Without a dry run there is no trace.
    assert!(admin.assign("open", "u").await.get("trace").is_none());
}

#[tokio::test]
async fn single_requests_batches_and_dry_runs_agree() {
    let world = World::start().await;
    let admin = world.admin();
    let experiments = [
        (
            "a",
            json!({"targeting": {"age": {"$gte": 18}}, "dimensions": ["country"]}),
        ),
        ("b", json!({"traffic_percent": 50})),
        (
            "c",
            json!({"overrides": [{"variant": "green", "condition": {"country": "FR"}}]}),
        ),
        (
            "d",
            json!({"targeting": {"tags": {"$elemMatch": {"$eq": "x"}}}}),
        ),
        ("e", json!({"status": "draft"})),
    ];
    for (id, fields) in experiments {
        admin.experiment(id, fields).await;
    }
    let running = ["a", "b", "c", "d"];
    let without = |answer: &Value| -> Value {
        let mut answer = answer.clone();
        for field in ["trace", "assigned_at", "reason", "enrolled", "attributes"] {
            answer.as_object_mut().unwrap().remove(field);
        }
        answer
    };
    let mut reasons = BTreeSet::new();
    for number in 0..24 {
        let user = format!("user/{number}");
        let country = if number % 2 == 0 { "DE" } else { "FR" };
        let tags = if number % 4 == 0 {
            json!(["x", "y"])
        } else {
            json!([])
        };
        let attributes = json!({
            "age": 10 + number % 3 * 5,
            "country": country,
            "tags": tags,
        });
        let query: Vec<_> = attributes
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                format!("attributes.{name}={}", encoded(&value))
            })
            .collect();
        let body = |more: Value| {
            let mut body = json!({"user_id": user, "attributes": attributes});
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            body
        };
        let dry = admin
            .post("/assignments", &body(json!({"enroll": false})))
            .await
            .json(200);
        assert_eq!(stored(&world).await, reasons.len());
        let mut singles = Vec::new();
        for id in running {
            singles.push(dry_run(&admin, id, &user, &query.join("&")).await);
            let users =
                json!({"users": [{"user_id": user, "attributes": attributes}], "enroll": false});
            let batch = evaluate(&admin, id, &users).await.json(200);
            assert_eq!(batch["experiment_id"], id);
            assert_eq!(batch["assignments"][0], *singles.last().unwrap());
        }
        assert_eq!(dry["assignments"], json!(singles), "{user}");
        let named = json!({"experiments": ["d", "b"], "enroll": false});
        let named = admin.post("/assignments", &body(named)).await.json(200);
        assert_eq!(named["assignments"], json!([singles[3], singles[1]]));

        let enrolled = admin.post("/assignments", &body(json!({}))).await.json(200);
        let again = admin.post("/assignments", &body(json!({}))).await.json(200);
        for ((dry, new), existing) in singles
            .iter()
            .zip(enrolled["assignments"].as_array().unwrap())
            .zip(again["assignments"].as_array().unwrap())
        {
            assert_eq!(without(dry), without(new));
            assert_eq!(without(existing), without(new));
            if dry["reason"] == "split" {
                assert_eq!(
                    (&new["reason"], &existing["reason"]),
                    (&json!("new"), &json!("existing"))
                );
                reasons.insert((user.clone(), new["experiment_id"].to_string()));
            } else {
                assert_eq!(
                    (&new["reason"], &existing["reason"]),
                    (&dry["reason"], &dry["reason"])
                );
            }
        }
        if enrolled["assignments"][0]["enrolled"] == true {
            let country = json!({"country": attributes["country"]});
            assert_eq!(enrolled["assignments"][0]["attributes"], country);
        }
    }
    assert_eq!(stored(&world).await, reasons.len());
}

#[tokio::test]
async fn several_users_are_assigned_in_their_order() {
    let world = World::start().await;
    let admin = world.admin();
    admin
        .experiment("e", json!({"targeting": {"country": "DE"}}))
        .await;
    let user = |number: usize| {
        let country = if number.is_multiple_of(3) { "FR" } else { "DE" };
        json!({"user_id": format!("u{number}"), "attributes": {"country": country}})
    };
    let users: Vec<_> = (0..100).map(user).collect();
    let answer = evaluate(&admin, "e", &json!({ "users": users }))
        .await
        .json(200);
    for (number, assignment) in answer["assignments"].as_array().unwrap().iter().enumerate() {
        assert_eq!(assignment["user_id"], format!("u{number}"));
        let reason = if number.is_multiple_of(3) {
            "targeting"
        } else {
            "new"
        };
        assert_eq!(assignment["reason"], reason);
    }
    assert_eq!(stored(&world).await, 66);
    let none = evaluate(&admin, "e", &json!({"users": []})).await.json(200);
    assert_eq!(none["assignments"], json!([]));
    let unknown = evaluate(&admin, "nothing", &json!({"users": []})).await;
    assert_eq!(unknown.code(404), "experiment_not_found");
}

#[tokio::test]
async fn a_start_and_a_stop_change_what_is_running() {
    let world = World::start().await;
    let admin = world.admin();
    let user = json!({"user_id": "u"});
    let ids = |answer: &Value| -> Vec<String> {
        let all = answer["assignments"].as_array().unwrap().iter();
        all.map(|one| one["experiment_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(ids(&admin.post("/assignments", &user).await.json(200)).is_empty());
    for id in ["b", "a", "c"] {
        admin.experiment(id, json!({})).await;
    }
    assert_eq!(
        ids(&admin.post("/assignments", &user).await.json(200)),
        ["a", "b", "c"]
    );
    admin
        .change("b", &json!({"status": "paused"}))
        .await
        .json(200);
    admin
        .change("c", &json!({"release": "green"}))
        .await
        .json(200);
    assert_eq!(
        ids(&admin.post("/assignments", &user).await.json(200)),
        ["a"]
    );
    let named = json!({"user_id": "u", "experiments": ["c", "b"]});
    let named = admin.post("/assignments", &named).await.json(200);
    assert_eq!(named["assignments"][0]["reason"], "released");
    assert_eq!(named["assignments"][1]["reason"], "existing");
}

#[tokio::test]
async fn bodies_with_faults_are_refused_and_nothing_is_stored() {
    let world = World::start().await;
    let admin = world.admin();
    for id in ["e", "f"] {
        admin
            .experiment(id, json!({"dimensions": ["country"]}))
            .await;
    }
    let ids = |number: usize| -> Vec<String> { (0..number).map(|id| format!("e{id}")).collect() };
    for (body, pointer, code) in [
        (json!({}), "/user_id", "required"),
        (json!({"user_id": ""}), "/user_id", "empty"),
        (
            json!({"user_id": "u", "attributes": []}),
            "/attributes",
            "wrong_type",
        ),
        (
            json!({"user_id": "u", "attributes": {"id": "v"}}),
            "/attributes/id",
            "other_user",
        ),
        (
            json!({"user_id": "u", "attributes": {"a": "x".repeat(8_192)}}),
            "/attributes",
            "too_long",
        ),
        (
            json!({"user_id": "u", "attributes": {"country": {"a": 1}}}),
            "/attributes/country",
            "wrong_type",
        ),
        (
            json!({"user_id": "u", "attributes": {"country": "(none)"}}),
            "/attributes/country",
            "reserved",
        ),
        (
            json!({"user_id": "u", "experiments": ["e", "nothing"]}),
            "/experiments/1",
            "unknown_experiment",
        ),
        (
            json!({"user_id": "u", "experiments": ["e", "e"]}),
            "/experiments/1",
            "duplicate_key",
        ),
        (
            json!({"user_id": "u", "experiments": ["a b"]}),
            "/experiments/0",
            "bad_characters",
        ),
        (
            json!({"user_id": "u", "experiments": ids(101)}),
            "/experiments",
            "too_many",
        ),
        (
            json!({"user_id": "u", "enroll": "no"}),
            "/enroll",
            "wrong_type",
        ),
        (json!({"user_id": "u", "who": 1}), "/who", "unknown_field"),
    ] {
        let answer = admin.post("/assignments", &body).await;
        assert_eq!(answer.code(422), "invalid", "{body}");
        assert_eq!(
            answer.faults(),
            BTreeSet::from([(pointer.to_owned(), code.to_owned())]),
            "{body}"
        );
    }
    let users = |number: usize| -> Value {
        (0..number)
            .map(|user| json!({"user_id": format!("u{user}")}))
            .collect()
    };
    for (body, expected) in [
        (json!({}), vec![("/users", "required")]),
        (json!({"users": users(101)}), vec![("/users", "too_many")]),
        (
            json!({"users": [{"user_id": "u"}, {"user_id": "u"}, {"user_id": "", "attributes": {"country": 1}}, {"attributes": 1, "x": 1}], "enroll": 1}),
            vec![
                ("/users/1/user_id", "duplicate_key"),
                ("/users/2/user_id", "empty"),
                ("/users/3/user_id", "required"),
                ("/users/3/attributes", "wrong_type"),
                ("/users/3/x", "unknown_field"),
                ("/enroll", "wrong_type"),
            ],
        ),
        (
            json!({"users": [{"user_id": "u"}, {"user_id": "v", "attributes": {"country": [1]}}]}),
            vec![("/users/1/attributes/country", "wrong_type")],
        ),
    ] {
        let answer = evaluate(&admin, "e", &body).await;
        assert_eq!(answer.code(422), "invalid", "{body}");
        let expected = expected
            .into_iter()
            .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
        assert_eq!(answer.faults(), expected.collect());
    }
    assert_eq!(stored(&world).await, 0);
}
