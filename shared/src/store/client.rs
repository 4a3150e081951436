//! The connection to DynamoDB: retries and time limits are set here, once.

use super::usage::{CountCalls, Usage};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use std::sync::Arc;
use std::time::Duration;

/// The names of the tables, which differ from one deployment to the next.
#[derive(Debug, Clone)]
pub struct Tables {
    /// Definitions and their audit trail.
    pub experiments: String,
    /// Who is in which variant.
    pub assignments: String,
    /// Events, once for each experiment that they count for.
    pub events: String,
    /// Running sums, and each user's part in them.
    pub aggregates: String,
    /// Hashes of tokens.
    pub tokens: String,
}

/// All storage operations. A clone shares the connection.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) client: Client,
    pub(super) tables: Arc<Tables>,
    pub(super) usage: Arc<Usage>,
}

impl Store {
    /// A store on these tables with a given SDK configuration.
    pub fn with_config(config: &SdkConfig, tables: Tables) -> Self {
        let usage = Arc::new(Usage::default());
        // An engine on a developer's machine answers one request at a time. When it is busy, giving up and asking
        // again only adds to what it has to do.
        let (attempt, operation) = match config.endpoint_url() {
            Some(_) => (10, 20),
            None => (2, 6),
        };
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            // The SDK would wait a second before its first retry; an interactive call cannot.
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(4)
                    .with_initial_backoff(Duration::from_millis(50)),
            )
            // Every limit is shorter than the one around it: attempt < operation < function < gateway.
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
        }
    }

    /// What this store has used so far.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }
}
