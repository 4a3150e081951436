//! The engine and the tables, once for a whole run, and processes of the functions on them.

use super::figures::Figures;
use super::network::{Network, Pressure};
use assay::client::http_client;
use assay::engine::{self, Engine, Storage, ensure_tables, sdk_config};
use assay::serve::{BUILT_IN_TEMPLATE, Environments};
use assay::template::{LocalNames, Template};
use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;
use aws_sdk_dynamodb::Client;
use domain::ids::UserId;
use lambda_runtime::{Context, LambdaEvent};
use shared::app::App;
use shared::config::Config;
use shared::store::Store;
use shared::store::usage::Reading;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What an invocation may take: no test waits for its end.
const TIME: Duration = Duration::from_secs(300);
const REGION: &str = "us-east-1";

/// Tables without a platform: nobody but the test feeds the functions.
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

/// A process of a function under test.
pub(crate) struct Process {
    pub(crate) app: App,
    pub(crate) network: Network,
}

impl Process {
    /// Hands records of what users did to the aggregator. None: it died, and is started again.
    pub(crate) async fn aggregate(&self, records: Vec<EventRecord>) -> Option<Answer> {
        let work = aggregate::handle(self.app.clone(), batch(records));
        self.unless_it_dies(work).await
    }

    /// Hands a record of the experiments table to the function that makes sums again. None: as above.
    pub(crate) async fn backfill(
        &self,
        record: EventRecord,
    ) -> Option<Result<(), backfill::Failed>> {
        let work = backfill::handle(self.app.clone(), batch(vec![record]));
        self.unless_it_dies(work).await
    }

    /// Erases a user. None: as above.
    pub(crate) async fn erase(&self, user: &UserId) -> Option<()> {
        let erasing = async {
            let now = shared::clock::now();
            let erased = self.app.store().erase(user, now, Instant::now() + TIME);
            erased.await.unwrap();
        };
        self.unless_it_dies(erasing).await
    }

    async fn unless_it_dies<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let outcome = tokio::select! {
            biased;
            () = self.network.died() => None,
            outcome = work => Some(outcome),
        };
        if outcome.is_none() {
            self.network.restart(None);
        }
        outcome
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Reading {
        self.app.store().usage().reading()
    }
}

/// Records as Lambda hands them over.
fn batch(records: Vec<EventRecord>) -> LambdaEvent<aggregate::Batch> {
    let mut batch = aggregate::Batch::default();
    batch.records = records;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut context = Context::default();
    context.deadline = u64::try_from((now + TIME).as_millis()).unwrap();
    LambdaEvent::new(batch, context)
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
            http: http_client(),
            serial: AtomicU64::new(0),
            _engine: engine,
        }
    }

    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// A process whose network fails when it is told to.
    pub(crate) fn process(&self, pressure: Pressure, seed: u64) -> Process {
        let network = Network::new(self.http.clone(), self.figures.clone(), pressure, seed);
        let sdk = sdk_config(&self.endpoint, REGION).into_builder();
        let sdk = sdk.http_client(network.clone()).build();
        let store = Store::with_config(&sdk, self.config.tables.clone());
        Process {
            app: App::new(store, &self.config),
            network,
        }
    }
}
