//! A network between a function and its database that fails on request.
//!
//! A killed function either did not send its last call, or sent it and did not receive the response. This network can do both
//! at every call. A call that was sent is executed even if the function has been killed.

use super::figures::Figures;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use domain::ids::UserId;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};
use shared::store::keys::aggregates as key;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, watch};

/// The last call of an invocation. Calls are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The call is not sent.
    Before(u64),
    /// The call is sent, but its response is lost.
    After(u64),
}

/// Percentages of calls that are refused without being executed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pressure {
    /// Calls that are throttled.
    pub(crate) throttled: u32,
    /// Transactions that conflict with another transaction on the same item.
    pub(crate) conflicts: u32,
}

impl Pressure {
    /// In every fourth history, so many transactions conflict that the aggregates get more write shards.
    pub(crate) fn of_history(seed: u64) -> Self {
        Self {
            conflicts: if seed % 4 == 3 { 30 } else { 0 },
            throttled: 0,
        }
    }
}

/// The network of one process. Clones share the state.
#[derive(Debug, Clone)]
pub(crate) struct Network(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: SharedHttpClient,
    figures: Arc<Figures>,
    pressure: Pressure,
    random: Mutex<Pcg64>,
    run: watch::Sender<Run>,
    /// A permit for each transaction that may be sent.
    gate: Semaphore,
    /// The partition of a user whose contributions the database refuses to store.
    refused: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Run {
    calls: u64,
    crash: Option<Crash>,
    crashed: bool,
    in_flight: usize,
    held: usize,
}

/// How a call is handled.
enum CallHandling {
    Sent { last: bool },
    Never,
}

impl Network {
    pub(crate) fn new(
        http: SharedHttpClient,
        figures: Arc<Figures>,
        pressure: Pressure,
        seed: u64,
    ) -> Self {
        Self(Arc::new(Inner {
            http,
            figures,
            pressure,
            random: Mutex::new(Pcg64::seed_from_u64(seed)),
            run: watch::Sender::new(Run::default()),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            refused: Mutex::default(),
        }))
    }

    /// Restarts the process. It crashes at this call.
    pub(crate) fn restart(&self, crash: Option<Crash>) {
        self.0.run.send_modify(|run| {
            run.calls = 0;
            run.crash = crash;
            run.crashed = false;
        });
    }

    /// Returns when the process has crashed and all calls that it sent are finished.
    pub(crate) async fn crashed_completely(&self) {
        let mut run = self.0.run.subscribe();
        let dead = run.wait_for(|run| run.crashed && run.in_flight == 0).await;
        drop(dead.unwrap());
    }

    /// Whether the process ended before it reached its crash point.
    pub(crate) fn outlived(&self) -> bool {
        let run = self.0.run.borrow();
        run.crash.is_some() && !run.crashed
    }

    /// Refuses all contributions of a user from this moment on, as DynamoDB refuses an item that is too large; or of no
    /// user any more.
    pub(crate) fn refuse(&self, user: Option<&UserId>) {
        *self.0.refused.lock().unwrap() = user.map(key::of_user);
    }

    /// The refusal of a transaction with a contribution of the refused user.
    fn too_large(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let refused = self.0.refused.lock().unwrap().clone()?;
        if !is_transaction(request) {
            return None;
        }
        let body: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
        let is_refused = |action: &Value| {
            let item = &action["Put"]["Item"];
            item[key::PARTITION]["S"] == refused && !item[key::CONTRIBUTION].is_null()
        };
        let actions = body["TransactItems"].as_array()?;
        let reason = |action: &Value| match is_refused(action) {
            true => {
                json!({"Code": "ValidationError", "Message": "Item size has exceeded the maximum"})
            }
            false => json!({"Code": "None"}),
        };
        let reasons: Vec<Value> = actions.iter().map(reason).collect();
        actions.iter().any(is_refused).then(|| {
            answer(
                "TransactionCanceledException",
                json!({ "CancellationReasons": reasons }),
            )
        })
    }

    /// Holds all transactions from this moment on.
    pub(crate) fn hold_transactions(&self) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Releases this number of transactions.
    pub(crate) fn let_through(&self, transactions: usize) {
        self.0.gate.add_permits(transactions);
    }

    /// Returns when a transaction is held.
    pub(crate) async fn holds_one(&self) {
        let mut run = self.0.run.subscribe();
        drop(run.wait_for(|run| run.held > 0).await.unwrap());
    }

    /// Returns when no transaction is held.
    pub(crate) async fn holds_none(&self) {
        let mut run = self.0.run.subscribe();
        drop(run.wait_for(|run| run.held == 0).await.unwrap());
    }

    async fn gate(&self, request: &HttpRequest) {
        if is_transaction(request) {
            self.0.run.send_modify(|run| run.held += 1);
            self.0.gate.acquire().await.unwrap().forget();
            self.0.run.send_modify(|run| run.held -= 1);
        }
    }

    /// Counts the next call of the process and decides how it is handled.
    fn begin(&self) -> CallHandling {
        let mut handling = CallHandling::Never;
        self.0.run.send_modify(|run| {
            if run.crashed {
                return;
            }
            run.calls += 1;
            if run.crash == Some(Crash::Before(run.calls)) {
                run.crashed = true;
                return;
            }
            run.in_flight += 1;
            let last = run.crash == Some(Crash::After(run.calls));
            handling = CallHandling::Sent { last };
        });
        handling
    }

    fn end(&self, last: bool) {
        self.0.run.send_modify(|run| {
            run.in_flight -= 1;
            run.crashed |= last;
        });
    }

    fn refusal(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let Pressure {
            throttled,
            conflicts,
        } = self.0.pressure;
        let drawn = |percent: u32| {
            percent > 0 && self.0.random.lock().unwrap().random_range(0..100) < percent
        };
        if is_transaction(request) && drawn(conflicts) {
            self.0.figures.refused.fetch_add(1, Relaxed);
            let actions: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
            let actions = actions["TransactItems"].as_array()?.len();
            let mut reasons = vec![json!({"Code": "None"}); actions];
            reasons[0] = json!({
                "Code": "TransactionConflict",
                "Message": "Transaction is ongoing for the item",
            });
            return Some(answer(
                "TransactionCanceledException",
                json!({ "CancellationReasons": reasons }),
            ));
        }
        drawn(throttled).then(|| {
            self.0.figures.refused.fetch_add(1, Relaxed);
            answer("ProvisionedThroughputExceededException", json!({}))
        })
    }

    async fn send(
        &self,
        connector: &SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let figures = &self.0.figures;
        figures.calls.fetch_add(1, Relaxed);
        let transaction = is_transaction(&request);
        let response = connector.call(request).await?;
        if transaction {
            figures.transactions.fetch_add(1, Relaxed);
            if response.status().as_u16() == 400 {
                figures.conflicts.fetch_add(1, Relaxed);
            }
        }
        Ok(response)
    }
}

/// A connection of the process to its database.
#[derive(Debug, Clone)]
struct Connection {
    network: Network,
    connector: SharedHttpConnector,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { network, connector } = self.clone();
        HttpConnectorFuture::new(async move {
            let refusal = network.refusal(&request);
            if let Some(refusal) = refusal.or_else(|| network.too_large(&request)) {
                return Ok(refusal);
            }
            network.gate(&request).await;
            let CallHandling::Sent { last } = network.begin() else {
                return std::future::pending().await;
            };
            // A separate task, because the process may be killed before the call is finished.
            let sender = network.clone();
            let sending = tokio::spawn(async move {
                let answer = sender.send(&connector, request).await;
                sender.end(last);
                answer
            });
            if last {
                return std::future::pending().await;
            }
            sending.await.unwrap()
        })
    }
}

impl HttpClient for Network {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connection {
            network: self.clone(),
            connector: self.0.http.http_connector(settings, components),
        })
    }
}

fn is_transaction(request: &HttpRequest) -> bool {
    let target = request.headers().get("x-amz-target");
    target.is_some_and(|target| target.ends_with(".TransactWriteItems"))
}

/// An error response in DynamoDB's form.
pub(crate) fn answer(code: &str, mut body: Value) -> HttpResponse {
    body["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{code}"));
    body["message"] = json!("a refusal by the test");
    let status = StatusCode::try_from(400).unwrap();
    let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/x-amz-json-1.0");
    response
}
