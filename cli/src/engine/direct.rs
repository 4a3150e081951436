//! The engine without a network: the SDK of this process hands its requests to a thread of the engine in memory.
//!
//! A request through TCP takes the processor longer to write, read and route than the engine takes to answer it. Other
//! processes, such as an AWS command line, use the port. Both call the same database.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The engines of this process by their URL.
static ENGINES: LazyLock<Mutex<HashMap<String, Caller>>> = LazyLock::new(Mutex::default);

/// The client for an engine of this process; none if another process serves the URL.
pub(super) fn client_of(endpoint: &str) -> Option<SharedHttpClient> {
    let engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    engines.get(endpoint).cloned().map(SharedHttpClient::new)
}

enum Message {
    Call {
        operation: String,
        body: Vec<u8>,
        answer: oneshot::Sender<(u16, String)>,
    },
    Stop,
}

/// The thread that answers. While it runs, the database is open.
#[derive(Debug)]
pub(super) struct Thread {
    endpoint: String,
    messages: Sender<Message>,
    thread: JoinHandle<()>,
}

impl Thread {
    /// Starts it for the engine with this URL.
    pub(super) fn start(endpoint: &str, database: Database) -> std::io::Result<Self> {
        let (messages, received) = channel();
        let thread = std::thread::Builder::new()
            .name("dynamodb-direct".to_owned())
            .spawn(move || answer_all(&database, &received))?;
        let caller = Caller(messages.clone());
        let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
        engines.insert(endpoint.to_owned(), caller);
        Ok(Self {
            endpoint: endpoint.to_owned(),
            messages,
            thread,
        })
    }

    /// Asks it to stop after the requests that were handed over. Later ones fail.
    pub(super) fn stop(self) -> JoinHandle<()> {
        let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
        engines.remove(&self.endpoint);
        let _ = self.messages.send(Message::Stop);
        self.thread
    }
}

/// Hands requests over.
#[derive(Debug, Clone)]
struct Caller(Sender<Message>);

impl HttpConnector for Caller {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, answered) = oneshot::channel();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let sent = self.0.send(Message::Call {
            operation,
            body,
            answer,
        });
        HttpConnectorFuture::new(async move {
            let stopped = || ConnectorError::io("the engine has stopped".into());
            sent.map_err(|_| stopped())?;
            let (status, body) = answered.await.map_err(|_| stopped())?;
            response(status, body)
        })
    }
}

impl HttpClient for Caller {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn response(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status);
    let status = status.map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

fn answer_all(database: &Database, messages: &Receiver<Message>) {
    while let Ok(Message::Call {
        operation,
        body,
        answer,
    }) = messages.recv()
    {
        // A caller that no longer waits does not matter: the request was executed.
        let _ = answer.send(answer_one(database, &operation, &body));
    }
}

/// The status and the body of a response.
fn answer_one(database: &Database, operation: &str, body: &[u8]) -> (u16, String) {
    match execute(database, operation, body) {
        Some(Ok(answer)) => (200, answer),
        Some(Err(error)) => (error.status_code(), error.to_json()),
        None => {
            let error = serde_json::json!({
                "__type": "com.amazon.coral.service#UnknownOperationException",
                "message": format!("{operation} is only served on the port of the engine"),
            });
            (400, error.to_string())
        }
    }
}

/// The operations of this program and its tests; none for others.
fn execute(
    database: &Database,
    operation: &str,
    body: &[u8],
) -> Option<Result<String, DynoxideError>> {
    Some(match operation {
        "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => call(body, |request| database.batch_write_item(request)),
        "CreateTable" => call(body, |request| database.create_table(request)),
        "DeleteItem" => call(body, |request| database.delete_item(request)),
        "DeleteTable" => call(body, |request| database.delete_table(request)),
        "DescribeStream" => call(body, |request| database.describe_stream(request)),
        "DescribeTable" => call(body, |request| database.describe_table(request)),
        "DescribeTimeToLive" => call(body, |request| database.describe_time_to_live(request)),
        "GetItem" => call(body, |request| database.get_item(request)),
        "GetRecords" => call(body, |request| database.get_records(request)),
        "GetShardIterator" => call(body, |request| database.get_shard_iterator(request)),
        "ListStreams" => call(body, |request| database.list_streams(request)),
        "ListTables" => call(body, |request| database.list_tables(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),
        "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
        "UpdateItem" => call(body, |request| database.update_item(request)),
        "UpdateTable" => call(body, |request| database.update_table(request)),
        "UpdateTimeToLive" => call(body, |request| database.update_time_to_live(request)),
        _ => return None,
    })
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    execute: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let invalid =
        |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let request = serde_json::from_slice(body).map_err(invalid)?;
    serde_json::to_string(&execute(request)?).map_err(invalid)
}
