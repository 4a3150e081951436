//! When applications last asked for a flag by its key.

use super::super::proxy::Counter;
use super::super::support::{Caller, World, ago, without_definition_cache};
use super::{checkout, created};
use assay::serve::PlatformOptions;
use serde_json::{Value, json};

/// The environments in which a flag was evaluated, with the day. The list of flags says the same.
async fn last_evaluated(admin: &Caller, key: &str) -> Value {
    let flag = admin.get(&format!("/flags/{key}")).await.json(200);
    let listed = admin.get("/flags?limit=100").await.json(200);
    let listed = listed["flags"].as_array().unwrap().iter();
    let listed = listed.clone().find(|listed| listed["key"] == key).unwrap();
    assert_eq!(listed["last_evaluated"], flag["last_evaluated"]);
    flag["last_evaluated"].clone()
}

fn today() -> String {
    ago(0).to_string().chars().take(10).collect()
}

#[tokio::test]
async fn a_flag_that_is_asked_for_by_its_key_has_the_day() {
    let options = without_definition_cache().with_parameter("Environments", "production,staging");
    let world = World::with(options).await;
    let admin = world.admin();
    for key in ["asked", "asked-too", "in-events", "in-lists", "hidden"] {
        let mut flag = checkout(key);
        flag["environments"]["staging"] = flag["environments"]["production"].clone();
        flag["tags"] = json!([if key == "hidden" { "internal" } else { "web" }]);
        created(&admin, flag).await;
    }
    let before = today();
    let context = json!({"context": {"targetingKey": "ann"}});
    let one = "/ofrep/v1/evaluate/flags/asked";
    admin.post(one, &context).await.json(200);
    let key = json!({"name": "App", "environment": "staging", "flag_tags": ["web"]});
    let key = admin.post("/client-keys", &key).await.json(201)["key"].clone();
    let key = key.as_str().unwrap();
    let page = world.bearer(key);
    for path in [one, "/ofrep/v1/evaluate/flags"] {
        page.post(path, &context).await.json(200);
    }
    page.get(&format!("/api/features/{key}")).await.json(200);
    let evaluated = |flag: Value| {
        let properties = json!({"feature": flag, "value": true});
        json!({"event_name": "Feature Evaluated", "properties_json": properties, "device_id": "ann"})
    };
    let events: Vec<Value> = [
        json!("in-events"),
        json!("hidden"),
        json!("nothing"),
        json!(7),
        json!("a b"),
    ]
    .into_iter()
    .map(evaluated)
    .collect();
    let track = format!("/track?client_key={key}");
    let answer = page.post(&track, &json!(events)).await.json(200);
    assert_eq!(answer["rejected"], 5, "the key allows no event type");
    if today() != before {
        return; // At midnight, either day is right.
    }
    assert_eq!(
        last_evaluated(&admin, "asked").await,
        json!({"production": before, "staging": before})
    );
    assert_eq!(
        last_evaluated(&admin, "in-events").await,
        json!({ "staging": before })
    );
    for key in ["asked-too", "in-lists", "hidden"] {
        assert_eq!(last_evaluated(&admin, key).await, Value::Null, "{key}");
    }
    // An unknown flag, and one that the caller does not see, are not noted.
    let hidden = page.post("/ofrep/v1/evaluate/flags/hidden", &context).await;
    hidden.json(404);
    assert_eq!(last_evaluated(&admin, "hidden").await, Value::Null);
}

#[tokio::test]
async fn only_the_first_evaluation_of_a_day_in_a_process_costs_a_write() {
    let (world, counter) = Counter::in_front_of(PlatformOptions::for_tests()).await;
    let admin = world.admin();
    for key in ["f", "g"] {
        created(&admin, checkout(key)).await;
    }
    let evaluate = async |key: &str| {
        let path = format!("/ofrep/v1/evaluate/flags/{key}");
        let body = json!({"context": {"targetingKey": "ann"}});
        admin.post(&path, &body).await.json(200);
    };
    evaluate("f").await;
    counter.take();
    let before = today();
    for _ in 0..3 {
        evaluate("f").await;
    }
    let repeated = counter.cost();
    evaluate("g").await;
    let first = counter.cost();
    if today() == before {
        assert_eq!((repeated.calls, repeated.write_units), (0, 0.0));
        assert_eq!((first.calls, first.write_units), (1, 1.0));
    }
    counter.shutdown(world).await;
}
