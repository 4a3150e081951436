//! DynamoDB on the local machine: an embedded engine that serves DynamoDB's HTTP protocol. Functions call it with the
//! same SDK calls as in the cloud.
//!
//! - `embedded` runs the engine
//! - `direct` calls its `operations` from this process, forces writes to the disk with `log_file`, and tells the readers
//!   of streams with `table_writes`
//! - `stream_records` keeps its streams fast
//! - `tables` creates the tables that the template declares, on this engine or on another local one

mod direct;
mod embedded;
mod log_file;
mod operations;
mod stream_records;
mod table_writes;
mod tables;

pub use embedded::{Engine, EngineError, Storage};
pub use table_writes::TableWrites;
pub use tables::{TablesError, ensure_tables};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_types::SdkConfig;

/// An SDK client for the streams of a local engine.
pub fn streams_client(config: &SdkConfig) -> aws_sdk_dynamodbstreams::Client {
    let mut builder = aws_sdk_dynamodbstreams::config::Builder::from(config);
    if config.credentials_provider().is_none() {
        builder.set_allow_no_auth();
    }
    aws_sdk_dynamodbstreams::Client::from_conf(builder.build())
}

/// An SDK client for a local engine.
pub fn client(config: &SdkConfig) -> Client {
    let mut builder = aws_sdk_dynamodb::config::Builder::from(config);
    if config.credentials_provider().is_none() {
        builder.set_allow_no_auth();
    }
    Client::from_conf(builder.build())
}

/// The SDK configuration for a function whose environment variables are not those of this process. An engine of this
/// process is called without a network, without a signature, and so without credentials.
pub fn sdk_config(endpoint: &str, region: &str, access_key: &str) -> SdkConfig {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint);
    match direct::client_of(endpoint) {
        // A body in memory cannot stall.
        Some(direct) => config
            .http_client(direct)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled()),
        None => {
            let credentials = Credentials::new(access_key, access_key, None, None, "local engine");
            config
                .http_client(shared::config::https_client())
                .credentials_provider(SharedCredentialsProvider::new(credentials))
        }
    }
    .build()
}
