//! Results from aggregates equal results from raw records, digit for digit, and state how recent they are.

use super::support::{Caller, World, ago, without_definition_cache};
use serde_json::{Value, json};
use std::time::Duration;

const MEASURED: &str = r#"[
    {"key": "buyers", "kind": "conversion", "event_type": "buy", "role": "primary"},
    {"key": "orders", "kind": "count", "event_type": "buy"},
    {"key": "revenue", "kind": "sum", "event_type": "buy", "cap_percentile": 0.9},
    {"key": "basket", "kind": "ratio", "event_type": "buy", "measure": "sum",
     "denominator": {"event_type": "buy", "measure": "count"}},
    {"key": "typical", "kind": "quantile", "event_type": "buy", "measure": "sum", "quantile": 0.5}
]"#;

/// Forty users, assigned within the last five days, from three countries or none, with pre-exposure events.
async fn shop(admin: &Caller) {
    let metrics: Value = serde_json::from_str(MEASURED).unwrap();
    let fields = json!({"metrics": metrics, "dimensions": ["country"]});
    admin.experiment("e", fields).await;
    let day = 86_400;
    let mut assignments = Vec::new();
    let mut events = Vec::new();
    for user in 0..40_i64 {
        let id = format!("user {user}#{}", user % 7);
        let since = 5 * day - user * 7_000;
        let variant = ["control", "green"][usize::try_from(user % 2).unwrap()];
        let attributes = match user % 4 {
            0 => json!({}),
            1 => json!({"country": "DE"}),
            2 => json!({"country": "FR"}),
            _ => json!({"country": "A#B"}),
        };
        assignments.push(json!({"user_id": id, "variant": variant,
            "assigned_at": ago(since).to_string(), "attributes": attributes}));
        for n in 0..user % 6 {
            let at = ago(since + day - n * 40_000);
            events.push(
                json!({"user_id": id, "type": "buy", "event_id": format!("{n}"),
                "value": (user - 11) * (n + 1), "timestamp": at.to_string()}),
            );
        }
    }
    admin.import("e", &assignments).await;
    admin.track(&events).await;
}

/// The results from aggregates and from raw records, without `source` and `freshness`.
async fn both(admin: &Caller, query: &str) -> [Value; 2] {
    let mut answers = Vec::new();
    for source in ["aggregates", "raw"] {
        let mut answer = admin
            .results("e", &format!("{query}&source={source}"))
            .await;
        assert_eq!(answer["source"], source, "{query}");
        let fields = answer.as_object_mut().unwrap();
        fields.remove("source");
        fields.remove("freshness");
        answers.push(answer);
    }
    answers.try_into().unwrap()
}

#[tokio::test]
async fn aggregates_and_raw_records_give_the_same_results() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    let midnight = &ago(2 * 86_400).to_string()[..10];
    for query in [
        "view=analysis".to_owned(),
        "view=analysis&cuped=true".to_owned(),
        "view=analysis&dimension=country".to_owned(),
        "view=analysis&dimension=none&series=none&metrics=revenue".to_owned(),
        format!("view=analysis&as_of={midnight}T00:00:00Z"),
        format!("view=analysis&cuped=true&to={midnight}T00:00:00Z"),
        "view=summary".to_owned(),
        "view=monitoring".to_owned(),
    ] {
        let [aggregates, raw] = both(&admin, &query).await;
        assert_eq!(aggregates, raw, "{query}");
        assert!(aggregates.to_string().len() > 500, "{query}");
    }
    // Results by phase are equal, too.
    let weights = json!([{"key": "control", "percent": 20}, {"key": "green", "percent": 80}]);
    let changed = admin.change("e", &json!({"variants": weights})).await;
    assert_eq!(changed.status, 200);
    for user in 0..10 {
        admin.assign("e", &format!("late {user}")).await;
    }
    let [aggregates, raw] = both(&admin, "dimension=phase").await;
    assert_eq!(aggregates, raw);
    assert_eq!(aggregates["metrics"][0]["dimensions"][0]["by"], "phase");
}

#[tokio::test]
async fn requests_that_aggregates_cannot_answer_read_raw_records_and_say_so() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    let noon = format!("{}T12:00:00Z", &ago(2 * 86_400).to_string()[..10]);
    for (query, code) in [
        (format!("from={noon}"), "custom_start"),
        (format!("as_of={noon}"), "partial_day"),
        ("dimension=country:DE".to_owned(), "dimension_filter"),
    ] {
        let answer = admin.results("e", &query).await;
        assert_eq!(answer["source"], "raw", "{query}");
        assert_eq!(answer["source_reason"]["reason"], code, "{query}");
        let path = format!("/experiments/e/results?source=aggregates&{query}");
        let refused = admin.get(&path).await.json(422);
        assert_eq!(refused["errors"][0]["code"], code, "{query}");
    }
    let requested = admin.results("e", "source=raw").await;
    assert_eq!(requested["source_reason"], Value::Null);
}

#[tokio::test]
async fn results_state_the_number_of_pending_records() {
    // Results do not wait for the aggregator here, and the aggregator collects records for a minute.
    let mut options = without_definition_cache().with_parameter("CountingDelaySeconds", "60");
    options.settle_timeout = Duration::ZERO;
    let world = World::with(options).await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.assign("e", "u").await;
    let event = |id: &str| json!({"user_id": "u", "type": "buy", "event_id": id});
    admin.track(&[event("1"), event("2")]).await;
    let early = admin.results("e", "").await;
    let freshness = &early["freshness"];
    assert_eq!(
        freshness["pending_records"], 3,
        "an assignment and two events"
    );
    assert_eq!(freshness["stored_records"], 3);
    assert_eq!(early["variants"][0]["users"], 0);
    let sentence = "Keep running: still counting, 0 of 3 records are in these results.";
    assert_eq!(early["decision"]["headline"], sentence);
    let decision = &early["decision"];
    assert_eq!(decision["verdict"], "keep_running");
    assert_eq!(decision["reason"], "still_counting");
    world.platform.settle().await;
    let counted = admin.results("e", "").await;
    assert_eq!(counted["freshness"]["pending_records"], 0);
    assert_eq!(counted["event_accounting"]["buy"]["counted"], 2);
}

#[tokio::test]
async fn unchanged_results_are_304_without_a_body() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    let path = "/experiments/e/results?view=summary";
    let first = admin.get(path).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() > 20, "{tag}");
    let again = |tag: String| {
        let admin = admin.clone();
        async move {
            let headers = [("if-none-match", tag.as_str())];
            admin.send("GET", path, &headers, "").await
        }
    };
    for sent in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let unchanged = again(sent.clone()).await;
        assert_eq!(
            (unchanged.status, unchanged.text.as_str()),
            (304, ""),
            "{sent}"
        );
        assert_eq!(unchanged.header("etag"), tag);
    }
    admin.assign("e", "one more").await;
    let changed = again(tag.clone()).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
    let other = admin.get("/experiments/e/results?view=monitoring").await;
    assert_ne!(other.header("etag"), changed.header("etag"));
}

#[tokio::test]
async fn an_event_that_is_stored_concurrently_with_its_assignment_counts() {
    use domain::event::Event;
    use domain::ids::{EventId, EventType, UserId};
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let event = |user: &str| Event {
        id: EventId::parse("stray").unwrap(),
        user_id: UserId::parse(user).unwrap(),
        event_type: EventType::parse("buy").unwrap(),
        value: None,
        properties: None,
        timestamp: None,
        // In the future, so that the assignment is earlier on a slow engine too.
        counted_at: ago(-60),
    };
    // Neither request sees the record of the other. For `a`, the assignment is stored first, and for `b` the event.
    admin.assign("e", "a").await;
    world.platform.settle().await;
    let store = world.store();
    store
        .record_first(&event("a"), None, ago(-1))
        .await
        .unwrap();
    store
        .record_first(&event("b"), None, ago(-1))
        .await
        .unwrap();
    world.platform.settle().await;
    admin.assign("e", "b").await;
    let [aggregates, raw] = both(&admin, "view=analysis").await;
    assert_eq!(aggregates, raw);
    assert_eq!(aggregates["event_accounting"]["buy"]["counted"], 2);
}
