//! Streams with several shards, and failing reads. A fake stream produces them here, because real engines do so only after
//! hours.

use super::Seen;
use crate::platform::support::TEMPLATE;
use assay::engine::{client, sdk_config, streams_client};
use assay::gateway::{Function, Functions};
use assay::streams::{Mappings, Streams};
use assay::template::{LocalNames, Template};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A fake stream. Records have ids, and numbers that increase over all shards.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<FakeStream>>);

#[derive(Default)]
struct FakeStream {
    shards: Vec<FakeShard>,
    /// Errors of the next calls of `GetRecords`.
    errors: Vec<&'static str>,
}

struct FakeShard {
    id: &'static str,
    parent: Option<&'static str>,
    closed: bool,
    /// Records with their sequence numbers.
    records: Vec<(u64, &'static str)>,
    /// Number of records that have been trimmed.
    trimmed: usize,
}

fn sequence_number(number: u64) -> String {
    format!("1{number:020}")
}

impl Fake {
    fn shard(&self, id: &'static str, parent: Option<&'static str>) {
        let mut stream = self.0.lock().unwrap();
        if let Some(parent) = stream
            .shards
            .iter_mut()
            .find(|shard| Some(shard.id) == parent)
        {
            parent.closed = true;
        }
        stream.shards.push(FakeShard {
            id,
            parent,
            closed: false,
            records: Vec::new(),
            trimmed: 0,
        });
    }

    fn write(&self, shard: &str, ids: &[&'static str]) {
        let mut stream = self.0.lock().unwrap();
        let mut number: u64 = stream.shards.iter().map(|s| s.records.len() as u64).sum();
        let shard = stream
            .shards
            .iter_mut()
            .find(|found| found.id == shard)
            .unwrap();
        for id in ids {
            number += 1;
            shard.records.push((number, id));
        }
    }

    fn trim(&self, shard: usize, count: usize) {
        self.0.lock().unwrap().shards[shard].trimmed = count;
    }

    fn fail(&self, errors: &[&'static str]) {
        self.0.lock().unwrap().errors = errors.to_vec();
    }

    /// Serves the stream with DynamoDB's protocol. Returns the endpoint.
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, service).await });
        endpoint
    }
}

async fn answer(
    State(fake): State<Fake>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let request: Value = serde_json::from_str(&body).unwrap();
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.split('.').nth(1).unwrap();
    let outcome = fake.0.lock().unwrap().answer(operation, &request);
    match outcome {
        Ok(answer) => (StatusCode::OK, answer.to_string()),
        Err(error) => {
            let status = if error == "InternalServerError" {
                500
            } else {
                400
            };
            let error = json!({ "__type": format!("com.amazonaws#{error}"), "message": "made up" });
            (StatusCode::from_u16(status).unwrap(), error.to_string())
        }
    }
}

impl FakeStream {
    fn answer(&mut self, operation: &str, request: &Value) -> Result<Value, &'static str> {
        match operation {
            "DescribeTable" => Ok(json!({ "Table": { "LatestStreamArn": "arn:of-the-stream" } })),
            "DescribeStream" => Ok(self.describe(request["ExclusiveStartShardId"].as_str())),
            "GetShardIterator" => self.iterator(request),
            "GetRecords" => self.records(request["ShardIterator"].as_str().unwrap()),
            other => panic!("{other}"),
        }
    }

    /// One shard per page.
    fn describe(&self, after: Option<&str>) -> Value {
        let last = after.and_then(|id| self.shards.iter().position(|shard| shard.id == id));
        let index = last.map_or(0, |last| last + 1);
        let shards = self.shards.iter().skip(index).take(1).map(|shard| {
            let mut described = json!({ "ShardId": shard.id, "SequenceNumberRange": {} });
            if let Some(parent) = shard.parent {
                described["ParentShardId"] = parent.into();
            }
            if shard.closed
                && let Some((number, _)) = shard.records.last()
            {
                described["SequenceNumberRange"]["EndingSequenceNumber"] =
                    sequence_number(*number).into();
            }
            described
        });
        let mut description = json!({ "Shards": shards.collect::<Vec<_>>() });
        if index + 1 < self.shards.len() {
            description["LastEvaluatedShardId"] = self.shards[index].id.into();
        }
        json!({ "StreamDescription": description })
    }

    fn iterator(&self, request: &Value) -> Result<Value, &'static str> {
        assert_eq!(request["StreamArn"], "arn:of-the-stream");
        let id = request["ShardId"].as_str().unwrap();
        let shard = self.shards.iter().find(|shard| shard.id == id).unwrap();
        let index = match request["ShardIteratorType"].as_str().unwrap() {
            "TRIM_HORIZON" => shard.trimmed,
            "LATEST" => shard.records.len(),
            "AFTER_SEQUENCE_NUMBER" => {
                let after = request["SequenceNumber"].as_str().unwrap();
                let records = shard.records.iter();
                records
                    .filter(|(number, _)| sequence_number(*number).as_str() <= after)
                    .count()
            }
            other => panic!("{other}"),
        };
        if index < shard.trimmed {
            return Err("TrimmedDataAccessException");
        }
        Ok(json!({ "ShardIterator": format!("{id} {index}") }))
    }

    fn records(&mut self, iterator: &str) -> Result<Value, &'static str> {
        if !self.errors.is_empty() {
            return Err(self.errors.remove(0));
        }
        let (id, index) = iterator.split_once(' ').unwrap();
        let index: usize = index.parse().unwrap();
        let shard = self.shards.iter().find(|shard| shard.id == id).unwrap();
        // Two records per page.
        let page: Vec<_> = shard.records.iter().skip(index).take(2).collect();
        let records = page.iter().map(|(number, id)| {
            json!({
                "eventID": id,
                "eventName": "INSERT",
                "dynamodb": { "Keys": { "id": { "S": id } }, "SequenceNumber": sequence_number(*number) },
            })
        });
        let mut answer = json!({ "Records": records.collect::<Vec<_>>() });
        let index = index + page.len();
        if !(shard.closed && index == shard.records.len()) {
            answer["NextShardIterator"] = format!("{id} {index}").into();
        }
        Ok(answer)
    }
}

async fn start(position: &str, endpoint: &str, function: Function, data: Option<&Path>) -> Streams {
    let local = LocalNames::default();
    let text = TEMPLATE.replace("TRIM_HORIZON", position);
    let template = Template::parse(&text, &local).unwrap();
    let functions = Functions::from([("slow".to_owned(), function)]);
    let mappings = Mappings::read(&template, &local, &functions).unwrap();
    let sdk_config = sdk_config(endpoint, &local.region, &local.access_key);
    let tables = client(&sdk_config);
    let streams = streams_client(&sdk_config);
    Streams::start(mappings, &tables, &streams, data, None)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_shard_starts_after_its_parent_has_been_handled() {
    let (fake, seen) = (Fake::default(), Seen::default());
    // The shards are listed in the wrong order.
    fake.shard("child", Some("parent"));
    fake.shard("parent", None);
    fake.0.lock().unwrap().shards[1].closed = true;
    fake.write("parent", &["a", "b", "c"]);
    fake.write("child", &["d"]);
    let attempts = Arc::new(Mutex::new(0));
    let function = seen.function(move |_| {
        *attempts.lock().unwrap() += 1;
        let fails = *attempts.lock().unwrap() <= 3;
        async move {
            if fails {
                Err("not yet")
            } else {
                Ok(Value::Null)
            }
        }
    });
    let streams = start("TRIM_HORIZON", &fake.serve().await, function, None).await;
    streams.settle().await;
    assert!(
        seen.all().len() > 4,
        "it was tried again: {:?}",
        seen.calls()
    );
    assert_eq!(seen.all()[seen.all().len() - 4..], ["a", "b", "c", "d"]);
    fake.write("child", &["e"]);
    fake.shard("grandchild", Some("child"));
    fake.write("grandchild", &["f"]);
    streams.settle().await;
    assert_eq!(
        seen.all()[seen.all().len() - 6..],
        ["a", "b", "c", "d", "e", "f"]
    );
    streams.shutdown().await;
}

#[tokio::test]
async fn latest_applies_to_every_existing_shard() {
    let (fake, seen) = (Fake::default(), Seen::default());
    fake.shard("parent", None);
    fake.write("parent", &["a", "b"]);
    fake.shard("child", Some("parent"));
    fake.write("child", &["c"]);
    let streams = start("LATEST", &fake.serve().await, seen.handler(), None).await;
    fake.write("child", &["d"]);
    fake.shard("grandchild", Some("child"));
    fake.write("grandchild", &["e"]);
    streams.settle().await;
    assert_eq!(seen.all(), ["d", "e"]);
}

#[tokio::test]
async fn failed_reads_are_retried_and_neither_lose_nor_repeat_a_record() {
    let (fake, seen) = (Fake::default(), Seen::default());
    fake.shard("shard", None);
    fake.write("shard", &["a"]);
    let streams = start("TRIM_HORIZON", &fake.serve().await, seen.handler(), None).await;
    streams.settle().await;
    let internal = "InternalServerError";
    for errors in [
        vec!["ExpiredIteratorException"],
        vec!["TrimmedDataAccessException"],
        // More errors than the SDK retries.
        vec![internal; 4],
    ] {
        fake.fail(&errors);
        fake.write("shard", &["next"]);
        streams.settle().await;
    }
    assert_eq!(seen.all(), ["a", "next", "next", "next"]);
}

#[tokio::test]
async fn after_a_trim_reading_continues_with_the_first_existing_record() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("assay.db");
    let (fake, first, second) = (Fake::default(), Seen::default(), Seen::default());
    fake.shard("shard", None);
    fake.write("shard", &["a"]);
    let endpoint = fake.serve().await;
    let streams = start("TRIM_HORIZON", &endpoint, first.handler(), Some(&data)).await;
    streams.settle().await;
    streams.shutdown().await;
    fake.write("shard", &["b", "c", "d"]);
    fake.trim(0, 2);
    let streams = start("TRIM_HORIZON", &endpoint, second.handler(), Some(&data)).await;
    streams.settle().await;
    assert_eq!(first.all(), ["a"]);
    assert_eq!(second.all(), ["c", "d"]);
}
