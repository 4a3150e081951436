//! A restart with the same data file: handled records are not delivered again, and no record is lost.

use super::{Seen, mapped, put_all, start};
use assay::serve::{Database, Platform, PlatformOptions};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

fn on_disk(folder: &Path, properties: &str) -> PlatformOptions {
    PlatformOptions {
        local: PlatformOptions::default().local,
        ..mapped(properties).with_data(folder.join("assay.db"))
    }
}

#[tokio::test]
async fn a_restarted_platform_continues_at_its_position() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Seen::default(), Seen::default());
    let platform = start(on_disk(folder.path(), ""), first.handler()).await;
    put_all(&platform, &["a", "b"]).await;
    platform.settle().await;
    platform.shutdown().await.unwrap();

    // Without a function, records stay in the stream.
    let platform = Platform::start(on_disk(folder.path(), "")).await.unwrap();
    put_all(&platform, &["c"]).await;
    platform.settle().await;
    platform.shutdown().await.unwrap();

    let platform = start(on_disk(folder.path(), ""), second.handler()).await;
    put_all(&platform, &["d"]).await;
    platform.settle().await;
    platform.shutdown().await.unwrap();
    assert_eq!(first.all(), ["a", "b"]);
    assert_eq!(second.all(), ["c", "d"]);
}

#[tokio::test]
async fn a_mapping_that_begins_with_the_latest_record_sees_no_earlier_one_and_misses_no_later_one()
{
    let folder = tempfile::tempdir().unwrap();
    let latest = || {
        let mut options = on_disk(folder.path(), "");
        let text = options.template.unwrap();
        options.template = Some(text.replace("TRIM_HORIZON", "LATEST"));
        options
    };
    let platform = Platform::start(latest()).await.unwrap();
    put_all(&platform, &["before"]).await;
    platform.shutdown().await.unwrap();

    let seen = Seen::default();
    start(latest(), seen.handler())
        .await
        .shutdown()
        .await
        .unwrap();
    let platform = Platform::start(latest()).await.unwrap();
    put_all(&platform, &["between"]).await;
    platform.shutdown().await.unwrap();

    let platform = start(latest(), seen.handler()).await;
    put_all(&platform, &["after"]).await;
    platform.settle().await;
    assert_eq!(seen.all(), ["between", "after"]);
}

#[tokio::test]
async fn a_mapping_that_starts_at_the_latest_record_receives_new_records() {
    let mut options = mapped("");
    let text = options.template.unwrap();
    options.template = Some(text.replace("TRIM_HORIZON", "LATEST"));
    let seen = Seen::default();
    let platform = start(options, seen.handler()).await;
    put_all(&platform, &["a"]).await;
    platform.settle().await;
    assert_eq!(seen.all(), ["a"]);
}

#[tokio::test]
async fn unfinished_records_of_a_killed_platform_are_delivered_again() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let function = seen.function(|records| async move {
        if super::id(&records[0]) != "a" {
            std::future::pending::<()>().await;
        }
        Ok(Value::Null)
    });
    let mut options = on_disk(folder.path(), "BatchSize: 1");
    let text = options.template.unwrap();
    options.template =
        Some(text.replace("      Environment:", "      Timeout: 5\n      Environment:"));
    let platform = start(options, function).await;
    put_all(&platform, &["a", "b", "c"]).await;
    seen.wait_for(2).await;
    // A copy of the files at this moment equals the files that a killed process leaves.
    let left = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), left.path().join(entry.file_name())).unwrap();
    }
    let again = Seen::default();
    let second = start(on_disk(left.path(), ""), again.handler()).await;
    second.settle().await;
    assert_eq!(seen.all(), ["a", "b"]);
    assert_eq!(again.all(), ["b", "c"]);
    second.shutdown().await.unwrap();
    drop(platform);
}

#[tokio::test]
async fn dead_letters_are_stored_beside_the_data_one_per_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.dead-letters.jsonl");
    let seen = Seen::default();
    let function = seen.function(|_| async { Err("never") });
    let options = on_disk(folder.path(), "BatchSize: 1, MaximumRetryAttempts: 0");
    let platform = start(options, function).await;
    put_all(&platform, &["a"]).await;
    platform.settle().await;
    put_all(&platform, &["b"]).await;
    platform.settle().await;
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let letters = platform.dead_letters();
    let messages: Vec<Value> = letters.into_iter().map(|letter| letter.message).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines, messages);
    platform.shutdown().await.unwrap();

    let handled = Seen::default();
    let platform = start(on_disk(folder.path(), ""), handled.handler()).await;
    put_all(&platform, &["c"]).await;
    platform.settle().await;
    assert_eq!(
        handled.all(),
        ["c"],
        "a discarded record is not delivered again"
    );
}

#[tokio::test]
async fn two_platforms_on_one_engine_have_separate_streams() {
    let host = Platform::start(mapped("")).await.unwrap();
    let guest = |prefix: &str| {
        let mut options = mapped("");
        options.database = Database::Endpoint(host.dynamodb_endpoint.clone());
        options.local.access_key.clone_from(&host.local.access_key);
        options.local.table_prefix = format!("{prefix}-{}", uuid::Uuid::new_v4());
        options
    };
    let (one, two) = (Seen::default(), Seen::default());
    let first = start(guest("one"), one.handler()).await;
    let second = start(guest("two"), two.handler()).await;
    put_all(&first, &["a"]).await;
    put_all(&second, &["b"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.settle().await;
    second.settle().await;
    assert_eq!(one.all(), ["a"]);
    assert_eq!(two.all(), ["b"]);
}
