//! DynamoDB on the local machine: an embedded engine that serves DynamoDB's HTTP protocol. Functions call it with the
//! same SDK calls as in the cloud.
//!
//! `embedded` runs the engine, and `direct` calls it from this process. `stream_records` keeps its streams fast. `tables` creates the tables that the template
//! declares, on this engine or on another local one.

mod direct;
mod embedded;
mod stream_records;
mod tables;

pub use embedded::{Engine, EngineError, Storage};
pub use tables::{TablesError, ensure_tables};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;

/// Access key for a local engine. The engine requires credentials but does not check their value.
pub const LOCAL_ACCESS_KEY: &str = "local";

/// An SDK client for the streams of a local engine.
pub fn streams_client(endpoint: &str, region: &str) -> aws_sdk_dynamodbstreams::Client {
    aws_sdk_dynamodbstreams::Client::new(&sdk_config(endpoint, region))
}

/// An SDK client for a local engine.
pub fn client(endpoint: &str, region: &str) -> Client {
    Client::new(&sdk_config(endpoint, region))
}

/// The SDK configuration for a function whose environment variables are not those of this process. An engine of this
/// process is called without a network.
pub fn sdk_config(endpoint: &str, region: &str) -> SdkConfig {
    let key = LOCAL_ACCESS_KEY;
    let credentials = Credentials::new(key, key, None, None, "local engine");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(direct::client_of(endpoint).unwrap_or_else(shared::config::https_client))
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
