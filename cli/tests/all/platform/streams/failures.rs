//! Batches that fail: retries, splits, and discarded records.

use super::{Seen, failed, id, mapped, put_all, sequence_number, start};
use crate::platform::support::table;
use assay::engine::{Storage, streams_client};
use assay::serve::{Database, Platform, PlatformOptions};
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A window that is long enough for a full batch, so that the function receives all records in one call.
const FIVE_AT_ONCE: &str = "BatchSize: 5, MaximumBatchingWindowInSeconds: 300, \
     FunctionResponseTypes: [ReportBatchItemFailures]";

#[tokio::test]
async fn after_a_partial_failure_delivery_continues_at_the_failed_record() {
    let seen = Seen::default();
    let failures = Arc::new(AtomicUsize::new(0));
    let function = seen.function(move |records| {
        let found = records.iter().find(|record| id(record) == "c");
        let fails = found.filter(|_| failures.fetch_add(1, Ordering::SeqCst) < 2);
        let answer = fails.map_or(Value::Null, |record| {
            failed(sequence_number(record).clone())
        });
        async { Ok(answer) }
    });
    let platform = start(mapped(FIVE_AT_ONCE), function).await;
    put_all(&platform, &["a", "b", "c", "d", "e"]).await;
    seen.wait_for(11).await;
    platform.settle().await;
    let rest = vec!["c", "d", "e"];
    assert_eq!(
        seen.calls(),
        [vec!["a", "b", "c", "d", "e"], rest.clone(), rest]
    );
}

#[tokio::test]
async fn an_invalid_response_repeats_the_whole_batch() {
    for identifier in ["", "100000000000000000000000"] {
        let seen = Seen::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let function = seen.function(move |_| {
            let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                Ok(if first {
                    failed(identifier)
                } else {
                    Value::Null
                })
            }
        });
        let platform = start(mapped(FIVE_AT_ONCE), function).await;
        put_all(&platform, &["a", "b", "c", "d", "e"]).await;
        seen.wait_for(10).await;
        platform.settle().await;
        let batch = vec!["a", "b", "c", "d", "e"];
        assert_eq!(seen.calls(), [batch.clone(), batch], "{identifier}");
    }
}

#[tokio::test]
async fn reported_failures_are_ignored_unless_the_mapping_enables_them() {
    let seen = Seen::default();
    let function = seen.function(|_| async { Ok(failed("")) });
    let platform = start(mapped(""), function).await;
    put_all(&platform, &["a"]).await;
    platform.settle().await;
    assert_eq!(seen.all(), ["a"]);
}

#[tokio::test]
async fn a_batch_is_split_until_the_failing_record_is_alone() {
    let seen = Seen::default();
    let function = seen.function(|records| {
        let poison = records.iter().any(|record| id(record) == "poison");
        async move {
            if poison {
                Err("it is poison")
            } else {
                Ok(Value::Null)
            }
        }
    });
    let properties = "BatchSize: 8, MaximumBatchingWindowInSeconds: 300, BisectBatchOnFunctionError: true, \
         MaximumRetryAttempts: 2, DestinationConfig: { OnFailure: { Destination: !GetAtt Failed.Arn } }";
    let platform = start(mapped(properties), function).await;
    put_all(&platform, &["a", "b", "c", "d", "e", "poison", "f", "g"]).await;
    platform.settle().await;
    // Each good record was handled once and in order. The bad record was attempted three times alone.
    let calls = seen.calls();
    let good = calls
        .iter()
        .filter(|call| !call.contains(&"poison".to_owned()));
    let good: Vec<String> = good.flatten().cloned().collect();
    assert_eq!(good, ["a", "b", "c", "d", "e", "f", "g"]);
    let alone = calls.iter().filter(|call| **call == ["poison"]);
    assert_eq!(alone.count(), 3, "{calls:?}");

    let letters = platform.dead_letters();
    let [letter] = &letters[..] else {
        panic!("{letters:?}")
    };
    assert_eq!(letter.function, "SlowFunction");
    assert_eq!(
        letter.destination.as_deref(),
        Some("arn:aws:sqs:us-east-1:123456789012:Failed")
    );
    assert!(letter.error.contains("it is poison"), "{}", letter.error);
    let message = &letter.message;
    let request = &message["requestContext"];
    assert_eq!(request["condition"], "RetryAttemptsExhausted");
    assert_eq!(
        request["functionArn"],
        "arn:aws:lambda:us-east-1:123456789012:function:SlowFunction"
    );
    assert!(request["approximateInvokeCount"].as_u64().unwrap() >= 3);
    assert_eq!(request["requestId"].as_str().unwrap().len(), 36);
    let response =
        json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" });
    assert_eq!(message["responseContext"], response);
    assert_eq!(message["version"], "1.0");
    assert!(message["timestamp"].as_str().unwrap().ends_with('Z'));
    let batch = &message["DDBStreamBatchInfo"];
    assert_eq!(batch["batchSize"], 1);
    assert_eq!(batch["startSequenceNumber"], batch["endSequenceNumber"]);
    assert!(
        batch["approximateArrivalOfFirstRecord"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert!(batch["approximateArrivalOfLastRecord"].is_string());
    assert!(batch["streamArn"].as_str().unwrap().contains("/stream/"));
    assert_eq!(found(&platform, batch).await, "poison");
}

/// Reads the first record of a discarded batch from the stream and returns its item id.
async fn found(platform: &Platform, batch: &Value) -> String {
    let text = |name: &str| batch[name].as_str().unwrap();
    let described = platform
        .dynamodb
        .describe_table()
        .table_name(table(platform));
    let described = described.send().await.unwrap().table.unwrap();
    let client = streams_client(&platform.sdk_config);
    let request = client
        .get_shard_iterator()
        .stream_arn(described.latest_stream_arn.unwrap());
    let iterator = request
        .shard_id(text("shardId"))
        .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
        .sequence_number(text("startSequenceNumber"))
        .send()
        .await
        .unwrap();
    let request = client
        .get_records()
        .set_shard_iterator(iterator.shard_iterator);
    let records = request.send().await.unwrap().records.unwrap();
    let key = &records[0].dynamodb().unwrap().keys().unwrap()["id"];
    key.as_s().unwrap().clone()
}

#[tokio::test]
async fn without_splitting_a_failed_batch_is_discarded_as_a_whole_after_its_retries() {
    let seen = Seen::default();
    let function = seen.function(|records| {
        let poison = records.iter().any(|record| id(record) == "poison");
        async move {
            if poison {
                Err("it is poison")
            } else {
                Ok(Value::Null)
            }
        }
    });
    let properties = "BatchSize: 2, MaximumBatchingWindowInSeconds: 300, MaximumRetryAttempts: 1";
    let platform = start(mapped(properties), function).await;
    put_all(&platform, &["poison", "beside", "a", "b"]).await;
    platform.settle().await;
    let poisoned = vec!["poison", "beside"];
    assert_eq!(seen.calls(), [poisoned.clone(), poisoned, vec!["a", "b"]]);
    let letters = platform.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].destination, None);
    let batch = &letters[0].message["DDBStreamBatchInfo"];
    assert_eq!(batch["batchSize"], 2);
    assert_eq!(found(&platform, batch).await, "poison");
}

#[tokio::test]
async fn a_timeout_and_a_panic_are_failures() {
    let seen = Seen::default();
    let function = seen.function(|records| async move {
        assert_ne!(id(&records[0]), "panic");
        tokio::time::sleep(Duration::from_secs(30)).await;
        Ok(Value::Null)
    });
    let mut options = mapped("BatchSize: 1, MaximumRetryAttempts: 0");
    let text = options.template.unwrap();
    options.template =
        Some(text.replace("      Environment:", "      Timeout: 1\n      Environment:"));
    let platform = start(options, function).await;
    put_all(&platform, &["panic", "slow"]).await;
    platform.settle().await;
    let letters = platform.dead_letters();
    let errors: Vec<&str> = letters.iter().map(|letter| letter.error.as_str()).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("Runtime.ExitError"), "{errors:?}");
    assert!(
        errors[1].contains("timed out after 1.00 seconds"),
        "{errors:?}"
    );
}

#[tokio::test]
async fn records_above_the_maximum_age_are_discarded() {
    let seen = Seen::default();
    let function = seen.function(|records| {
        let poison = id(&records[0]) == "poison";
        async move {
            if poison {
                Err("it is poison")
            } else {
                Ok(Value::Null)
            }
        }
    });
    // Some engines round the time of a record down to the minute.
    let options = PlatformOptions {
        database: Database::Embedded(Storage::Memory),
        ..mapped("BatchSize: 1, MaximumRecordAgeInSeconds: 2")
    };
    let platform = start(options, function).await;
    put_all(&platform, &["poison"]).await;
    platform.settle().await;
    put_all(&platform, &["a"]).await;
    platform.settle().await;
    assert!(seen.all().len() > 2);
    assert_eq!(seen.all().last().unwrap(), "a");
    let letters = platform.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        letters[0].message["requestContext"]["condition"],
        "RecordAgeExceeded"
    );
}

#[tokio::test]
async fn a_function_that_always_fails_does_not_block_the_shutdown() {
    let seen = Seen::default();
    let function = seen.function(|_| async { Err("never") });
    let platform = start(mapped(""), function).await;
    put_all(&platform, &["a"]).await;
    seen.wait_for(6).await;
    let stopping = Instant::now();
    platform.shutdown().await.unwrap();
    assert!(stopping.elapsed() < Duration::from_secs(1));
    let calls = seen.all().len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(seen.all().len(), calls);
}
