//! The definitions that one refresh needs.

use crate::store::generations::GenerationNumber;
use crate::store::registry::StoredRegistry;
use crate::store::write_shards::WriteShards;
use crate::store::{Store, StoreError};
use domain::aggregate_items::{AggregateLayout, AggregateSpec};
use domain::experiment::Experiment;
use domain::ids::ExperimentId;
use domain::registry::Labels;
use futures::lock::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// A generation of an experiment's aggregates.
pub(super) type GenerationKey = (ExperimentId, GenerationNumber);

/// An experiment with the generations of its aggregates.
pub(super) struct ExperimentGenerations {
    pub(super) experiment: Experiment,
    pub(super) generations: Vec<Arc<OpenGeneration>>,
}

/// A generation that refreshes update.
#[derive(Debug)]
pub(super) struct OpenGeneration {
    pub(super) number: GenerationNumber,
    pub(super) spec: AggregateSpec,
    /// The labels of all users that are refreshed together. They may register names, until
    /// [`Definitions::store_registries`].
    pub(super) labels: Labels,
    /// The number of its write shards.
    pub(super) write_shards: WriteShards,
    registry: StoredRegistry,
    layout: OnceLock<AggregateLayout>,
}

impl OpenGeneration {
    pub(super) fn new(
        number: GenerationNumber,
        spec: AggregateSpec,
        registry: StoredRegistry,
        write_shards: WriteShards,
    ) -> Self {
        Self {
            number,
            write_shards,
            labels: Labels::new(&spec.metrics, registry.registry.clone())
                .excluding(spec.excluded.clone()),
            spec,
            registry,
            layout: OnceLock::new(),
        }
    }

    /// How its items name things. Only for use after [`Definitions::store_registries`]: the layout contains the names
    /// that are registered when it is first used.
    pub(super) fn layout(&self) -> &AggregateLayout {
        let layout = || AggregateLayout::new(&self.spec, &self.labels.registry());
        self.layout.get_or_init(layout)
    }
}

/// Definitions, each read once, when it is first needed.
pub(super) struct Definitions<'s> {
    store: &'s Store,
    read: Mutex<HashMap<ExperimentId, Option<Arc<ExperimentGenerations>>>>,
}

impl<'s> Definitions<'s> {
    pub(super) fn new(store: &'s Store) -> Self {
        Self {
            store,
            read: Mutex::new(HashMap::new()),
        }
    }

    pub(super) async fn of(
        &self,
        id: &ExperimentId,
    ) -> Result<Option<Arc<ExperimentGenerations>>, StoreError> {
        let mut read = self.read.lock().await;
        if let Some(known) = read.get(id) {
            return Ok(known.clone());
        }
        let generations = load(self.store, id).await?.map(Arc::new);
        read.insert(id.clone(), generations.clone());
        Ok(generations)
    }

    /// Stores the names that were registered by planning. Returns the generations where that failed: nothing may be
    /// written under their new labels.
    pub(super) async fn store_registries(&self) -> BTreeMap<GenerationKey, StoreError> {
        let mut failures = BTreeMap::new();
        let read = self.read.lock().await;
        for (id, definition) in read.iter() {
            for generation in definition.iter().flat_map(|one| &one.generations) {
                let registry = generation.labels.registry();
                if registry == generation.registry.registry {
                    continue;
                }
                let of = (id, generation.number);
                let stored = self
                    .store
                    .store_registry(of, &generation.registry, &registry);
                if let Err(error) = stored.await {
                    failures.insert((id.clone(), generation.number), error);
                }
            }
        }
        failures
    }
}

async fn load(
    store: &Store,
    id: &ExperimentId,
) -> Result<Option<ExperimentGenerations>, StoreError> {
    let Some(experiment) = store.experiment(id, true).await? else {
        return Ok(None);
    };
    let mut generations = Vec::new();
    for one in store.generations(id).await?.all() {
        let registry = store.registry(id, one.number).await?;
        let write_shards = registry.write_shards.unwrap_or(store.first_write_shards);
        let open = OpenGeneration::new(one.number, one.spec.clone(), registry, write_shards);
        generations.push(Arc::new(open));
    }
    Ok(Some(ExperimentGenerations {
        generations,
        experiment,
    }))
}
