//! Delivery of a table's stream to functions by event-source mappings.

mod delivery;
mod failures;
mod filters;
mod restart;
mod shards;

use super::support::{TEMPLATE, put, table};
use assay::gateway::{Function, event_function};
use assay::serve::{Platform, PlatformOptions};
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The small template with an event source that has these additional properties. It runs in memory or on the engine of the
/// tests.
fn mapped(properties: &str) -> PlatformOptions {
    let source = "StartingPosition: TRIM_HORIZON";
    assert!(TEMPLATE.contains(source));
    let separator = if properties.is_empty() { "" } else { ", " };
    let text = TEMPLATE.replace(source, &format!("{source}{separator}{properties}"));
    PlatformOptions {
        template: Some(format!("{text}  Failed:\n    Type: AWS::SQS::Queue\n")),
        ..PlatformOptions::for_tests()
    }
}

/// The item ids that a function received, by call.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Vec<String>>>>);

impl Seen {
    fn calls(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().clone()
    }

    fn all(&self) -> Vec<String> {
        self.calls().concat()
    }

    /// Waits until the function has received this number of ids. Returns how long that took.
    async fn wait_for(&self, count: usize) -> Duration {
        let started = Instant::now();
        while self.all().len() < count {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{:?}",
                self.calls()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        started.elapsed()
    }

    /// A function that stores the received ids and then responds.
    fn function<A, F>(&self, answer: A) -> Function
    where
        A: Fn(Vec<Value>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Value, &'static str>> + Send + 'static,
    {
        let seen = self.clone();
        event_function(move |event: LambdaEvent<Value>| {
            let records = event.payload["Records"].as_array().unwrap().clone();
            seen.0
                .lock()
                .unwrap()
                .push(records.iter().map(id).collect());
            let answer = answer(records);
            async move { answer.await.map_err(lambda_runtime::Error::from) }
        })
    }

    /// A function that handles every record.
    fn handler(&self) -> Function {
        self.function(|_| async { Ok(json!({ "batchItemFailures": [] })) })
    }
}

fn id(record: &Value) -> String {
    let id = &record["dynamodb"]["Keys"]["id"]["S"];
    id.as_str().unwrap().to_owned()
}

fn sequence_number(record: &Value) -> &Value {
    &record["dynamodb"]["SequenceNumber"]
}

/// A response that reports this record as failed.
fn failed(identifier: impl Into<Value>) -> Value {
    json!({ "batchItemFailures": [{ "itemIdentifier": identifier.into() }] })
}

async fn start(options: PlatformOptions, function: Function) -> Platform {
    Platform::start(options.with_function("slow", function))
        .await
        .unwrap()
}

async fn put_all(platform: &Platform, ids: &[impl AsRef<str>]) {
    for id in ids {
        put(&platform.dynamodb, table(platform), id.as_ref()).await;
    }
}
