//! Delivers a batch to a function until every record is handled or discarded.

use super::Shared;
use super::checkpoint::Position;
use super::control::{Control, Stopped};
use super::dead_letter::DeadLetter;
use super::mapping::Mapping;
use super::record::Record;
use crate::gateway::new_trace;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// The pause between attempts doubles from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause while a settle request is open.
const LONGEST_PAUSE_SETTLING: Duration = Duration::from_millis(100);

/// Lambda's conditions for discarding a batch.
const RETRIES_EXHAUSTED: &str = "RetryAttemptsExhausted";
const TOO_OLD: &str = "RecordAgeExceeded";

/// Delivers batches of one shard to a function.
pub(super) struct Delivery<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) shared: &'a Shared,
    pub(super) shard: &'a str,
    pub(super) control: &'a mut Control,
}

/// Records that are sent together, and their attempts so far.
struct PartialBatch {
    records: Vec<Record>,
    /// Failed attempts, which the mapping limits.
    failures: u64,
    calls: u64,
    /// Request id of the last call.
    request_id: Option<String>,
    /// Error of the last call.
    error: String,
}

/// Result of a call.
enum CallOutcome {
    Handled,
    /// The function failed as a whole.
    Failed(String),
    /// The function reported that the records before this index are handled.
    FailedFrom(usize, String),
}

impl Delivery<'_> {
    /// Returns when every record is handled or discarded, and the position after the batch is stored. If the platform
    /// stops, the remaining records are delivered after the next start.
    pub(super) async fn deliver(&mut self, records: Vec<Record>) -> Result<(), Stopped> {
        let mut batches = VecDeque::from([PartialBatch::new(records)]);
        while let Some(mut batch) = batches.pop_front() {
            self.discard_old(&mut batch);
            if batch.records.is_empty() {
                continue;
            }
            let outcome = self.call(&mut batch).await;
            let rest = match outcome {
                CallOutcome::Handled => {
                    self.passed(&batch.records);
                    continue;
                }
                CallOutcome::Failed(error) if self.splits(&batch) => {
                    tracing::warn!(
                        function = self.mapping.function,
                        error,
                        records = batch.records.len(),
                        "a batch failed and is split into halves"
                    );
                    let (first, second) = batch.halves();
                    batches.push_front(second);
                    first
                }
                CallOutcome::Failed(error) => batch.failed(error),
                CallOutcome::FailedFrom(index, error) => {
                    let rest = batch.from(index);
                    self.passed(&batch.records);
                    rest.failed(error)
                }
            };
            if self.exhausted(&rest) {
                self.discard(&rest, RETRIES_EXHAUSTED);
                continue;
            }
            let pause = self.pause(rest.failures);
            batches.push_front(rest);
            self.control.wait(pause).await?;
        }
        Ok(())
    }

    async fn call(&mut self, batch: &mut PartialBatch) -> CallOutcome {
        let request_id = uuid::Uuid::new_v4().to_string();
        batch.calls += 1;
        batch.request_id = Some(request_id.clone());
        let events: Vec<&Value> = batch.records.iter().map(|record| &record.event).collect();
        let event = json!({ "Records": events });
        let code = &self.mapping.code;
        // Only the function's own timeout applies, because no other caller waits for the response.
        let trace = new_trace();
        let call = code.invoke_as(request_id, event, &trace, Duration::MAX);
        let answer = match call.await {
            Ok(answer) => answer,
            Err(error) => return CallOutcome::Failed(error.to_string()),
        };
        if !self.mapping.source.reports_item_failures {
            return CallOutcome::Handled;
        }
        match first_failure(&answer, &batch.records) {
            Ok(None) => CallOutcome::Handled,
            Ok(Some(index)) => {
                CallOutcome::FailedFrom(index, "the function reported failures".to_owned())
            }
            Err(what) => {
                CallOutcome::FailedFrom(0, format!("the function's response is invalid: {what}"))
            }
        }
    }

    fn splits(&self, batch: &PartialBatch) -> bool {
        self.mapping.source.bisect_on_error && batch.records.len() > 1
    }

    fn exhausted(&self, batch: &PartialBatch) -> bool {
        let bound = self.mapping.source.maximum_retries;
        bound.is_some_and(|bound| batch.failures > bound)
    }

    fn pause(&self, failures: u64) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = if self.control.settling() {
            LONGEST_PAUSE_SETTLING
        } else {
            LONGEST_PAUSE
        };
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings));
        pause.min(longest)
    }

    /// Discards the records at the front of a batch that are older than the mapping allows.
    fn discard_old(&self, batch: &mut PartialBatch) {
        let Some(bound) = self.mapping.source.maximum_record_age else {
            return;
        };
        let now = Utc::now();
        let old = |record: &Record| {
            let age = record.written_at.and_then(|at| (now - at).to_std().ok());
            age.is_some_and(|age| age > bound)
        };
        let young = batch.records.iter().position(|record| !old(record));
        let rest = batch.from(young.unwrap_or(batch.records.len()));
        let old = std::mem::replace(batch, rest);
        if !old.records.is_empty() {
            self.discard(&old, TOO_OLD);
        }
    }

    fn discard(&self, batch: &PartialBatch, condition: &str) {
        self.shared.dead_letters.add(DeadLetter {
            function: self.mapping.function.clone(),
            destination: self.mapping.source.on_failure.clone(),
            error: batch.error.clone(),
            message: self.message(batch, condition),
        });
        self.passed(&batch.records);
    }

    /// The message that Lambda sends to a queue. It contains the position of the records, but not the records.
    fn message(&self, batch: &PartialBatch, condition: &str) -> Value {
        let (first, last) = (batch.records.first(), batch.records.last());
        let number = |record: Option<&Record>| record.map(|record| record.sequence_number.clone());
        let arrival = |record: Option<&Record>| {
            let at = record.and_then(|record| record.written_at);
            at.map(|at| written(at, SecondsFormat::Secs))
        };
        let mut message = json!({
            "requestContext": {
                "requestId": batch.request_id,
                "functionArn": self.mapping.function_arn,
                "condition": condition,
                "approximateInvokeCount": batch.calls,
            },
            "version": "1.0",
            "timestamp": written(Utc::now(), SecondsFormat::Millis),
            "DDBStreamBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": number(first),
                "endSequenceNumber": number(last),
                "approximateArrivalOfFirstRecord": arrival(first),
                "approximateArrivalOfLastRecord": arrival(last),
                "batchSize": batch.records.len(),
                "streamArn": self.mapping.source.stream_arn,
            },
        });
        if batch.calls > 0 {
            message["responseContext"] = json!({
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            });
        }
        message
    }

    fn passed(&self, records: &[Record]) {
        let Some(last) = records.last() else {
            return;
        };
        let position = Position::After(last.sequence_number.clone());
        let mapping = self.mapping.name();
        self.shared.checkpoints.keep(&mapping, self.shard, position);
    }
}

impl PartialBatch {
    fn new(records: Vec<Record>) -> Self {
        Self {
            records,
            failures: 0,
            calls: 0,
            request_id: None,
            error: "not attempted".to_owned(),
        }
    }

    /// Splits off the records from this index on as a separate batch. If records before it were handled, the number of
    /// failures starts at zero.
    fn from(&mut self, index: usize) -> Self {
        let records = self.records.split_off(index.min(self.records.len()));
        Self {
            records,
            failures: if index == 0 { self.failures } else { 0 },
            calls: self.calls,
            request_id: self.request_id.clone(),
            error: self.error.clone(),
        }
    }

    /// Splits the batch into halves. A split does not count as a failed attempt.
    fn halves(mut self) -> (Self, Self) {
        let failures = self.failures;
        let mut second = self.from(self.records.len() / 2);
        second.failures = failures;
        (self, second)
    }

    fn failed(mut self, error: String) -> Self {
        self.failures += 1;
        self.error = error;
        self
    }
}

/// Returns the index of the first record that the response reports as failed, or `None` if all are handled. A response in
/// another form is an error.
fn first_failure(answer: &Value, records: &[Record]) -> Result<Option<usize>, String> {
    let failures = match answer {
        Value::Null => return Ok(None),
        Value::Object(members) => match members.get("batchItemFailures") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(failures)) => failures,
            Some(other) => return Err(format!("batchItemFailures is {other}")),
        },
        other => return Err(other.to_string()),
    };
    let index = |failure: &Value| {
        let number = failure.get("itemIdentifier").and_then(Value::as_str);
        let found = number.and_then(|number| {
            let mut numbers = records.iter().map(|record| record.sequence_number.as_str());
            numbers.position(|candidate| candidate == number)
        });
        found.ok_or_else(|| format!("{failure} is not a record of the batch"))
    };
    let indexes = failures.iter().map(index).collect::<Result<Vec<_>, _>>()?;
    Ok(indexes.into_iter().min())
}

fn written(at: DateTime<Utc>, precision: SecondsFormat) -> String {
    at.to_rfc3339_opts(precision, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let record = |number: &str| Record {
            sequence_number: number.to_owned(),
            written_at: None,
            event: Value::Null,
        };
        ["10", "11", "12"].map(record).into()
    }

    #[test]
    fn a_response_without_failures_means_that_all_records_are_handled() {
        for answer in [
            json!(null),
            json!({}),
            json!({ "batchItemFailures": null }),
            json!({ "batchItemFailures": [] }),
        ] {
            assert_eq!(first_failure(&answer, &records()), Ok(None), "{answer}");
        }
    }

    #[test]
    fn the_first_failure_decides() {
        let failures = |numbers: &[&str]| {
            let items = numbers
                .iter()
                .map(|number| json!({ "itemIdentifier": number }));
            json!({ "batchItemFailures": items.collect::<Vec<_>>() })
        };
        let first = |numbers: &[&str]| first_failure(&failures(numbers), &records());
        assert_eq!(first(&["12", "11"]), Ok(Some(1)));
        assert_eq!(first(&["10"]), Ok(Some(0)));
        assert!(first(&["12", "9"]).is_err());
        assert!(first(&[""]).is_err());
    }

    #[test]
    fn an_invalid_response_means_that_no_record_is_handled() {
        for answer in [
            json!("done"),
            json!({ "batchItemFailures": "12" }),
            json!({ "batchItemFailures": [{ "itemIdentifier": null }] }),
            json!({ "batchItemFailures": [{ "sequenceNumber": "12" }] }),
            json!({ "batchItemFailures": ["12"] }),
        ] {
            assert!(first_failure(&answer, &records()).is_err(), "{answer}");
        }
    }
}
