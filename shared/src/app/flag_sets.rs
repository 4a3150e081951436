//! Compiled flags of each environment, which a process keeps until a definition changes or a time comes.

use super::App;
use crate::catalog_cache::{FlagsAt, weight};
use crate::store::StoreError;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::flag::{CompiledFlag, CompiledFlags, Flag, FlagCompiler, FlagPayload, LeftOut};
use domain::ids::{EnvironmentName, ExperimentId, FlagKey};
use domain::limits::{MAX_COMPILED_FLAGS_BYTES, MAX_FLAG_EXPERIMENTS_BYTES};
use domain::time::Timestamp;
use futures::lock::Mutex;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, PoisonError};

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
    /// The flags whose evaluation can hash the user id.
    hashing_users: BTreeSet<FlagKey>,
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
pub(crate) struct FlagSets {
    kept: std::sync::Mutex<HashMap<EnvironmentName, Arc<FlagSet>>>,
    /// A lock for each environment. Callers of one environment do not wait while another one is compiled.
    turns: std::sync::Mutex<HashMap<EnvironmentName, Arc<Mutex<()>>>>,
}

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

    /// Whether a rule of a flag, or of a flag that it needs, depends on a hash of the user id.
    pub fn hashes_users(&self, flag: &CompiledFlag) -> bool {
        self.hashing_users.contains(&flag.key)
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
        if keeps && let Some(set) = self.valid(environment, flags.number, app.now()) {
            return Ok(set);
        }
        let turn = self.turn(environment);
        let _turn = turn.lock().await;
        let now = app.now();
        // Another call can have compiled them in the meantime.
        if keeps && let Some(set) = self.valid(environment, flags.number, now) {
            return Ok(set);
        }
        let set = Box::pin(compiled(app, flags, environment, now)).await?;
        let set = Arc::new(set);
        self.keep(environment, &set);
        Ok(set)
    }

    /// The lock of an environment.
    fn turn(&self, environment: &EnvironmentName) -> Arc<Mutex<()>> {
        let turns = self.turns.lock();
        let mut turns = turns.unwrap_or_else(PoisonError::into_inner);
        turns.entry(environment.clone()).or_default().clone()
    }

    fn valid(
        &self,
        environment: &EnvironmentName,
        catalog_number: u64,
        now: Timestamp,
    ) -> Option<Arc<FlagSet>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let set = kept.get(environment)?;
        set.is_valid(catalog_number, now).then(|| set.clone())
    }

    /// Keeps a set, and those of other environments as far as there is memory. A process rarely serves several.
    fn keep(&self, environment: &EnvironmentName, set: &Arc<FlagSet>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = set.compiled.memory_bytes();
        kept.retain(|other, set| {
            let with_other = bytes.saturating_add(set.compiled.memory_bytes());
            let stays = other != environment && with_other <= MAX_COMPILED_FLAGS_BYTES;
            if stays {
                bytes = with_other;
            }
            stays
        });
        kept.insert(environment.clone(), set.clone());
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
    let flags_in_order = served().map(|flag| &**flag);
    let compiled = CompiledFlags::compile(&compiler, flags_in_order, environment);
    let left_out = compiled.iter().flat_map(|flag| &flag.left_out);
    if left_out
        .into_iter()
        .any(|each| each.reason == LeftOut::TooLarge)
    {
        let limit = MAX_COMPILED_FLAGS_BYTES;
        tracing::error!(%environment, limit, "the compiled flags need too much memory: rules are left out");
    }
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
        hashing_users: compiled.hashing(EvaluationContext::USER_ID_ATTRIBUTE),
        catalog_number: flags.number,
        changed_at: changed_at.unwrap_or(Timestamp::MIN),
        payload: OnceLock::new(),
        valid_until,
        experiments,
        compiled,
    })
}

/// The experiments with these ids, as far as they exist and there is memory for them. Rules that name others are left out.
async fn experiments_by_id(
    app: &App,
    ids: BTreeSet<ExperimentId>,
) -> Result<BTreeMap<ExperimentId, Arc<Experiment>>, StoreError> {
    let reads = ids.into_iter().map(|id| async move {
        let found = app.experiment(&id).await?;
        Ok::<_, StoreError>(found.map(|experiment| (id, experiment)))
    });
    // In the order of the ids, so that every process leaves out the same ones.
    let mut found = stream::iter(reads).buffered(AT_ONCE);
    let (mut experiments, mut bytes) = (BTreeMap::new(), 0_usize);
    while let Some(read) = found.try_next().await? {
        let Some((id, experiment)) = read else {
            continue;
        };
        bytes = bytes.saturating_add(usize::try_from(weight(&experiment)).unwrap_or(usize::MAX));
        if bytes > MAX_FLAG_EXPERIMENTS_BYTES {
            let limit = MAX_FLAG_EXPERIMENTS_BYTES;
            tracing::error!(%id, limit, "the experiments of flags need too much memory: rules are left out");
            break;
        }
        experiments.insert(id, experiment);
    }
    Ok(experiments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, sdk_config};
    use crate::store::Store;
    use serde_json::{Value, json};
    use std::time::Duration;
    use tokio::time::timeout;

    /// A state over tables that no test reads.
    fn app() -> App {
        let variable = |name: &str| match name {
            "DEFINITION_CACHE_SECONDS" => Some("10".to_owned()),
            "ENVIRONMENTS" => Some("production,staging".to_owned()),
            name => Some(name.to_owned()),
        };
        let config = Config::read(variable).unwrap();
        let sdk = sdk_config(variable).unwrap();
        App::new(Store::with_config(&sdk, config.tables.clone()), &config)
    }

    fn environments() -> [EnvironmentName; 2] {
        ["production", "staging"].map(|name| EnvironmentName::parse(name).unwrap())
    }

    /// Flags whose rules repeat a value of this length.
    fn flags(number: usize, value_chars: usize) -> FlagsAt {
        let rule = |number: usize| json!({"id": format!("r{number}"), "type": "serve", "variant": "on", "condition": {"a": number}});
        let rules: Vec<Value> = (0..50).map(rule).collect();
        let environment =
            json!({"enabled": true, "off_variant": "on", "default_variant": "on", "rules": rules});
        let flag = |number: usize| -> Flag {
            let at = "2026-01-01T00:00:00.000000Z";
            let flag = json!({
                "key": format!("f{number}"), "version": 1, "name": "F", "value_type": "string", "created_at": at, "updated_at": at,
                "variants": [{"key": "on", "value": "x".repeat(value_chars)}],
                "environments": {"production": environment, "staging": environment},
            });
            serde_json::from_value(flag).unwrap()
        };
        let all = (0..number).map(flag);
        let by_key = all.map(|flag| (flag.key.clone(), Arc::new(flag)));
        FlagsAt {
            number: 1,
            flags: Arc::new(by_key.collect()),
        }
    }

    #[tokio::test]
    async fn an_environment_does_not_wait_while_another_one_is_compiled() {
        let (app, sets) = (app(), FlagSets::default());
        let [production, staging] = environments();
        let turn = sets.turn(&production);
        let compiling = turn.lock().await;
        let other = sets.of(&app, flags(1, 1), &staging, true);
        timeout(Duration::from_secs(60), other)
            .await
            .unwrap()
            .unwrap();
        let same = || sets.of(&app, flags(1, 1), &production, true);
        timeout(Duration::from_millis(50), same())
            .await
            .unwrap_err();
        drop(compiling);
        same().await.unwrap();
    }

    #[tokio::test]
    async fn the_flags_of_several_environments_are_kept_as_far_as_there_is_memory() {
        let app = app();
        for (number, value_chars, kept) in [(1, 1, 2), (11, 8_000, 1)] {
            let sets = FlagSets::default();
            let flags = flags(number, value_chars);
            for environment in environments() {
                let set = sets.of(&app, flags.clone(), &environment, true);
                assert!(set.await.unwrap().compiled.memory_bytes() <= MAX_COMPILED_FLAGS_BYTES);
                // The environment that is in use is always kept.
                assert!(sets.valid(&environment, 1, app.now()).is_some());
            }
            assert_eq!(sets.kept.lock().unwrap().len(), kept, "{number} flags");
        }
    }
}
