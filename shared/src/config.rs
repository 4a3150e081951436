//! The settings of a deployment, from environment variables.

use crate::store::Tables;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use domain::environment::Environments;
use std::time::Duration;

/// Names of the environment variables, as `template.yaml` sets them.
pub const VARIABLES: [&str; 7] = [
    "EXPERIMENTS_TABLE",
    "ASSIGNMENTS_TABLE",
    "EVENTS_TABLE",
    "AGGREGATES_TABLE",
    "TOKENS_TABLE",
    "DEFINITION_CACHE_SECONDS",
    "ENVIRONMENTS",
];

/// The settings of a deployment.
#[derive(Debug, Clone)]
pub struct Config {
    /// The names of the tables.
    pub tables: Tables,
    /// How long a definition is cached. For that time a process may use the definition from before a change.
    pub definition_cache: Duration,
    /// How long at least after a look at an experiment for notifications the next one follows.
    pub notification_interval: Duration,
    /// The environments that callers may belong to.
    pub environments: Environments,
}

/// A look for notifications costs as much as a request for results, so there is one in 30 times of the definition cache: by
/// default once in five minutes.
const NOTIFICATION_INTERVAL: u32 = 30;

/// A setting that is missing or invalid, by the name of its environment variable.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} {1}")]
pub struct BadSetting(&'static str, &'static str);

impl BadSetting {
    /// A setting that is not there.
    pub fn missing(name: &'static str) -> Self {
        Self(name, "is not set")
    }
}

impl Config {
    /// Reads the settings through a function that looks a variable up.
    ///
    /// # Errors
    /// Names the first variable that is missing or invalid.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let required = |name| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .ok_or(BadSetting::missing(name))
        };
        let seconds = required("DEFINITION_CACHE_SECONDS")?.parse().map_err(|_| {
            BadSetting(
                "DEFINITION_CACHE_SECONDS",
                "is not a whole number of seconds",
            )
        })?;
        let environments = Environments::parse(&required("ENVIRONMENTS")?).map_err(|_| {
            BadSetting(
                "ENVIRONMENTS",
                "is not a list of at most 10 names of lower-case letters, digits and `-`, separated by commas",
            )
        })?;
        let definition_cache = Duration::from_secs(seconds);
        Ok(Self {
            tables: Tables {
                experiments: required("EXPERIMENTS_TABLE")?,
                assignments: required("ASSIGNMENTS_TABLE")?,
                events: required("EVENTS_TABLE")?,
                aggregates: required("AGGREGATES_TABLE")?,
                tokens: required("TOKENS_TABLE")?,
            },
            definition_cache,
            notification_interval: definition_cache * NOTIFICATION_INTERVAL,
            environments,
        })
    }
}

/// The configuration of AWS clients: credentials, region and endpoint, as Lambda sets them in the environment.
///
/// Only environment variables are read. The SDK's default chain also searches profiles, web identities, containers
/// and instances, with a client for each; a function has none of them, and every binary would contain them all.
///
/// # Errors
/// Names a credential that is missing.
pub fn sdk_config(lookup: impl Fn(&str) -> Option<String>) -> Result<SdkConfig, BadSetting> {
    let variable = |name| lookup(name).filter(|value| !value.is_empty());
    let required = |name| variable(name).ok_or(BadSetting::missing(name));
    let credentials = Credentials::new(
        required("AWS_ACCESS_KEY_ID")?,
        required("AWS_SECRET_ACCESS_KEY")?,
        variable("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(https_client())
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.set_region(region.map(Region::new));
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL_DYNAMODB"));
    Ok(config.build())
}

/// An HTTP client for the AWS SDK, with TLS by `ring`. The SDK's default, `aws-lc`, compiles a large C library.
pub fn https_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}
