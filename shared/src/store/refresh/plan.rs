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
use domain::exclusion::ExcludedUsers;
use domain::experiment::Experiment;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::sums::Overflow;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Experiments for which all events of a user are read together. For each of them, as many events are kept as make an
/// outlier user; a user may be in hundreds of experiments.
const READ_TOGETHER: usize = 4;
/// Events that are stored for an experiment at once.
const ATTRIBUTED_AT_ONCE: usize = 16;

/// An experiment in which the user must be refreshed.
struct DirtyExperiment<'u> {
    definition: Arc<ExperimentGenerations>,
    assignment: Option<&'u Assignment>,
    /// Whether all events of the user are read: for pre-exposure data, and for events that are not stored for the
    /// experiment.
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
        for (id, need) in dirty_experiments(dirty, &assignments) {
            let Some(definition) = definitions.of(&id).await? else {
                continue;
            };
            let assignment = assignments.get(&id);
            if need == Need::CountedElsewhere
                && !has_counted_elsewhere(dirty, &definition.experiment, assignment)
            {
                continue;
            }
            let is_known = |generation: &Arc<OpenGeneration>| {
                let contribution = contributions.get(&(id.clone(), generation.number));
                // A refused write of a quarantined user may have had other pre-exposure data than what is stored.
                contribution.is_some_and(|stored| {
                    !stored.quarantined && stored.contribution.enrolment.is_some()
                })
            };
            let read_all = need == Need::AllEvents || !definition.generations.iter().all(is_known);
            experiments.push(DirtyExperiment {
                assignment,
                definition,
                read_all,
            });
        }
        let mut plan = RefreshPlan::default();
        for group in experiments.chunks(READ_TOGETHER) {
            self.plan_experiments(user, dirty, contributions, group, &mut plan)
                .await?;
        }
        Ok(plan)
    }

    /// Adds experiments of a user to the plan. All events of the user are read once for them.
    async fn plan_experiments(
        &self,
        user: &UserId,
        dirty: &DirtyUser,
        contributions: &UserContributions,
        experiments: &[DirtyExperiment<'_>],
        plan: &mut RefreshPlan,
    ) -> Result<(), StoreError> {
        let to_read = experiments.iter().filter(|one| one.read_all);
        let to_read: Vec<(&Experiment, &Assignment)> = to_read
            .filter_map(|one| Some((&one.definition.experiment, one.assignment?)))
            .collect();
        let mut found = self.found_events(user, &to_read).await?;
        for experiment in experiments {
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
            let stored_events = match events.len() > MOST_EVENTS {
                true => self.number_of_events(user, experiment.id()).await?,
                false => u64::try_from(events.len()).unwrap_or(u64::MAX),
            };
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
                let excluded = &generation.spec.excluded;
                let mut reader = ContributionReader {
                    experiment: &experiment.definition.experiment,
                    generation,
                    has_excluding_event: self
                        .is_excluded_by_properties(user, experiment, excluded, &events)
                        .await?,
                    data_range: DataRange::default(),
                };
                let computed = reader
                    .contribution(experiment.assignment, &events, stored_events, &pre_exposure)
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
        Ok(())
    }

    /// Whether the properties of one of these events of a user exclude the user. They are read only if one of the events has
    /// a type whose properties decide, and not of an outlier user.
    async fn is_excluded_by_properties(
        &self,
        user: &UserId,
        experiment: &DirtyExperiment<'_>,
        excluded: &ExcludedUsers,
        events: &[UserEventSummary],
    ) -> Result<bool, StoreError> {
        let Some(assignment) = experiment.assignment else {
            return Ok(false);
        };
        let assigned_at = assignment.assigned_at;
        let decides = |stored: &UserEventSummary| {
            assigned_at < stored.event.counted_at
                && excluded.needs_properties_of(&stored.event.event_type)
        };
        if events.len() > MOST_EVENTS || !events.iter().any(decides) {
            return Ok(false);
        }
        let all_times = (assigned_at, None);
        self.has_excluding_event(user, experiment.id(), all_times, excluded)
            .await
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
            let stored_for = unattributed.stored_for.as_ref();
            let stored = self.stored_event(user, &unattributed.event, stored_for);
            // None: an erasure has deleted it meanwhile.
            let Some(stored) = stored.await? else {
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

/// The user's events that count for an experiment and are not stored for it. Not those of an outlier user, who stays one.
fn unattributed(
    experiment: &DirtyExperiment<'_>,
    assignment: &Assignment,
    dirty: &DirtyUser,
    found: &FoundEvents,
    of_experiment: &[UserEventSummary],
) -> Vec<UnattributedEvent> {
    let definition = &experiment.definition.experiment;
    let mut candidates: BTreeMap<&EventId, &Option<ExperimentId>> = match experiment.read_all {
        true => found.elsewhere.iter().collect(),
        false => counted_elsewhere(dirty, definition, assignment).collect(),
    };
    if candidates.is_empty() || of_experiment.len() > MOST_EVENTS {
        return Vec::new();
    }
    for stored in of_experiment {
        candidates.remove(&stored.event.id);
    }
    let missing = candidates.into_iter();
    let unattributed = missing.map(|(event, stored_for)| UnattributedEvent {
        event: event.clone(),
        stored_for: stored_for.clone(),
        definition: experiment.definition.clone(),
    });
    unattributed.collect()
}

fn too_large(overflow: Overflow) -> StoreError {
    StoreError::Corrupt(overflow.to_string())
}

/// The events of the batch that count for an experiment and were stored for others or for none.
fn counted_elsewhere<'d>(
    dirty: &'d DirtyUser,
    experiment: &'d Experiment,
    assignment: &'d Assignment,
) -> impl Iterator<Item = (&'d EventId, &'d Option<ExperimentId>)> {
    let counted = dirty.events.iter().filter(|(stored_for, _, counted_at)| {
        stored_for.as_ref() != Some(&experiment.id)
            && experiment.counts(assignment.assigned_at, *counted_at)
    });
    counted.map(|(stored_for, event, _)| (event, stored_for))
}

fn has_counted_elsewhere(
    dirty: &DirtyUser,
    experiment: &Experiment,
    assignment: Option<&Assignment>,
) -> bool {
    assignment.is_some_and(|one| counted_elsewhere(dirty, experiment, one).next().is_some())
}

/// What must be done in an experiment, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// A refresh if an event that was stored for other experiments or for none counts.
    CountedElsewhere,
    /// A refresh.
    Refresh,
    /// A refresh that reads all events of the user, also for the pre-exposure data.
    AllEvents,
}

/// The experiments in which the user may have to be refreshed.
fn dirty_experiments(
    dirty: &DirtyUser,
    assignments: &BTreeMap<ExperimentId, Assignment>,
) -> BTreeMap<ExperimentId, Need> {
    let mut experiments = BTreeMap::new();
    let mut note = |experiment: &ExperimentId, need: Need| {
        let known = experiments.entry(experiment.clone()).or_insert(need);
        *known = need.max(*known);
    };
    for experiment in &dirty.assignments {
        note(experiment, Need::AllEvents);
    }
    for experiment in &dirty.again {
        note(experiment, Need::Refresh);
    }
    for (experiment, _, counted_at) in &dirty.events {
        if let Some(experiment) = experiment {
            note(experiment, Need::Refresh);
        }
        for (id, assignment) in assignments {
            if is_pre_exposure(assignment.assigned_at, *counted_at) {
                note(id, Need::AllEvents);
            } else if assignment.assigned_at < *counted_at {
                note(id, Need::CountedElsewhere);
            }
        }
    }
    experiments
}
