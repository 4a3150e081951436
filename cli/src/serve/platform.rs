//! The whole platform in one process: engine, tables, functions and gateway, started and stopped in order.

use super::environment::Environments;
use super::token::{TokenError, kept_token, new_token};
use crate::engine::{self, Engine, EngineError, Storage, TablesError, ensure_tables};
use crate::functions::{self, WiringError};
use crate::gateway::{Function, Functions, Gateway, GatewayError, INTEGRATION_TIMEOUT};
use crate::streams::{DeadLetter, Mappings, Settler, Streams, StreamsError};
use crate::template::{LocalNames, Template, TemplateError};
use aws_sdk_dynamodb::Client;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The template of the platform, so that the command works in any folder.
pub const BUILT_IN_TEMPLATE: &str = include_str!("../../../template.yaml");

/// Where the data file is by default, below the current folder.
pub const DEFAULT_DATA_FILE: &str = ".assay/assay.db";

/// Which DynamoDB the functions talk to.
#[derive(Debug, Clone)]
pub enum Database {
    /// An engine inside this process.
    Embedded(Storage),
    /// A local engine that runs already, such as Amazon's DynamoDB Local.
    Endpoint(String),
}

impl Database {
    /// The file that holds the data; none when this process keeps none.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Embedded(Storage::File(file)) => Some(file),
            _ => None,
        }
    }
}

/// How a platform is started. By default in memory, on free ports.
pub struct PlatformOptions {
    /// Where the gateway listens; port 0 for a free one.
    pub address: SocketAddr,
    /// Which DynamoDB the functions talk to.
    pub database: Database,
    /// The template's text; the one compiled in when it is none.
    pub template: Option<String>,
    /// Account, region, and parameters of the template that differ from their defaults.
    pub local: LocalNames,
    /// The development token; one is made when it is none.
    pub token: Option<String>,
    /// Functions in place of the built-in ones with the same name, or beside them.
    pub functions: Functions,
    /// How long the gateway waits for a function.
    pub integration_timeout: Duration,
    /// How long a question about results waits until everything that was written before it has been counted. On one
    /// machine that takes a moment, and whoever tries something out wants to see it; in the cloud nobody waits.
    pub patience: Duration,
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
            patience: Duration::from_secs(2),
        }
    }
}

impl PlatformOptions {
    /// For tests: in memory, or on the engine that `DYNAMODB_ENDPOINT` names, where each platform then has
    /// tables of its own.
    pub fn for_tests() -> Self {
        let mut options = Self {
            // A test that waits for longer has failed.
            patience: Duration::from_secs(120),
            ..Self::default()
        };
        if let Ok(endpoint) = std::env::var("DYNAMODB_ENDPOINT") {
            options.database = Database::Endpoint(endpoint);
            options.local.table_prefix = format!("{}-", uuid::Uuid::new_v4().simple());
        }
        options
    }

    /// Uses this function for a binary, whatever is built in.
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

    /// Keeps data in this file instead of in memory.
    #[must_use]
    pub fn with_data(mut self, file: impl Into<PathBuf>) -> Self {
        self.database = Database::Embedded(Storage::File(file.into()));
        self
    }
}

/// Why the platform does not run.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The template can't be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The embedded engine does not run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The tables are not there.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// There is no development token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A function could not be wired.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The streams cannot feed the functions.
    #[error(transparent)]
    Streams(#[from] StreamsError),
    /// The gateway can't be made or has failed.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Another program listens there.
    #[error("{0} is taken by another program: stop it, or choose another port with --port")]
    PortTaken(SocketAddr),
    /// The gateway cannot listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The gateway's task panicked.
    #[error("the gateway crashed")]
    Crashed,
}

/// A running platform.
pub struct Platform {
    /// Where the gateway listens.
    pub address: SocketAddr,
    /// The development token, with all scopes.
    pub token: String,
    /// Where DynamoDB listens.
    pub dynamodb_endpoint: String,
    /// What it was made from, with the names that its tables have here.
    pub template: Template,
    /// The environment of each function.
    pub environments: Environments,
    /// An SDK client for its DynamoDB.
    pub dynamodb: Client,
    /// Binaries that the template calls for and that are not wired.
    pub unwired: Vec<String>,
    streams: Streams,
    engine: Option<Engine>,
    stop: oneshot::Sender<()>,
    gateway: JoinHandle<Result<(), GatewayError>>,
}

impl Platform {
    /// Starts everything; when it returns, the gateway answers.
    pub async fn start(options: PlatformOptions) -> Result<Self, PlatformError> {
        let text = options.template.as_deref().unwrap_or(BUILT_IN_TEMPLATE);
        let template = Template::parse(text, &options.local)?;
        // Before the data is opened: a second `serve` should say that the port is taken.
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
        let dynamodb = engine::client(&dynamodb_endpoint, &options.local.region);
        let environments = Environments::new(&template, &options.local, &dynamodb_endpoint);
        let endpoint = &dynamodb_endpoint;
        let assembled = assemble(&template, &environments, endpoint, &dynamodb, options).await;
        let Assembled {
            gateway,
            streams,
            token,
            unwired,
        } = match assembled {
            Ok(assembled) => assembled,
            Err(error) => {
                // Whoever mends the cause and starts again wants the data file free.
                if let Some(engine) = engine {
                    engine.shutdown().await?;
                }
                return Err(error);
            }
        };
        let (stop, stopped) = oneshot::channel();
        // Resolves when the platform says so, and when it is dropped.
        let stopped = async move { drop(stopped.await) };
        Ok(Self {
            address,
            token,
            dynamodb_endpoint,
            template,
            environments,
            dynamodb,
            unwired,
            streams,
            engine,
            stop,
            gateway: tokio::spawn(gateway.serve(listener, stopped)),
        })
    }

    /// The address as a URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns when every stream record that was written before has been handed to its function and handled, or
    /// given up as a dead letter, and those that the functions wrote meanwhile as well. Batches do not wait for more
    /// records as long. A function that always fails, with retries without a bound, is waited for without an end.
    pub async fn settle(&self) {
        self.streams.settle().await;
    }

    /// The stream records that were given up, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.streams.dead_letters()
    }

    /// Takes no more requests, lets those that run finish, and closes the data.
    pub async fn shutdown(self) -> Result<(), PlatformError> {
        // First, while the gateway still answers: a function that is fed may ask it.
        self.streams.shutdown().await;
        drop(self.stop);
        let served = self.gateway.await;
        // The engine last: functions that still ran needed it.
        if let Some(engine) = self.engine {
            engine.shutdown().await?;
        }
        served.map_err(|_| PlatformError::Crashed)??;
        Ok(())
    }
}

/// Everything between the database and the listener.
struct Assembled {
    gateway: Gateway,
    streams: Streams,
    token: String,
    unwired: Vec<String>,
}

async fn assemble(
    template: &Template,
    environments: &Environments,
    endpoint: &str,
    dynamodb: &Client,
    mut options: PlatformOptions,
) -> Result<Assembled, PlatformError> {
    ensure_tables(dynamodb, &template.local_tables()).await?;
    let token = development_token(&options)?;
    functions::store_development_token(environments, &token).await?;
    let mut wired = functions::wire(environments).await?;
    wired.extend(std::mem::take(&mut options.functions));
    let mappings = Mappings::read(template, &options.local, &wired)?;
    let mut unwired = mappings.unwired().to_vec();
    let data = options.database.file();
    let client = engine::streams_client(endpoint, &options.local.region);
    let streams = Streams::start(mappings, dynamodb, &client, data).await?;
    let mut template = template.clone();
    for binary in functions::READERS_OF_SUMS {
        if let Some(function) = wired.get_mut(binary) {
            *function = after_counting(function.clone(), streams.settler(), options.patience);
        }
        // The waiting is ours and not the function's.
        let functions = template.functions.values_mut();
        for function in functions.filter(|function| function.binary == binary) {
            function.timeout += options.patience;
        }
    }
    let gateway = Gateway::new(&template, &options.local, &wired)?
        .with_integration_timeout(options.integration_timeout + options.patience);
    unwired.extend_from_slice(gateway.unwired());
    unwired.sort();
    unwired.dedup();
    Ok(Assembled {
        gateway,
        streams,
        token,
        unwired,
    })
}

/// The function, called once what was written before is counted.
fn after_counting(function: Function, settler: Settler, patience: Duration) -> Function {
    Arc::new(move |event, context| {
        let (function, settler) = (function.clone(), settler.clone());
        Box::pin(async move {
            if tokio::time::timeout(patience, settler.settle())
                .await
                .is_err()
            {
                tracing::info!("not everything has been counted yet");
            }
            function(event, context).await
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

fn development_token(options: &PlatformOptions) -> Result<String, TokenError> {
    match (&options.token, &options.database) {
        (Some(token), _) => Ok(token.clone()),
        (None, Database::Embedded(Storage::File(file))) => {
            kept_token(&file.with_extension("token"))
        }
        (None, _) => new_token(),
    }
}
