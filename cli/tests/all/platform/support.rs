//! A small template with one table and one open route, and helpers that use the table with the SDK.

use assay::client::http_client;
use assay::gateway::{Function, http_function};
use assay::serve::{Platform, PlatformOptions};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Request, Response, service_fn};
use std::path::Path;
use std::time::Duration;

pub(crate) const TEMPLATE: &str = include_str!("template.yaml");

/// The small template on the engine of the tests.
pub(crate) fn options() -> PlatformOptions {
    PlatformOptions {
        template: Some(TEMPLATE.to_owned()),
        ..PlatformOptions::for_tests()
    }
}

/// The small template on a data file.
pub(crate) fn on_disk(file: &Path) -> PlatformOptions {
    PlatformOptions {
        template: Some(TEMPLATE.to_owned()),
        ..PlatformOptions::default()
    }
    .with_data(file)
}

/// The name of the table in the small template.
pub(crate) fn table(platform: &Platform) -> &str {
    &platform.template.tables["NotesTable"].name
}

/// A function that responds after this time.
pub(crate) fn slow(duration: Duration) -> Function {
    http_function(service_fn(move |_: Request| async move {
        tokio::time::sleep(duration).await;
        Ok::<_, std::convert::Infallible>(Response::new(Body::from("done")))
    }))
}

pub(crate) async fn put(client: &Client, table: &str, id: &str) {
    let request = client.put_item().table_name(table);
    let item = request.item("id", AttributeValue::S(id.to_owned()));
    item.item("owner", AttributeValue::S("o".to_owned()))
        .send()
        .await
        .unwrap();
}

pub(crate) async fn has(client: &Client, table: &str, id: &str) -> bool {
    let request = client.get_item().table_name(table);
    let answer = request
        .key("id", AttributeValue::S(id.to_owned()))
        .send()
        .await
        .unwrap();
    answer.item.is_some()
}

pub(crate) async fn status(platform: &Platform, path: &str) -> u16 {
    let response = http_client()
        .get(format!("{}{path}", platform.url()))
        .send()
        .await
        .unwrap();
    response.status().as_u16()
}
