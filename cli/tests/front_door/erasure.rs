//! A user who is erased is gone: from the tables, from the sums, and from what comes later.

use super::support::{Caller, Item, World, ago, encoded};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::access::Scope;
use shared::domain::assignment::{Assignment, Attributes, Source};
use shared::domain::event::Event;
use shared::domain::ids::{EventId, EventType, ExperimentId, UserId, VariantKey};
use shared::domain::limits::ERASED_DAYS;
use shared::domain::time::Timestamp;
use std::collections::BTreeSet;

/// With `/`, a `%` that looks like an encoding, `#`, and four bytes in one character.
const USER: &str = "team/ann#1 100%25 😀";
/// Ids that begin like it, that it begins with, and that look like keys of ours.
const OTHERS: [&str; 6] = [
    "team/ann#1 100%25 😀2",
    "team/ann#1",
    "team/ann",
    "#erased",
    "team%2Fann#1 100%25 😀",
    "user#team/ann#1 100%25 😀",
];
const EXPERIMENTS: [&str; 3] = ["declared", "seen", "ended"];
/// Every source and view of results.
const QUERIES: [&str; 7] = [
    "source=raw",
    "source=aggregates",
    "source=raw&cuped=true",
    "source=aggregates&cuped=true",
    "source=aggregates&view=monitoring",
    "source=raw&view=monitoring",
    "source=aggregates&segment=none",
];

fn path(user: &str) -> String {
    format!("/users/{}", encoded(user))
}

async fn erase(caller: &Caller, user: &str) -> Value {
    let answer = caller.send("DELETE", &path(user), &[], "").await;
    answer.json(200)
}

async fn export(caller: &Caller, user: &str) -> Value {
    caller.get(&path(user)).await.json(200)
}

/// Three experiments: with metrics and segments, without, and one that is over.
async fn experiments(admin: &Caller) {
    let metrics = json!([
        {"key": "buys", "kind": "conversion", "event_type": "buy"},
        {"key": "worth", "kind": "sum", "event_type": "buy", "cap_quantile": 0.95},
        {"key": "middle", "kind": "quantile", "event_type": "buy", "quantile": 0.5},
    ]);
    let declared = json!({"metrics": metrics, "segments": ["country"]});
    admin.experiment("declared", declared).await;
    admin.experiment("seen", json!({})).await;
    let end = json!({"ends_at": ago(3600).to_string()});
    admin.experiment("ended", end).await;
}

/// Brings users into all experiments, with events before and after their assignments, after the end, and for nothing.
async fn bring(admin: &Caller, users: &[&str], now: Timestamp) {
    let ago = |hours: i64| now.plus_micros(-hours * 3_600_000_000).to_string();
    for id in EXPERIMENTS {
        let row = |(place, user): (usize, &&str)| {
            let variant = ["control", "green"][place % 2];
            let mut row = json!({"user_id": user, "variant": variant, "assigned_at": ago(5 * 24)});
            if id == "declared" {
                let country = ["FR", "DE"][usize::from(*user == USER)];
                row["attributes"] = json!({ "country": country });
            }
            row
        };
        let rows: Vec<Value> = users.iter().enumerate().map(row).collect();
        assert_eq!(admin.import(id, &rows).await["stored"], users.len());
    }
    for (place, user) in users.iter().enumerate() {
        let event = |kind: &str, value: usize, hours: i64| json!({"user_id": user, "type": kind, "value": value, "timestamp": ago(hours), "properties": {"of": user}});
        let mut events = vec![
            event("buy", 3, 6 * 24),
            event("buy", place + 1, 4 * 24),
            event("buy", 7, 0),
            event("view", 1, 3 * 24),
        ];
        events.extend((30..60).map(|hours| event("tick", 1, hours)));
        if *user == USER {
            events.push(event("nobody else does", 2, 50));
        }
        let answer = admin.track(&events).await;
        assert_eq!(answer["stored"], events.len(), "{answer}");
    }
}

/// A world with all others in it, and what its results are then; now with the user too.
async fn world() -> (World, Vec<Value>) {
    let world = World::start().await;
    let admin = world.admin();
    experiments(&admin).await;
    // How far the records reach is told and never taken back, so everybody comes at the same times.
    let now = ago(0);
    bring(&admin, &OTHERS, now).await;
    let before = results(&admin).await;
    bring(&admin, &[USER], now).await;
    (world, before)
}

async fn results(admin: &Caller) -> Vec<Value> {
    let mut all = Vec::new();
    for id in EXPERIMENTS {
        for query in QUERIES {
            all.push(admin.results(id, query).await);
        }
    }
    all
}

fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map_or("", String::as_str)
}

/// All that is stored of a user, by table.
async fn items_of(world: &World, user: &str) -> Vec<(&'static str, Item)> {
    let mut found = Vec::new();
    for (table, key, of) in [
        ("AssignmentsTable", "user_id", user.to_owned()),
        ("EventsTable", "user_id", user.to_owned()),
        ("StatisticsTable", "partition", format!("user#{user}")),
    ] {
        let items = world.items(table).await.into_iter();
        let items = items.filter(|item| text(item, key) == of);
        found.extend(items.map(|item| (table, item)));
    }
    found
}

/// What is stored besides one user and the sums.
async fn others(world: &World) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for user in OTHERS {
        for item in items_of(world, user).await {
            all.insert(format!("{:?}", (item.0, sorted(&item.1))));
        }
    }
    all
}

fn sorted(item: &Item) -> Vec<(&String, &AttributeValue)> {
    let mut fields: Vec<_> = item.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

fn names(item: &Item) -> Vec<&str> {
    sorted(item)
        .into_iter()
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Holds what is left of an erased user against what may be left. The empty parts.
async fn only_empty_parts(world: &World, user: &str) -> usize {
    let mut parts = 0;
    let mut tombstones = Vec::new();
    for (table, item) in items_of(world, user).await {
        if table == "AssignmentsTable" && text(&item, "experiment_id") == "#erased" {
            let expected = ["erased_at", "experiment_id", "expires_at", "user_id"];
            assert_eq!(names(&item), expected);
            tombstones.push(item["expires_at"].clone());
        } else {
            assert_eq!(table, "StatisticsTable", "{item:?}");
            let expected = ["expires_at", "item", "partition", "revision", "subject"];
            assert_eq!(names(&item), expected);
            assert_eq!(text(&item, "subject"), "{}");
            tombstones.push(item["expires_at"].clone());
            parts += 1;
        }
    }
    let ends: BTreeSet<&String> = tombstones.iter().map(|end| end.as_n().unwrap()).collect();
    assert_eq!(ends.len(), 1, "{tombstones:?}");
    let end: i64 = ends.first().unwrap().parse().unwrap();
    let expected = ago(-ERASED_DAYS * 86_400).epoch_seconds();
    assert!((expected - 120..=expected).contains(&end), "{end}");
    parts
}

fn an_event(id: &str, counted_at: Timestamp) -> Event {
    Event {
        id: EventId::parse(id).unwrap(),
        user_id: UserId::parse(USER).unwrap(),
        event_type: EventType::parse("buy").unwrap(),
        value: None,
        properties: None,
        timestamp: Some(counted_at),
        counted_at,
    }
}

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
        source: Source::Hash,
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
async fn an_export_shows_what_is_stored_of_the_user_and_nothing_of_others() {
    let (world, _) = world().await;
    let admin = world.admin();
    world.platform.settle().await;
    let stored = items_of(&world, USER).await;
    let of = |table: &str| -> Vec<Item> {
        let items = stored.iter().filter(|(of, _)| *of == table);
        items.map(|(_, item)| item.clone()).collect()
    };
    let answer = export(&admin, USER).await;
    assert_eq!(answer["user_id"], USER);
    assert_eq!(answer.get("erased"), None);
    assert_eq!(answer.get("next_cursor"), None);
    let assignments = answer["assignments"].as_array().unwrap();
    for mut item in of("AssignmentsTable") {
        item.remove("experiment_shard");
        let item: Value = serde_dynamo::from_item(item).unwrap();
        assert!(assignments.contains(&item), "{item} is missing");
    }
    assert_eq!(assignments.len(), 3);
    let events = answer["events"].as_array().unwrap();
    assert_eq!(events.len(), of("EventsTable").len());
    for item in of("EventsTable") {
        let key = text(&item, "experiment_event");
        let found = events.iter().find(|event| {
            let experiment = event["experiment_id"].as_str().unwrap_or("-");
            format!("{experiment}#{}", event["event_id"].as_str().unwrap()) == key
        });
        let found = found.unwrap_or_else(|| panic!("{key} is missing"));
        for (shown, name) in [
            ("type", "event_type"),
            ("timestamp", "timestamp"),
            ("counted_at", "counted_at"),
            ("received_at", "received_at"),
        ] {
            assert_eq!(found[shown], text(&item, name), "{key}");
        }
        assert_eq!(found["value"].to_string(), *item["value"].as_n().unwrap());
        assert_eq!(found["properties"], json!({"of": USER}));
    }
    let sums = answer["sums"].as_array().unwrap();
    assert_eq!(sums.len(), of("StatisticsTable").len());
    assert_eq!(sums[0]["experiment_id"], "declared");
    let enrolment = &sums[0]["enrolment"];
    assert_eq!(enrolment["attributes"], json!({"country": "DE"}));
    assert_eq!(
        enrolment["before"],
        json!([{"type": "buy", "events": 1, "value": "3"}])
    );
    let hours = sums[0]["hours"].as_array().unwrap();
    let events: u64 = hours
        .iter()
        .map(|hour| hour["events"].as_u64().unwrap())
        .sum();
    assert_eq!(events, 34);
    assert!(
        hours
            .iter()
            .any(|hour| hour["fate"] == "counted" && hour["value"] == "7")
    );
    for other in OTHERS {
        assert!(!answer.to_string().contains(&format!("\"{other}\"")));
    }

    let erased = erase(&admin, USER).await;
    let answer = export(&admin, USER).await;
    let until = &erased["tombstone_until"];
    assert_eq!(
        answer["erased"],
        json!({"erased_at": erased["erased_at"], "until": until})
    );
    assert_eq!(
        (&answer["assignments"], &answer["events"]),
        (&json!([]), &json!([]))
    );
    for part in answer["sums"].as_array().unwrap() {
        assert_eq!((&part["hours"], &part["until"]), (&json!([]), until));
        assert_eq!(part.get("enrolment"), None);
    }
    let nobody = json!({"user_id": "nobody", "assignments": [], "events": [], "sums": []});
    assert_eq!(export(&admin, "nobody").await, nobody);
}

#[tokio::test]
async fn an_export_that_is_too_much_for_one_answer_goes_on_behind_a_cursor() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.assign("e", "u").await;
    // Quotes and backslashes take twice their place in the answer of a function.
    let text = "\"\\".repeat(1000);
    let at = ago(0).to_string();
    let event = |number: usize| json!({"user_id": "u", "type": "t", "event_id": format!("{number:04}"), "timestamp": at, "properties": {"text": text}});
    for first in (0..700).step_by(175) {
        let events: Vec<Value> = (first..first + 175).map(event).collect();
        assert_eq!(admin.track(&events).await["stored"], 175);
    }
    let mut seen = Vec::new();
    let mut next = path("u");
    let mut pages = 0;
    loop {
        let answer = admin.get(&next).await;
        assert!(Value::String(answer.text.clone()).to_string().len() < 6_000_000);
        let page = answer.json(200);
        let first = usize::from(pages == 0);
        assert_eq!(page["assignments"].as_array().unwrap().len(), first);
        assert_eq!(page["sums"].as_array().unwrap().len(), first);
        for event in page["events"].as_array().unwrap() {
            assert_eq!(event["properties"]["text"], text);
            seen.push(event["event_id"].as_str().unwrap().to_owned());
        }
        pages += 1;
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        next = format!("{}?cursor={cursor}", path("u"));
    }
    assert!(pages >= 2, "{pages}");
    let expected: Vec<String> = (0..700).map(|number| format!("{number:04}")).collect();
    assert_eq!(seen, expected);
    // Somebody else's cursor leads to the same place among one's own events.
    let other = next.replace("/u?", "/v?");
    assert_eq!(admin.get(&other).await.json(200)["events"], json!([]));
    let wrong = admin.get("/users/u?cursor=MTpu").await;
    assert_eq!(wrong.problem().unwrap()["errors"][0]["code"], "bad_cursor");
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
        for part in ["variants", "metrics", "segments", "ledger", "traffic"] {
            assert_eq!(after[part], never[part], "{part}");
        }
    }
}
