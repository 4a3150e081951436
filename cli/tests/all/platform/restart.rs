//! A restart with the same data file.

use super::support::{TEMPLATE, has, on_disk, put, table};
use assay::client::http_client;
use assay::engine::EngineError;
use assay::serve::{Platform, PlatformError, PlatformOptions};

#[tokio::test]
async fn data_and_token_are_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/assay.db");
    let first = Platform::start(on_disk(&file)).await.unwrap();
    put(&first.dynamodb, table(&first), "kept").await;
    let token = first.token.clone();
    first.shutdown().await.unwrap();

    let second = Platform::start(on_disk(&file)).await.unwrap();
    assert!(has(&second.dynamodb, table(&second), "kept").await);
    assert_eq!(second.token, token);
    second.shutdown().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_stored_token() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    let platform = Platform::start(on_disk(&file)).await.unwrap();
    let kept = folder.path().join("assay.token");
    assert_eq!(
        std::fs::read_to_string(&kept).unwrap().trim(),
        platform.token
    );
    assert_eq!(
        std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn only_one_platform_can_use_a_data_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    let first = Platform::start(on_disk(&file)).await.unwrap();
    let error = Platform::start(on_disk(&file)).await.err().unwrap();
    assert!(
        matches!(error, PlatformError::Engine(EngineError::InUse(_))),
        "{error}"
    );
    first.shutdown().await.unwrap();
    Platform::start(on_disk(&file)).await.unwrap();
}

fn changed(from: &str, to: &str) -> PlatformOptions {
    assert!(TEMPLATE.contains(from));
    PlatformOptions {
        template: Some(TEMPLATE.replace(from, to)),
        ..PlatformOptions::default()
    }
}

#[tokio::test]
async fn a_table_with_another_key_than_in_the_template_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    Platform::start(on_disk(&file))
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
    let ranged = changed(
        "KeySchema: [{ AttributeName: id, KeyType: HASH }]\n",
        "KeySchema: [{ AttributeName: id, KeyType: HASH }, { AttributeName: owner, KeyType: RANGE }]\n",
    );
    let projected = changed("[text, colour]", "[text]");
    for options in [ranged, projected] {
        let error = Platform::start(options.with_data(&file))
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("NotesTable differs from the template"),
            "{error}"
        );
        assert!(error.contains("--data"), "{error}");
    }
}

#[tokio::test]
async fn indexes_and_streams_of_a_newer_template_are_added_to_existing_tables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    let older = changed(
        "      StreamSpecification: { StreamViewType: NEW_IMAGE }\n",
        "",
    );
    let start = older
        .template
        .as_ref()
        .unwrap()
        .find("      GlobalSecondaryIndexes")
        .unwrap();
    let end = older
        .template
        .as_ref()
        .unwrap()
        .find("      TimeToLive")
        .unwrap();
    let mut text = older.template.clone().unwrap();
    text.replace_range(start..end, "");
    let text = text.replace("        - { AttributeName: owner, AttributeType: S }\n", "");
    let text = text.replace(
        "      TimeToLiveSpecification: { AttributeName: expires_at, Enabled: true }\n",
        "",
    );
    let older = PlatformOptions {
        template: Some(text),
        ..PlatformOptions::default()
    };
    let first = Platform::start(older.with_data(&file)).await.unwrap();
    put(&first.dynamodb, table(&first), "older").await;
    first.shutdown().await.unwrap();

    let second = Platform::start(on_disk(&file)).await.unwrap();
    let table = second
        .dynamodb
        .describe_table()
        .table_name("NotesTable")
        .send()
        .await
        .unwrap();
    let table = table.table.unwrap();
    assert_eq!(table.global_secondary_indexes().len(), 1);
    assert!(table.stream_specification().unwrap().stream_enabled());
    let query = second
        .dynamodb
        .query()
        .table_name("NotesTable")
        .index_name("by-owner");
    let query = query
        .key_condition_expression("#o = :o")
        .expression_attribute_names("#o", "owner");
    let value = aws_sdk_dynamodb::types::AttributeValue::S("o".to_owned());
    let found = query
        .expression_attribute_values(":o", value)
        .send()
        .await
        .unwrap();
    assert_eq!(
        found.count(),
        1,
        "the new index contains the existing items"
    );
}

#[tokio::test]
async fn expired_items_are_removed() {
    use aws_sdk_dynamodb::types::AttributeValue;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    let first = Platform::start(on_disk(&file)).await.unwrap();
    let request = first.dynamodb.put_item().table_name(table(&first));
    let item = request.item("id", AttributeValue::S("over".to_owned()));
    let item = item.item("expires_at", AttributeValue::N("1000000000".to_owned()));
    item.send().await.unwrap();
    put(&first.dynamodb, table(&first), "kept").await;
    first.shutdown().await.unwrap();

    let second = Platform::start(on_disk(&file)).await.unwrap();
    for _ in 0..100 {
        if !has(&second.dynamodb, table(&second), "over").await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(!has(&second.dynamodb, table(&second), "over").await);
    assert!(has(&second.dynamodb, table(&second), "kept").await);
}

#[tokio::test]
async fn a_replaced_development_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    let status = async |platform: &Platform, token: &str| {
        let request = http_client().get(format!("{}/experiments", platform.url()));
        request
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let first = Platform::start(PlatformOptions::default().with_data(&file))
        .await
        .unwrap();
    let kept = first.token.clone();
    assert_eq!(status(&first, &kept).await, 200);
    first.shutdown().await.unwrap();

    let chosen = "chosen-by-the-developer";
    let options = PlatformOptions {
        token: Some(chosen.to_owned()),
        ..PlatformOptions::default()
    };
    let second = Platform::start(options.with_data(&file)).await.unwrap();
    assert_eq!(status(&second, chosen).await, 200);
    assert_eq!(status(&second, &kept).await, 401);
}
