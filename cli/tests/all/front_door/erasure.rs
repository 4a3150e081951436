//! An erased user has no records and no part in the aggregates, and later records of the user are refused.

mod export;
mod steps;
mod users;

use super::support::{Item, World, ago};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::access::Scope;
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::ids::{ExperimentId, UserId, VariantKey};
use domain::limits::ERASED_DAYS;
use serde_json::{Value, json};
use users::*;

#[tokio::test]
async fn after_an_erasure_results_equal_those_without_the_user_digit_for_digit() {
    let (world, expected) = world().await;
    let admin = world.admin();
    assert_eq!(expected.len(), EXPERIMENTS.len() * QUERIES.len());
    let with = results(&admin).await;
    erase(&admin, USER).await;
    let without = results(&admin).await;
    let requests = EXPERIMENTS
        .iter()
        .flat_map(|id| QUERIES.map(|query| format!("{id}?{query}")));
    for (index, request) in requests.enumerate() {
        assert_ne!(with[index], expected[index], "{request}");
        assert_eq!(without[index], expected[index], "{request}");
    }
}

#[tokio::test]
async fn only_the_tombstone_and_empty_contributions_remain_and_both_expire() {
    let (world, _) = world().await;
    let admin = world.admin();
    world.platform.settle().await;
    let stored = items_of(&world, USER).await;
    let count = |table: &str| stored.iter().filter(|(of, _)| *of == table).count();
    let others_before = others(&world).await;
    let answer = erase(&admin, USER).await;
    assert_eq!(answer["user_id"], USER);
    assert_eq!(answer["events"], count("EventsTable"));
    assert_eq!(answer["assignments"], 3);
    assert_eq!(answer["experiments"], json!(["declared", "ended", "seen"]));
    assert_eq!(only_empty_contributions(&world, USER).await, 3);
    world.platform.settle().await;
    assert_eq!(only_empty_contributions(&world, USER).await, 3);
    for table in world.platform.template.tables.keys() {
        for item in world.items(table).await {
            let of_other = OTHERS.iter().any(|other| {
                text(&item, "user_id") == *other
                    || text(&item, "partition") == format!("user#{other}")
            });
            let of_user = text(&item, "user_id") == USER
                || text(&item, "partition") == format!("user#{USER}");
            let named = format!("{item:?}").contains(USER);
            assert!(!named || of_other || of_user, "{table} {item:?}");
        }
    }
    assert_eq!(others(&world).await, others_before);
    assert_eq!(world.platform.dead_letters().len(), 0);
}

#[tokio::test]
async fn a_repeated_erasure_and_an_erasure_of_an_unknown_user_delete_nothing() {
    let (world, _) = world().await;
    let admin = world.admin();
    for user in [USER, "unknown"] {
        let first = erase(&admin, user).await;
        let contents = world.contents().await;
        let again = erase(&admin, user).await;
        let nothing = json!({
            "user_id": user, "events": 0, "assignments": 0, "experiments": [], "segments": [],
            "erased_at": first["erased_at"], "tombstone_until": first["tombstone_until"],
        });
        assert_eq!(again, nothing);
        assert_eq!(world.contents().await, contents);
        if user == "unknown" {
            assert_eq!(first, nothing);
            assert_eq!(items_of(&world, user).await.len(), 1);
        }
    }
}

#[tokio::test]
async fn records_of_an_erased_user_are_refused_with_a_reason_and_not_stored() {
    let (world, _) = world().await;
    let admin = world.admin();
    erase(&admin, USER).await;
    let contents = world.contents().await;
    let late = json!({"user_id": USER, "type": "buy", "timestamp": ago(60).to_string()});
    let other = json!({"user_id": "new", "type": "buy", "event_id": "other"});
    let answer = admin.post("/events", &late).await.json(200);
    assert_eq!(
        (&answer["stored"], &answer["rejected"]),
        (&json!(0), &json!(1))
    );
    let fault = &answer["events"][0]["errors"][0];
    assert_eq!(fault["code"], "erased");
    assert_eq!(fault["pointer"], "/user_id");
    let rows = [json!({"user_id": USER, "variant": "green", "assigned_at": ago(60).to_string()})];
    for id in EXPERIMENTS {
        let answer = admin.assign(id, USER).await;
        assert_eq!(answer["enrolled"], false);
        assert_eq!(answer["variant"], "control");
        let reason = if id == "ended" { "ended" } else { "erased" };
        assert_eq!(answer["reason"], reason);
        let answer = admin.import(id, &rows).await;
        assert_eq!(answer["rejected"], 1);
        let fault = &answer["assignments"][0]["errors"][0];
        assert_eq!(fault["code"], "erased");
        assert_eq!(fault["pointer"], "/assignments/0/user_id");
    }
    assert_eq!(world.contents().await, contents);
    let answer = admin.track(&[other, late]).await;
    assert_eq!(
        (&answer["stored"], &answer["rejected"]),
        (&json!(1), &json!(1))
    );
    let fault = &answer["events"][1]["errors"][0];
    assert_eq!(fault["pointer"], "/events/1/user_id");
}

#[tokio::test]
async fn records_that_are_stored_during_an_erasure_are_deleted_by_the_aggregator() {
    let (world, _) = world().await;
    let admin = world.admin();
    admin.experiment("without-user", json!({})).await;
    erase(&admin, USER).await;
    let contents = world.contents().await;
    let reported = results(&admin).await;
    let store = world.store();
    for (id, experiment) in [
        ("one", Some("declared")),
        ("two", None),
        ("three", Some("seen")),
    ] {
        let experiment = experiment.map(|id| ExperimentId::parse(id).unwrap());
        let destination = experiment.as_ref().map(|id| (id, 8));
        let event = an_event(id, ago(100));
        store
            .record_first(&event, destination, ago(0))
            .await
            .unwrap();
    }
    let assignment = |experiment: &str| Assignment {
        user_id: UserId::parse(USER).unwrap(),
        experiment_id: ExperimentId::parse(experiment).unwrap(),
        variant: VariantKey::parse("green").unwrap(),
        assigned_at: ago(200),
        source: AssignmentSource::Hash,
        experiment_version: 1,
        layer: None,
        attributes: Attributes::new(),
    };
    store
        .assign_first(&assignment("declared"), 8)
        .await
        .unwrap();
    // The request that stored them adds their number at its end.
    let user = UserId::parse(USER).unwrap();
    store.add_to_event_count(&user, None, 1, 3).await.unwrap();
    assert_eq!(world.contents().await, contents);
    assert_eq!(results(&admin).await, reported);
    // Also in an experiment without the user. It gets one more empty contribution.
    store
        .assign_first(&assignment("without-user"), 8)
        .await
        .unwrap();
    world.platform.settle().await;
    assert_eq!(only_empty_contributions(&world, USER).await, 4);
    let without_user = admin.results("without-user", "source=aggregates").await;
    assert_eq!(without_user["variants"][1]["users"], 0);
}

#[tokio::test]
async fn an_erasure_that_crashed_after_its_tombstone_is_completed() {
    let (world, _) = world().await;
    let admin = world.admin();
    world.platform.settle().await;
    put_tombstone(&world, USER).await;
    world.platform.settle().await;
    assert_eq!(only_empty_contributions(&world, USER).await, 3);
    let contents = world.contents().await;
    assert_eq!(erase(&admin, USER).await["events"], 0);
    assert_eq!(world.contents().await, contents);
    assert_eq!(world.platform.dead_letters().len(), 0);
}

#[tokio::test]
async fn a_user_who_returns_after_the_tombstone_expires_is_new() {
    let (world, _) = world().await;
    let admin = world.admin();
    erase(&admin, USER).await;
    world.platform.settle().await;
    // DynamoDB deletes the tombstone when it expires.
    let table = &world.platform.template.tables["AssignmentsTable"].name;
    let delete = world.platform.dynamodb.delete_item().table_name(table);
    delete
        .key("user_id", AttributeValue::S(USER.to_owned()))
        .key("experiment_id", AttributeValue::S("#erased".to_owned()))
        .send()
        .await
        .unwrap();
    let users = |report: &Value| -> u64 {
        let variants = report["variants"].as_array().unwrap().iter();
        variants.map(|one| one["users"].as_u64().unwrap()).sum()
    };
    let before = users(&admin.results("seen", "source=aggregates").await);
    assert_eq!(admin.assign("seen", USER).await["reason"], "new");
    let after = admin.results("seen", "source=aggregates").await;
    assert_eq!(users(&after), before + 1);
    let items = items_of(&world, USER).await;
    let of_seen = |item: &&(&str, Item)| text(&item.1, "item").starts_with("seen#");
    let contribution = &items.iter().find(of_seen).unwrap().1;
    assert!(!contribution.contains_key("expires_at"), "{contribution:?}");
}

#[tokio::test]
async fn export_and_erasure_require_the_scope_manage_and_a_valid_user_id() {
    let world = World::start().await;
    let scopes = [Scope::Assign, Scope::Track, Scope::Read];
    let caller = world.caller(&scopes).await;
    let manager = world.caller(&[Scope::Manage]).await;
    for method in ["GET", "DELETE"] {
        let refused = caller.send(method, "/users/u", &[], "").await;
        assert_eq!(refused.code(403), "forbidden");
        assert_eq!(manager.send(method, "/users/u", &[], "").await.status, 200);
        for (path, pointer, code) in [
            ("/users/a%0Ab", "{user_id}", "control_character"),
            ("/users/%FF", "{user_id}", "not_utf8"),
            ("/users/u?limit=1", "?limit", "unknown_parameter"),
        ] {
            let refused = manager.send(method, path, &[], "").await;
            assert_eq!(refused.code(400), "bad_parameters");
            let fault = &refused.problem().unwrap()["errors"][0];
            assert_eq!(
                (&fault["pointer"], &fault["code"]),
                (&json!(pointer), &json!(code))
            );
        }
    }
}

#[tokio::test]
async fn two_erasures_during_events_leave_no_records_and_exact_aggregates() {
    let (world, expected) = world().await;
    let admin = world.admin();
    let sending = async {
        for number in 0..60 {
            let id = number.to_string();
            let event = json!({"user_id": USER, "type": "buy", "event_id": id, "value": number});
            admin.track(&[event]).await;
        }
    };
    let erasing = async {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        futures::join!(erase(&admin, USER), erase(&admin, USER))
    };
    let ((), (one, other)) = futures::join!(sending, erasing);
    assert_eq!(one["erased_at"], other["erased_at"]);
    world.platform.settle().await;
    assert_eq!(only_empty_contributions(&world, USER).await, 3);
    let after = results(&admin).await;
    for (after, expected) in after.iter().zip(&expected) {
        for field in [
            "variants",
            "metrics",
            "dimensions",
            "event_accounting",
            "traffic",
        ] {
            assert_eq!(after[field], expected[field], "{field}");
        }
    }
}

/// Puts the tombstone of a user, as an erasure does first.
async fn put_tombstone(world: &World, user: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let end = ago(-ERASED_DAYS * 86_400).epoch_seconds().to_string();
    let table = &world.platform.template.tables["AssignmentsTable"].name;
    let put = world.platform.dynamodb.put_item().table_name(table);
    put.item("user_id", text(user))
        .item("experiment_id", text("#erased"))
        .item("erased_at", text(&ago(0).to_string()))
        .item("expires_at", AttributeValue::N(end))
        .send()
        .await
        .unwrap();
}
