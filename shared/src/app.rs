//! What a function keeps between invocations: the store, a cache of experiment definitions, and shares of the budgets of
//! tokens.

use crate::clock;
use crate::config::{self, BadSetting, Config};
use crate::event_budget::{EventBudgets, Spent};
use crate::store::stored_records::RecordKind;
use crate::store::{Store, StoreError};
use domain::experiment::{Experiment, Status};
use domain::ids::ExperimentId;
use domain::limits::{LAYER_RELEASE_SECONDS, MAX_RUNNING_EXPERIMENTS};
use domain::time::Timestamp;
use futures::future::try_join_all;
use moka::Expiry;
use moka::future::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Definitions cached by one process at most.
const MAX_CACHED: u64 = 10_000;
/// How often one process advances a checkpoint. Until then results count the later records one by one.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);
/// How often one process looks at the guardrails of a guarded ramp, in times of the definition cache: by default once a
/// minute. A look costs as much as a request for results, and before the last change is in use everywhere it shows nothing.
const GUARDRAIL_INTERVAL: u32 = 6;
/// How long the definition of an archived experiment is cached. Its rules no longer change, and users keep their
/// assignments for years.
const ARCHIVED_CACHE: Duration = Duration::from_secs(3600);

/// A function's state. A clone shares it.
#[derive(Clone)]
pub struct App {
    store: Store,
    /// Entries expire after the configured time, so that every process sees a change within it. Unknown ids are not
    /// cached: an experiment can be used as soon as it exists.
    definitions: Cache<ExperimentId, Arc<Experiment>>,
    /// The running experiments, or none if there are too many. It expires like a definition, so that every process
    /// notices a start or a stop within this time.
    running: Cache<(), Option<Arc<[Arc<Experiment>]>>>,
    /// How long a definition is cached.
    definition_cache: Duration,
    event_budgets: Arc<EventBudgets>,
    /// Checkpoints of stored records that this process has advanced a moment ago.
    checkpoints: Cache<CheckpointKey, ()>,
    /// Experiments with guarded ramps whose guardrails this process has looked at a moment ago.
    guardrails: Cache<ExperimentId, ()>,
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
        let definitions = Cache::builder()
            .max_capacity(MAX_CACHED)
            .expire_after(DefinitionExpiry {
                usual: config.definition_cache,
            })
            .build();
        Self {
            store,
            definitions,
            running: Cache::builder()
                .time_to_live(config.definition_cache)
                .build(),
            definition_cache: config.definition_cache,
            event_budgets: Arc::default(),
            checkpoints: Cache::builder()
                .max_capacity(MAX_CACHED)
                .time_to_live(CHECKPOINT_INTERVAL)
                .build(),
            guardrails: Cache::builder()
                .max_capacity(MAX_CACHED)
                .time_to_live(config.definition_cache * GUARDRAIL_INTERVAL)
                .build(),
        }
    }

    /// The storage.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// From when on a range of a layer that is freed at an instant can be given to another experiment: no process uses a
    /// definition from before that instant any more.
    pub fn layer_free_from(&self, freed_at: Timestamp) -> Timestamp {
        let cached = i64::try_from(self.definition_cache.as_secs()).unwrap_or(i64::MAX / 4);
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
        self.event_budgets
            .spend(&self.store, token_id, events_per_second, events, now)
            .await
    }

    /// Advances a checkpoint of stored records, unless this process has done so a moment ago.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn advance_checkpoint(&self, key: CheckpointKey) -> Result<(), StoreError> {
        if self.checkpoints.contains_key(&key) {
            return Ok(());
        }
        let (kind, experiment, shard) = &key;
        let until = self.store.settled_before();
        self.store
            .advance_checkpoint(*kind, experiment, *shard, until)
            .await?;
        self.checkpoints.insert(key, ()).await;
        Ok(())
    }

    /// Whether it is time to look at the guardrails of a guarded ramp again. The next time is a minute later.
    pub async fn guardrails_are_due(&self, id: &ExperimentId) -> bool {
        let entry = self.guardrails.entry(id.clone()).or_insert(()).await;
        entry.is_fresh()
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
        let loaded = self
            .definitions
            .try_get_with(id.clone(), async {
                match self.store.experiment(id, false).await {
                    Ok(Some(experiment)) => Ok(Arc::new(experiment)),
                    Ok(None) => Err(None),
                    Err(error) => Err(Some(error)),
                }
            })
            .await;
        match loaded {
            Ok(experiment) => Ok(Some(experiment)),
            // The error is shared by all callers of the read, so it is copied.
            Err(absent) => absent
                .as_ref()
                .as_ref()
                .map_or(Ok(None), |error| Err(error.copy())),
        }
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
            let holdout = self.store.experiment(id, true).await?.map(Arc::new);
            holdout.ok_or_else(|| StoreError::Corrupt(format!("there is no holdout `{id}`")))
        });
        try_join_all(found).await
    }

    /// All running experiments by id, at most some seconds old; none if there are more than
    /// [`MAX_RUNNING_EXPERIMENTS`]. Concurrent calls cause one read.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn running_experiments(&self) -> Result<Option<Arc<[Arc<Experiment>]>>, StoreError> {
        let loaded = self.running.try_get_with((), async {
            let all = self.store.running_experiments(MAX_RUNNING_EXPERIMENTS);
            let mut all = all.await?;
            all.sort_by(|a, b| a.id.cmp(&b.id));
            let fits = all.len() <= MAX_RUNNING_EXPERIMENTS;
            Ok::<_, StoreError>(fits.then(|| all.into_iter().map(Arc::new).collect()))
        });
        loaded.await.map_err(|error| error.copy())
    }
}

/// How long each definition is cached.
struct DefinitionExpiry {
    usual: Duration,
}

impl Expiry<ExperimentId, Arc<Experiment>> for DefinitionExpiry {
    fn expire_after_create(
        &self,
        _: &ExperimentId,
        experiment: &Arc<Experiment>,
        _: Instant,
    ) -> Option<Duration> {
        let archived = experiment.status == Status::Archived;
        Some(if archived { ARCHIVED_CACHE } else { self.usual })
    }
}
