//! A user who is erased is gone: from the tables, from the sums, and from what comes later.

mod export;
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
async fn results_are_to_the_last_digit_those_of_a_world_in_which_the_user_never_was() {
    let (world, never) = world().await;
    let admin = world.admin();
    assert_eq!(never.len(), EXPERIMENTS.len() * QUERIES.len());
    let with = results(&admin).await;
    erase(&admin, USER).await;
    let without = results(&admin).await;
    let asked = EXPERIMENTS
        .iter()
        .flat_map(|id| QUERIES.map(|query| format!("{id}?{query}")));
    for (place, asked) in asked.enumerate() {
        assert_ne!(with[place], never[place], "{asked}");
        assert_eq!(without[place], never[place], "{asked}");
    }
}

#[tokio::test]
async fn nothing_is_left_of_the_user_but_the_tombstone_and_empty_parts_that_expire() {
    let (world, _) = world().await;
    let admin = world.admin();
    world.platform.settle().await;
    let stored = items_of(&world, USER).await;
    let count = |table: &str| stored.iter().filter(|(of, _)| *of == table).count();
    let bystanders = others(&world).await;
    let answer = erase(&admin, USER).await;
    assert_eq!(answer["user_id"], USER);
    assert_eq!(answer["events"], count("EventsTable"));
    assert_eq!(answer["assignments"], 3);
    assert_eq!(answer["experiments"], json!(["declared", "ended", "seen"]));
    assert_eq!(only_empty_parts(&world, USER).await, 3);
    world.platform.settle().await;
    assert_eq!(only_empty_parts(&world, USER).await, 3);
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
    assert_eq!(others(&world).await, bystanders);
    assert_eq!(world.platform.dead_letters().len(), 0);
}

#[tokio::test]
async fn a_repeat_finds_nothing_and_changes_nothing_and_so_does_one_of_somebody_unknown() {
    let (world, _) = world().await;
    let admin = world.admin();
    for user in [USER, "nobody"] {
        let first = erase(&admin, user).await;
        let contents = world.contents().await;
        let again = erase(&admin, user).await;
        let nothing = json!({
            "user_id": user, "events": 0, "assignments": 0, "experiments": [],
            "erased_at": first["erased_at"], "tombstone_until": first["tombstone_until"],
        });
        assert_eq!(again, nothing);
        assert_eq!(world.contents().await, contents);
        if user == "nobody" {
            assert_eq!(first, nothing);
            assert_eq!(items_of(&world, user).await.len(), 1);
        }
    }
}

#[tokio::test]
async fn whatever_is_sent_of_an_erased_user_is_refused_with_a_reason_and_stored_nowhere() {
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
async fn what_was_on_its_way_when_the_erasure_came_is_taken_away_when_it_is_counted() {
    let (world, _) = world().await;
    let admin = world.admin();
    admin.experiment("never", json!({})).await;
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
        attributes: Attributes::new(),
    };
    store
        .assign_first(&assignment("declared"), 8)
        .await
        .unwrap();
    assert_eq!(world.contents().await, contents);
    assert_eq!(results(&admin).await, reported);
    // Also where the user never was: then there is one more empty part.
    store.assign_first(&assignment("never"), 8).await.unwrap();
    world.platform.settle().await;
    assert_eq!(only_empty_parts(&world, USER).await, 4);
    let never = admin.results("never", "source=aggregates").await;
    assert_eq!(never["variants"][1]["users"], 0);
}

#[tokio::test]
async fn an_erasure_that_died_after_its_tombstone_is_brought_to_its_end() {
    let (world, _) = world().await;
    let admin = world.admin();
    world.platform.settle().await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let end = ago(-ERASED_DAYS * 86_400).epoch_seconds().to_string();
    let table = &world.platform.template.tables["AssignmentsTable"].name;
    let put = world.platform.dynamodb.put_item().table_name(table);
    put.item("user_id", text(USER))
        .item("experiment_id", text("#erased"))
        .item("erased_at", text(&ago(0).to_string()))
        .item("expires_at", AttributeValue::N(end))
        .send()
        .await
        .unwrap();
    world.platform.settle().await;
    assert_eq!(only_empty_parts(&world, USER).await, 3);
    let contents = world.contents().await;
    assert_eq!(erase(&admin, USER).await["events"], 0);
    assert_eq!(world.contents().await, contents);
    assert_eq!(world.platform.dead_letters().len(), 0);
}

#[tokio::test]
async fn who_comes_back_when_the_tombstone_is_over_is_new() {
    let (world, _) = world().await;
    let admin = world.admin();
    erase(&admin, USER).await;
    world.platform.settle().await;
    // As the database does it when the time is over.
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
    let part = &items.iter().find(of_seen).unwrap().1;
    assert!(!part.contains_key("expires_at"), "{part:?}");
}

#[tokio::test]
async fn both_calls_take_the_scope_manage_and_an_id_that_can_be_one() {
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
async fn two_erasures_amid_events_leave_nothing_and_sums_that_are_right() {
    let (world, never) = world().await;
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
    assert_eq!(only_empty_parts(&world, USER).await, 3);
    let after = results(&admin).await;
    for (after, never) in after.iter().zip(&never) {
        for part in [
            "variants",
            "metrics",
            "dimensions",
            "event_accounting",
            "traffic",
        ] {
            assert_eq!(after[part], never[part], "{part}");
        }
    }
}
