//! The whole platform in one process. It starts the engine, tables, functions and gateway in this order, and stops them in
//! reverse order.

use super::token::{DevelopmentTokenError, new_token, stored_token};
use crate::engine::{self, Engine, EngineError, Storage, TableWrites, TablesError, ensure_tables};
use crate::environment::Environments;
use crate::functions::{self, Notifications, WiringError};
use crate::gateway::{Function, Functions, Gateway, GatewayError, INTEGRATION_TIMEOUT};
use crate::notifications::{LocalSink, Webhook};
use crate::streams::{DeadLetter, Mappings, Settler, Streams, StreamsError};
use crate::template::{LocalNames, Template, TemplateError};
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use domain::session::Secret;
use reqwest::Url;
use shared::notifications::Notifier;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The built-in template, so that the command works in any folder.
pub const BUILT_IN_TEMPLATE: &str = include_str!("../../../template.yaml");

/// Default path of the data file, relative to the current folder.
pub const DEFAULT_DATA_FILE: &str = ".assay/assay.db";

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
    fn file(&self) -> Option<&Path> {
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
    /// Options for tests: in memory, or on the engine at `DYNAMODB_ENDPOINT`. There each platform has tables and, if the engine
    /// separates them by access key, a database of its own: DynamoDB Local gets slower with each stream in a database.
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

/// Why the platform cannot start or stop.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The template is invalid.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The embedded engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The tables could not be created.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The development token could not be read or created.
    #[error(transparent)]
    Token(#[from] DevelopmentTokenError),
    /// A function could not start.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The streams could not start.
    #[error(transparent)]
    Streams(#[from] StreamsError),
    /// The gateway could not start or has failed.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Another program uses the port.
    #[error("{0} is used by another program: stop it, or choose another port with --port")]
    PortTaken(SocketAddr),
    /// The gateway cannot listen at this address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The gateway's task panicked.
    #[error("the gateway crashed")]
    Crashed,
}

/// A running platform.
pub struct Platform {
    /// Address of the gateway.
    pub address: SocketAddr,
    /// The development token, with all scopes.
    pub token: String,
    /// URL of DynamoDB.
    pub dynamodb_endpoint: String,
    /// Region, access key and prefix of the tables.
    pub local: LocalNames,
    /// The template with the local names of the tables.
    pub template: Template,
    /// The environment variables of each function.
    pub environments: Environments,
    /// An SDK client for DynamoDB.
    pub dynamodb: Client,
    /// Binaries that the template names but that this process does not contain.
    pub unwired: Vec<String>,
    streams: Streams,
    engine: Option<Engine>,
    webhook: Option<Webhook>,
    stop: oneshot::Sender<()>,
    gateway: JoinHandle<Result<(), GatewayError>>,
}

impl Platform {
    /// Starts the platform. When it returns, the gateway accepts requests.
    pub async fn start(options: PlatformOptions) -> Result<Self, PlatformError> {
        let text = options.template.as_deref().unwrap_or(BUILT_IN_TEMPLATE);
        let template = Template::parse(text, &options.local)?;
        // The port is opened before the data, so that a second `assay serve` reports that the port is in use.
        let listener = listen(options.address).await?;
        let address = listener
            .local_addr()
            .map_err(|source| PlatformError::Listen {
                address: options.address,
                source,
            })?;
        let (engine, dynamodb_endpoint) = match &options.database {
            Database::Embedded(storage) => {
                let engine = Engine::start(storage)?;
                let endpoint = engine.endpoint().to_owned();
                (Some(engine), endpoint)
            }
            Database::Endpoint(endpoint) => (None, endpoint.clone()),
        };
        let dynamodb = engine::client(
            &dynamodb_endpoint,
            &options.local.region,
            &options.local.access_key,
        );
        let environments = Environments::new(&template, &options.local, &dynamodb_endpoint);
        let local = options.local.clone();
        let connection = Connection {
            endpoint: &dynamodb_endpoint,
            client: &dynamodb,
            writes: engine.as_ref().map(Engine::writes),
        };
        let assembled = assemble(&template, &environments, connection, options).await;
        let Assembled {
            gateway,
            streams,
            token,
            unwired,
            webhook,
        } = match assembled {
            Ok(assembled) => assembled,
            Err(error) => {
                // Close the data file, so that another start can open it.
                if let Some(engine) = engine {
                    engine.shutdown().await?;
                }
                return Err(error);
            }
        };
        let (stop, stopped) = oneshot::channel();
        // Resolves when the platform sends and when it is dropped.
        let stopped = async move { drop(stopped.await) };
        Ok(Self {
            address,
            token,
            dynamodb_endpoint,
            local,
            template,
            environments,
            dynamodb,
            unwired,
            streams,
            engine,
            webhook,
            stop,
            gateway: tokio::spawn(gateway.serve(listener, stopped)),
        })
    }

    /// The address as a URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The configuration of an SDK client for DynamoDB.
    pub fn sdk_config(&self) -> SdkConfig {
        let LocalNames {
            region, access_key, ..
        } = &self.local;
        engine::sdk_config(&self.dynamodb_endpoint, region, access_key)
    }

    /// A link to the dashboard that signs a browser in once, within some minutes; none without the dashboard.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn start_link(&self) -> Result<Option<String>, PlatformError> {
        let code = functions::store_start_code(&self.environments, &self.token).await?;
        // Browsers keep the session of a plain `http` address only on their own machine.
        let address = match self.address.ip().is_unspecified() {
            true => SocketAddr::from((Ipv4Addr::LOCALHOST, self.address.port())),
            false => self.address,
        };
        let link =
            |code: Secret| format!("http://{address}/dashboard/start?code={}", code.reveal());
        Ok(code.map(link))
    }

    /// Returns when every existing stream record has been handled by its function or discarded as a dead letter, including
    /// the records that functions write during the wait. During the wait, batches are delivered before they are full. It
    /// does not return if a function always fails and its mapping does not limit retries.
    pub async fn settle(&self) {
        self.streams.settle().await;
    }

    /// The batches of stream records that were discarded, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.streams.dead_letters()
    }

    /// Stops accepting requests, waits for running ones, and closes the data.
    pub async fn shutdown(self) -> Result<(), PlatformError> {
        // The streams stop first, while the gateway still answers, because their functions may call it.
        self.streams.shutdown().await;
        drop(self.stop);
        let served = self.gateway.await;
        if let Some(webhook) = self.webhook {
            webhook.finish().await;
        }
        // The engine stops last, because running functions need it.
        if let Some(engine) = self.engine {
            engine.shutdown().await?;
        }
        served.map_err(|_| PlatformError::Crashed)??;
        Ok(())
    }
}

/// The parts of the platform between the database and the listener.
struct Assembled {
    gateway: Gateway,
    streams: Streams,
    token: String,
    unwired: Vec<String>,
    webhook: Option<Webhook>,
}

/// The DynamoDB of the platform.
struct Connection<'c> {
    endpoint: &'c str,
    client: &'c Client,
    /// Notices writes to an engine of this process.
    writes: Option<&'c TableWrites>,
}

async fn assemble(
    template: &Template,
    environments: &Environments,
    connection: Connection<'_>,
    mut options: PlatformOptions,
) -> Result<Assembled, PlatformError> {
    let Connection {
        endpoint,
        client: dynamodb,
        writes,
    } = connection;
    ensure_tables(dynamodb, &template.local_tables()).await?;
    let token = development_token(&options)?;
    functions::store_development_token(environments, &token).await?;
    let (sink, webhook) = match options.webhook.take() {
        Some(url) => {
            let (sink, webhook) = LocalSink::posting(url);
            (sink, Some(webhook))
        }
        None => (LocalSink::log(), None),
    };
    let notifications = Notifications {
        notifier: Notifier::new(sink),
        interval: options.notification_interval,
    };
    let mut wired = functions::wire(environments, &notifications).await?;
    // The webhook ends when the functions are gone.
    drop(notifications);
    wired.extend(std::mem::take(&mut options.functions));
    let mappings = Mappings::read(template, &options.local, &wired)?;
    let mut unwired = mappings.unwired().to_vec();
    let data = options.database.file();
    let client = engine::streams_client(endpoint, &options.local.region, &options.local.access_key);
    let streams = Streams::start(mappings, dynamodb, &client, data, writes).await?;
    let mut template = template.clone();
    for binary in functions::AGGREGATE_READERS {
        // Waiting has the records handled at once, so even a wait of no length would make a difference.
        let waits = !options.settle_timeout.is_zero();
        if let Some(function) = wired.get_mut(binary).filter(|_| waits) {
            *function = after_settling(function.clone(), streams.settler(), options.settle_timeout);
        }
        // The wait must not count towards the function's own timeout.
        let functions = template.functions.values_mut();
        for function in functions.filter(|function| function.binary == binary) {
            function.timeout += options.settle_timeout;
        }
    }
    let gateway = Gateway::new(&template, &options.local, &wired)?
        .with_integration_timeout(options.integration_timeout + options.settle_timeout);
    unwired.extend_from_slice(gateway.unwired());
    unwired.sort();
    unwired.dedup();
    Ok(Assembled {
        gateway,
        streams,
        token,
        unwired,
        webhook,
    })
}

/// Wraps a function so that it runs after all earlier stream records are handled, or after `settle_timeout`.
fn after_settling(function: Function, settler: Settler, settle_timeout: Duration) -> Function {
    function.after(move || {
        let settler = settler.clone();
        Box::pin(async move {
            if tokio::time::timeout(settle_timeout, settler.settle())
                .await
                .is_err()
            {
                tracing::info!("some records have not been aggregated yet");
            }
        })
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, PlatformError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => PlatformError::PortTaken(address),
            _ => PlatformError::Listen { address, source },
        })
}

fn development_token(options: &PlatformOptions) -> Result<String, DevelopmentTokenError> {
    match (&options.token, &options.database) {
        (Some(token), _) => Ok(token.clone()),
        (None, Database::Embedded(Storage::File(file))) => {
            stored_token(&file.with_extension("token"))
        }
        (None, _) => new_token(),
    }
}
