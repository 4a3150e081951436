//! The engine and the tables, once for a whole run, and processes of the aggregator on them.

use super::figures::Figures;
use super::network::{Network, Pressure};
use assay::engine::{self, Engine, Storage, ensure_tables, sdk_config};
use assay::serve::{BUILT_IN_TEMPLATE, Environments};
use assay::template::{LocalNames, Template};
use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;
use aws_sdk_dynamodb::Client;
use lambda_runtime::{Context, LambdaEvent};
use shared::config::Config;
use shared::http::App;
use shared::store::Store;
use shared::store::usage::Reading;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What an invocation may take: no test waits for its end.
const TIME: Duration = Duration::from_secs(300);
const REGION: &str = "us-east-1";

/// Tables without a platform: nobody but the test feeds the aggregator.
pub(crate) struct World {
    pub(crate) figures: Arc<Figures>,
    /// The storage beside the functions; its network never fails.
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) config: Config,
    endpoint: String,
    http: reqwest::Client,
    /// Numbers the histories, so that none sees anything of another.
    serial: AtomicU64,
    _engine: Option<Engine>,
}

/// What the aggregator says of a batch.
pub(crate) type Answer = Result<DynamoDbEventResponse, aggregate::FirstFailed>;

/// A process of the aggregator.
pub(crate) struct Aggregator {
    pub(crate) app: App,
    pub(crate) network: Network,
}

impl Aggregator {
    /// Hands records to it. None: it died, and is started again.
    pub(crate) async fn invoke(&self, records: Vec<EventRecord>) -> Option<Answer> {
        let mut batch = aggregate::Batch::default();
        batch.records = records;
        let event = LambdaEvent::new(batch, context(TIME));
        let answer = tokio::select! {
            biased;
            () = self.network.died() => None,
            answer = aggregate::handle(self.app.clone(), event) => Some(answer),
        };
        if answer.is_none() {
            self.network.restart(None);
        }
        answer
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Reading {
        self.app.store().usage().reading()
    }
}

/// What Lambda says of an invocation that may take so long.
fn context(time: Duration) -> Context {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut context = Context::default();
    context.deadline = u64::try_from((now + time).as_millis()).unwrap();
    context
}

impl World {
    /// In memory, or on the engine that `DYNAMODB_ENDPOINT` names.
    pub(crate) async fn start() -> Self {
        let mut names = LocalNames::default();
        let (engine, endpoint) = match std::env::var("DYNAMODB_ENDPOINT") {
            Ok(endpoint) => {
                names.table_prefix = format!("{}-", uuid::Uuid::new_v4().simple());
                (None, endpoint)
            }
            Err(_) => {
                let engine = Engine::start(&Storage::Memory).unwrap();
                let endpoint = engine.endpoint().to_owned();
                (Some(engine), endpoint)
            }
        };
        let template = Template::parse(BUILT_IN_TEMPLATE, &names).unwrap();
        let environments = Environments::new(&template, &names, &endpoint);
        let environment = environments.of("aggregate").unwrap();
        let config = Config::read(|name| environment.get(name).cloned()).unwrap();
        let client = engine::client(&endpoint, REGION);
        let mut tables = template.local_tables();
        // The test makes the records itself; streams that nobody reads only cost time.
        for table in tables.values_mut() {
            table.stream = None;
        }
        ensure_tables(&client, &tables).await.unwrap();
        let sdk = sdk_config(&endpoint, REGION);
        Self {
            figures: Arc::default(),
            store: Store::with_config(&sdk, config.tables.clone()),
            client,
            config,
            endpoint,
            http: reqwest::Client::new(),
            serial: AtomicU64::new(0),
            _engine: engine,
        }
    }

    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// A process whose network fails when it is told to.
    pub(crate) fn aggregator(&self, pressure: Pressure, seed: u64) -> Aggregator {
        let network = Network::new(self.http.clone(), self.figures.clone(), pressure, seed);
        let sdk = sdk_config(&self.endpoint, REGION).into_builder();
        let sdk = sdk.http_client(network.clone()).build();
        let store = Store::with_config(&sdk, self.config.tables.clone());
        Aggregator {
            app: App::new(store, &self.config),
            network,
        }
    }
}
