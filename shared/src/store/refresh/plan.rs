//! What a refresh of one user has to do, from the user's records. Reads only.

use super::DirtyUser;
use super::contribution::{ContributionReader, PreExposureSource};
use super::definitions::Definitions;
use super::diff::{ContributionDiff, RefreshPlan, UnattributedEvent};
use super::erased::plan_erased_refresh;
use crate::store::aggregates::{GenerationNumber, UserContributions};
use crate::store::events::UserEvent;
use crate::store::{Store, StoreError};
use domain::aggregate_items::AggregateSpec;
use domain::aggregates::DataRange;
use domain::assignment::Assignment;
use domain::contribution::{Names, is_pre_exposure};
use domain::experiment::Experiment;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::sums::Overflow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A user's events, read when they are first needed.
struct UserEvents<'s> {
    store: &'s Store,
    user: &'s UserId,
    /// The events of all experiments, once they are read.
    all: Option<Vec<UserEvent>>,
}

impl UserEvents<'_> {
    async fn all(&mut self) -> Result<&[UserEvent], StoreError> {
        let read = match self.all.take() {
            Some(read) => read,
            None => self.store.stored_events_of(self.user, None).await?,
        };
        Ok(self.all.insert(read))
    }

    async fn of(&mut self, experiment: &ExperimentId) -> Result<Vec<UserEvent>, StoreError> {
        if let Some(all) = &self.all {
            let of_experiment = |event: &&UserEvent| event.experiment.as_ref() == Some(experiment);
            return Ok(all.iter().filter(of_experiment).cloned().collect());
        }
        self.store
            .stored_events_of(self.user, Some(experiment))
            .await
    }
}

impl Store {
    /// The plan for one user, whose contributions have been read before.
    pub(super) async fn plan_refresh(
        &self,
        user: &UserId,
        dirty: &DirtyUser,
        contributions: &UserContributions,
        definitions: &Definitions<'_>,
    ) -> Result<RefreshPlan, StoreError> {
        let user_data = self.user_data(user).await?;
        if let Some(tombstone) = user_data.tombstone {
            let records = self.record_keys_of(user, user_data).await?;
            return plan_erased_refresh(
                user,
                tombstone,
                dirty,
                contributions,
                records,
                definitions,
            )
            .await;
        }
        let assignments: BTreeMap<ExperimentId, Assignment> = user_data
            .assignments
            .into_iter()
            .map(|assignment| (assignment.experiment_id.clone(), assignment))
            .collect();
        let mut events = UserEvents {
            store: self,
            user,
            all: None,
        };
        let mut plan = RefreshPlan::default();
        for (id, pre_exposure_changed) in dirty_experiments(dirty, &assignments) {
            let Some(definition) = definitions.of(&id).await? else {
                continue;
            };
            let assignment = assignments.get(&id);
            let is_known = |(number, _): &(GenerationNumber, Arc<AggregateSpec>)| {
                let contribution = contributions.get(&(id.clone(), *number));
                contribution.is_some_and(|stored| stored.contribution.enrolment.is_some())
            };
            let read_all = pre_exposure_changed || !definition.specs.iter().all(is_known);
            if read_all {
                events.all().await?;
            }
            if let Some(assignment) = assignment {
                let found =
                    unattributed_events(assignment, &definition.experiment, dirty, &mut events);
                plan.unattributed.extend(found.await?);
            }
            let of_experiment = events.of(&id).await?;
            let all = events.all.as_deref().filter(|_| read_all);
            for (number, spec) in &definition.specs {
                let generation = (id.clone(), *number);
                let stored = contributions.get(&generation).cloned().unwrap_or_default();
                let pre_exposure = match (all, &stored.contribution.enrolment) {
                    (Some(all), _) => PreExposureSource::Records(all),
                    (None, Some(enrolment)) => PreExposureSource::Stored(enrolment),
                    (None, None) => PreExposureSource::Records(&[]),
                };
                let mut reader = ContributionReader {
                    experiment: &definition.experiment,
                    spec,
                    names: Names::default(),
                    data_range: DataRange::default(),
                };
                let computed = reader
                    .contribution(assignment, &of_experiment, &pre_exposure)
                    .map_err(too_large)?;
                plan.ranges.push((generation.clone(), reader.data_range));
                if computed != stored.contribution || dirty.fence {
                    plan.diffs.push(ContributionDiff {
                        user: user.clone(),
                        generation,
                        spec: Some(spec.clone()),
                        variants: definition.experiment.allocation.variants.as_slice().len(),
                        stored,
                        computed,
                        expires_at: None,
                    });
                }
            }
        }
        Ok(plan)
    }

    /// Stores events for the experiments that they count for.
    ///
    /// # Errors
    /// If the database fails; a repeat is safe.
    pub(super) async fn attribute_events(
        &self,
        events: &[UnattributedEvent],
    ) -> Result<(), StoreError> {
        for unattributed in events {
            let destination = Some((&unattributed.experiment, unattributed.shards));
            self.record_first(&unattributed.event, destination, unattributed.received_at)
                .await?;
        }
        Ok(())
    }
}

/// The user's events that count for an experiment and are stored for none.
async fn unattributed_events(
    assignment: &Assignment,
    experiment: &Experiment,
    dirty: &DirtyUser,
    events: &mut UserEvents<'_>,
) -> Result<Vec<UnattributedEvent>, StoreError> {
    let counts = |counted_at| experiment.counts(assignment.assigned_at, counted_at);
    let candidates: BTreeSet<EventId> = match &events.all {
        Some(all) => all
            .iter()
            .filter(|event| event.experiment.is_none() && counts(event.event.counted_at))
            .map(|event| event.event.id.clone())
            .collect(),
        None => dirty
            .events
            .iter()
            .filter(|(of, _, counted_at)| of.is_none() && counts(*counted_at))
            .map(|(_, id, _)| id.clone())
            .collect(),
    };
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let attributed: BTreeSet<EventId> = events
        .of(&assignment.experiment_id)
        .await?
        .into_iter()
        .map(|event| event.event.id)
        .collect();
    let all = events.all().await?.iter();
    let unattributed = all.filter(|event| {
        let id = &event.event.id;
        event.experiment.is_none() && candidates.contains(id) && !attributed.contains(id)
    });
    Ok(unattributed
        .map(|event| UnattributedEvent {
            event: event.event.clone(),
            experiment: experiment.id.clone(),
            shards: experiment.shards,
            received_at: event.received_at,
        })
        .collect())
}

fn too_large(overflow: Overflow) -> StoreError {
    StoreError::Corrupt(overflow.to_string())
}

/// The experiments in which the user must be refreshed, and whether the pre-exposure data must be read again.
fn dirty_experiments(
    dirty: &DirtyUser,
    assignments: &BTreeMap<ExperimentId, Assignment>,
) -> BTreeMap<ExperimentId, bool> {
    let mut experiments = BTreeMap::new();
    for experiment in &dirty.assignments {
        experiments.insert(experiment.clone(), true);
    }
    for experiment in &dirty.again {
        experiments.entry(experiment.clone()).or_insert(false);
    }
    for (experiment, _, counted_at) in &dirty.events {
        if let Some(experiment) = experiment {
            experiments.entry(experiment.clone()).or_insert(false);
        }
        for (id, assignment) in assignments {
            if is_pre_exposure(assignment.assigned_at, *counted_at) {
                experiments.insert(id.clone(), true);
            } else if experiment.is_none() && assignment.assigned_at < *counted_at {
                experiments.entry(id.clone()).or_insert(false);
            }
        }
    }
    experiments
}
