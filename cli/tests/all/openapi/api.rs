//! A client that checks every call and every answer against the document.

use super::document::Document;
use assay::client::http_client;
use assay::serve::{Platform, PlatformOptions};
use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) struct Api {
    pub(crate) document: Document,
    platform: Arc<Platform>,
    client: reqwest::Client,
    pub(crate) token: String,
}

/// An answer that conforms to the document.
pub(crate) struct CheckedAnswer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl CheckedAnswer {
    /// The value at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        let found = self.body.pointer(pointer);
        found.unwrap_or_else(|| panic!("nothing at {pointer}: {}", self.text))
    }
}

impl Api {
    pub(crate) async fn start() -> Self {
        let platform = Platform::start(PlatformOptions::for_tests()).await.unwrap();
        Self {
            document: Document::load(),
            token: platform.token.clone(),
            platform: Arc::new(platform),
            client: http_client(),
        }
    }

    /// The same platform for another test. Its client is a new one: a connection ends with the test that has opened it.
    pub(crate) fn in_another_test(&self) -> Self {
        Self {
            document: Document::load(),
            token: self.token.clone(),
            platform: self.platform.clone(),
            client: http_client(),
        }
    }

    /// Waits until all records are handled.
    pub(crate) async fn settle(&self) {
        self.platform.settle().await;
    }

    pub(crate) async fn get(&self, path: &str) -> CheckedAnswer {
        self.call("get", path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> CheckedAnswer {
        self.call("post", path, &[], Some(body.to_string())).await
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> CheckedAnswer {
        let operation = self.document.operation(method, path);
        let sent = body.clone();
        let answer = self.send(method, path, headers, body).await;
        let content_type = answer.headers[CONTENT_TYPE].to_str().unwrap();
        let schema = self.document.answer(operation, answer.status, content_type);
        let wrong = self.document.faults(&schema, &answer.body);
        assert!(
            wrong.is_empty(),
            "{method} {path}: {wrong:#?}\n{}",
            answer.text
        );
        let rejected = answer.body["rejected"].as_u64().unwrap_or_default();
        if let Some(sent) = sent.filter(|_| answer.status < 300 && rejected == 0) {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let sent = serde_json::from_str(&sent).unwrap();
            let wrong = self.document.faults(schema, &sent);
            assert!(
                wrong.is_empty(),
                "{method} {path} takes {sent}, which is undescribed: {wrong:#?}"
            );
        }
        answer
    }

    /// Sends a call without checking it against the document.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> CheckedAnswer {
        let method = method.to_uppercase().parse().unwrap();
        let url = format!("{}{path}", self.platform.url());
        let mut request = self.client.request(method, url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
        CheckedAnswer {
            status,
            headers,
            text,
            body,
        }
    }

    /// Continues with a token that has only this scope.
    pub(crate) async fn use_only_scope(&mut self, scope: &str) {
        let token = format!("assay_only-the-scope-{scope}");
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&token));
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let grant = HashMap::from([
            ("token_id".to_owned(), text("one")),
            ("name".to_owned(), text("a test")),
            ("scopes".to_owned(), AttributeValue::L(vec![text(scope)])),
            ("created_at".to_owned(), text("2026-01-01T00:00:00.000000Z")),
        ]);
        let table = &self.platform.template.tables["TokensTable"].name;
        let put = self.platform.dynamodb.put_item().table_name(table);
        put.item("token_sha256", text(&hash))
            .item("grant", AttributeValue::M(grant))
            .send()
            .await
            .unwrap();
        self.token = token;
    }
}
