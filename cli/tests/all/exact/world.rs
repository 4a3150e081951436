//! The engine and the tables of a test run, and the processes of the functions.

use super::figures::Figures;
use super::network::{Network, Pressure};
use assay::engine::{self, Engine, Storage, ensure_tables, sdk_config};
use assay::environment::Environments;
use assay::functions::Notifications;
use assay::serve::BUILT_IN_TEMPLATE;
use assay::template::{LocalNames, Template};
use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;
use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use domain::ids::UserId;
use lambda_runtime::{Context, LambdaEvent};
use shared::app::App;
use shared::config::Config;
use shared::notifications::Notifier;
use shared::store::Store;
use shared::store::usage::Reading;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Timeout of an invocation. No test reaches it.
const TIME: Duration = Duration::from_secs(300);

/// Tables without a platform. Only the test delivers records to the functions.
pub(crate) struct World {
    pub(crate) figures: Arc<Figures>,
    /// A store of the test itself. Its network does not fail.
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) config: Config,
    sdk: SdkConfig,
    /// Number of the next history, so that histories use different ids.
    serial: AtomicU64,
    _engine: Option<Engine>,
}

/// Result of a batch of the aggregator.
pub(crate) type AggregateResult = Result<DynamoDbEventResponse, aggregate::FirstFailed>;

/// A process of a function under test.
pub(crate) struct Process {
    pub(crate) app: App,
    pub(crate) network: Network,
}

impl Process {
    /// Delivers assignment and event records to the aggregator. Returns `None` if it crashed; the process is then restarted.
    pub(crate) async fn aggregate(&self, records: Vec<EventRecord>) -> Option<AggregateResult> {
        let work = aggregate::handle(self.app.clone(), notifier(), batch(records));
        self.unless_it_crashes(work).await
    }

    /// Delivers a record of the experiments table to the backfill function. Returns `None` if it crashed.
    pub(crate) async fn backfill(
        &self,
        record: EventRecord,
    ) -> Option<Result<(), backfill::Failed>> {
        let work = backfill::handle(self.app.clone(), notifier(), batch(vec![record]));
        self.unless_it_crashes(work).await
    }

    /// Erases a user. Returns `None` if the process crashed.
    pub(crate) async fn erase(&self, user: &UserId) -> Option<()> {
        let erasing = async {
            let now = shared::clock::now();
            let store = self.app.store();
            let erased = store.erase(user, now, "a test", Instant::now() + TIME);
            erased.await.unwrap();
        };
        self.unless_it_crashes(erasing).await
    }

    async fn unless_it_crashes<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let outcome = tokio::select! {
            biased;
            () = self.network.crashed_completely() => None,
            outcome = work => Some(outcome),
        };
        if outcome.is_none() {
            self.network.restart(None);
        }
        outcome
    }

    /// Read and write units used so far.
    pub(crate) fn usage(&self) -> Reading {
        self.app.store().usage().reading()
    }
}

/// Notifications are logged.
pub(crate) fn notifier() -> Notifier {
    Notifications::default().notifier
}

/// Builds the event of a batch.
pub(crate) fn batch(records: Vec<EventRecord>) -> LambdaEvent<aggregate::Batch> {
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
        let (names, engine, endpoint) = match std::env::var("DYNAMODB_ENDPOINT") {
            Ok(endpoint) => (LocalNames::of_another_platform(), None, endpoint),
            Err(_) => {
                let engine = Engine::start(&Storage::Memory).unwrap();
                let endpoint = engine.endpoint().to_owned();
                (LocalNames::default(), Some(engine), endpoint)
            }
        };
        let template = Template::parse(BUILT_IN_TEMPLATE, &names).unwrap();
        let environments = Environments::new(&template, &names, &endpoint);
        let environment = environments.of("aggregate").unwrap();
        let config = Config::read(|name| environment.get(name).cloned()).unwrap();
        let sdk = sdk_config(&endpoint, &names.region, &names.access_key);
        let client = engine::client(&sdk);
        let mut tables = template.local_tables();
        // The test builds the records itself, so streams would only take time.
        for table in tables.values_mut() {
            table.stream = None;
        }
        ensure_tables(&client, &tables).await.unwrap();
        Self {
            figures: Arc::default(),
            store: Store::with_config(&sdk, config.tables.clone()),
            client,
            config,
            sdk,
            serial: AtomicU64::new(0),
            _engine: engine,
        }
    }

    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// The configuration of a store whose calls go through another client than that of the engine.
    pub(crate) fn sdk_with(
        &self,
        wrap: impl FnOnce(SharedHttpClient) -> SharedHttpClient,
    ) -> SdkConfig {
        let http = self.sdk.http_client().unwrap();
        let sdk = self.sdk.clone().into_builder();
        sdk.http_client(wrap(http)).build()
    }

    /// Starts a process whose network fails on request.
    pub(crate) fn process(&self, pressure: Pressure, seed: u64) -> Process {
        let http = self.sdk.http_client().unwrap();
        let network = Network::new(http, self.figures.clone(), pressure, seed);
        let sdk = self.sdk.clone().into_builder();
        let sdk = sdk.http_client(network.clone()).build();
        let store = Store::with_config(&sdk, self.config.tables.clone());
        Process {
            app: App::new(store, &self.config),
            network,
        }
    }
}
