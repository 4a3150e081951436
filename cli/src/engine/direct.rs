//! The engine without a network: the SDK of this process hands its requests to a thread of the engine in memory.
//!
//! A request through TCP takes the processor longer to write, read and route than the engine takes to answer it. Other
//! processes, such as an AWS command line, use the port. Both call the same database.
//!
//! The thread executes all requests that are there, forces their writes to the disk together, and only then answers. So
//! many writes share one wait for the disk, and none is answered before it is stored.

use super::log_file::LogFile;
use super::operations::answer_one;
use super::table_writes::TableWrites;

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
use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Requests that are executed before their writes are forced to the disk. A request waits for the others of its group, so
/// the bound keeps answers quick.
const MAX_GROUP: usize = 128;

/// The engines of this process by their URL.
static ENGINES: LazyLock<Mutex<HashMap<String, Caller>>> = LazyLock::new(Mutex::default);

/// The client for an engine of this process; none if another process serves the URL.
pub(super) fn client_of(endpoint: &str) -> Option<SharedHttpClient> {
    let engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    engines.get(endpoint).cloned().map(SharedHttpClient::new)
}

enum Message {
    Call(Call),
    Stop,
}

struct Call {
    operation: String,
    body: Vec<u8>,
    answer: oneshot::Sender<(u16, String)>,
}

/// The thread that answers. While it runs, the database is open.
#[derive(Debug)]
pub(super) struct Thread {
    endpoint: String,
    messages: Sender<Message>,
    thread: JoinHandle<()>,
}

impl Thread {
    /// Starts it for the engine with this URL. Without a log file the database is in memory.
    pub(super) fn start(
        endpoint: &str,
        database: Database,
        log: Option<LogFile>,
        writes: Arc<TableWrites>,
    ) -> std::io::Result<Self> {
        let (messages, received) = channel();
        let mut answerer = Answerer {
            database,
            log,
            writes,
        };
        let thread = std::thread::Builder::new()
            .name("dynamodb-direct".to_owned())
            .spawn(move || answerer.run(&received))?;
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
        let sent = self.0.send(Message::Call(Call {
            operation,
            body,
            answer,
        }));
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

/// What the thread needs.
struct Answerer {
    database: Database,
    log: Option<LogFile>,
    writes: Arc<TableWrites>,
}

impl Answerer {
    /// Answers until the engine stops.
    fn run(&mut self, messages: &Receiver<Message>) {
        while let Ok(Message::Call(first)) = messages.recv() {
            let others = std::iter::from_fn(|| messages.try_recv().ok());
            let mut stop = false;
            let calls = others.map_while(|message| match message {
                Message::Call(call) => Some(call),
                Message::Stop => {
                    stop = true;
                    None
                }
            });
            self.answer_together(std::iter::once(first).chain(calls).take(MAX_GROUP));
            if stop {
                return;
            }
        }
    }

    /// Executes the calls in their order, forces what they wrote to the disk, and answers them.
    fn answer_together(&mut self, calls: impl Iterator<Item = Call>) {
        let mut written = BTreeSet::new();
        let executed: Vec<_> = calls
            .map(|call| {
                let answer = answer_one(&self.database, &call.operation, &call.body, &mut written);
                (call.answer, answer)
            })
            .collect();
        let stored = match (&mut self.log, written.is_empty()) {
            (Some(log), false) => log.force(),
            _ => Ok(()),
        };
        for (answer, executed) in executed {
            let executed = match &stored {
                Ok(()) => executed,
                // A read may contain what is not stored, so it fails, too.
                Err(error) => not_stored(error),
            };
            // A caller that no longer waits does not matter: the request was executed.
            let _ = answer.send(executed);
        }
        self.writes.tell(&written);
    }
}

fn not_stored(error: &std::io::Error) -> (u16, String) {
    tracing::error!(%error, "the data file cannot be forced to the disk");
    let error = DynoxideError::InternalServerError(format!("the data were not stored: {error}"));
    (error.status_code(), error.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, body: &str) -> (Call, oneshot::Receiver<(u16, String)>) {
        let (answer, answered) = oneshot::channel();
        let call = Call {
            operation: operation.to_owned(),
            body: body.as_bytes().to_vec(),
            answer,
        };
        (call, answered)
    }

    const CREATE: &str = r#"{"TableName": "notes", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}"#;
    const PUT: &str = r#"{"TableName": "notes", "Item": {"id": {"S": "a"}}}"#;
    const REFUSED: &str = r#"{"TableName": "notes", "Item": {"id": {"S": "a"}},
        "ConditionExpression": "attribute_not_exists(id)"}"#;
    const GET: &str = r#"{"TableName": "notes", "Key": {"id": {"S": "a"}}}"#;

    fn answerer(log: Option<LogFile>) -> Answerer {
        let database = Database::memory().unwrap();
        let writes = Arc::default();
        Answerer {
            database,
            log,
            writes,
        }
    }

    fn statuses(answerer: &mut Answerer, calls: &[(&str, &str)]) -> Vec<u16> {
        let calls = calls.iter().map(|(operation, body)| call(operation, body));
        let (calls, answered): (Vec<_>, Vec<_>) = calls.unzip();
        answerer.answer_together(calls.into_iter());
        let statuses = answered.into_iter().map(|mut answer| answer.try_recv());
        statuses.map(|answer| answer.unwrap().0).collect()
    }

    #[test]
    fn a_write_that_is_not_on_the_disk_is_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let mut answerer = answerer(None);
        assert_eq!(statuses(&mut answerer, &[("CreateTable", CREATE)]), [200]);
        answerer.log = Some(LogFile::of(&folder.path().join("there-is-no-log")));
        let calls = [("GetItem", GET), ("PutItem", PUT), ("GetItem", GET)];
        assert_eq!(statuses(&mut answerer, &calls), [500, 500, 500]);
        // Requests that change nothing do not wait for the disk.
        let calls = [("GetItem", GET), ("PutItem", REFUSED)];
        assert_eq!(statuses(&mut answerer, &calls), [200, 400]);
    }

    #[test]
    fn readers_are_told_of_writes_to_their_table_only() {
        let mut answerer = answerer(None);
        let (mut notes, others) = (answerer.writes.of("notes"), answerer.writes.of("others"));
        let told = |reader: &tokio::sync::watch::Receiver<()>| reader.has_changed().unwrap();
        assert_eq!(statuses(&mut answerer, &[("CreateTable", CREATE)]), [200]);
        notes.mark_unchanged();
        assert_eq!(statuses(&mut answerer, &[("GetItem", GET)]), [200]);
        assert!(!told(&notes));
        assert_eq!(statuses(&mut answerer, &[("PutItem", PUT)]), [200]);
        assert!(told(&notes) && !told(&others));
        notes.mark_unchanged();
        assert_eq!(statuses(&mut answerer, &[("PutItem", REFUSED)]), [400]);
        assert!(!told(&notes));
    }
}
