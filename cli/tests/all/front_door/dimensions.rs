//! Dimensions: attributes of users that the experiment declares. They are stored with the assignment.

mod declared;
mod unsent;

use super::support::{Answer, Caller, Item, World, ago, encoded, expected, faults};
use domain::ids::ExperimentId;
use futures::TryStreamExt;
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::pin::pin;

type Attributes = BTreeMap<String, String>;

/// A platform with a running experiment `e` that declares two dimensions.
async fn world() -> World {
    let world = World::start().await;
    world
        .admin()
        .experiment("e", json!({"dimensions": ["country", "platform"]}))
        .await;
    world
}

/// Requests a user's variant with these attributes.
async fn ask(caller: &Caller, id: &str, user: &str, attributes: &[(&str, &str)]) -> Answer {
    let query: Vec<_> = attributes
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let (user, query) = (encoded(user), query.join("&"));
    caller
        .get(&format!("/experiments/{id}/assignment/{user}?{query}"))
        .await
}

fn stored(item: &Item) -> Value {
    let item: Value = serde_dynamo::from_item(item.clone()).unwrap();
    item["attributes"].clone()
}

#[tokio::test]
async fn attributes_of_the_first_call_are_stored_returned_and_indexed() {
    let world = world().await;
    let admin = world.admin();
    let sent = [("country", "DE"), ("platform", "i😀s 17 & co/=+%")];
    let attributes = json!({"country": "DE", "platform": "i😀s 17 & co/=+%"});
    let answer = ask(&admin, "e", "team/ann b%😀", &sent).await.json(200);
    assert_eq!(answer["reason"], "new");
    assert_eq!(answer["attributes"], attributes);
    let items = world.items("AssignmentsTable").await;
    assert_eq!((items.len(), stored(&items[0])), (1, attributes.clone()));

    let (store, id) = (world.store(), ExperimentId::parse("e").unwrap());
    let mut indexed = Vec::new();
    for shard in 0..8 {
        let mut pages = pin!(store.assignments_in_shard(&id, shard));
        while let Some(page) = pages.try_next().await.unwrap() {
            indexed.extend(page);
        }
    }
    assert_eq!(indexed.len(), 1);
    assert_eq!(json!(indexed[0].attributes), attributes);
}

#[tokio::test]
async fn later_calls_and_imports_never_change_the_first_attributes() {
    let world = world().await;
    let admin = world.admin();
    let first = ask(&admin, "e", "u", &[("country", "DE")]).await.json(200);
    assert_eq!(first["attributes"], json!({"country": "DE"}));
    let before = world.contents().await;
    let row = json!({"user_id": "u", "variant": "green", "assigned_at": ago(9).to_string(), "attributes": {"country": "FR"}});
    assert_eq!(admin.import("e", &[row]).await["existing"], 1);
    let attribute_sets: [&[(&str, &str)]; 3] = [&[("country", "FR")], &[("platform", "ios")], &[]];
    for sent in attribute_sets {
        let again = ask(&admin, "e", "u", sent).await.json(200);
        assert_eq!(again["reason"], "existing");
        assert_eq!(again["attributes"], first["attributes"], "{sent:?}");
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn attributes_that_are_not_sent_are_absent() {
    let world = world().await;
    let admin = world.admin();
    for (user, sent) in [
        ("nothing", &[][..]),
        ("empty", &[("country", ""), ("platform", "")]),
    ] {
        let answer = ask(&admin, "e", user, sent).await.json(200);
        assert_eq!(answer["reason"], "new");
        assert!(answer.get("attributes").is_none(), "{answer}");
    }
    let half = [("country", ""), ("platform", "web")];
    let half = ask(&admin, "e", "half", &half).await.json(200);
    assert_eq!(half["attributes"], json!({"platform": "web"}));
    for item in world.items("AssignmentsTable").await {
        let user = item["user_id"].as_s().unwrap();
        assert_eq!(item.contains_key("attributes"), user == "half", "{user}");
    }
}

#[tokio::test]
async fn attributes_of_a_user_who_is_not_enrolled_are_not_stored() {
    let world = World::start().await;
    let admin = world.admin();
    let fields = json!({"dimensions": ["country"], "traffic_percent": 0});
    admin.experiment("e", fields).await;
    let answer = ask(&admin, "e", "u", &[("country", "DE")]).await.json(200);
    assert_eq!(answer["reason"], "traffic");
    assert!(answer.get("attributes").is_none());
    assert_eq!(world.items("AssignmentsTable").await.len(), 0);
}

#[tokio::test]
async fn an_undeclared_attribute_is_refused_and_the_declared_ones_are_listed() {
    let world = world().await;
    let admin = world.admin();
    admin.experiment("plain", json!({})).await;
    ask(&admin, "e", "known", &[("country", "DE")])
        .await
        .json(200);
    let before = world.contents().await;
    for user in ["new", "known"] {
        let answer = ask(&admin, "e", user, &[("color", "red")]).await;
        assert_eq!(answer.code(400), "bad_parameters");
        let fault = &answer.problem().unwrap()["errors"][0];
        assert_eq!(fault["code"], "unknown_parameter");
        let detail = fault["detail"].as_str().unwrap();
        assert!(detail.contains("country, platform."), "{detail}");
    }
    let answer = ask(&admin, "plain", "new", &[("country", "DE")]).await;
    assert_eq!(answer.code(400), "bad_parameters");
    let parameters = "the parameters are attributes.NAME, enroll.";
    assert!(answer.text.contains(parameters), "{}", answer.text);
    // An unknown experiment declares no attributes either, but the fault is the experiment.
    let answer = ask(&admin, "nothing", "new", &[("color", "red")]).await;
    assert_eq!(answer.code(404), "experiment_not_found");
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn all_faults_of_a_call_are_reported_at_once() {
    let world = world().await;
    let admin = world.admin();
    let before = world.contents().await;
    let long = "x".repeat(65);
    let sent = [
        ("country", "a\nb"),
        ("platform", long.as_str()),
        ("color", "red"),
    ];
    let answer = ask(&admin, "e", "a\u{0}", &sent).await;
    assert_eq!(answer.code(400), "bad_parameters");
    assert_eq!(
        faults(&answer.problem().unwrap()),
        expected([
            ("?country", "control_character"),
            ("?platform", "too_long"),
            ("?color", "unknown_parameter"),
            ("{user_id}", "control_character"),
        ])
    );
    for (sent, code) in [
        (
            vec![("country", "DE"), ("country", "FR")],
            "repeated_parameter",
        ),
        (vec![("country", "(none)")], "reserved"),
        (vec![("Country", "DE")], "unknown_parameter"),
    ] {
        let problem = ask(&admin, "e", "u", &sent).await.problem().unwrap();
        assert_eq!(problem["errors"][0]["code"], code, "{sent:?}");
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_value_of_up_to_64_characters_is_stored_unchanged() {
    let world = world().await;
    let admin = world.admin();
    for (number, value) in [
        " ", " DE ", "DE", "de", "ä", "a\u{308}", "\u{200b}", "null", "<b>", "a,b;c",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(["😀".repeat(64), "日本".repeat(32)])
    .enumerate()
    {
        let user = format!("user {number} 👩‍👩‍👧");
        let answer = ask(&admin, "e", &user, &[("country", &value)])
            .await
            .json(200);
        assert_eq!(answer["attributes"], json!({"country": value}));
        let row = json!({"user_id": format!("{user} imported"), "variant": "green", "assigned_at": ago(9).to_string(),
            "attributes": {"country": value}});
        assert_eq!(admin.import("e", &[row]).await["stored"], 1, "{value:?}");
        let again = admin.assign("e", &format!("{user} imported")).await;
        assert_eq!(again["attributes"], answer["attributes"]);
    }
    let longer = "😀".repeat(65);
    let answer = ask(&admin, "e", "u", &[("country", &longer)]).await;
    assert_eq!(answer.problem().unwrap()["errors"][0]["code"], "too_long");
}

#[tokio::test]
async fn imported_rows_have_attributes_and_a_bad_attribute_rejects_only_its_row() {
    let world = world().await;
    let admin = world.admin();
    let row = |user: &str, attributes: Value| json!({"user_id": user, "variant": "green", "assigned_at": ago(60).to_string(), "attributes": attributes});
    let rows = [
        row("both", json!({"country": "DE", "platform": "ios"})),
        row("one", json!({"platform": "web", "country": null})),
        row("none", json!({})),
        row("null", Value::Null),
        row("undeclared", json!({"country": "DE", "color": "red"})),
        row(
            "bad",
            json!({"country": 49, "platform": "(other values)", "color": "red"}),
        ),
        row("list", json!([])),
        row("empty", json!({"platform": "web", "country": ""})),
    ];
    let answer = admin.import("e", &rows).await;
    assert_eq!(
        (&answer["stored"], &answer["rejected"]),
        (&json!(5), &json!(3))
    );
    let wrong = |index: usize| faults(&answer["assignments"][index]);
    assert_eq!(
        wrong(4),
        expected([("/assignments/4/attributes/color", "unknown_field")])
    );
    assert!(answer.to_string().contains("country, platform."));
    assert_eq!(
        wrong(5),
        expected([
            ("/assignments/5/attributes/country", "wrong_type"),
            ("/assignments/5/attributes/platform", "reserved"),
            ("/assignments/5/attributes/color", "unknown_field"),
        ])
    );
    assert_eq!(
        wrong(6),
        expected([("/assignments/6/attributes", "wrong_type")])
    );

    let items = world.items("AssignmentsTable").await;
    let all: BTreeMap<_, _> = items
        .iter()
        .map(|item| (item["user_id"].as_s().unwrap().as_str(), stored(item)))
        .collect();
    assert_eq!(
        all,
        BTreeMap::from([
            ("both", json!({"country": "DE", "platform": "ios"})),
            ("one", json!({"platform": "web"})),
            ("none", Value::Null),
            ("null", Value::Null),
            ("empty", json!({"platform": "web"})),
        ])
    );
}

/// The attributes in a call: for each dimension any text, or none.
fn attributes() -> impl Strategy<Value = Attributes> {
    let dimension = prop::sample::select(vec!["country".to_owned(), "platform".to_owned()]);
    prop::collection::btree_map(dimension, "\\PC{1,16}", 0..=2)
}

#[test]
fn of_many_concurrent_calls_the_attributes_of_the_assigning_call_are_stored() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(world());
    let admin = world.admin();
    let cases = ("\\PC{0,20}", prop::collection::vec(attributes(), 2..12));
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let number = std::cell::Cell::new(0);
    let outcome = TestRunner::new(config).run(&cases, |(name, attribute_sets)| {
        number.set(number.get() + 1);
        let user = format!("{} {name}", number.get());
        let calls = attribute_sets.iter().map(|sent| {
            let (admin, user, sent) = (admin.clone(), user.clone(), sent.clone());
            runtime.spawn(async move {
                let sent: Vec<_> = sent.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                ask(&admin, "e", &user, &sent).await.json(200)
            })
        });
        let answers: Vec<Value> = runtime
            .block_on(join_all(calls))
            .into_iter()
            .map(|answer| answer.unwrap())
            .collect();
        let mut winners = attribute_sets
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer["reason"] == "new");
        let winner = winners.next().map(|(sent, _)| sent);
        prop_assert!(
            winner.is_some() && winners.next().is_none(),
            "{:?}",
            answers
        );
        let of = |answer: &Value| -> Attributes {
            let attributes = answer.get("attributes").cloned();
            serde_json::from_value(attributes.unwrap_or_else(|| json!({}))).unwrap()
        };
        for answer in &answers {
            prop_assert_eq!(Some(&of(answer)), winner);
        }
        let later = runtime
            .block_on(ask(&admin, "e", &user, &[("country", "other")]))
            .json(200);
        prop_assert_eq!(Some(&of(&later)), winner);
        Ok(())
    });
    outcome.unwrap();
}
