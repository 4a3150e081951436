//! A platform for each test, callers with scopes, and shared helpers.

use assay::client::http_client;
use assay::serve::{Platform, PlatformOptions};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::access::{Grant, Scope, Token};
use domain::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock;
use shared::config::Config;
use shared::store::Store;
use std::collections::{BTreeSet, HashMap};

/// An item of a table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A running platform.
pub(crate) struct World {
    pub(crate) platform: Platform,
    http: reqwest::Client,
}

/// Options of a platform that reads each changed definition immediately.
pub(crate) fn without_definition_cache() -> PlatformOptions {
    PlatformOptions::for_tests().with_parameter("DefinitionCacheSeconds", "0")
}

impl World {
    /// A platform that reads each changed definition immediately.
    pub(crate) async fn start() -> Self {
        Self::with(without_definition_cache()).await
    }

    pub(crate) async fn with(options: PlatformOptions) -> Self {
        let platform = Platform::start(options).await.unwrap();
        let http = http_client();
        Self { platform, http }
    }

    /// A caller with all scopes.
    pub(crate) fn admin(&self) -> Caller {
        self.bearer(&self.platform.token)
    }

    /// A caller with this token.
    pub(crate) fn bearer(&self, token: &str) -> Caller {
        Caller {
            http: self.http.clone(),
            url: self.platform.url(),
            authorization: Some(format!("Bearer {token}")),
        }
    }

    /// A caller with this `Authorization` header, or without one.
    pub(crate) fn authorization(&self, header: Option<&str>) -> Caller {
        Caller {
            authorization: header.map(str::to_owned),
            ..self.admin()
        }
    }

    /// A caller with a new token that has these scopes.
    pub(crate) async fn caller(&self, scopes: &[Scope]) -> Caller {
        let token = self.new_token("caller", scopes, None).await;
        self.bearer(&token)
    }

    /// A new token.
    pub(crate) async fn new_token(
        &self,
        token_id: &str,
        scopes: &[Scope],
        expires_at: Option<Timestamp>,
    ) -> String {
        self.granted(Grant {
            expires_at,
            ..grant(token_id, scopes)
        })
        .await
    }

    /// A new token with this grant.
    pub(crate) async fn granted(&self, grant: Grant) -> String {
        let token = Token::from_bits(clock::random_bits().unwrap());
        let store = self.store();
        store.store_token(&token.sha256(), &grant).await.unwrap();
        token.reveal().to_owned()
    }

    /// The store that the functions use.
    pub(crate) fn store(&self) -> Store {
        let environment = self.platform.environments.of("authorizer").unwrap();
        let config = Config::read(|name| environment.get(name).cloned()).unwrap();
        Store::with_config(&self.platform.sdk_config, config.tables)
    }

    /// All items of a table. `table` is its logical id.
    pub(crate) async fn items(&self, table: &str) -> Vec<Item> {
        let name = &self.platform.template.tables[table].name;
        let mut pages = self.platform.dynamodb.scan().table_name(name);
        pages = pages.consistent_read(true);
        let mut pages = pages.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.unwrap());
        }
        items
    }

    /// The items of all tables as text, to compare two states. Budgets of tokens are left out: each request spends them.
    pub(crate) async fn contents(&self) -> BTreeSet<String> {
        self.platform.settle().await;
        let mut all = BTreeSet::new();
        for table in self.platform.template.tables.keys() {
            for item in self.items(table).await {
                let item: Value = serde_dynamo::from_item(item).unwrap();
                let key = item["token_sha256"].as_str().unwrap_or_default();
                let partition = item["partition"].as_str().unwrap_or_default();
                let definition = item["experiment_id"].as_str().unwrap_or_default();
                // The numbers of stored records say when a user was last erased, each erasure is a change of the catalog,
                // and what was said about an experiment depends on when it was looked at.
                if key.starts_with("budget#")
                    || partition.starts_with("stored#")
                    || definition == "#catalog" && item["record"] == "changes"
                    || item["record"]
                        .as_str()
                        .unwrap_or_default()
                        .starts_with("notification")
                {
                    continue;
                }
                all.insert(format!("{table} {item}"));
            }
        }
        all
    }
}

/// A caller of the API.
#[derive(Clone)]
pub(crate) struct Caller {
    http: reqwest::Client,
    url: String,
    authorization: Option<String>,
}

impl Caller {
    /// A caller of a platform in another process.
    pub(crate) fn of(url: &str, token: &str) -> Self {
        Self {
            http: http_client(),
            url: url.to_owned(),
            authorization: Some(format!("Bearer {token}")),
        }
    }

    /// Sends a request unchanged. Fails if there is no answer.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, reqwest::Error> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send("POST", path, &json, body.to_string()).await
    }

    /// Changes an experiment, whatever its version is.
    pub(crate) async fn change(&self, id: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("if-match", "*")];
        let path = format!("/experiments/{id}");
        self.send("PATCH", &path, &headers, body.to_string()).await
    }

    /// Creates a running experiment with two equal variants. `fields` replace the default ones.
    pub(crate) async fn experiment(&self, id: &str, fields: Value) -> Value {
        let mut body = json!({
            "id": id,
            "name": "A test",
            "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.post("/experiments", &body).await.json(201)
    }

    /// Requests a user's variant.
    pub(crate) async fn assign(&self, id: &str, user: &str) -> Value {
        let path = format!("/experiments/{id}/assignment/{}", encoded(user));
        self.get(&path).await.json(200)
    }

    /// Imports assignments.
    pub(crate) async fn import(&self, id: &str, rows: &[Value]) -> Value {
        let path = format!("/experiments/{id}/assignments");
        let body = json!({ "assignments": rows });
        self.post(&path, &body).await.json(200)
    }

    /// Sends events.
    pub(crate) async fn track(&self, events: &[Value]) -> Value {
        let body = json!({ "events": events });
        self.post("/events", &body).await.json(200)
    }

    /// The results without the fields that depend on the time of the request.
    pub(crate) async fn results(&self, id: &str, query: &str) -> Value {
        let path = format!("/experiments/{id}/results?{query}");
        let mut report = self.get(&path).await.json(200);
        report.as_object_mut().unwrap().remove("as_of").unwrap();
        // These fields depend on when events were received and when the generation was built.
        if let Some(freshness) = report.get_mut("freshness").and_then(Value::as_object_mut) {
            freshness.remove("last_event_received_at");
            freshness.remove("generation");
            freshness.remove("seconds_since_last_event");
        }
        report
    }
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON body. Panics if the answer has another status.
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// The problem document, or what is wrong with it.
    pub(crate) fn problem(&self) -> Result<Value, String> {
        let wrong = |what: &str| Err(format!("{what}: {} {}", self.status, self.text));
        if self.header("content-type") != "application/problem+json" {
            return wrong("the content type is not that of a problem");
        }
        let Ok(problem) = serde_json::from_str::<Value>(&self.text) else {
            return wrong("the body is malformed JSON");
        };
        if problem["status"] != self.status {
            return wrong("the body has another status");
        }
        for field in ["type", "title", "detail", "code", "request_id"] {
            if problem[field].as_str().is_none_or(str::is_empty) {
                return wrong(&format!("no {field}"));
            }
        }
        if problem["type"] != format!("urn:assay:problem:{}", problem["code"].as_str().unwrap()) {
            return wrong("type and code differ");
        }
        if problem["request_id"] != self.header("x-amzn-requestid") {
            return wrong("the request id is not that of the request");
        }
        for fault in problem["errors"].as_array().into_iter().flatten() {
            let texts = ["pointer", "code", "detail"];
            if !texts.iter().all(|field| fault[field].is_string()) {
                return wrong("a fault lacks pointer, code or detail");
            }
        }
        Ok(problem)
    }

    /// The pointers and codes of the problem's faults.
    pub(crate) fn faults(&self) -> BTreeSet<(String, String)> {
        faults(&self.problem().unwrap())
    }

    /// The problem's code. Panics if the answer has another status.
    pub(crate) fn code(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        let problem = self.problem().unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// The grant of a token with these scopes.
pub(crate) fn grant(token_id: &str, scopes: &[Scope]) -> Grant {
    Grant {
        token_id: token_id.to_owned(),
        name: "a test".to_owned(),
        scopes: scopes.iter().copied().collect(),
        created_at: clock::now(),
        expires_at: None,
        events_per_second: None,
        hides_assignments: false,
        environment: None,
    }
}

/// A path segment, percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The instant this many seconds before the current time.
pub(crate) fn ago(seconds: i64) -> Timestamp {
    clock::now().plus_micros(-seconds * 1_000_000)
}

/// The pointers and codes of all faults of a problem or of a rejected row.
pub(crate) fn faults(problem: &Value) -> BTreeSet<(String, String)> {
    let errors = problem["errors"].as_array().unwrap().iter();
    let text = |fault: &Value, field: &str| fault[field].as_str().unwrap().to_owned();
    errors
        .map(|fault| (text(fault, "pointer"), text(fault, "code")))
        .collect()
}

/// Faults to compare with.
pub(crate) fn expected<const N: usize>(faults: [(&str, &str); N]) -> BTreeSet<(String, String)> {
    faults
        .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()))
        .into()
}
