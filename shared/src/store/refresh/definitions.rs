//! The definitions that one refresh needs.

use crate::store::aggregates::GenerationNumber;
use crate::store::generations::Generation;
use crate::store::{Store, StoreError};
use domain::aggregate_items::AggregateSpec;
use domain::experiment::Experiment;
use domain::ids::ExperimentId;
use futures::lock::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// An experiment with the generations of its aggregates.
pub(super) struct ExperimentGenerations {
    pub(super) experiment: Experiment,
    pub(super) specs: Vec<(GenerationNumber, Arc<AggregateSpec>)>,
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
}

async fn load(
    store: &Store,
    id: &ExperimentId,
) -> Result<Option<ExperimentGenerations>, StoreError> {
    let Some(experiment) = store.experiment(id, true).await? else {
        return Ok(None);
    };
    let generations = store.generations(id).await?;
    let spec = |one: &Generation| (one.number, Arc::new(one.spec.clone()));
    Ok(Some(ExperimentGenerations {
        specs: generations.all().map(spec).collect(),
        experiment,
    }))
}
