//! What a user's sums should be, from the user's records.

use super::DirtyUser;
use super::erased::plan_erased_refresh;
use crate::store::aggregates::{GenerationNumber, StoredContribution, UserContributions};
use crate::store::erasure::Records;
use crate::store::events::UserEvent;
use crate::store::generations::Generation;
use crate::store::{Store, StoreError};
use domain::aggregate_items::AggregateSpec;
use domain::aggregates::DataRange;
use domain::assignment::Assignment;
use domain::contribution::{Enrolment, Names, UserContribution, is_pre_exposure};
use domain::experiment::Experiment;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::record_aggregator::Window;
use domain::sums::Overflow;
use futures::lock::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A user's part in one set of sums, as it is and as it should be.
#[derive(Debug, Clone)]
pub(super) struct ContributionDiff {
    pub(super) user: UserId,
    pub(super) sums: (ExperimentId, GenerationNumber),
    /// What the sums are of; none where nobody reads them any more, so that only the user's part changes.
    pub(super) spec: Option<Arc<AggregateSpec>>,
    pub(super) variants: usize,
    pub(super) before: StoredContribution,
    pub(super) after: UserContribution,
    /// See [`StoredContribution::expires_at`].
    pub(super) expires_at: Option<i64>,
}

/// What is to be done about one user.
#[derive(Debug, Default)]
pub(super) struct RefreshPlan {
    /// What must change in the sums.
    pub(super) changes: Vec<ContributionDiff>,
    /// How far the records data range, where nothing changes too: whoever wrote the change may have died before noting it.
    pub(super) data_range: Vec<((ExperimentId, GenerationNumber), DataRange)>,
    /// What must be taken away once that is written.
    pub(super) leftovers: Records,
}

/// An experiment with the sums that it has.
pub(super) struct ExperimentGenerations {
    pub(super) experiment: Experiment,
    pub(super) specs: Vec<(GenerationNumber, Arc<AggregateSpec>)>,
}

/// The definitions as they were when they were first needed, each read once.
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

/// The records of a user that have been read so far.
struct UserRecords<'s> {
    store: &'s Store,
    user: &'s UserId,
    /// All of them, whatever they are stored for.
    all: Option<Vec<UserEvent>>,
}

impl UserRecords<'_> {
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
    /// What must change in the sums because of one user, of whom this is in them.
    pub(super) async fn plan_refresh(
        &self,
        user: &UserId,
        dirty: &DirtyUser,
        contributions: &UserContributions,
        definitions: &Definitions<'_>,
    ) -> Result<RefreshPlan, StoreError> {
        let user_data = self.user_data(user).await?;
        if let Some(tombstone) = user_data.tombstone {
            let assignments = user_data.assignments.into_iter();
            let left = Records {
                assignments: assignments.map(|one| one.experiment_id).collect(),
                events: self.event_keys_of(user).await?,
            };
            return plan_erased_refresh(user, tombstone, dirty, contributions, left, definitions)
                .await;
        }
        let assignments: BTreeMap<ExperimentId, Assignment> = user_data
            .assignments
            .into_iter()
            .map(|assignment| (assignment.experiment_id.clone(), assignment))
            .collect();
        let mut records = UserRecords {
            store: self,
            user,
            all: None,
        };
        let mut found = RefreshPlan::default();
        for (id, whole) in dirty_experiments(dirty, &assignments) {
            let Some(generations) = definitions.of(&id).await? else {
                continue;
            };
            let assignment = assignments.get(&id);
            let known = |(number, _): &(GenerationNumber, Arc<AggregateSpec>)| {
                let contribution = contributions.get(&(id.clone(), *number));
                contribution.is_some_and(|stored| stored.contribution.enrolment.is_some())
            };
            let whole = whole || !generations.specs.iter().all(known);
            if whole {
                records.all().await?;
            }
            if let Some(assignment) = assignment {
                self.adopt(assignment, &generations.experiment, dirty, &mut records)
                    .await?;
            }
            let events = records.of(&id).await?;
            for (number, spec) in &generations.specs {
                let sums = (id.clone(), *number);
                let before = contributions.get(&sums).cloned().unwrap_or_default();
                let mut reader = ContributionReader {
                    experiment: &generations.experiment,
                    spec,
                    names: Names::default(),
                    data_range: DataRange::default(),
                };
                let pre_exposure = match (&records.all, &before.contribution.enrolment) {
                    (Some(all), _) if whole => PreExposureFrom::Records(all),
                    (_, Some(enrolment)) => PreExposureFrom::Stored(enrolment),
                    _ => PreExposureFrom::Records(&[]),
                };
                let after = reader
                    .contribution(assignment, &events, &pre_exposure)
                    .map_err(too_large)?;
                found.data_range.push((sums.clone(), reader.data_range));
                if after != before.contribution || dirty.fence {
                    found.changes.push(ContributionDiff {
                        user: user.clone(),
                        sums,
                        spec: Some(spec.clone()),
                        variants: generations.experiment.variants.as_slice().len(),
                        before,
                        after,
                        expires_at: None,
                    });
                }
            }
        }
        Ok(found)
    }

    /// Stores for an experiment what counts for it and was stored for none: an event and its user's assignment may
    /// arrive in the same moment, each without knowing of the other.
    async fn adopt(
        &self,
        assignment: &Assignment,
        experiment: &Experiment,
        dirty: &DirtyUser,
        records: &mut UserRecords<'_>,
    ) -> Result<(), StoreError> {
        let counts = |counted_at| experiment.counts(assignment.assigned_at, counted_at);
        let stray = match &records.all {
            Some(all) => all
                .iter()
                .filter(|event| event.experiment.is_none() && counts(event.event.counted_at))
                .map(|event| event.event.id.clone())
                .collect::<Vec<EventId>>(),
            None => dirty
                .events
                .iter()
                .filter(|(of, _, counted_at)| of.is_none() && counts(*counted_at))
                .map(|(_, id, _)| id.clone())
                .collect(),
        };
        if stray.is_empty() {
            return Ok(());
        }
        let stored: BTreeSet<EventId> = records
            .of(&assignment.experiment_id)
            .await?
            .into_iter()
            .map(|event| event.event.id)
            .collect();
        let all = records.all().await?;
        let destination = Some((&experiment.id, experiment.shards));
        for event in all.iter().filter(|event| event.experiment.is_none()) {
            if stray.contains(&event.event.id) && !stored.contains(&event.event.id) {
                // Its own record in the stream has it counted.
                self.record_first(&event.event, destination, event.received_at)
                    .await?;
            }
        }
        Ok(())
    }
}

fn too_large(overflow: Overflow) -> StoreError {
    StoreError::Corrupt(overflow.to_string())
}

/// The experiments in which the user must be looked at, and whether the pre exposure must be read again.
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

enum PreExposureFrom<'p> {
    Records(&'p [UserEvent]),
    Stored(&'p Enrolment),
}

/// Makes a user's part from the records.
struct ContributionReader<'u> {
    experiment: &'u Experiment,
    spec: &'u AggregateSpec,
    names: Names,
    data_range: DataRange,
}

impl ContributionReader<'_> {
    fn contribution(
        &mut self,
        assignment: Option<&Assignment>,
        events: &[UserEvent],
        pre_exposure: &PreExposureFrom<'_>,
    ) -> Result<UserContribution, Overflow> {
        let enrolment = assignment
            .map(|one| self.enrolment(one, pre_exposure))
            .transpose()?;
        let mut contribution = UserContribution::new(enrolment.flatten());
        for UserEvent {
            event, received_at, ..
        } in events
        {
            self.data_range.event(event.counted_at, Some(*received_at));
            let name = self.names.of(&event.event_type);
            let value = event.value.unwrap_or_default().millionths();
            contribution.event(
                self.experiment,
                Window::default(),
                name,
                value,
                event.counted_at,
            )?;
        }
        Ok(contribution.sealed())
    }

    fn enrolment(
        &mut self,
        assignment: &Assignment,
        pre_exposure: &PreExposureFrom<'_>,
    ) -> Result<Option<Enrolment>, Overflow> {
        let Some(variant) = self.experiment.variants.position(&assignment.variant) else {
            return Ok(None);
        };
        self.data_range.assignment(assignment.assigned_at);
        let mut enrolment = Enrolment::new(
            self.experiment,
            &self.spec.dimensions,
            variant,
            assignment.assigned_at,
            &assignment.attributes,
        );
        match pre_exposure {
            PreExposureFrom::Stored(stored) => {
                enrolment.pre_exposure.clone_from(&stored.pre_exposure)
            }
            PreExposureFrom::Records(all) => {
                let events = all.iter().map(|stored| &stored.event);
                enrolment.pre_exposure_events(&mut self.names, events)?;
            }
        }
        Ok(Some(enrolment))
    }
}
