//! A counting proxy in front of the engine: it sees every request that the functions send to DynamoDB, and the
//! capacity that each answer reports.

use super::support::{World, without_definition_cache};
use assay::client::http_client;
use assay::engine::{Engine, Storage, sdk_config};
use assay::environment::Environments;
use assay::functions::Notifications;
use assay::gateway::event_function;
use assay::serve::{BUILT_IN_TEMPLATE, Database, PlatformOptions};
use assay::template::{LocalNames, Template};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};
use shared::app::App;
use shared::config::Config;
use shared::store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// An action on a table or an index: one call, or one part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    /// As IAM names it, without `dynamodb:`.
    pub(crate) action: String,
    /// `EventsTable`, or `EventsTable/index/by-experiment`.
    pub(crate) resource: String,
}

/// One request to the engine.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) accesses: Vec<Access>,
    /// Capacity units that the answer reports.
    pub(crate) units: f64,
}

impl Call {
    pub(crate) fn is_read(&self) -> bool {
        matches!(
            self.operation.as_str(),
            "GetItem" | "BatchGetItem" | "Query"
        )
    }
}

/// The cost of some requests.
#[derive(Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) calls: usize,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
}

/// Counting proxies, and the engine if the counter started it. Requests of functions that streams invoke are counted
/// separately, since these functions run at any time.
pub(crate) struct Counter {
    calls: Calls,
    stream_calls: BTreeMap<&'static str, Calls>,
    table_prefix: String,
    engine: Option<Engine>,
}

impl Counter {
    /// A platform whose functions reach their engine through a new counter.
    pub(crate) async fn in_front_of(mut options: PlatformOptions) -> (World, Self) {
        let (engine, endpoint) = match &options.database {
            Database::Endpoint(endpoint) => (None, endpoint.clone()),
            Database::Embedded(_) => {
                let engine = Engine::start(&Storage::Memory).unwrap();
                let endpoint = engine.endpoint().to_owned();
                (Some(engine), endpoint)
            }
        };
        let calls = Calls::default();
        let stream_calls =
            BTreeMap::from(["aggregate", "backfill"].map(|function| (function, Calls::default())));
        let table_prefix = options.local.table_prefix.clone();
        let proxy = async |calls: &Calls| {
            listen(Target {
                endpoint: endpoint.clone(),
                http: http_client(),
                calls: Arc::clone(calls),
                table_prefix: table_prefix.clone(),
            })
            .await
        };
        options.database = Database::Endpoint(proxy(&calls).await);
        let app = app(
            &options.local,
            "aggregate",
            &proxy(&stream_calls["aggregate"]).await,
        );
        let aggregate = event_function(move |event| {
            aggregate::handle(app.clone(), Notifications::default().notifier, event)
        });
        let app = self::app(
            &options.local,
            "backfill",
            &proxy(&stream_calls["backfill"]).await,
        );
        let backfill = event_function(move |event| {
            backfill::handle(app.clone(), Notifications::default().notifier, event)
        });
        let options = options.with_function("aggregate", aggregate);
        let options = options.with_function("backfill", backfill);
        let counter = Self {
            calls,
            stream_calls,
            table_prefix,
            engine,
        };
        (World::with(options).await, counter)
    }

    pub(crate) async fn start() -> (World, Self) {
        Self::in_front_of(without_definition_cache()).await
    }

    /// The requests since the previous call of this method.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// The requests of functions that streams invoke, since the previous call of this method.
    pub(crate) fn take_stream_calls(&self) -> impl Iterator<Item = (&'static str, Vec<Call>)> {
        let stream_calls = self.stream_calls.iter();
        stream_calls
            .map(|(function, calls)| (*function, std::mem::take(&mut *calls.lock().unwrap())))
    }

    /// The cost of the requests since the previous call.
    pub(crate) fn cost(&self) -> Cost {
        let calls = self.take();
        let units = |read| {
            let counted = calls.iter().filter(|call| call.is_read() == read);
            counted.map(|call| call.units).sum()
        };
        Cost {
            calls: calls.len(),
            read_units: units(true),
            write_units: units(false),
        }
    }

    /// Shuts down the platform, then the engine.
    pub(crate) async fn shutdown(self, world: World) {
        world.platform.shutdown().await.unwrap();
        if let Some(engine) = self.engine {
            engine.shutdown().await.unwrap();
        }
        assert!(self.table_prefix.is_empty() || self.table_prefix.ends_with('-'));
    }
}

type Calls = Arc<Mutex<Vec<Call>>>;

/// The `App` of a function, with the engine at this address.
fn app(local: &LocalNames, binary: &str, endpoint: &str) -> App {
    let template = Template::parse(BUILT_IN_TEMPLATE, local).unwrap();
    let environments = Environments::new(&template, local, endpoint);
    let environment = environments.of(binary).unwrap();
    let config = Config::read(|name| environment.get(name).cloned()).unwrap();
    let sdk = sdk_config(endpoint, &local.region, &local.access_key);
    App::new(Store::with_config(&sdk, config.tables.clone()), &config)
}

/// Starts a proxy and returns its address.
async fn listen(target: Target) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = axum::Router::new().fallback(forward);
    let service = service.with_state(Arc::new(target));
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

struct Target {
    endpoint: String,
    http: reqwest::Client,
    calls: Calls,
    table_prefix: String,
}

async fn forward(
    State(target): State<Arc<Target>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let mut request = target.http.post(&target.endpoint).body(body.clone());
    for (name, value) in &headers {
        if name != "host" && name != "content-length" {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "content-length" && name != "transfer-encoding" && name != "connection" {
            response = response.header(name, value);
        }
    }
    let content = answer.bytes().await.unwrap();
    let operation = headers["x-amz-target"].to_str().unwrap();
    let operation = operation.rsplit('.').next().unwrap();
    target.note(operation, &body, &content);
    response.body(Body::from(content)).unwrap()
}

impl Target {
    fn note(&self, operation: &str, request: &[u8], answer: &[u8]) {
        // Lambda reads the streams, and not a function.
        const OF_LAMBDA: [&str; 3] = ["DescribeStream", "GetShardIterator", "GetRecords"];
        if OF_LAMBDA.contains(&operation) {
            return;
        }
        let request: Value = serde_json::from_slice(request).unwrap();
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let access = |action: &str, part: &Value| {
            let table = part["TableName"].as_str().unwrap_or_default();
            let table = table.strip_prefix(&self.table_prefix).unwrap_or(table);
            let index = part["IndexName"].as_str();
            Access {
                action: action.to_owned(),
                resource: index.map_or(table.to_owned(), |index| format!("{table}/index/{index}")),
            }
        };
        let parts = request["TransactItems"].as_array().into_iter().flatten();
        let parts = parts.flat_map(|part| part.as_object().unwrap());
        let mut accesses: Vec<Access> = parts
            .map(|(kind, part)| match kind.as_str() {
                "ConditionCheck" => access("ConditionCheckItem", part),
                kind => access(&format!("{kind}Item"), part),
            })
            .collect();
        // A batch request uses the table names as field names.
        let tables = request["RequestItems"].as_object().into_iter().flatten();
        accesses.extend(tables.map(|(table, _)| access(operation, &json!({ "TableName": table }))));
        if accesses.is_empty() {
            accesses.push(access(operation, &request));
        }
        let reported = match &answer["ConsumedCapacity"] {
            Value::Array(tables) => tables.clone(),
            other => vec![other.clone()],
        };
        let units = reported
            .iter()
            .filter_map(|table| table["CapacityUnits"].as_f64());
        let call = Call {
            operation: operation.to_owned(),
            accesses,
            units: units.sum(),
        };
        self.calls.lock().unwrap().push(call);
    }
}
