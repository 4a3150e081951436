//! What a function holds between requests: the store, and the definitions that it remembers.

use super::problem::Problem;
use crate::clock;
use crate::config::{self, BadSetting, Config};
use crate::store::{Store, StoreError};
use domain::experiment::{Experiment, Status};
use domain::ids::ExperimentId;
use domain::time::Timestamp;
use moka::Expiry;
use moka::future::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Definitions remembered at most by one process.
const REMEMBERED: u64 = 10_000;
/// How long the definition of an experiment that is over is remembered. Nothing can change when its events
/// count any more, and users carry their old assignments with them for years.
const OVER: Duration = Duration::from_secs(3600);

/// A function's state. A clone shares it.
#[derive(Clone)]
pub struct App {
    store: Store,
    /// Entries live for the configured time whatever happens, so that a change is noticed everywhere
    /// within it. Unknown ids are not remembered: an experiment can be used as soon as it exists.
    definitions: Cache<ExperimentId, Arc<Experiment>>,
}

impl App {
    /// Connects with settings from the environment.
    ///
    /// # Errors
    /// Names a variable that is missing.
    pub fn from_environment() -> Result<Self, BadSetting> {
        let variable = |name: &str| std::env::var(name).ok();
        let config = Config::read(variable)?;
        let store = Store::with_config(&config::sdk_config(variable)?, config.tables.clone());
        Ok(Self::new(store, &config))
    }

    /// The state over a given store.
    pub fn new(store: Store, config: &Config) -> Self {
        let definitions = Cache::builder()
            .max_capacity(REMEMBERED)
            .expire_after(Memory {
                usual: config.definition_cache,
            })
            .build();
        Self { store, definitions }
    }

    /// The storage.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// The experiment as it was some seconds ago at the latest; many callers at once cause one read.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn remembered(&self, id: &ExperimentId) -> Result<Option<Arc<Experiment>>, Problem> {
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
            Err(absent) => match absent.as_ref() {
                None => Ok(None),
                // Shared by all who waited, so it cannot be moved out.
                Some(StoreError::Throttled(text)) => {
                    Err(StoreError::Throttled(text.clone()).into())
                }
                Some(StoreError::Corrupt(text) | StoreError::Refused(text)) => {
                    Err(Problem::internal(text.clone()))
                }
                Some(error) => Err(StoreError::Unavailable(error.to_string()).into()),
            },
        }
    }

    /// The experiment, remembered or read.
    ///
    /// # Errors
    /// 404 if there is none.
    pub async fn experiment(&self, id: &ExperimentId) -> Result<Arc<Experiment>, Problem> {
        let found = self.remembered(id).await?;
        found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))
    }
}

/// How long each definition is remembered.
struct Memory {
    usual: Duration,
}

impl Expiry<ExperimentId, Arc<Experiment>> for Memory {
    fn expire_after_create(
        &self,
        _: &ExperimentId,
        experiment: &Arc<Experiment>,
        _: Instant,
    ) -> Option<Duration> {
        let over = matches!(experiment.status, Status::Stopped | Status::Archived);
        Some(if over { OVER } else { self.usual })
    }
}
