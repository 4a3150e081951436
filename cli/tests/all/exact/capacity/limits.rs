//! The limits of DynamoDB in front of the engine, which has none.
//!
//! A partition key takes 1,000 write units and 3,000 read units a second. Two transactions on one item refuse each other
//! while the first is under way. A call takes time. The time is that of tokio, which the model has paused: it advances only
//! when everything waits, so it does not depend on the machine.

use super::super::network::answer;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use serde_json::{Map, Value, json};
use shared::store::keys::aggregates as key;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// The time of a call, and of a transaction, whose two phases take two round trips.
const CALL: Duration = Duration::from_millis(5);
const TRANSACTION: Duration = Duration::from_millis(10);
/// Units that one partition takes in a second. What is left of a second lasts for one more.
const WRITE_UNITS: f64 = 1_000.0;
const READ_UNITS: f64 = 3_000.0;
const KIBIBYTE: usize = 1_024;
/// The bytes of a number of an aggregate.
const NUMBER_BYTES: usize = 12;

/// What the limits did.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) transactions: AtomicU64,
    /// Transactions that met another one on the same item.
    pub(super) conflicts: AtomicU64,
    /// Calls beyond the units of a partition.
    pub(super) throttled: AtomicU64,
}

/// The limits of one database. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    pub(super) counts: Arc<Counts>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    write: HashMap<String, Bucket>,
    read: HashMap<String, Bucket>,
    /// The attributes of each aggregate item with their bytes: the cost of an update is that of the whole item.
    items: HashMap<String, HashMap<String, usize>>,
    /// Items that a transaction is changing.
    busy: HashSet<String>,
}

/// The units of a partition.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn refilled(&mut self, per_second: f64) -> f64 {
        let now = Instant::now();
        let since = now.duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * per_second).min(per_second);
        self.at = now;
        self.left
    }
}

/// A write to one item.
struct Action {
    /// Table and partition key.
    partition: String,
    /// The whole key.
    item: String,
    units: f64,
}

impl Limits {
    /// The client of a function, behind these limits.
    pub(super) fn around(&self, http: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Limited {
            limits: Some(self.clone()),
            http,
        })
    }

    /// A client that takes no time and has no limits.
    pub(super) fn none(http: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Limited { limits: None, http })
    }

    /// The refusal of a call, or the items that it keeps busy.
    fn admit(&self, operation: &str, body: &Value) -> Result<Vec<String>, Box<HttpResponse>> {
        let mut state = self.state.lock().unwrap();
        let in_transaction = operation == "TransactWriteItems";
        let actions = state.actions(operation, body);
        if in_transaction {
            self.counts.transactions.fetch_add(1, Relaxed);
        }
        let is_busy = |action: &Action| state.busy.contains(&action.item);
        if actions.iter().any(is_busy) {
            self.counts.conflicts.fetch_add(1, Relaxed);
            let codes = actions.iter().map(|action| match is_busy(action) {
                true => "TransactionConflict",
                false => "None",
            });
            let refusal = cancelled(codes.collect());
            // A refused transaction uses as many units as one that is written.
            state.take(&actions);
            return Err(Box::new(match in_transaction {
                true => refusal,
                false => answer("TransactionConflictException", json!({})),
            }));
        }
        let full: Vec<bool> = actions
            .iter()
            .map(|action| state.is_full(&action.partition))
            .collect();
        let reads = read_partition(body);
        let too_many_reads = reads.is_some_and(|partition| state.is_read_out(&partition));
        if full.contains(&true) || too_many_reads {
            self.counts.throttled.fetch_add(1, Relaxed);
            let codes = full.iter().map(|full| match full {
                true => "ThrottlingError",
                false => "None",
            });
            return Err(Box::new(match in_transaction {
                true => cancelled(codes.collect()),
                false => answer("ProvisionedThroughputExceededException", json!({})),
            }));
        }
        state.take(&actions);
        let busy: Vec<String> = match in_transaction {
            true => actions.into_iter().map(|action| action.item).collect(),
            false => Vec::new(),
        };
        state.busy.extend(busy.iter().cloned());
        Ok(busy)
    }

    /// Notes the units that a read has used, and ends what was busy.
    fn done(&self, body: &Value, busy: &[String], response: &HttpResponse) {
        let mut state = self.state.lock().unwrap();
        for item in busy {
            state.busy.remove(item);
        }
        let answer = response.body().bytes().unwrap_or_default();
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let used = answer["ConsumedCapacity"]["CapacityUnits"].as_f64();
        if let (Some(partition), Some(used)) = (read_partition(body), used) {
            let bucket = state
                .read
                .entry(partition)
                .or_insert_with(|| full(READ_UNITS));
            bucket.refilled(READ_UNITS);
            bucket.left -= used;
        }
    }
}

fn full(units: f64) -> Bucket {
    Bucket {
        left: units,
        at: Instant::now(),
    }
}

impl State {
    fn is_full(&mut self, partition: &str) -> bool {
        let bucket = self.write.get_mut(partition);
        bucket.is_some_and(|bucket| bucket.refilled(WRITE_UNITS) <= 0.0)
    }

    fn is_read_out(&mut self, partition: &str) -> bool {
        let bucket = self.read.get_mut(partition);
        bucket.is_some_and(|bucket| bucket.refilled(READ_UNITS) <= 0.0)
    }

    fn take(&mut self, actions: &[Action]) {
        for action in actions {
            let bucket = self.write.entry(action.partition.clone());
            let bucket = bucket.or_insert_with(|| full(WRITE_UNITS));
            bucket.refilled(WRITE_UNITS);
            bucket.left -= action.units;
        }
    }

    /// The writes of a call.
    fn actions(&mut self, operation: &str, body: &Value) -> Vec<Action> {
        match operation {
            "TransactWriteItems" => {
                let all = body["TransactItems"].as_array().into_iter().flatten();
                let one = |action: &Value| {
                    action
                        .as_object()
                        .and_then(|one| one.values().next())
                        .cloned()
                };
                all.filter_map(one)
                    .map(|action| self.action(&action, 2.0))
                    .collect()
            }
            "PutItem" | "UpdateItem" | "DeleteItem" => vec![self.action(body, 1.0)],
            _ => Vec::new(),
        }
    }

    fn action(&mut self, action: &Value, times: f64) -> Action {
        let table = action["TableName"].as_str().unwrap();
        let place = match action.get("Item") {
            Some(item) => item,
            None => &action["Key"],
        };
        let place = place.as_object().unwrap();
        let of = |name: &str| place.get(name).map(|value| value["S"].to_string());
        let partition_key = ["experiment_id", "user_id", "token_sha256", key::PARTITION];
        // Assignments have two of these names; the user is their partition key.
        let partition = of("user_id").or_else(|| partition_key.iter().find_map(|name| of(name)));
        let partition = format!("{table}/{}", partition.unwrap());
        let sort_key = [key::ITEM, "experiment_event", "record", "experiment_id"];
        let sort_key = sort_key
            .iter()
            .find_map(|name| of(name))
            .unwrap_or_default();
        let item = format!("{partition}/{sort_key}");
        let bytes = match action.get("Item") {
            Some(item) => size(item.as_object().unwrap()),
            None => self.updated(&item, action),
        };
        let units = u32::try_from(bytes.div_ceil(KIBIBYTE).max(1)).unwrap();
        Action {
            partition,
            item,
            units: f64::from(units) * times,
        }
    }

    /// The size of an item after an update.
    fn updated(&mut self, item: &str, action: &Value) -> usize {
        let attributes = self.items.entry(item.to_owned()).or_default();
        let names = action["ExpressionAttributeNames"].as_object();
        for name in names.into_iter().flat_map(Map::values) {
            let name = name.as_str().unwrap();
            attributes.insert(name.to_owned(), name.len() + NUMBER_BYTES);
        }
        item.len() + attributes.values().sum::<usize>()
    }
}

/// The bytes of an item's names and texts.
fn size(item: &Map<String, Value>) -> usize {
    let bytes = item.iter().map(|(name, value)| {
        let text = value.as_object().and_then(|value| value.values().next());
        name.len() + text.and_then(Value::as_str).map_or(1, str::len)
    });
    bytes.sum()
}

/// Table and partition key of a query.
fn read_partition(body: &Value) -> Option<String> {
    let condition = body["KeyConditionExpression"].as_str()?;
    let name = condition
        .split_whitespace()
        .find(|word| word.starts_with(':'))?;
    let value = &body["ExpressionAttributeValues"][name]["S"];
    Some(format!(
        "{}/{}/{value}",
        body["TableName"], body["IndexName"]
    ))
}

fn cancelled(codes: Vec<&str>) -> HttpResponse {
    let reasons: Vec<Value> = codes.iter().map(|code| json!({ "Code": code })).collect();
    let body = json!({ "CancellationReasons": reasons });
    answer("TransactionCanceledException", body)
}

#[derive(Debug, Clone)]
struct Limited {
    limits: Option<Limits>,
    http: SharedHttpClient,
}

impl HttpClient for Limited {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connection {
            limits: self.limits.clone(),
            engine: self.http.http_connector(settings, components),
        })
    }
}

#[derive(Debug, Clone)]
struct Connection {
    limits: Option<Limits>,
    engine: SharedHttpConnector,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { limits, engine } = self.clone();
        HttpConnectorFuture::new(async move {
            let Some(limits) = limits else {
                return executed(engine, request).await;
            };
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
            let body = request.body().bytes().unwrap_or_default();
            let body: Value = serde_json::from_slice(body).unwrap();
            let admitted = limits.admit(&operation, &body);
            tokio::time::sleep(match operation.as_str() {
                "TransactWriteItems" => TRANSACTION,
                _ => CALL,
            })
            .await;
            let busy = match admitted {
                Err(refusal) => return Ok(*refusal),
                Ok(busy) => busy,
            };
            let response = executed(engine, request).await?;
            limits.done(&body, &busy, &response);
            Ok(response)
        })
    }
}

/// Hands a call to the engine. The paused time stands still meanwhile, because the runtime has blocking work.
async fn executed(
    engine: SharedHttpConnector,
    request: HttpRequest,
) -> Result<HttpResponse, aws_smithy_runtime_api::client::result::ConnectorError> {
    let call = engine.call(request);
    tokio::task::spawn_blocking(|| futures::executor::block_on(call))
        .await
        .unwrap()
}
