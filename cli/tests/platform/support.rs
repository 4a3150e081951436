//! A small template of one table and one open route, and functions that use the table through the SDK.

use assay::gateway::{Function, http_function};
use assay::serve::{Platform, PlatformOptions};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Request, Response, service_fn};
use std::time::Duration;

pub(crate) const TEMPLATE: &str = include_str!("template.yaml");

/// Options with the small template.
pub(crate) fn options() -> PlatformOptions {
    PlatformOptions {
        template: Some(TEMPLATE.to_owned()),
        ..PlatformOptions::default()
    }
}

/// Answers after a while.
pub(crate) fn slow(duration: Duration) -> Function {
    http_function(service_fn(move |_: Request| async move {
        tokio::time::sleep(duration).await;
        Ok::<_, std::convert::Infallible>(Response::new(Body::from("done")))
    }))
}

pub(crate) async fn put(client: &Client, id: &str) {
    let request = client.put_item().table_name("NotesTable");
    let item = request.item("id", AttributeValue::S(id.to_owned()));
    item.item("owner", AttributeValue::S("o".to_owned()))
        .send()
        .await
        .unwrap();
}

pub(crate) async fn has(client: &Client, id: &str) -> bool {
    let request = client.get_item().table_name("NotesTable");
    let answer = request
        .key("id", AttributeValue::S(id.to_owned()))
        .send()
        .await
        .unwrap();
    answer.item.is_some()
}

pub(crate) async fn status(platform: &Platform, path: &str) -> u16 {
    let response = reqwest::get(format!("{}{path}", platform.url()))
        .await
        .unwrap();
    response.status().as_u16()
}
