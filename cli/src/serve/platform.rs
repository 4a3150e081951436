//! The whole platform in one process. It starts the engine, tables, functions and gateway in this order, and stops them in
//! reverse order.

use super::options::{Database, PlatformOptions};
use super::token::{DevelopmentTokenError, new_token, stored_token};
use crate::engine::{self, Engine, EngineError, Storage, TableWrites, TablesError, ensure_tables};
use crate::environment::Environments;
use crate::functions::{self, Notifications, WiringError};
use crate::gateway::{Function, Gateway, GatewayError};
use crate::notifications::{LocalSink, Webhook};
use crate::streams::{DeadLetter, Mappings, Settler, Streams, StreamsError};
use crate::template::{LocalNames, Template, TemplateError};
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use domain::session::Secret;
use shared::notifications::Notifier;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The built-in template, so that the command works in any folder.
pub const BUILT_IN_TEMPLATE: &str = include_str!("../../../template.yaml");

/// Default path of the data file, relative to the current folder.
pub const DEFAULT_DATA_FILE: &str = ".assay/assay.db";

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
    /// The configuration of SDK clients for DynamoDB.
    pub sdk_config: SdkConfig,
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
        let local = options.local.clone();
        let sdk_config = engine::sdk_config(&dynamodb_endpoint, &local.region, &local.access_key);
        let dynamodb = engine::client(&sdk_config);
        let environments = Environments::new(&template, &local, &dynamodb_endpoint);
        let connection = Connection {
            sdk_config: &sdk_config,
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
            sdk_config,
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
    sdk_config: &'c SdkConfig,
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
        sdk_config,
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
    let client = engine::streams_client(sdk_config);
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
