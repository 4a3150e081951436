//! What a function keeps between invocations: the store, the catalog of definitions, client keys, and shares of budgets.

mod evaluated_flags;
pub mod flag_sets;

use self::evaluated_flags::EvaluatedFlags;
use self::flag_sets::{FlagSet, FlagSets};
use crate::catalog_cache::CatalogCache;
use crate::client_key_cache::ClientKeyCache;
use crate::clock;
use crate::config::{self, BadSetting, Config};
use crate::event_budget::{EventBudgets, Spent};
use crate::store::stored_records::RecordKind;
use crate::store::{Store, StoreError};
use domain::client_key::ClientKey;
use domain::environment::Environments;
use domain::experiment::{Experiment, Status};
use domain::ids::{EnvironmentName, ExperimentId};
use domain::limits::LAYER_RELEASE_SECONDS;
use domain::segment_lookup::{ChunkKey, EvaluatedSegments, LoadedChunks};
use domain::time::Timestamp;
use futures::future::BoxFuture;
use futures::future::try_join_all;
use moka::future::Cache;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Checkpoints that one process remembers at most.
const MAX_CHECKPOINTS: u64 = 10_000;
/// How often one process advances a checkpoint. Until then results count the later records one by one.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);
/// How often one process looks at the guardrails of a guarded ramp, in times of the definition cache: by default once a
/// minute. A look costs as much as a request for results, and before the last change is in use everywhere it shows nothing.
const GUARDRAIL_INTERVAL: u32 = 6;

/// A function's state. A clone shares it.
#[derive(Clone)]
pub struct App(Arc<AppState>);

struct AppState {
    store: Store,
    /// It looks at the changes after the configured time, so that every process sees a change within it.
    catalog: CatalogCache,
    /// How long a definition is cached.
    definition_cache: Duration,
    environments: Environments,
    client_keys: ClientKeyCache,
    event_budgets: EventBudgets,
    flag_sets: FlagSets,
    evaluated_flags: EvaluatedFlags,
    /// Checkpoints of stored records that this process has advanced a moment ago.
    checkpoints: Cache<CheckpointKey, ()>,
    /// Experiments with guarded ramps whose guardrails this process has looked at a moment ago.
    guardrails: Cache<ExperimentId, ()>,
    /// Experiments that this process has looked at for notifications a moment ago, or has found that another one has.
    notifications: Cache<ExperimentId, ()>,
    notification_interval: Duration,
}

/// The index shard of a checkpoint.
pub type CheckpointKey = (RecordKind, ExperimentId, u16);

impl App {
    /// Connects with settings from the environment.
    ///
    /// # Errors
    /// Names an environment variable that is missing.
    pub fn from_environment() -> Result<Self, BadSetting> {
        let variable = |name: &str| std::env::var(name).ok();
        let config = Config::read(variable)?;
        let store = Store::with_config(&config::sdk_config(variable)?, config.tables.clone());
        Ok(Self::new(store, &config))
    }

    /// The state over a given store.
    pub fn new(store: Store, config: &Config) -> Self {
        Self(Arc::new(AppState {
            catalog: CatalogCache::new(store.clone(), config.definition_cache),
            client_keys: ClientKeyCache::new(store.clone(), config.definition_cache),
            store,
            definition_cache: config.definition_cache,
            environments: config.environments.clone(),
            event_budgets: EventBudgets::default(),
            flag_sets: FlagSets::default(),
            evaluated_flags: EvaluatedFlags::default(),
            checkpoints: Cache::builder()
                .max_capacity(MAX_CHECKPOINTS)
                .time_to_live(CHECKPOINT_INTERVAL)
                .build(),
            guardrails: Cache::builder()
                .max_capacity(MAX_CHECKPOINTS)
                .time_to_live(config.definition_cache * GUARDRAIL_INTERVAL)
                .build(),
            notifications: Cache::builder()
                .max_capacity(MAX_CHECKPOINTS)
                .time_to_live(config.notification_interval)
                .build(),
            notification_interval: config.notification_interval,
        }))
    }

    /// The storage.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The environments of the deployment.
    pub fn environments(&self) -> &Environments {
        &self.0.environments
    }

    /// The client key with this text, at most a minute old; none if the text is no key, or if there is no such key or it
    /// is revoked. Texts that are no key, and keys that were looked up a moment ago, cost no read.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn client_key(&self, text: &str) -> Result<Option<Arc<ClientKey>>, StoreError> {
        self.0.client_keys.find(text).await
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// From when on a range of a layer that is freed at an instant can be given to another experiment: no process uses a
    /// definition from before that instant any more.
    pub fn layer_free_from(&self, freed_at: Timestamp) -> Timestamp {
        let cached = i64::try_from(self.0.definition_cache.as_secs()).unwrap_or(i64::MAX / 4);
        let seconds = cached
            .saturating_mul(2)
            .saturating_add(LAYER_RELEASE_SECONDS);
        freed_at.plus_micros(seconds.saturating_mul(1_000_000))
    }

    /// Spends events of a token's budget, which allows a number of events per second.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn spend_events(
        &self,
        token_id: &str,
        events_per_second: u32,
        events: usize,
        now: Timestamp,
    ) -> Result<Spent, StoreError> {
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        self.0
            .event_budgets
            .spend(&self.0.store, token_id, events_per_second, events, now)
            .await
    }

    /// Advances a checkpoint of stored records, unless this process has done so a moment ago.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn advance_checkpoint(&self, key: CheckpointKey) -> Result<(), StoreError> {
        if self.0.checkpoints.contains_key(&key) {
            return Ok(());
        }
        let (kind, experiment, shard) = &key;
        let until = self.0.store.settled_before();
        self.0
            .store
            .advance_checkpoint(*kind, experiment, *shard, until)
            .await?;
        self.0.checkpoints.insert(key, ()).await;
        Ok(())
    }

    /// Whether it is time to look at the guardrails of a guarded ramp again. The next time is a minute later.
    pub async fn guardrails_are_due(&self, id: &ExperimentId) -> bool {
        let entry = self.0.guardrails.entry(id.clone()).or_insert(()).await;
        entry.is_fresh()
    }

    /// Whether it is time to look at an experiment for notifications again. It is so for one process of the deployment, which
    /// has to look then.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn notifications_are_due(&self, id: &ExperimentId) -> Result<bool, StoreError> {
        let interval = self.0.notification_interval;
        if interval.is_zero() {
            return Ok(true);
        }
        let entry = self.0.notifications.entry(id.clone()).or_insert(()).await;
        Ok(entry.is_fresh() && self.0.store.claim_look(id, self.now(), interval).await?)
    }

    /// An experiment's definition, at most some seconds old; none if there is no such experiment. Concurrent calls
    /// cause one read.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn experiment(
        &self,
        id: &ExperimentId,
    ) -> Result<Option<Arc<Experiment>>, StoreError> {
        self.0.catalog.experiment(id).await
    }

    /// The holdouts that an experiment lists, at most some seconds old, in the order of the list.
    ///
    /// # Errors
    /// If the database fails, or a holdout does not exist or is damaged.
    pub async fn holdouts_of(
        &self,
        experiment: &Experiment,
    ) -> Result<Vec<Arc<Experiment>>, StoreError> {
        let ids = experiment.allocation.holdouts.iter();
        let found = ids.map(|id| async move {
            if let Some(holdout) = self.experiment(id).await? {
                return Ok(holdout);
            }
            // It was created a moment ago, and the eventually consistent read does not see it.
            let holdout = self.0.store.experiment(id, true).await?.map(Arc::new);
            holdout.ok_or_else(|| StoreError::Corrupt(format!("there is no holdout `{id}`")))
        });
        try_join_all(found).await
    }

    /// All running experiments by id, at most some seconds old; none if there are more than
    /// [`domain::limits::MAX_RUNNING_EXPERIMENTS`], or if their definitions need too much memory. Concurrent calls cause
    /// one read.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn running_experiments(&self) -> Result<Option<Arc<[Arc<Experiment>]>>, StoreError> {
        self.0.catalog.running(self.now()).await
    }

    /// The segments that an experiment can name, at most some seconds old. Without any in its conditions, nothing is read.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn segments_of<'a>(
        &'a self,
        experiment: &'a Experiment,
    ) -> BoxFuture<'a, Result<Arc<EvaluatedSegments>, StoreError>> {
        Box::pin(async move {
            // The conditions of a stopped experiment are not evaluated.
            let is_over = matches!(experiment.status, Status::Stopped | Status::Archived);
            let mut conditions = experiment.conditions();
            if is_over || conditions.all(|condition| condition.segments().is_empty()) {
                return Ok(Arc::default());
            }
            self.0.catalog.segments().await
        })
    }

    /// All segments, at most some seconds old.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn segments(&self) -> Result<Arc<EvaluatedSegments>, StoreError> {
        self.0.catalog.segments().await
    }

    /// The flags of an environment, at most some seconds old. Concurrent calls cause one read and compile them once.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn flags<'a>(
        &'a self,
        environment: &'a EnvironmentName,
    ) -> BoxFuture<'a, Result<Arc<FlagSet>, StoreError>> {
        Box::pin(async move {
            let flags = self.0.catalog.flags().await?;
            let keeps = !self.0.definition_cache.is_zero();
            self.0.flag_sets.of(self, flags, environment, keeps).await
        })
    }

    /// Chunks of id lists.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn id_chunks(&self, keys: BTreeSet<ChunkKey>) -> Result<LoadedChunks, StoreError> {
        self.0.catalog.chunks(keys).await
    }
}
