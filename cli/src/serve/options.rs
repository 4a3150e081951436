//! Options of a platform.

use crate::engine::Storage;
use crate::gateway::{Function, Functions, INTEGRATION_TIMEOUT};
use crate::template::LocalNames;
use reqwest::Url;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The DynamoDB that the functions use.
#[derive(Debug, Clone)]
pub enum Database {
    /// An engine inside this process.
    Embedded(Storage),
    /// The URL of a running local engine, such as Amazon's DynamoDB Local.
    Endpoint(String),
}

impl Database {
    /// The data file, or `None` if this process has none.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Embedded(Storage::File(file)) => Some(file),
            _ => None,
        }
    }
}

/// Options of a platform. By default it keeps its data in memory and uses free ports.
pub struct PlatformOptions {
    /// Address of the gateway. Port 0 chooses a free port.
    pub address: SocketAddr,
    /// The DynamoDB that the functions use.
    pub database: Database,
    /// Text of the template, or `None` for the built-in template.
    pub template: Option<String>,
    /// Account, region, and template parameters with other values than their defaults.
    pub local: LocalNames,
    /// The development token. If it is `None`, a token is created.
    pub token: Option<String>,
    /// Additional functions, by binary. They replace built-in functions with the same name.
    pub functions: Functions,
    /// How long the gateway waits for a function.
    pub integration_timeout: Duration,
    /// How long a request to a function that reads aggregates waits until all earlier records have been aggregated. This
    /// makes local results include the latest events. There is no such wait in the cloud.
    pub settle_timeout: Duration,
    /// Where notifications are posted to.
    pub webhook: Option<Url>,
    /// How long at least after a look at an experiment for notifications the next one follows; by default as in Lambda.
    pub notification_interval: Option<Duration>,
}

impl Default for PlatformOptions {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            database: Database::Embedded(Storage::Memory),
            template: None,
            local: LocalNames::default(),
            token: None,
            functions: Functions::new(),
            integration_timeout: INTEGRATION_TIMEOUT,
            settle_timeout: Duration::from_secs(2),
            webhook: None,
            notification_interval: None,
        }
    }
}

impl PlatformOptions {
    /// Options for tests: in memory, or on the engine at `DYNAMODB_ENDPOINT`. There each platform has its own tables and access
    /// key. DynamoDB Local keeps a database for each key, and gets slower with each stream in a database.
    pub fn for_tests() -> Self {
        let mut options = Self {
            // A test that waits longer has failed.
            settle_timeout: Duration::from_secs(120),
            ..Self::default()
        };
        if let Ok(endpoint) = std::env::var("DYNAMODB_ENDPOINT") {
            options.database = Database::Endpoint(endpoint);
            options.local = LocalNames::of_another_platform();
        }
        options
    }

    /// Uses this function for a binary instead of a built-in one.
    #[must_use]
    pub fn with_function(mut self, binary: &str, function: Function) -> Self {
        self.functions.insert(binary.to_owned(), function);
        self
    }

    /// Sets a parameter of the template.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.local
            .parameters
            .insert(name.to_owned(), value.to_owned());
        self
    }

    /// Keeps the data in this file instead of in memory.
    #[must_use]
    pub fn with_data(mut self, file: impl Into<PathBuf>) -> Self {
        self.database = Database::Embedded(Storage::File(file.into()));
        self
    }
}
