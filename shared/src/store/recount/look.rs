//! What a user's sums should be, from the user's records.

use super::Touched;
use super::erased::look_at_erased;
use crate::store::erasure::Records;
use crate::store::events::UserEvent;
use crate::store::generations::Generation;
use crate::store::statistics::{GenerationNumber, StoredSubject, Subjects};
use crate::store::{Store, StoreError};
use domain::assignment::Assignment;
use domain::experiment::Experiment;
use domain::fold::Window;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::subject::{Enrolment, Names, Subject, is_past};
use domain::sums::Overflow;
use domain::tally::Reach;
use domain::totals::Spec;
use futures::lock::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A user's part in one set of sums, as it is and as it should be.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) user: UserId,
    pub(super) sums: (ExperimentId, GenerationNumber),
    /// What the sums are of; none where nobody reads them any more, so that only the user's part changes.
    pub(super) spec: Option<Arc<Spec>>,
    pub(super) variants: usize,
    pub(super) before: StoredSubject,
    pub(super) after: Subject,
    /// See [`StoredSubject::expires_at`].
    pub(super) expires_at: Option<i64>,
}

/// What is to be done about one user.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What must change in the sums.
    pub(super) changes: Vec<Change>,
    /// How far the records reach, where nothing changes too: whoever wrote the change may have died before noting it.
    pub(super) reach: Vec<((ExperimentId, GenerationNumber), Reach)>,
    /// What must be taken away once that is written.
    pub(super) leftovers: Records,
}

/// An experiment with the sums that it has.
pub(super) struct Counting {
    pub(super) experiment: Experiment,
    pub(super) specs: Vec<(GenerationNumber, Arc<Spec>)>,
}

/// The definitions as they were when they were first needed, each read once.
pub(super) struct Definitions<'s> {
    store: &'s Store,
    read: Mutex<HashMap<ExperimentId, Option<Arc<Counting>>>>,
}

impl<'s> Definitions<'s> {
    pub(super) fn new(store: &'s Store) -> Self {
        Self {
            store,
            read: Mutex::new(HashMap::new()),
        }
    }

    pub(super) async fn of(&self, id: &ExperimentId) -> Result<Option<Arc<Counting>>, StoreError> {
        let mut read = self.read.lock().await;
        if let Some(known) = read.get(id) {
            return Ok(known.clone());
        }
        let counting = load(self.store, id).await?.map(Arc::new);
        read.insert(id.clone(), counting.clone());
        Ok(counting)
    }
}

async fn load(store: &Store, id: &ExperimentId) -> Result<Option<Counting>, StoreError> {
    let Some(experiment) = store.experiment(id, true).await? else {
        return Ok(None);
    };
    let generations = store.generations(id).await?;
    let spec = |one: &Generation| (one.number, Arc::new(one.spec.clone()));
    Ok(Some(Counting {
        specs: generations.all().map(spec).collect(),
        experiment,
    }))
}

/// The records of a user that have been read so far.
struct Read<'s> {
    store: &'s Store,
    user: &'s UserId,
    /// All of them, whatever they are stored for.
    all: Option<Vec<UserEvent>>,
}

impl Read<'_> {
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
    pub(super) async fn look(
        &self,
        user: &UserId,
        touched: &Touched,
        subjects: &Subjects,
        definitions: &Definitions<'_>,
    ) -> Result<Found, StoreError> {
        let person = self.person(user).await?;
        if let Some(tombstone) = person.tombstone {
            let assignments = person.assignments.into_iter();
            let left = Records {
                assignments: assignments.map(|one| one.experiment_id).collect(),
                events: self.event_keys_of(user).await?,
            };
            return look_at_erased(user, tombstone, touched, subjects, left, definitions).await;
        }
        let assignments: BTreeMap<ExperimentId, Assignment> = person
            .assignments
            .into_iter()
            .map(|assignment| (assignment.experiment_id.clone(), assignment))
            .collect();
        let mut records = Read {
            store: self,
            user,
            all: None,
        };
        let mut found = Found::default();
        for (id, whole) in dirty(touched, &assignments) {
            let Some(counting) = definitions.of(&id).await? else {
                continue;
            };
            let assignment = assignments.get(&id);
            let known = |(number, _): &(GenerationNumber, Arc<Spec>)| {
                let subject = subjects.get(&(id.clone(), *number));
                subject.is_some_and(|stored| stored.subject.enrolment.is_some())
            };
            let whole = whole || !counting.specs.iter().all(known);
            if whole {
                records.all().await?;
            }
            if let Some(assignment) = assignment {
                self.adopt(assignment, &counting.experiment, touched, &mut records)
                    .await?;
            }
            let events = records.of(&id).await?;
            for (number, spec) in &counting.specs {
                let sums = (id.clone(), *number);
                let before = subjects.get(&sums).cloned().unwrap_or_default();
                let mut user_now = UserNow {
                    experiment: &counting.experiment,
                    spec,
                    names: Names::default(),
                    reach: Reach::default(),
                };
                let past = match (&records.all, &before.subject.enrolment) {
                    (Some(all), _) if whole => PastFrom::Records(all),
                    (_, Some(enrolment)) => PastFrom::Stored(enrolment),
                    _ => PastFrom::Records(&[]),
                };
                let after = user_now
                    .subject(assignment, &events, &past)
                    .map_err(too_large)?;
                found.reach.push((sums.clone(), user_now.reach));
                if after != before.subject || touched.fence {
                    found.changes.push(Change {
                        user: user.clone(),
                        sums,
                        spec: Some(spec.clone()),
                        variants: counting.experiment.variants.as_slice().len(),
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
        touched: &Touched,
        records: &mut Read<'_>,
    ) -> Result<(), StoreError> {
        let counts = |counted_at| experiment.counts(assignment.assigned_at, counted_at);
        let stray = match &records.all {
            Some(all) => all
                .iter()
                .filter(|event| event.experiment.is_none() && counts(event.event.counted_at))
                .map(|event| event.event.id.clone())
                .collect::<Vec<EventId>>(),
            None => touched
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

/// The experiments in which the user must be looked at, and whether the past must be read again.
fn dirty(
    touched: &Touched,
    assignments: &BTreeMap<ExperimentId, Assignment>,
) -> BTreeMap<ExperimentId, bool> {
    let mut dirty = BTreeMap::new();
    for experiment in &touched.assignments {
        dirty.insert(experiment.clone(), true);
    }
    for experiment in &touched.again {
        dirty.entry(experiment.clone()).or_insert(false);
    }
    for (experiment, _, counted_at) in &touched.events {
        if let Some(experiment) = experiment {
            dirty.entry(experiment.clone()).or_insert(false);
        }
        for (id, assignment) in assignments {
            if is_past(assignment.assigned_at, *counted_at) {
                dirty.insert(id.clone(), true);
            } else if experiment.is_none() && assignment.assigned_at < *counted_at {
                dirty.entry(id.clone()).or_insert(false);
            }
        }
    }
    dirty
}

enum PastFrom<'p> {
    Records(&'p [UserEvent]),
    Stored(&'p Enrolment),
}

/// Makes a user's part from the records.
struct UserNow<'u> {
    experiment: &'u Experiment,
    spec: &'u Spec,
    names: Names,
    reach: Reach,
}

impl UserNow<'_> {
    fn subject(
        &mut self,
        assignment: Option<&Assignment>,
        events: &[UserEvent],
        past: &PastFrom<'_>,
    ) -> Result<Subject, Overflow> {
        let enrolment = assignment
            .map(|one| self.enrolment(one, past))
            .transpose()?;
        let mut subject = Subject::new(enrolment.flatten());
        for UserEvent {
            event, received_at, ..
        } in events
        {
            self.reach.event(event.counted_at, Some(*received_at));
            let name = self.names.of(&event.event_type);
            let value = event.value.unwrap_or_default().millionths();
            subject.event(
                self.experiment,
                Window::default(),
                name,
                value,
                event.counted_at,
            )?;
        }
        Ok(subject.sealed())
    }

    fn enrolment(
        &mut self,
        assignment: &Assignment,
        past: &PastFrom<'_>,
    ) -> Result<Option<Enrolment>, Overflow> {
        let Some(variant) = self.experiment.variants.position(&assignment.variant) else {
            return Ok(None);
        };
        self.reach.assignment(assignment.assigned_at);
        let mut enrolment = Enrolment::new(
            self.experiment,
            &self.spec.segments,
            variant,
            assignment.assigned_at,
            &assignment.attributes,
        );
        match past {
            PastFrom::Stored(stored) => enrolment.past.clone_from(&stored.past),
            PastFrom::Records(all) => {
                let events = all.iter().map(|stored| &stored.event);
                enrolment.past_events(&mut self.names, events)?;
            }
        }
        Ok(Some(enrolment))
    }
}
