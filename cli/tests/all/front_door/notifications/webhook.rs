//! The webhook of the local platform: a receiver that works, one that refuses at first, and one that never answers.

use super::{events, import, kinds, metrics, said};
use crate::front_door::support::{World, without_definition_cache};
use assay::notifications::ID_HEADER;
use assay::serve::PlatformOptions;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use reqwest::Url;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a receiver does with its requests.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    Accepts,
    /// It answers 503 to the first request.
    RefusesOnce,
    NeverAnswers,
}

#[derive(Clone)]
struct Receiver {
    behaviour: Behaviour,
    requests: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Receiver {
    /// A receiver, and its URL.
    async fn start(behaviour: Behaviour) -> (Self, Url) {
        let receiver = Self {
            behaviour,
            requests: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?key=secret", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/hook", post(receive))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, Url::parse(&url).unwrap())
    }

    fn requests(&self) -> Vec<(HeaderMap, Value)> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for this many requests.
    async fn received(&self, number: usize) -> Vec<(HeaderMap, Value)> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.requests().len() < number {
            assert!(Instant::now() < deadline, "{:?}", self.requests());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.requests()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body = serde_json::from_slice(&body).unwrap();
    let number = {
        let mut requests = receiver.requests.lock().unwrap();
        requests.push((headers, body));
        requests.len()
    };
    match receiver.behaviour {
        Behaviour::Accepts => StatusCode::NO_CONTENT,
        Behaviour::RefusesOnce if number == 1 => StatusCode::SERVICE_UNAVAILABLE,
        Behaviour::RefusesOnce => StatusCode::OK,
        Behaviour::NeverAnswers => std::future::pending().await,
    }
}

fn posting_to(url: Url) -> PlatformOptions {
    PlatformOptions {
        webhook: Some(url),
        ..without_definition_cache()
    }
}

#[tokio::test]
async fn a_webhook_gets_each_notification_with_its_id() {
    let (receiver, url) = Receiver::start(Behaviour::Accepts).await;
    let world = World::with(posting_to(url)).await;
    let admin = world.admin();
    admin.experiment("e", json!({"metrics": metrics()})).await;
    let errors = events("error", "u", (1..400).step_by(2));
    import(&admin, "u", 400, &errors).await;
    world.platform.settle().await;
    admin
        .change("e", &json!({"status": "stopped"}))
        .await
        .json(200);
    world.platform.settle().await;
    let mut told = said(&admin, "e").await;
    told.reverse();
    let requests = receiver.received(told.len()).await;
    let bodies: Vec<Value> = requests.iter().map(|(_, body)| body.clone()).collect();
    let mut expected = kinds(&told);
    assert_eq!(bodies, told);
    expected.sort_unstable();
    assert_eq!(
        expected,
        ["experiment_ended", "guardrail_worse", "verdict_changed"]
    );
    for (headers, body) in &requests {
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers[ID_HEADER], body["id"].as_str().unwrap());
    }
    world.platform.shutdown().await.unwrap();
    assert_eq!(receiver.requests().len(), told.len());
}

#[tokio::test]
async fn a_webhook_that_refuses_gets_the_same_notification_again() {
    let (receiver, url) = Receiver::start(Behaviour::RefusesOnce).await;
    let world = World::with(posting_to(url)).await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin
        .change("e", &json!({"status": "stopped"}))
        .await
        .json(200);
    world.platform.settle().await;
    let requests = receiver.received(2).await;
    assert_eq!(requests[0].0[ID_HEADER], requests[1].0[ID_HEADER]);
    assert_eq!(requests[0].1, requests[1].1);
}

#[tokio::test]
async fn a_webhook_that_is_slow_or_down_delays_nothing() {
    let (slow, slow_url) = Receiver::start(Behaviour::NeverAnswers).await;
    // Nothing listens at this port.
    let down = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let down_url = format!("http://{}/", down.local_addr().unwrap());
    drop(down);
    // The slow one gets more notifications than the queue has room for.
    tokio::join!(
        stops_beside(slow_url, 120),
        stops_beside(Url::parse(&down_url).unwrap(), 10),
    );
    assert!(!slow.requests().is_empty());
}

/// Stops this many experiments of a platform whose webhook answers none of its requests.
async fn stops_beside(url: Url, experiments: usize) {
    let world = World::with(posting_to(url)).await;
    let admin = world.admin();
    let started = Instant::now();
    for number in 0..experiments {
        let id = format!("e{number}");
        admin.experiment(&id, json!({})).await;
        let stopped = admin.change(&id, &json!({"status": "stopped"})).await;
        stopped.json(200);
    }
    world.platform.settle().await;
    // One attempt alone takes 5 seconds. A busy machine must not fail the test, so the bound is half of what all would take.
    let waiting_for_each = Duration::from_secs(5) * u32::try_from(experiments).unwrap();
    let limit = (waiting_for_each / 2).max(Duration::from_secs(60));
    assert!(started.elapsed() < limit);
    for number in [0, experiments - 1] {
        let told = said(&admin, &format!("e{number}")).await;
        assert_eq!(kinds(&told), ["experiment_ended"]);
    }
    let started = Instant::now();
    world.platform.shutdown().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(20));
}
