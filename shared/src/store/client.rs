//! The connection to DynamoDB, with its retries and time limits.

use super::usage::{CountCalls, Usage};
use super::write_shards::{ChosenShard, WriteShards};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use std::sync::Arc;
use std::time::Duration;

/// The names of the tables of a deployment.
#[derive(Debug, Clone)]
pub struct Tables {
    /// Definitions and their audit trail.
    pub experiments: String,
    /// Assignments and tombstones.
    pub assignments: String,
    /// Events, once for each experiment that they count for.
    pub events: String,
    /// Aggregates and users' contributions to them.
    pub aggregates: String,
    /// Hashes of tokens.
    pub tokens: String,
}

/// How long an index may take to show a record of its table. DynamoDB usually needs less than a second.
const INDEX_LAG: Duration = Duration::from_secs(30);

/// All storage operations. Clones share the connection.
///
/// Each call of the database is `boxed()`: its future has 9 KB, and those of all handlers would contain several of them. They
/// would be copied for each request that needs no call, and fill the stack of a thread in an unoptimised build.
///
/// Operations that many functions call, or that call many others, return a `BoxFuture`, so that they are compiled once, in
/// this crate. An `async` method is compiled again in each crate that awaits it, with all that it awaits itself.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) client: Client,
    pub(super) tables: Arc<Tables>,
    pub(super) usage: Arc<Usage>,
    /// How long an index may take to show a record of its table.
    pub(super) index_lag: Duration,
    /// The number of write shards that a generation has without one of its own.
    pub(super) first_write_shards: WriteShards,
    /// Whether a generation gets more write shards when it needs them.
    pub(super) adds_write_shards: bool,
    pub(super) write_shard: ChosenShard,
}

impl Store {
    /// A store on these tables with a given SDK configuration.
    pub fn with_config(config: &SdkConfig, tables: Tables) -> Self {
        let usage = Arc::new(Usage::default());
        // A local engine serves one request at a time. When it is busy, a retry only adds to its work. Its indexes change
        // together with their tables.
        let (attempt, operation, index_lag) = match config.endpoint_url() {
            Some(_) => (10, 20, Duration::ZERO),
            None => (2, 6, INDEX_LAG),
        };
        let mut builder = aws_sdk_dynamodb::config::Builder::from(config);
        // An engine in this process: it takes requests without a signature.
        if config.credentials_provider().is_none() {
            builder.set_allow_no_auth();
        }
        let config = builder
            // The SDK's default of one second before the first retry is too long for an interactive request.
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(4)
                    .with_initial_backoff(Duration::from_millis(50)),
            )
            // Each limit is shorter than the one around it: attempt < operation < function < gateway.
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_millis(500))
                    .operation_attempt_timeout(Duration::from_secs(attempt))
                    .operation_timeout(Duration::from_secs(operation))
                    .build(),
            )
            .interceptor(CountCalls(usage.clone()))
            .build();
        Self {
            client: Client::from_conf(config),
            tables: Arc::new(tables),
            usage,
            index_lag,
            first_write_shards: WriteShards::FIRST,
            adds_write_shards: true,
            write_shard: ChosenShard::draw(),
        }
    }

    /// The same store with another time that an index may take.
    #[must_use]
    pub fn with_index_lag(self, index_lag: Duration) -> Self {
        Self { index_lag, ..self }
    }

    /// The same store with another first number of write shards, which grows or stays.
    #[must_use]
    pub fn with_write_shards(self, first: WriteShards, grows: bool) -> Self {
        Self {
            first_write_shards: first,
            adds_write_shards: grows,
            ..self
        }
    }

    /// The usage of this store so far.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }
}
