//! Reads a table's stream: the list of shards, and the records of a shard from a position on.

use super::StreamsError;
use super::checkpoint::Position;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::SdkError;
use aws_sdk_dynamodbstreams::operation::get_records::GetRecordsOutput;
use aws_sdk_dynamodbstreams::operation::get_shard_iterator::builders::GetShardIteratorFluentBuilder;
use aws_sdk_dynamodbstreams::types::ShardIteratorType;

/// The stream of a table on the engine.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    client: Client,
    table: String,
    /// The stream's ARN on the engine. Its account and region differ from those in the template.
    arn: String,
}

/// A shard in the list of shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShardDescription {
    pub(super) id: String,
    /// The parent shard, which ended when this one started.
    pub(super) parent: Option<String>,
    /// The last record. DynamoDB reports it only for closed shards, the embedded engine for all.
    pub(super) last: Option<String>,
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The iterator has expired, and a new one is needed.
    #[error("the iterator has expired")]
    Expired,
    /// The records at the position have been deleted.
    #[error("the records at the position have been deleted")]
    Trimmed,
    /// The engine refused or could not be reached.
    #[error("{0}")]
    Engine(String),
}

impl Stream {
    /// Finds the current stream of a table.
    pub(super) async fn of_table(
        tables: &aws_sdk_dynamodb::Client,
        client: Client,
        table: &str,
    ) -> Result<Self, StreamsError> {
        let failed = |reason| StreamsError::Engine {
            operation: "DescribeTable",
            table: table.to_owned(),
            reason,
        };
        let described = tables.describe_table().table_name(table).send().await;
        let described =
            described.map_err(|error| failed(DisplayErrorContext(&error).to_string()))?;
        let arn = described.table.and_then(|table| table.latest_stream_arn);
        Ok(Self {
            client,
            table: table.to_owned(),
            arn: arn.ok_or_else(|| failed("it has no stream".to_owned()))?,
        })
    }

    /// Lists all shards.
    pub(super) async fn shards(&self) -> Result<Vec<ShardDescription>, StreamsError> {
        let mut shards = Vec::new();
        let mut after = None;
        loop {
            let request = self.client.describe_stream().stream_arn(&self.arn);
            let page = request.set_exclusive_start_shard_id(after).send().await;
            let page = page.map_err(|error| StreamsError::Engine {
                operation: "DescribeStream",
                table: self.table.clone(),
                reason: DisplayErrorContext(&error).to_string(),
            })?;
            let Some(description) = page.stream_description else {
                return Ok(shards);
            };
            for shard in description.shards.unwrap_or_default() {
                let range = shard.sequence_number_range;
                shards.extend(shard.shard_id.map(|id| ShardDescription {
                    id,
                    parent: shard.parent_shard_id,
                    last: range.and_then(|range| range.ending_sequence_number),
                }));
            }
            after = description.last_evaluated_shard_id;
            if after.is_none() {
                return Ok(shards);
            }
        }
    }

    /// Returns an iterator for the position, or `None` if the shard has no further records.
    pub(super) async fn iterator(
        &self,
        shard: &str,
        position: &Position,
    ) -> Result<Option<String>, ReadError> {
        let kind = |request: GetShardIteratorFluentBuilder| match position {
            Position::Start => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Position::Latest => request.shard_iterator_type(ShardIteratorType::Latest),
            Position::After(number) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .sequence_number(number),
        };
        let request = self.client.get_shard_iterator().stream_arn(&self.arn);
        let answer = kind(request.shard_id(shard)).send().await;
        let answer = answer.map_err(|error| {
            let service = service_error(&error);
            if service.is_some_and(|error| error.is_trimmed_data_access_exception()) {
                return ReadError::Trimmed;
            }
            ReadError::Engine(DisplayErrorContext(&error).to_string())
        })?;
        Ok(answer.shard_iterator)
    }

    /// The next records.
    pub(super) async fn records(
        &self,
        iterator: String,
        limit: usize,
    ) -> Result<GetRecordsOutput, ReadError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let request = self.client.get_records().shard_iterator(iterator);
        request.limit(limit).send().await.map_err(|error| {
            let service = service_error(&error);
            if service.is_some_and(|error| error.is_expired_iterator_exception()) {
                return ReadError::Expired;
            }
            if service.is_some_and(|error| error.is_trimmed_data_access_exception()) {
                return ReadError::Trimmed;
            }
            ReadError::Engine(DisplayErrorContext(&error).to_string())
        })
    }
}

fn service_error<E, R>(error: &SdkError<E, R>) -> Option<&E> {
    match error {
        SdkError::ServiceError(context) => Some(context.err()),
        _ => None,
    }
}
