//! DynamoDB on this machine: an embedded engine behind the ordinary HTTP protocol, so that functions reach it
//! with the same SDK calls as in the cloud.
//!
//! [`embedded`] runs the engine, [`tables`] creates on it, or on any other local engine, what the template
//! declares.

mod embedded;
mod tables;

pub use embedded::{Engine, EngineError, Storage};
pub use tables::{TablesError, ensure_tables};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;

/// Credentials of a local engine, which checks that there are some and not which.
pub const LOCAL_ACCESS_KEY: &str = "local";

/// An SDK client for a local engine.
pub fn client(endpoint: &str, region: &str) -> Client {
    let credentials = Credentials::new(
        LOCAL_ACCESS_KEY,
        LOCAL_ACCESS_KEY,
        None,
        None,
        "local engine",
    );
    Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .endpoint_url(endpoint)
            .credentials_provider(credentials)
            .build(),
    )
}
