//! A batch on its way through a function, until every record of it is handled or given up.

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

/// Waits between attempts double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest when somebody waits for the outcome.
const LONGEST_PAUSE_SETTLING: Duration = Duration::from_millis(100);

/// Lambda's words for why a batch is given up.
const RETRIES_EXHAUSTED: &str = "RetryAttemptsExhausted";
const TOO_OLD: &str = "RecordAgeExceeded";

/// Brings batches of one shard to a function.
pub(super) struct Delivery<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) shared: &'a Shared,
    pub(super) shard: &'a str,
    pub(super) control: &'a mut Control,
}

/// Records that are sent together, and how often they were.
struct Piece {
    records: Vec<Record>,
    /// Attempts that count against the mapping's bound.
    failures: u64,
    calls: u64,
    /// Of the last call.
    request_id: Option<String>,
    /// What came of the last call.
    error: String,
}

/// What came of a call.
enum Outcome {
    Handled,
    /// The function failed as a whole.
    Failed(String),
    /// It says that it handled what comes before this record.
    FailedFrom(usize, String),
}

impl Delivery<'_> {
    /// Returns when the batch is done with; the position in the shard has then passed it. Stopped, the rest is left
    /// for the next start.
    pub(super) async fn deliver(&mut self, records: Vec<Record>) -> Result<(), Stopped> {
        let mut pieces = VecDeque::from([Piece::new(records)]);
        while let Some(mut piece) = pieces.pop_front() {
            self.give_up_old(&mut piece);
            if piece.records.is_empty() {
                continue;
            }
            let outcome = self.call(&mut piece).await;
            let rest = match outcome {
                Outcome::Handled => {
                    self.passed(&piece.records);
                    continue;
                }
                Outcome::Failed(error) if self.splits(&piece) => {
                    tracing::warn!(
                        function = self.mapping.function,
                        error,
                        records = piece.records.len(),
                        "a batch failed and is halved"
                    );
                    let (first, second) = piece.halves();
                    pieces.push_front(second);
                    first
                }
                Outcome::Failed(error) => piece.failed(error),
                Outcome::FailedFrom(index, error) => {
                    let rest = piece.from(index);
                    self.passed(&piece.records);
                    rest.failed(error)
                }
            };
            if self.exhausted(&rest) {
                self.give_up(&rest, RETRIES_EXHAUSTED);
                continue;
            }
            let pause = self.pause(rest.failures);
            pieces.push_front(rest);
            self.control.rest(pause).await?;
        }
        Ok(())
    }

    async fn call(&mut self, piece: &mut Piece) -> Outcome {
        let request_id = uuid::Uuid::new_v4().to_string();
        piece.calls += 1;
        piece.request_id = Some(request_id.clone());
        let events: Vec<&Value> = piece.records.iter().map(|record| &record.event).collect();
        let event = json!({ "Records": events });
        let code = &self.mapping.code;
        // No patience but the function's own timeout: nobody else waits for the answer.
        let trace = new_trace();
        let call = code.invoke_as(request_id, event, &trace, Duration::MAX);
        let answer = match call.await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        if !self.mapping.source.reports_item_failures {
            return Outcome::Handled;
        }
        match first_failure(&answer, &piece.records) {
            Ok(None) => Outcome::Handled,
            Ok(Some(index)) => {
                Outcome::FailedFrom(index, "the function reported failures".to_owned())
            }
            Err(what) => Outcome::FailedFrom(
                0,
                format!("the function's answer is not understood: {what}"),
            ),
        }
    }

    fn splits(&self, piece: &Piece) -> bool {
        self.mapping.source.bisect_on_error && piece.records.len() > 1
    }

    fn exhausted(&self, piece: &Piece) -> bool {
        let bound = self.mapping.source.maximum_retries;
        bound.is_some_and(|bound| piece.failures > bound)
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

    /// Takes off the front of a batch what has become older than the mapping allows.
    fn give_up_old(&self, piece: &mut Piece) {
        let Some(bound) = self.mapping.source.maximum_record_age else {
            return;
        };
        let now = Utc::now();
        let old = |record: &Record| {
            let age = record.written_at.and_then(|at| (now - at).to_std().ok());
            age.is_some_and(|age| age > bound)
        };
        let young = piece.records.iter().position(|record| !old(record));
        let rest = piece.from(young.unwrap_or(piece.records.len()));
        let old = std::mem::replace(piece, rest);
        if !old.records.is_empty() {
            self.give_up(&old, TOO_OLD);
        }
    }

    fn give_up(&self, piece: &Piece, condition: &str) {
        self.shared.dead_letters.add(DeadLetter {
            function: self.mapping.function.clone(),
            destination: self.mapping.source.on_failure.clone(),
            error: piece.error.clone(),
            message: self.message(piece, condition),
        });
        self.passed(&piece.records);
    }

    /// The message that Lambda sends to a queue: where the records stand, and not the records themselves.
    fn message(&self, piece: &Piece, condition: &str) -> Value {
        let (first, last) = (piece.records.first(), piece.records.last());
        let number = |record: Option<&Record>| record.map(|record| record.sequence_number.clone());
        let arrival = |record: Option<&Record>| {
            let at = record.and_then(|record| record.written_at);
            at.map(|at| written(at, SecondsFormat::Secs))
        };
        let mut message = json!({
            "requestContext": {
                "requestId": piece.request_id,
                "functionArn": self.mapping.function_arn,
                "condition": condition,
                "approximateInvokeCount": piece.calls,
            },
            "version": "1.0",
            "timestamp": written(Utc::now(), SecondsFormat::Millis),
            "DDBStreamBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": number(first),
                "endSequenceNumber": number(last),
                "approximateArrivalOfFirstRecord": arrival(first),
                "approximateArrivalOfLastRecord": arrival(last),
                "batchSize": piece.records.len(),
                "streamArn": self.mapping.source.stream_arn,
            },
        });
        if piece.calls > 0 {
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

impl Piece {
    fn new(records: Vec<Record>) -> Self {
        Self {
            records,
            failures: 0,
            calls: 0,
            request_id: None,
            error: "not tried".to_owned(),
        }
    }

    /// Takes away what comes from this record on, as a piece of its own. Behind records that were handled, the
    /// attempts are counted anew.
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

    /// Two pieces of the same size. To split them is no attempt.
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

/// The first record that the answer names as failed; none when all are handled. An answer that names something else
/// is an error.
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
        found.ok_or_else(|| format!("{failure} names no record of the batch"))
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
    fn an_answer_without_failures_means_that_all_is_handled() {
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
    fn the_first_of_the_failures_counts() {
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
    fn an_answer_that_names_no_record_means_that_nothing_is_handled() {
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
