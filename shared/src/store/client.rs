//! The connection to DynamoDB: retries and time limits are set here, once.

use super::usage::{CountCalls, Usage};
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
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
    /// A store on these tables, with credentials, region and endpoint as Lambda sets them in the environment.
    ///
    /// Only the environment is asked. The SDK's default chain would also look for profiles, web identities,
    /// containers and instances, with a client for each; none of that exists in a function, and all of it
    /// would be in every binary.
    pub fn connect(tables: Tables) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let credentials = EnvironmentVariableCredentialsProvider::new();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        config.set_region(variable("AWS_REGION").map(Region::new));
        config.set_endpoint_url(variable("AWS_ENDPOINT_URL_DYNAMODB"));
        Self::with_config(&config.build(), tables)
    }

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
