//! Batches and the events that contain them.

use super::{Seen, id, mapped, put_all, start};
use crate::platform::support::table;
use assay::client::http_client;
use assay::gateway::event_function;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[tokio::test]
async fn records_are_delivered_once_and_in_order() {
    let seen = Seen::default();
    let platform = start(mapped(""), seen.handler()).await;
    let ids: Vec<String> = (0..250).map(|number| format!("note-{number}")).collect();
    put_all(&platform, &ids[..120]).await;
    platform.settle().await;
    assert_eq!(seen.all(), ids[..120]);
    put_all(&platform, &ids[120..]).await;
    platform.settle().await;
    assert_eq!(seen.all(), ids);
    platform.settle().await;
    assert_eq!(seen.all().len(), 250);
    assert!(platform.dead_letters().is_empty());
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_function_receives_the_event_that_lambda_sends() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let keep = got.clone();
    let function = event_function(move |event: LambdaEvent<Value>| {
        keep.lock().unwrap().push((event.payload, event.context));
        async { Ok::<_, lambda_runtime::Error>(()) }
    });
    let platform = start(mapped(""), function).await;
    put_all(&platform, &["a"]).await;
    let key = AttributeValue::S("a".to_owned());
    let delete = platform.dynamodb.delete_item().table_name(table(&platform));
    delete.key("id", key).send().await.unwrap();
    platform.settle().await;

    let calls = got.lock().unwrap().clone();
    let records = calls
        .iter()
        .flat_map(|(event, _)| event["Records"].as_array().unwrap());
    let records: Vec<&Value> = records.collect();
    let [inserted, removed] = records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(inserted["eventName"], "INSERT");
    assert_eq!(inserted["eventSource"], "aws:dynamodb");
    assert_eq!(inserted["awsRegion"], "us-east-1");
    assert!(!inserted["eventVersion"].as_str().unwrap().is_empty());
    assert_ne!(inserted["eventID"], removed["eventID"]);
    let arn = format!(
        "arn:aws:dynamodb:us-east-1:123456789012:table/{}/stream/local",
        table(&platform)
    );
    assert_eq!(inserted["eventSourceARN"], arn);
    let change = &inserted["dynamodb"];
    assert_eq!(change["Keys"], json!({ "id": { "S": "a" } }));
    assert_eq!(
        change["NewImage"],
        json!({ "id": { "S": "a" }, "owner": { "S": "o" } })
    );
    assert_eq!(change["StreamViewType"], "NEW_IMAGE");
    assert!(change["SizeBytes"].as_u64().unwrap() > 0);
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let age = seconds(SystemTime::now()) - change["ApproximateCreationDateTime"].as_f64().unwrap();
    assert!((-1.0..60.0).contains(&age), "{age}");
    assert!(change["SequenceNumber"].as_str().unwrap().len() >= 21);
    assert_eq!(removed["eventName"], "REMOVE");
    assert_eq!(removed["dynamodb"].get("NewImage"), None);

    let context = &calls[0].1;
    assert_eq!(
        context.invoked_function_arn,
        "arn:aws:lambda:us-east-1:123456789012:function:SlowFunction"
    );
    let left = context.deadline().duration_since(SystemTime::now());
    assert!(left.unwrap_or_default() <= Duration::from_secs(3));
    assert!(seconds(context.deadline()) > seconds(SystemTime::now()) - 60.0);
}

#[tokio::test]
async fn no_batch_exceeds_the_batch_size() {
    let seen = Seen::default();
    let platform = start(mapped("BatchSize: 3"), seen.handler()).await;
    let ids: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    put_all(&platform, &ids).await;
    platform.settle().await;
    assert_eq!(seen.all(), ids);
    assert!(
        seen.calls().iter().all(|call| call.len() <= 3),
        "{:?}",
        seen.calls()
    );
}

#[tokio::test]
async fn a_batch_is_delivered_when_it_is_full_or_its_window_has_passed() {
    let seen = Seen::default();
    let options = mapped("BatchSize: 3, MaximumBatchingWindowInSeconds: 3");
    let platform = start(options, seen.handler()).await;
    put_all(&platform, &["a", "b", "c"]).await;
    let full = seen.wait_for(3).await;
    assert!(full < Duration::from_secs(3), "{full:?}");
    let alone = Instant::now();
    put_all(&platform, &["d"]).await;
    seen.wait_for(4).await;
    assert!(
        alone.elapsed() > Duration::from_millis(2900),
        "{:?}",
        alone.elapsed()
    );
    assert_eq!(seen.calls(), [vec!["a", "b", "c"], vec!["d"]]);
}

#[tokio::test]
async fn without_a_window_records_are_delivered_immediately() {
    let seen = Seen::default();
    let platform = start(mapped(""), seen.handler()).await;
    // Long enough for the pause between reads to reach its maximum.
    tokio::time::sleep(Duration::from_millis(600)).await;
    put_all(&platform, &["a"]).await;
    let waited = seen.wait_for(1).await;
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn settle_skips_the_window_and_waits_for_every_call() {
    let seen = Seen::default();
    let done = Arc::new(Mutex::new(0));
    let count = done.clone();
    let function = seen.function(move |records| {
        let count = count.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            *count.lock().unwrap() += records.len();
            Ok(Value::Null)
        }
    });
    let options = mapped("BatchSize: 2, MaximumBatchingWindowInSeconds: 300");
    let platform = start(options, function).await;
    put_all(&platform, &["a", "b", "c"]).await;
    platform.settle().await;
    assert_eq!(*done.lock().unwrap(), 3);
    assert_eq!(seen.all(), ["a", "b", "c"]);
}

#[tokio::test]
async fn settle_includes_records_that_the_function_writes() {
    let seen = Seen::default();
    let writer: Arc<Mutex<Option<(aws_sdk_dynamodb::Client, String)>>> = Arc::default();
    let use_writer = writer.clone();
    let function = seen.function(move |records| {
        let writer = use_writer.lock().unwrap().clone();
        async move {
            let (client, table) = writer.ok_or("not yet")?;
            for id in records.iter().map(id).filter(|id| id.len() < 4) {
                crate::platform::support::put(&client, &table, &format!("{id}+")).await;
            }
            Ok(Value::Null)
        }
    });
    let platform = start(mapped(""), function).await;
    *writer.lock().unwrap() = Some((platform.dynamodb.clone(), table(&platform).to_owned()));
    put_all(&platform, &["a"]).await;
    platform.settle().await;
    assert_eq!(seen.all(), ["a", "a+", "a++", "a+++"]);
}

#[tokio::test]
async fn a_running_call_is_finished_before_the_platform_stops() {
    let seen = Seen::default();
    let done = Arc::new(Mutex::new(false));
    let mark = done.clone();
    let function = seen.function(move |_| {
        let mark = mark.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            *mark.lock().unwrap() = true;
            Ok(Value::Null)
        }
    });
    let platform = start(mapped(""), function).await;
    put_all(&platform, &["a"]).await;
    seen.wait_for(1).await;
    assert!(!*done.lock().unwrap());
    platform.shutdown().await.unwrap();
    assert!(*done.lock().unwrap());
}

#[tokio::test]
async fn a_write_after_an_idle_time_is_delivered_at_once() {
    let seen = Seen::default();
    let platform = start(mapped(""), seen.handler()).await;
    put_all(&platform, &["a"]).await;
    seen.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    put_all(&platform, &["b"]).await;
    // Without being told of the write, the stream would be read two seconds after the last time.
    let waited = seen.wait_for(2).await;
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn a_write_of_another_process_is_delivered_within_seconds() {
    let seen = Seen::default();
    let platform = start(mapped(""), seen.handler()).await;
    let item = json!({ "TableName": table(&platform), "Item": { "id": { "S": "a" } } });
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/dynamodb/aws4_request, \
        SignedHeaders=host;x-amz-date, Signature=0",
        platform.local.access_key
    );
    let request = http_client()
        .post(&platform.dynamodb_endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.PutItem")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", authorization)
        .body(item.to_string());
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    seen.wait_for(1).await;
}
