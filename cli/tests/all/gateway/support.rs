//! Starts a gateway for each test, with functions that return the event they receive.

use assay::client::http_client;
use assay::gateway::{Function, FunctionError, Functions, Gateway, event_function};
use assay::template::{LocalNames, Template};
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const TEMPLATE: &str = include_str!("template.yaml");

/// Builder of a gateway.
pub(crate) struct Setup {
    functions: Functions,
    local: LocalNames,
    integration_timeout: Duration,
}

impl Setup {
    /// Functions that return their event, and an authorizer that allows every request.
    pub(crate) fn new() -> Self {
        Self {
            functions: Functions::new(),
            local: LocalNames::default(),
            integration_timeout: Duration::from_secs(5),
        }
        .with("open", echo())
        .with("notes", echo())
        .with("authorizer", authorizer(|_| Ok(allow(&["*"]))))
    }

    pub(crate) fn with(mut self, binary: &str, function: Function) -> Self {
        self.functions.insert(binary.to_owned(), function);
        self
    }

    pub(crate) fn parameter(mut self, name: &str, value: &str) -> Self {
        self.local
            .parameters
            .insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn integration_timeout(mut self, timeout: Duration) -> Self {
        self.integration_timeout = timeout;
        self
    }

    pub(crate) async fn start(self) -> Api {
        let template = Template::parse(TEMPLATE, &self.local).unwrap();
        let gateway = Gateway::new(&template, &self.local, &self.functions)
            .unwrap()
            .with_integration_timeout(self.integration_timeout);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(gateway.serve(listener, std::future::pending()));
        Api {
            address,
            client: http_client(),
        }
    }
}

/// A running gateway.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    client: reqwest::Client,
}

impl Api {
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.request("GET", path)
    }

    /// Sends the request and returns the event that the function received.
    pub(crate) async fn event(&self, request: reqwest::RequestBuilder) -> Value {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Sends these bytes without the changes that an HTTP client makes. Returns the whole response.
    pub(crate) async fn raw(&self, request: &str) -> String {
        String::from_utf8(self.raw_bytes(request.as_bytes()).await).unwrap()
    }

    /// The same with bytes that need not be text.
    pub(crate) async fn raw_bytes(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }

    /// The event of a `GET` with exactly this target.
    pub(crate) async fn raw_event(&self, target: &str) -> Value {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = self.raw(&request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }
}

/// Creates a function from a closure.
pub(crate) fn function<F>(handler: F) -> Function
where
    F: Fn(Value) -> Result<Value, FunctionError> + Send + Sync + 'static,
{
    Function::new(move |event, _| {
        let answer = handler(event);
        Box::pin(async move { answer })
    })
}

/// A function that returns its event as the body.
pub(crate) fn echo() -> Function {
    function(|event| Ok(json!({ "statusCode": 200, "body": event.to_string() })))
}

/// A function that always returns this response.
pub(crate) fn answers(response: Value) -> Function {
    function(move |_| Ok(response.clone()))
}

/// A function that sleeps before it responds.
pub(crate) fn sleeps(duration: Duration) -> Function {
    event_function(move |_: LambdaEvent<Value>| async move {
        tokio::time::sleep(duration).await;
        Ok::<_, String>(json!({ "statusCode": 200, "body": "awake" }))
    })
}

/// Creates an authorizer from a closure.
pub(crate) fn authorizer<F>(decide: F) -> Function
where
    F: Fn(&Value) -> Result<Value, FunctionError> + Send + Sync + 'static,
{
    function(move |event| decide(&event))
}

/// Counts the calls of a function.
pub(crate) fn counted(function: Function) -> (Function, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let counting = Function::new(move |event, context| {
        counter.fetch_add(1, Ordering::SeqCst);
        function.call(event, context)
    });
    (counting, calls)
}

/// A policy that allows these resources.
pub(crate) fn allow(resources: &[&str]) -> Value {
    policy(json!([{ "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resources }]))
}

/// A policy with these statements.
pub(crate) fn policy(statements: Value) -> Value {
    json!({
        "principalId": "tok_1",
        "policyDocument": { "Version": "2012-10-17", "Statement": statements },
    })
}

/// A header that the template's validation expression accepts.
pub(crate) const TOKEN: &str = "Bearer secret-token";
