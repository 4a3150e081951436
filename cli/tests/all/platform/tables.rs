//! Compares the tables on the engine with the template.

use super::support::{has, on_disk, options, put, table};
use assay::engine::{client, ensure_tables};
use assay::serve::{Database, Platform, PlatformOptions};
use aws_sdk_dynamodb::types::{KeyType, ProjectionType, StreamViewType};

#[tokio::test]
async fn keys_indexes_stream_and_expiry_match_the_template() {
    let platform = Platform::start(options()).await.unwrap();
    let client = &platform.dynamodb;
    let described = client
        .describe_table()
        .table_name(table(&platform))
        .send()
        .await
        .unwrap();
    let described = described.table.unwrap();
    assert_eq!(described.key_schema()[0].attribute_name(), "id");
    assert_eq!(described.key_schema()[0].key_type(), &KeyType::Hash);
    let index = &described.global_secondary_indexes()[0];
    assert_eq!(index.index_name(), Some("by-owner"));
    let projection = index.projection().unwrap();
    assert_eq!(projection.projection_type(), Some(&ProjectionType::Include));
    assert_eq!(projection.non_key_attributes().len(), 2);
    let stream = described.stream_specification().unwrap();
    assert_eq!(stream.stream_view_type(), Some(&StreamViewType::NewImage));
    let ttl = client
        .describe_time_to_live()
        .table_name(table(&platform))
        .send()
        .await
        .unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name(), Some("expires_at"));
}

#[tokio::test]
async fn a_stream_that_no_function_reads_is_disabled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    let streamed = async |options: PlatformOptions| {
        let platform = Platform::start(options).await.unwrap();
        let request = platform.dynamodb.describe_table();
        let answer = request.table_name(table(&platform)).send().await.unwrap();
        let stream = answer.table.unwrap().stream_specification;
        platform.shutdown().await.unwrap();
        stream.is_some_and(|stream| stream.stream_enabled)
    };
    assert!(streamed(on_disk(&file)).await);
    let lines = super::support::TEMPLATE.lines();
    let unread: Vec<&str> = lines.filter(|line| !line.contains("Notes: {")).collect();
    assert_eq!(unread.len() + 1, super::support::TEMPLATE.lines().count());
    let unread = PlatformOptions {
        template: Some(unread.join("\n")),
        ..on_disk(&file)
    };
    assert!(!streamed(unread).await);
    assert!(streamed(on_disk(&file)).await);
}

#[tokio::test]
async fn existing_tables_do_not_change() {
    let platform = Platform::start(options()).await.unwrap();
    put(&platform.dynamodb, table(&platform), "kept").await;
    let created = ensure_tables(&platform.dynamodb, &platform.template.local_tables())
        .await
        .unwrap();
    assert_eq!(created, Vec::<String>::new());
    assert!(has(&platform.dynamodb, table(&platform), "kept").await);
}

#[tokio::test]
async fn a_platform_can_use_a_running_engine() {
    let folder = tempfile::tempdir().unwrap();
    let options = || on_disk(&folder.path().join("assay.db"));
    let host = Platform::start(options()).await.unwrap();
    put(&host.dynamodb, table(&host), "shared").await;
    let database = Database::Endpoint(host.dynamodb_endpoint.clone());
    let guest = PlatformOptions {
        database,
        ..options()
    };
    let guest = Platform::start(guest).await.unwrap();
    assert!(has(&guest.dynamodb, table(&guest), "shared").await);
    guest.shutdown().await.unwrap();
    let client = client(&host.sdk_config);
    assert!(
        has(&client, table(&host), "shared").await,
        "the engine belongs to its own platform"
    );
}

#[tokio::test]
async fn an_engine_that_fails_or_cannot_be_reached_is_a_one_line_error() {
    let database = Database::Endpoint("http://127.0.0.1:9".to_owned());
    let options = PlatformOptions {
        database,
        ..options()
    };
    let error = Platform::start(options).await.err().unwrap().to_string();
    assert!(
        error.starts_with("ListTables of all tables failed: "),
        "{error}"
    );
    assert!(error.contains("onnect"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let mut options = on_disk(&folder.path().join("assay.db"));
    options.template = options
        .template
        .map(|text| text.replace("IndexName: by-owner", "IndexName: x"));
    let error = Platform::start(options).await.err().unwrap().to_string();
    assert!(
        error.starts_with("CreateTable of NotesTable failed: "),
        "{error}"
    );
    assert!(error.len() < 300, "{error}");
}
