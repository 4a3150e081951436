//! What a refresh of one user has to do, from the user's records. Reads only.

use super::DirtyUser;
use super::contribution::{ContributionReader, PreExposureSource};
use super::definitions::{Definitions, ExperimentGenerations, OpenGeneration};
use super::diff::{ContributionDiff, RefreshPlan, UnattributedEvent};
use super::erased::plan_erased_refresh;
use super::user_events::FoundEvents;
use crate::store::aggregates::UserContributions;
use crate::store::event_summaries::{MOST_EVENTS, UserEventSummary};
use crate::store::{Store, StoreError};
use domain::aggregates::DataRange;
use domain::assignment::Assignment;
use domain::contribution::is_pre_exposure;
use domain::experiment::Experiment;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::sums::Overflow;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Events that are stored for an experiment at once.
const ATTRIBUTED_AT_ONCE: usize = 16;

/// An experiment in which the user must be refreshed.
struct DirtyExperiment<'u> {
    definition: Arc<ExperimentGenerations>,
    assignment: Option<&'u Assignment>,
    /// Whether all events of the user are read: for pre-exposure data, and for events that are stored for no experiment.
    read_all: bool,
}

impl DirtyExperiment<'_> {
    fn id(&self) -> &ExperimentId {
        &self.definition.experiment.id
    }

    fn variants(&self) -> usize {
        let variants = &self.definition.experiment.allocation.variants;
        variants.as_slice().len()
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
        let mut experiments = Vec::new();
        for (id, pre_exposure_changed) in dirty_experiments(dirty, &assignments) {
            let Some(definition) = definitions.of(&id).await? else {
                continue;
            };
            let is_known = |generation: &Arc<OpenGeneration>| {
                let contribution = contributions.get(&(id.clone(), generation.number));
                // A refused write of a quarantined user may have had other pre-exposure data than what is stored.
                contribution.is_some_and(|stored| {
                    !stored.quarantined && stored.contribution.enrolment.is_some()
                })
            };
            let read_all = pre_exposure_changed || !definition.generations.iter().all(is_known);
            experiments.push(DirtyExperiment {
                assignment: assignments.get(&id),
                definition,
                read_all,
            });
        }
        let to_read = experiments.iter().filter(|one| one.read_all);
        let to_read: Vec<(&Experiment, &Assignment)> = to_read
            .filter_map(|one| Some((&one.definition.experiment, one.assignment?)))
            .collect();
        let mut found = self.found_events(user, &to_read).await?;
        let mut plan = RefreshPlan::default();
        for experiment in &experiments {
            let mut found = found.remove(experiment.id()).unwrap_or_default();
            // Where all events were read, those of the experiment are among them.
            let events = match experiment.read_all && experiment.assignment.is_some() {
                true => std::mem::take(&mut found.stored),
                false => self.event_summaries_of(user, experiment.id()).await?,
            };
            if let Some(assignment) = experiment.assignment {
                let unattributed = unattributed(experiment, assignment, dirty, &found, &events);
                plan.unattributed.extend(unattributed);
            }
            for generation in &experiment.definition.generations {
                let key = (experiment.id().clone(), generation.number);
                let stored = contributions.get(&key).cloned().unwrap_or_default();
                if stored.damaged {
                    plan.damaged.extend((!stored.quarantined).then_some(key));
                    continue;
                }
                let pre_exposure = match &stored.contribution.enrolment {
                    Some(enrolment) if !experiment.read_all => PreExposureSource::Stored(enrolment),
                    _ => PreExposureSource::Records(&found.pre_exposure),
                };
                let mut reader = ContributionReader {
                    experiment: &experiment.definition.experiment,
                    generation,
                    data_range: DataRange::default(),
                };
                let computed = reader
                    .contribution(experiment.assignment, &events, &pre_exposure)
                    .map_err(too_large)?;
                plan.ranges.push((key.clone(), reader.data_range));
                let changed = computed != stored.contribution || stored.quarantined;
                if changed || dirty.fence {
                    plan.diffs.push(ContributionDiff {
                        user: user.clone(),
                        generation: key,
                        open: Some(generation.clone()),
                        variants: experiment.variants(),
                        stored,
                        computed,
                        expires_at: None,
                    });
                }
            }
        }
        Ok(plan)
    }

    /// Stores a user's events for the experiments that they count for.
    ///
    /// # Errors
    /// If the database fails; a repeat is safe.
    pub(super) async fn attribute_events(
        &self,
        user: &UserId,
        events: &[UnattributedEvent],
    ) -> Result<(), StoreError> {
        let attribute = async |unattributed: &UnattributedEvent| -> Result<(), StoreError> {
            // None: an erasure has deleted it meanwhile.
            let Some(stored) = self.unattributed_event(user, &unattributed.event).await? else {
                return Ok(());
            };
            let experiment = &unattributed.definition.experiment;
            if !experiment.accepts(stored.received_at) {
                return Ok(());
            }
            let destination = Some((&experiment.id, experiment.shards));
            self.record_first(&stored.event, destination, stored.received_at)
                .await?;
            Ok(())
        };
        stream::iter(events.iter().map(attribute))
            .buffer_unordered(ATTRIBUTED_AT_ONCE)
            .try_collect()
            .await
    }
}

/// The user's events that count for an experiment and are stored for none. Not those of an outlier user, who stays one.
fn unattributed(
    experiment: &DirtyExperiment<'_>,
    assignment: &Assignment,
    dirty: &DirtyUser,
    found: &FoundEvents,
    of_experiment: &[UserEventSummary],
) -> Vec<UnattributedEvent> {
    let definition = &experiment.definition.experiment;
    let counts = |counted_at| definition.counts(assignment.assigned_at, counted_at);
    let named = dirty
        .events
        .iter()
        .filter(|(of, _, counted_at)| of.is_none() && counts(*counted_at));
    let candidates: BTreeSet<&EventId> = match experiment.read_all {
        true => found.unattributed.iter().collect(),
        false => named.map(|(_, id, _)| id).collect(),
    };
    if candidates.is_empty() || of_experiment.len() > MOST_EVENTS {
        return Vec::new();
    }
    let attributed: BTreeSet<&EventId> = of_experiment.iter().map(|one| &one.event.id).collect();
    let missing = candidates.difference(&attributed);
    let unattributed = missing.map(|event| UnattributedEvent {
        event: EventId::clone(event),
        definition: experiment.definition.clone(),
    });
    unattributed.collect()
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
