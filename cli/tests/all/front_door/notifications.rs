//! Notifications: each change is told once, whatever is delivered again and however many processes look.

mod webhook;

use super::dashboard::Browser;
use super::guarded_ramps::{guarded, rows};
use super::support::{Caller, World, ago, without_definition_cache};
use assay::functions::{self, Notifications};
use assay::gateway::{FunctionError, Functions};
use domain::access::Scope;
use domain::notification::Notification;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use lambda_runtime::Context;
use serde_json::{Value, json};
use shared::notifications::{NotificationSink, Notifier, SendError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keeps what is sent.
#[derive(Clone, Default)]
struct Sent {
    notifications: Arc<Mutex<Vec<Notification>>>,
    /// Whether sending fails.
    fails: bool,
}

impl Sent {
    fn kinds(&self) -> Vec<&'static str> {
        let sent = self.notifications.lock().unwrap();
        sent.iter().map(|one| one.kind.name()).collect()
    }

    /// The functions of a process that sends to this sink and looks at each batch.
    async fn functions(&self, world: &World) -> Functions {
        let notifications = Notifications {
            notifier: Notifier::new(self.clone()),
            interval: None,
        };
        let environments = &world.platform.environments;
        functions::wire(environments, &notifications).await.unwrap()
    }
}

impl NotificationSink for Sent {
    fn send(&self, notifications: Vec<Notification>) -> BoxFuture<'_, Result<(), SendError>> {
        self.notifications.lock().unwrap().extend(notifications);
        let answer = match self.fails {
            true => Err(SendError("a test".to_owned())),
            false => Ok(()),
        };
        std::future::ready(answer).boxed()
    }
}

fn metrics() -> Value {
    json!([
        {"key": "buyers", "kind": "conversion", "event_type": "buy", "role": "primary", "name": "Buyers <!channel> \"</script>"},
        {"key": "errors", "kind": "conversion", "event_type": "error", "role": "guardrail", "direction": "decrease"},
    ])
}

/// Events of this type of every `nth` user from `first` on.
fn events(event_type: &str, name: &str, users: impl Iterator<Item = usize>) -> Vec<Value> {
    let now = ago(0).to_string();
    let event =
        |user| json!({"user_id": format!("{name}{user}"), "type": event_type, "timestamp": now});
    users.map(event).collect()
}

/// Imports users of both variants in turn, and what some of them did.
async fn import(admin: &Caller, name: &str, number: usize, events: &[Value]) {
    admin.import("e", &rows(name, number)).await;
    if !events.is_empty() {
        let tracked = admin.track(events).await;
        assert_eq!(tracked["rejected"], 0, "{tracked}");
    }
}

/// What was said about an experiment, the newest first.
async fn said(admin: &Caller, id: &str) -> Vec<Value> {
    let path = format!("/experiments/{id}?notifications=true");
    let mut experiment = admin.get(&path).await.json(200);
    let Value::Array(said) = experiment["notifications"].take() else {
        panic!("{experiment}")
    };
    said
}

fn kinds(said: &[Value]) -> Vec<&str> {
    said.iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect()
}

/// A context with the time of the daily run.
fn context() -> Context {
    let mut context = Context::default();
    let now = shared::clock::now().micros() / 1_000;
    context.deadline = u64::try_from(now).unwrap() + 900_000;
    context
}

/// Stream records of the assignments of these users, as Lambda delivers them.
fn batch(name: &str, number: usize) -> Value {
    let record = |user: usize| {
        json!({
            "eventID": user.to_string(), "eventName": "INSERT", "eventSource": "aws:dynamodb", "eventVersion": "1.1", "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_767_225_600.0,
                "Keys": {"user_id": {"S": format!("{name}{user}")}, "experiment_id": {"S": "e"}},
                "NewImage": {"user_id": {"S": format!("{name}{user}")}, "experiment_id": {"S": "e"}},
                "SequenceNumber": user.to_string(), "SizeBytes": 200, "StreamViewType": "NEW_IMAGE",
            },
        })
    };
    json!({"Records": (0..number).map(record).collect::<Vec<_>>()})
}

#[tokio::test]
async fn a_verdict_is_told_once_and_the_page_shows_it() {
    let world = World::start().await;
    let admin = world.admin();
    admin
        .experiment("e", json!({"metrics": metrics(), "name": "<b>A & B</b>"}))
        .await;
    world.platform.settle().await;
    assert_eq!(said(&admin, "e").await, Vec::<Value>::new());
    let buys = events("buy", "u", (0..400).step_by(2));
    import(&admin, "u", 400, &buys).await;
    world.platform.settle().await;

    let report = admin.results("e", "view=summary").await;
    assert_eq!(report["reason"], "primary_worse", "{report}");
    let told = said(&admin, "e").await;
    assert_eq!(kinds(&told), ["verdict_changed"]);
    let told = &told[0];
    assert_eq!(told["id"], "e-1");
    assert_eq!(told["experiment_name"], "<b>A & B</b>");
    assert_eq!(told["before"]["verdict"], "keep_running");
    let after = json!({"verdict": "stop", "reason": "primary_worse", "variant": "green"});
    assert_eq!(told["after"], after);
    let message = told["message"].as_str().unwrap();
    let headline = report["headline"].as_str().unwrap();
    assert_eq!(
        message,
        format!("The verdict of `e` changed from “keep running” to “stop”: {headline}")
    );
    assert!(!told.to_string().contains("u0"), "no user id: {told}");

    // Later records, and the same records again, say nothing new.
    import(&admin, "later", 2, &[]).await;
    world.platform.settle().await;
    assert_eq!(said(&admin, "e").await.len(), 1);
    let plain = admin.get("/experiments/e").await.json(200);
    assert_eq!(plain.get("notifications"), None);

    let browser = Browser::signed_in(&world, "reader", &[Scope::Read]).await;
    let shown = browser.get("/experiments/e").await;
    let page = shown.page(200);
    let section = page.split("id=\"notifications\"").nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    assert!(section.contains("Verdict changed"), "{section}");
    assert!(section.contains("&lt;!channel&gt;"), "{section}");
    assert!(!section.contains("<!channel"), "{section}");
}

#[tokio::test]
async fn of_several_aggregators_and_deliveries_one_tells() {
    // The platform's own aggregator counts nothing.
    let idle = assay::gateway::event_function(|_: lambda_runtime::LambdaEvent<Value>| async {
        Ok::<_, lambda_runtime::Diagnostic>(json!({"batchItemFailures": []}))
    });
    let options = without_definition_cache().with_function("aggregate", idle);
    let world = World::with(options).await;
    let admin = world.admin();
    admin.experiment("e", json!({"metrics": metrics()})).await;
    let errors = events("error", "u", (1..400).step_by(2));
    import(&admin, "u", 400, &errors).await;
    let sent = Sent::default();
    let mut processes = Vec::new();
    for _ in 0..4 {
        processes.push(sent.functions(&world).await);
    }
    let batch = batch("u", 400);
    for _ in 0..3 {
        let invoked = processes
            .iter()
            .map(|process| process["aggregate"].call(batch.clone(), context()));
        let answers: Vec<Result<Value, FunctionError>> = join_all(invoked).await;
        for answer in answers {
            assert_eq!(answer.unwrap()["batchItemFailures"], json!([]));
        }
    }
    let mut told = sent.kinds();
    told.sort_unstable();
    assert_eq!(told, ["guardrail_worse", "verdict_changed"]);
    assert_eq!(said(&admin, "e").await.len(), 2);
}

#[tokio::test]
async fn a_change_that_could_not_be_sent_is_noted_and_not_sent_again() {
    let world = World::start().await;
    let admin = world.admin();
    let end = ago(-1);
    admin
        .experiment("e", json!({"ends_at": end.to_string()}))
        .await;
    while ago(0) <= end {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let failing = Sent {
        fails: true,
        ..Sent::default()
    };
    let process = failing.functions(&world).await;
    process["audit-sample"]
        .call(json!({}), context())
        .await
        .unwrap();
    assert_eq!(failing.kinds(), ["experiment_ended"]);
    let working = Sent::default();
    let process = working.functions(&world).await;
    process["audit-sample"]
        .call(json!({}), context())
        .await
        .unwrap();
    assert_eq!(working.kinds(), [""; 0]);
    let told = said(&admin, "e").await;
    assert_eq!(
        told[0]["message"],
        "The experiment `e` has reached its planned end."
    );
    assert_eq!(told[0]["after"]["ended_at"], end.to_string());
}

#[tokio::test]
async fn a_sample_ratio_mismatch_is_told_once() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({"metrics": metrics()})).await;
    // A quarter of the treatment's users is missing, in any part of the import.
    let mut users = rows("u", 1_000);
    users.retain(|row| {
        row["variant"] == "control" || !row["user_id"].as_str().unwrap().ends_with(['1', '5'])
    });
    for part in users.chunks(400) {
        admin.import("e", part).await;
        world.platform.settle().await;
    }
    let mut told = said(&admin, "e").await;
    told.sort_by_key(|one| one["kind"].to_string());
    assert_eq!(kinds(&told), ["sample_ratio_mismatch", "verdict_changed"]);
    assert_eq!(told[1]["after"]["verdict"], "do_not_trust");
}

#[tokio::test]
async fn a_held_ramp_is_told_when_it_is_held() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", guarded()).await;
    let errors = events("error", "u", (1..400).step_by(2));
    import(&admin, "u", 400, &errors).await;
    for attempt in 0..20 {
        world.platform.settle().await;
        if kinds(&said(&admin, "e").await).contains(&"ramp_held") {
            break;
        }
        import(&admin, &format!("more{attempt}-"), 2, &[]).await;
    }
    let told = said(&admin, "e").await;
    let held: Vec<_> = told
        .iter()
        .filter(|one| one["kind"] == "ramp_held")
        .collect();
    assert_eq!(held.len(), 1, "{told:?}");
    assert_eq!(
        held[0]["message"],
        "The ramp of `e` is on hold at 50% of the users, because the guardrail `errors` is worse."
    );
    let after = json!({"ramp_on_hold": true, "traffic_percent": 50.0});
    assert_eq!(held[0]["after"], after);
}

#[tokio::test]
async fn a_stop_is_told_once_and_no_draft_ends() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("draft", json!({"status": "draft"})).await;
    admin.experiment("e", json!({})).await;
    let stop = json!({"status": "stopped"});
    admin.change("e", &stop).await.json(200);
    let archive = json!({"status": "archived"});
    admin.change("e", &archive).await.json(200);
    admin.change("draft", &archive).await.json(200);
    world.platform.settle().await;
    let told = said(&admin, "e").await;
    assert_eq!(kinds(&told), ["experiment_ended"]);
    assert_eq!(told[0]["message"], "The experiment `e` was stopped.");
    assert_eq!(said(&admin, "draft").await, Vec::<Value>::new());
}

#[tokio::test]
async fn without_an_interval_of_its_own_an_experiment_is_looked_at_once_in_the_time() {
    let options = assay::serve::PlatformOptions::for_tests();
    let world = World::with(options).await;
    let admin = world.admin();
    admin.experiment("e", json!({"metrics": metrics()})).await;
    import(&admin, "u", 20, &[]).await;
    world.platform.settle().await;
    let looks = |items: Vec<super::support::Item>| {
        let look = |item: &super::support::Item| {
            item.get("record")
                .and_then(|record| record.as_s().ok())
                .map(String::as_str)
                == Some("notification-look")
        };
        items
            .into_iter()
            .filter(look)
            .map(|item| format!("{:?}", item["looked_at"]))
            .collect::<Vec<_>>()
    };
    let first = looks(world.items("ExperimentsTable").await);
    assert_eq!(first.len(), 1);
    import(&admin, "more", 20, &[]).await;
    world.platform.settle().await;
    // Another process finds the look of the first one.
    let sent = Sent::default();
    let process = sent.functions(&world).await;
    process["aggregate"]
        .call(batch("u", 20), context())
        .await
        .unwrap();
    assert_eq!(looks(world.items("ExperimentsTable").await), first);
}

#[tokio::test]
async fn the_parameter_is_true_or_false() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let refused = admin.get("/experiments/e?notifications=yes").await;
    assert_eq!(
        refused.faults(),
        super::support::expected([("?notifications", "not_a_choice")])
    );
    let none = admin.get("/experiments/e?notifications=false").await;
    assert_eq!(none.json(200).get("notifications"), None);
}
