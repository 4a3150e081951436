//! Compiled flags of each environment, which a process keeps until a definition changes or a time comes.

use super::App;
use crate::catalog_cache::FlagsAt;
use crate::store::StoreError;
use domain::experiment::Experiment;
use domain::flag::{CompiledFlag, CompiledFlags, Flag, FlagCompiler, FlagPayload};
use domain::ids::{EnvironmentName, ExperimentId, FlagKey};
use domain::time::Timestamp;
use futures::lock::Mutex;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// Definitions that are read at once.
const AT_ONCE: usize = 32;

/// The flags of an environment at one instant.
#[derive(Debug)]
pub struct FlagSet {
    /// The flags, compiled.
    pub compiled: CompiledFlags,
    /// Their definitions, and those of archived flags and of other environments.
    pub definitions: Arc<BTreeMap<FlagKey, Arc<Flag>>>,
    /// The experiments that their rules name, and the holdouts of these.
    pub experiments: BTreeMap<ExperimentId, Arc<Experiment>>,
    /// The number of the catalog. While it is equal, no definition has changed.
    pub catalog_number: u64,
    /// When a flag or an experiment was last changed, or when the last instant of a schedule or a ramp was. It follows from the
    /// definitions and the time, so it is equal in all processes.
    changed_at: Timestamp,
    /// Whether conditions name segments.
    pub names_segments: bool,
    payload: OnceLock<PayloadAt>,
    /// From when on they can differ although no definition changes.
    valid_until: Option<Timestamp>,
}

/// The features for client SDKs.
#[derive(Debug)]
pub struct PayloadAt {
    /// The features.
    pub payload: FlagPayload,
    /// Since when they are as they are. It is later for later features: SDKs ignore features with the date of those that they
    /// have.
    pub changed_at: Timestamp,
}

/// The sets of a process by environment.
#[derive(Default)]
pub(crate) struct FlagSets(Mutex<HashMap<EnvironmentName, Arc<FlagSet>>>);

impl FlagSet {
    /// A flag, if a caller sees flags with these tags.
    pub fn seen(&self, key: &FlagKey, sees: impl Fn(&[String]) -> bool) -> Option<&CompiledFlag> {
        let flag = self.compiled.get(key.as_str())?;
        let definition = self.definitions.get(key)?;
        sees(&definition.tags).then_some(flag)
    }

    /// All flags that such a caller sees, by key.
    pub fn all_seen(&self, sees: impl Fn(&[String]) -> bool) -> Vec<&CompiledFlag> {
        let keys = self.definitions.keys();
        keys.filter_map(|key| self.seen(key, &sees)).collect()
    }

    /// The features that client SDKs can evaluate. They are computed once.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn payload(&self, app: &App) -> Result<&PayloadAt, StoreError> {
        if let Some(payload) = self.payload.get() {
            return Ok(payload);
        }
        let catalog = app.store().catalog_with(self.names_segments).await?;
        let segments = catalog.graph();
        let computed = || PayloadAt {
            payload: self.compiled.payload(&segments),
            changed_at: segments
                .iter()
                .map(|segment| segment.updated_at)
                .fold(self.changed_at, Timestamp::max),
        };
        Ok(self.payload.get_or_init(computed))
    }

    /// Whether a rule of a flag depends on a hash of an attribute.
    pub fn hashes(&self, flag: &CompiledFlag, attribute: &str) -> bool {
        let mut rules = flag.definition.rules.iter();
        rules.any(|rule| rule.experiment.hash_attribute.as_deref() == Some(attribute))
    }

    fn is_valid(&self, catalog_number: u64, now: Timestamp) -> bool {
        self.catalog_number == catalog_number && self.valid_until.is_none_or(|until| now < until)
    }
}

impl FlagSets {
    /// The flags of an environment, as they were at a number of the catalog. Concurrent calls compile them once.
    pub(crate) async fn of(
        &self,
        app: &App,
        flags: FlagsAt,
        environment: &EnvironmentName,
        keeps: bool,
    ) -> Result<Arc<FlagSet>, StoreError> {
        let now = app.now();
        let mut sets = self.0.lock().await;
        if let Some(set) = sets.get(environment)
            && keeps
            && set.is_valid(flags.number, now)
        {
            return Ok(set.clone());
        }
        let set = Arc::new(compiled(app, flags, environment, now).await?);
        sets.insert(environment.clone(), set.clone());
        Ok(set)
    }
}

async fn compiled(
    app: &App,
    flags: FlagsAt,
    environment: &EnvironmentName,
    now: Timestamp,
) -> Result<FlagSet, StoreError> {
    let served = || {
        let all = flags.flags.values();
        all.filter(|flag| flag.served_in(environment).is_some())
    };
    let named = served().flat_map(|flag| flag.experiments_in(environment));
    let named: BTreeSet<ExperimentId> = named.cloned().collect();
    let mut experiments = experiments_by_id(app, named).await?;
    let holdouts = experiments.values();
    let holdouts = holdouts.flat_map(|experiment| experiment.allocation.holdouts.iter().cloned());
    let holdouts = experiments_by_id(app, holdouts.collect()).await?;
    experiments.extend(holdouts);
    let all_flags = flags.flags.values().map(|flag| &**flag);
    let all_experiments = experiments.values().map(|experiment| &**experiment);
    let compiler = FlagCompiler::new(all_flags, all_experiments, now);
    let compiled = served().filter_map(|flag| compiler.compile(flag, environment));
    let compiled: CompiledFlags = compiled.collect();
    let names_segments = {
        let mut flags = compiled.iter();
        flags.any(|flag| !flag.segments().is_empty())
    };
    let changes = flags.flags.values().map(|flag| flag.updated_at);
    let changes = changes.chain(experiments.values().map(|each| each.updated_at));
    let last_changes = served().filter_map(|flag| compiler.last_change(flag, environment));
    let changed_at = changes.chain(last_changes).max();
    let next_changes = served().filter_map(|flag| compiler.next_change(flag, environment));
    let valid_until = next_changes.min();
    Ok(FlagSet {
        definitions: flags.flags.clone(),
        names_segments,
        catalog_number: flags.number,
        changed_at: changed_at.unwrap_or(Timestamp::MIN),
        payload: OnceLock::new(),
        valid_until,
        experiments,
        compiled,
    })
}

/// The experiments with these ids, as far as they exist.
async fn experiments_by_id(
    app: &App,
    ids: BTreeSet<ExperimentId>,
) -> Result<BTreeMap<ExperimentId, Arc<Experiment>>, StoreError> {
    let reads = ids.into_iter().map(|id| async move {
        let found = app.experiment(&id).await?;
        Ok::<_, StoreError>(found.map(|experiment| (id, experiment)))
    });
    let found: Vec<_> = stream::iter(reads)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}
