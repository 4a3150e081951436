//! What a process keeps of the catalog: definitions of experiments, segments, and chunks of id lists.
//!
//! A process looks at the changes of the catalog every few seconds, and reads again only what has changed since. A look
//! is one read of one small item. What was read after a look is at least as new as the look.

mod flags;

pub(crate) use flags::FlagsAt;

use crate::store::catalog::{Catalog, CatalogChanges, CatalogEntry};
use crate::store::stored_segment::StoredSegment;
use crate::store::{Store, StoreError};
use domain::experiment::{Experiment, Status};
use domain::id_list::IdChunk;
use domain::ids::{ExperimentId, SegmentId};
use domain::limits::{BYTES_PER_JSON_BYTE, BYTES_PER_PATTERN, MAX_RUNNING_EXPERIMENTS};
use domain::segment::SegmentRule;
use domain::segment_lookup::{ChunkKey, EvaluatedSegment, EvaluatedSegments, LoadedChunks};
use domain::time::Timestamp;
use futures::future::try_join_all;
use futures::lock::{Mutex, MutexGuard};
use moka::future::Cache;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Memory of definitions, as [`weight`] estimates it. A function has 256 MB.
const MAX_DEFINITION_BYTES: u64 = 64 * 1024 * 1024;
/// Memory of chunks of id lists: 40 of the largest lists.
const MAX_CHUNK_BYTES: u64 = 32 * 1024 * 1024;
/// After this time everything is read again, also what has not changed. A change that an older version of the program
/// makes, while a deployment moves the traffic, is not in the catalog.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// How long an index may take to show a change. A change of this age is read from the table.
const INDEX_LAG_MICROS: i64 = 60_000_000;
/// Changed definitions that are remembered. With more, everything is read again.
const MAX_CHANGED: usize = 10_000;

/// What a process keeps of the catalog.
pub(crate) struct CatalogCache {
    store: Store,
    /// How long a look is trusted. Zero: nothing is kept, and each call reads.
    look_every: Duration,
    state: Mutex<State>,
    definitions: Cache<ExperimentId, Kept>,
    chunks: Cache<ChunkKey, Arc<IdChunk>>,
}

/// A definition, with the number of the look before it was read.
#[derive(Clone)]
struct Kept {
    experiment: Arc<Experiment>,
    as_of: u64,
}

/// All running experiments by id.
type Running = BTreeMap<ExperimentId, Arc<Experiment>>;

#[derive(Default)]
struct State {
    looked_at: Option<Instant>,
    read_all_at: Option<Instant>,
    /// The number of the last look.
    seen: u64,
    /// Definitions that were read before this number are not valid.
    valid_from: u64,
    /// The number of the last change of each experiment that has changed.
    changed: HashMap<ExperimentId, u64>,
    segments: Option<Arc<EvaluatedSegments>>,
    changed_segments: BTreeSet<SegmentId>,
    flags: flags::FlagState,
    running: Option<Arc<Running>>,
    /// Experiments that have changed since the running ones were read.
    changed_running: BTreeSet<ExperimentId>,
    /// The last changes of experiments.
    recent: Vec<(ExperimentId, Timestamp)>,
}

impl CatalogCache {
    pub(crate) fn new(store: Store, look_every: Duration) -> Self {
        let weigh = |_: &ExperimentId, kept: &Kept| weight(&kept.experiment);
        let weigh_chunk = |_: &ChunkKey, chunk: &Arc<IdChunk>| {
            u32::try_from(chunk.len() * size_of::<u64>() + 200).unwrap_or(u32::MAX)
        };
        Self {
            store,
            look_every,
            state: Mutex::default(),
            definitions: Cache::builder()
                .max_capacity(MAX_DEFINITION_BYTES)
                .weigher(weigh)
                .time_to_live(KEPT_FOR)
                .build(),
            chunks: Cache::builder()
                .max_capacity(MAX_CHUNK_BYTES)
                .weigher(weigh_chunk)
                .time_to_idle(KEPT_FOR)
                .build(),
        }
    }

    /// An experiment; none if there is no such experiment, which is not kept.
    pub(crate) async fn experiment(
        &self,
        id: &ExperimentId,
    ) -> Result<Option<Arc<Experiment>>, StoreError> {
        if self.look_every.is_zero() {
            let read = self.store.experiment(id, false).await?;
            return read.map(checked).transpose();
        }
        let (seen, valid_from) = {
            let state = self.looked().await?;
            (state.seen, state.valid_from(id))
        };
        self.experiment_as_of(id, seen, valid_from).await
    }

    /// An experiment that was read after a look. Concurrent calls cause one read.
    async fn experiment_as_of(
        &self,
        id: &ExperimentId,
        seen: u64,
        valid_from: u64,
    ) -> Result<Option<Arc<Experiment>>, StoreError> {
        loop {
            let load = self.definitions.try_get_with(id.clone(), async {
                match self.store.experiment(id, true).await {
                    Ok(Some(experiment)) => Ok(Kept {
                        experiment: checked(experiment).map_err(Some)?,
                        as_of: seen,
                    }),
                    Ok(None) => Err(None),
                    Err(error) => Err(Some(error)),
                }
            });
            match load.await {
                Ok(kept) if kept.as_of >= valid_from => return Ok(Some(kept.experiment)),
                Ok(_) => self.definitions.invalidate(id).await,
                // The error is shared by all callers of the read, so it is copied.
                Err(error) => {
                    return error
                        .as_ref()
                        .as_ref()
                        .map_or(Ok(None), |error| Err(error.copy()));
                }
            }
        }
    }

    /// All running experiments by id; none if they are too many or their definitions too large.
    pub(crate) async fn running(
        &self,
        now: Timestamp,
    ) -> Result<Option<Arc<[Arc<Experiment>]>>, StoreError> {
        let mut state = self.state.lock().await;
        // The segments come with the look: experiments that are evaluated together name some.
        self.look(&mut state, true).await?;
        let running = match state.running.take() {
            Some(running) => running,
            None => {
                state.changed_running = self.recently_changed(&state, now);
                Arc::new(self.read_running().await?)
            }
        };
        let running = self.with_changed(&mut state, running).await?;
        let fits = fits(running.values());
        let all: Arc<[_]> = running.values().cloned().collect();
        if fits && !self.look_every.is_zero() {
            state.running = Some(running);
        }
        Ok(fits.then_some(all))
    }

    /// The running experiments as an index shows them.
    async fn read_running(&self) -> Result<Running, StoreError> {
        let all = self.store.running_experiments(MAX_RUNNING_EXPERIMENTS);
        let all = all.await?.into_iter().map(checked);
        let named = all.map(|one| one.map(|one| (one.id.clone(), one)));
        named.collect()
    }

    /// Experiments that the index of the running ones may show as they were.
    fn recently_changed(&self, state: &State, now: Timestamp) -> BTreeSet<ExperimentId> {
        if self.look_every.is_zero() {
            return BTreeSet::new();
        }
        let since = now.plus_micros(-INDEX_LAG_MICROS);
        let recent = state.recent.iter().filter(|(_, at)| *at > since);
        recent.map(|(id, _)| id.clone()).collect()
    }

    /// Reads the experiments that have changed.
    async fn with_changed(
        &self,
        state: &mut State,
        mut running: Arc<Running>,
    ) -> Result<Arc<Running>, StoreError> {
        if state.changed_running.is_empty() {
            return Ok(running);
        }
        let read = self.store.experiments_by_id(&state.changed_running).await?;
        let known = Arc::make_mut(&mut running);
        known.retain(|id, _| !state.changed_running.contains(id));
        for experiment in read {
            let kept = Kept {
                experiment: checked(experiment)?,
                as_of: state.seen,
            };
            let (id, experiment) = (kept.experiment.id.clone(), kept.experiment.clone());
            self.definitions.insert(id.clone(), kept).await;
            if experiment.status == Status::Running {
                known.insert(id, experiment);
            }
        }
        state.changed_running.clear();
        Ok(running)
    }

    /// All segments.
    pub(crate) async fn segments(&self) -> Result<Arc<EvaluatedSegments>, StoreError> {
        let mut state = self.state.lock().await;
        self.look(&mut state, true).await?;
        Ok(state.segments.clone().unwrap_or_default())
    }

    /// Chunks of id lists. Those that are not kept are read, a hundred in one call.
    pub(crate) async fn chunks(
        &self,
        keys: BTreeSet<ChunkKey>,
    ) -> Result<LoadedChunks, StoreError> {
        let (mut loaded, mut missing) = (LoadedChunks::new(), BTreeSet::new());
        for key in keys {
            match self.chunks.get(&key).await {
                Some(chunk) => drop(loaded.insert(key, chunk)),
                None => drop(missing.insert(key)),
            }
        }
        for (key, chunk) in self.store.id_chunks(&missing).await? {
            self.chunks.insert(key.clone(), chunk.clone()).await;
            loaded.insert(key, chunk);
        }
        Ok(loaded)
    }

    /// The state after a look that is recent enough.
    async fn looked(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.state.lock().await;
        self.look(&mut state, false).await?;
        Ok(state)
    }

    /// Looks at the catalog if the last look is too old, and reads the segments that have changed if they are needed.
    async fn look(&self, state: &mut State, segments: bool) -> Result<(), StoreError> {
        let knows_segments = state.has_segments() && state.changed_segments.is_empty();
        if self.is_recent(state) && (!segments || knows_segments) {
            return Ok(());
        }
        // In a box, because most requests need none of it.
        Box::pin(self.look_now(state, segments)).await
    }

    fn is_recent(&self, state: &State) -> bool {
        let is_recent = |at: Instant| at.elapsed() < self.look_every;
        state.looked_at.is_some_and(is_recent)
    }

    async fn look_now(&self, state: &mut State, segments: bool) -> Result<(), StoreError> {
        let now = Instant::now();
        let reads_segments = segments && (!state.has_segments() || self.look_every.is_zero());
        if !self.is_recent(state) && !reads_segments {
            // The segments that are known stay, unless too much has changed.
            state.apply(&self.store.catalog_changes().await?, now);
            state.looked_at = Some(now);
        }
        if reads_segments || segments && state.segments.is_none() {
            let Catalog { changes, segments } = self.store.catalog().await?;
            state.apply(&changes, now);
            state.looked_at = Some(now);
            state.segments = Some(Arc::new(evaluated(segments)?));
            state.changed_segments.clear();
        }
        let Some(known) = state.segments.as_ref().filter(|_| segments) else {
            return Ok(());
        };
        if state.changed_segments.is_empty() {
            return Ok(());
        }
        let reads = state.changed_segments.iter();
        let reads = try_join_all(reads.map(|id| self.store.stored_segment(id))).await?;
        let mut all = EvaluatedSegments::clone(known);
        for (id, read) in state.changed_segments.iter().zip(reads) {
            match read {
                Some(stored) => drop(all.insert(id.clone(), Arc::new(one_evaluated(stored)?))),
                None => drop(all.remove(id)),
            }
        }
        state.segments = Some(Arc::new(all));
        state.changed_segments.clear();
        Ok(())
    }
}

/// Whether what was read at this time is still kept.
fn is_kept(at: Instant) -> bool {
    at.elapsed() < KEPT_FOR
}

impl State {
    /// Whether all segments were read, and not too long ago.
    fn has_segments(&self) -> bool {
        self.segments.is_some() && self.read_all_at.is_some_and(is_kept)
    }

    /// The number from which on the definition of an experiment is valid.
    fn valid_from(&self, id: &ExperimentId) -> u64 {
        let changed = self.changed.get(id).copied();
        changed.unwrap_or_default().max(self.valid_from)
    }

    fn apply(&mut self, changes: &CatalogChanges, now: Instant) {
        let is_kept = self.read_all_at.is_some_and(is_kept);
        match changes.since(self.seen).filter(|_| is_kept) {
            Some(missed) => {
                for change in missed {
                    match &change.entry {
                        CatalogEntry::Experiment(id) => {
                            self.changed.insert(id.clone(), change.number);
                            self.changed_running.insert(id.clone());
                        }
                        CatalogEntry::Segment(id) => {
                            self.changed_segments.insert(id.clone());
                        }
                        CatalogEntry::Flag(key) => self.flags.note(key),
                        CatalogEntry::Erasure(_) => {}
                    }
                }
                if self.changed.len() > MAX_CHANGED {
                    self.forget(changes.number, now);
                }
            }
            None => self.forget(changes.number, now),
        }
        self.seen = changes.number;
        let experiments = changes.changes.iter();
        self.recent = experiments
            .filter_map(|change| match &change.entry {
                CatalogEntry::Experiment(id) => Some((id.clone(), change.at)),
                CatalogEntry::Segment(_) | CatalogEntry::Flag(_) | CatalogEntry::Erasure(_) => None,
            })
            .collect();
    }

    /// Everything is read again.
    fn forget(&mut self, number: u64, now: Instant) {
        *self = Self {
            read_all_at: Some(now),
            valid_from: number,
            ..Self::default()
        };
    }
}

/// The definition, if its conditions can be evaluated.
fn checked(experiment: Experiment) -> Result<Arc<Experiment>, StoreError> {
    let is_valid = experiment
        .conditions()
        .all(|condition| condition.is_valid());
    if is_valid {
        return Ok(Arc::new(experiment));
    }
    let text = format!("a condition of experiment `{}`", experiment.id);
    Err(StoreError::Corrupt(text))
}

fn evaluated(segments: Vec<StoredSegment>) -> Result<EvaluatedSegments, StoreError> {
    let named = segments.into_iter().map(|stored| {
        let id = stored.segment.id.clone();
        one_evaluated(stored).map(|segment| (id, Arc::new(segment)))
    });
    named.collect()
}

fn one_evaluated(stored: StoredSegment) -> Result<EvaluatedSegment, StoreError> {
    let damaged = || StoreError::Corrupt(format!("segment `{}`", stored.segment.id));
    match stored.segment.rule {
        SegmentRule::Condition { ref condition } if condition.is_valid() => {
            Ok(EvaluatedSegment::Condition(condition.clone()))
        }
        SegmentRule::Condition { .. } => Err(damaged()),
        SegmentRule::List { ref attribute, .. } => Ok(EvaluatedSegment::List {
            attribute: attribute.split('.').map(Into::into).collect(),
            index: stored.index.clone().ok_or_else(damaged)?,
        }),
    }
}

/// Whether running experiments can be kept together.
fn fits<'e>(running: impl ExactSizeIterator<Item = &'e Arc<Experiment>>) -> bool {
    let number = running.len();
    let bytes: u64 = running.map(|one| u64::from(weight(one))).sum();
    number <= MAX_RUNNING_EXPERIMENTS && bytes <= MAX_DEFINITION_BYTES
}

/// The memory of a definition, estimated from the size of its JSON and the number of its patterns.
pub(crate) fn weight(experiment: &Experiment) -> u32 {
    let json = serde_json::to_string(experiment).map_or(usize::MAX, |text| text.len());
    let conditions = experiment.conditions();
    let patterns: usize = conditions.map(|condition| condition.patterns()).sum();
    let bytes = json
        .saturating_mul(BYTES_PER_JSON_BYTE)
        .saturating_add(patterns * BYTES_PER_PATTERN);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
