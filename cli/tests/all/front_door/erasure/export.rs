//! The export of a user's data.

use super::super::support::{Item, World, ago};
use super::users::*;
use serde_json::{Value, json};

#[tokio::test]
async fn an_export_contains_all_records_of_the_user_and_none_of_other_users() {
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
        if text(&item, "experiment_id") == "#events" {
            let count = &answer["event_count"];
            for name in ["total", "on_day"] {
                assert_eq!(count[name].to_string(), *item[name].as_n().unwrap());
            }
            assert_eq!(count["day"], ago(0).to_string()[..10]);
            assert_eq!(count["total"], of("EventsTable").len());
            continue;
        }
        item.remove("experiment_shard");
        item.remove("stored_at_hash");
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
    let contributions = answer["sums"].as_array().unwrap();
    assert_eq!(contributions.len(), of("AggregatesTable").len());
    assert_eq!(contributions[0]["experiment_id"], "declared");
    let enrolment = &contributions[0]["enrolment"];
    assert_eq!(enrolment["attributes"], json!({"country": "DE"}));
    assert_eq!(
        enrolment["pre_exposure"],
        json!([{"type": "buy", "events": 1, "value": "3"}])
    );
    let hours = contributions[0]["hours"].as_array().unwrap();
    let events: u64 = hours
        .iter()
        .map(|hour| hour["events"].as_u64().unwrap())
        .sum();
    assert_eq!(events, 34);
    assert!(
        hours
            .iter()
            .any(|hour| hour["disposition"] == "counted" && hour["value"] == "7")
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
    for contribution in answer["sums"].as_array().unwrap() {
        assert_eq!(
            (&contribution["hours"], &contribution["until"]),
            (&json!([]), until)
        );
        assert_eq!(contribution.get("enrolment"), None);
    }
    let empty =
        json!({"user_id": "unknown", "assignments": [], "events": [], "segments": [], "sums": []});
    assert_eq!(export(&admin, "unknown").await, empty);
}

#[tokio::test]
async fn an_export_that_is_too_large_for_one_answer_continues_with_a_cursor() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.assign("e", "u").await;
    // Quotes and backslashes need twice their length in the answer of a function.
    let text = "\"\\".repeat(1000);
    let at = ago(0).to_string();
    let event = |number: usize| json!({"user_id": "u", "type": "t", "event_id": format!("{number:04}"), "timestamp": at, "properties": {"text": text}});
    for first in (0..700).step_by(175) {
        let events: Vec<Value> = (first..first + 175).map(event).collect();
        assert_eq!(admin.track(&events).await["stored"], 175);
    }
    world.platform.settle().await;
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
    // With the cursor of another user, the export continues at the same position among the user's own events.
    let other = next.replace("/u?", "/v?");
    assert_eq!(admin.get(&other).await.json(200)["events"], json!([]));
    let wrong = admin.get("/users/u?cursor=MTpu").await;
    assert_eq!(wrong.problem().unwrap()["errors"][0]["code"], "bad_cursor");
}
