//! Writes the steps of a history: assignments, events, changes and erasures.

use super::history::{Assign, Change, Edit, Erase, History, Step, Track};
use super::network::Pressure;
use super::world::World;
use domain::allocation::Allocation;
use domain::analysis_definition::AnalysisDefinition;
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::event::Event;
use domain::exclusion::Exclusion;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::holdout::Holdout;
use domain::ids::{EventId, ExperimentId, UnitKind, UserId};
use domain::overrides::Override;
use domain::placement::Placement;
use domain::running_holdouts;
use domain::schedule::Schedule;
use domain::time::Timestamp;
use shared::store::experiments::ChangeOutcome;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// All writers except the aggregators.
#[derive(Clone)]
pub(crate) struct Writer<'w> {
    world: &'w World,
    pub(crate) users: Vec<UserId>,
    /// The versions of each experiment, oldest first.
    pub(crate) experiments: Vec<Vec<Experiment>>,
    assigned: BTreeMap<(usize, usize), Timestamp>,
    /// Whether a user was erased.
    pub(crate) erased: bool,
}

impl<'w> Writer<'w> {
    /// Creates the experiments of a history with unique ids.
    pub(crate) async fn begin(world: &'w World, history: &History) -> Self {
        let serial = world.next_serial();
        let account = UnitKind::parse("account").unwrap();
        let user = |place| {
            let id = UserId::parse(&format!("u{serial}/{place}#é")).unwrap();
            match place % 3 {
                2 => UserId::of_unit(&account, &id),
                _ => id,
            }
        };
        let id = |place| ExperimentId::parse(&format!("x{serial}-{place}")).unwrap();
        let definitions = history.experiments.iter().enumerate();
        let holdouts = definitions.filter(|(_, definition)| definition.held_out_percent.is_some());
        let holdouts: Vec<_> = holdouts.map(|(place, _)| id(place)).collect();
        let mut experiments = Vec::new();
        for (place, definition) in history.experiments.iter().enumerate() {
            let new = NewExperiment {
                id: id(place),
                name: "X".to_owned(),
                description: None,
                status: Status::Running,
                allocation: match definition.held_out_percent {
                    Some(percent) => holdout(percent, serial),
                    None => Allocation {
                        holdouts: holdouts.clone(),
                        ..Allocation::new(definition.variants.clone(), 100.0, serial.to_string())
                    },
                },
                exclusion: Some(Exclusion {
                    condition: None,
                    results: definition.excluded.clone(),
                }),
                schedule: Schedule::new(None, definition.ends_at),
                analysis: AnalysisDefinition {
                    dimensions: definition.dimensions.clone(),
                    metrics: definition.metrics.clone(),
                    plan: None,
                },
                documentation: domain::documentation::Documentation::default(),
                shards: definition.shards,
            };
            let experiment = new.create(definition.start);
            let placement = Placement::unchanged(experiment.clone());
            let store = &world.store;
            let catalog = store.catalog_with(false).await.unwrap();
            let created = store.create_experiment(&placement, "", "a test", catalog);
            created.await.unwrap();
            experiments.push(vec![experiment]);
        }
        Self {
            world,
            users: (0..history.users).map(user).collect(),
            experiments,
            assigned: BTreeMap::new(),
            erased: false,
        }
    }

    /// Writes a step. Deliveries are ignored.
    pub(crate) async fn write(&mut self, step: &Step) {
        match step {
            Step::Assign(assign) => self.assign(assign).await,
            Step::Track(track) => self.track(track).await,
            Step::Change(change) => self.change(change).await,
            Step::Erase(erase) => self.erase(erase).await,
            Step::Deliver(_) => {}
        }
    }

    /// The newest definition.
    pub(crate) fn experiment(&self, place: usize) -> &Experiment {
        self.experiments[place].last().unwrap()
    }

    async fn assign(&mut self, assign: &Assign) {
        // Imports do not evaluate rules.
        if assign.variant.is_none() && self.is_held_out(assign).await {
            return;
        }
        let experiment = self.experiment(assign.experiment).clone();
        let user = &self.users[assign.user];
        let hashed = || {
            let variants = &experiment.allocation.variants;
            variants
                .choose(&experiment.allocation.hash_seed, user, 100.0)
                .unwrap()
        };
        let variant = assign.variant.clone();
        let assignment = Assignment {
            user_id: user.clone(),
            experiment_id: experiment.id.clone(),
            source: variant
                .as_ref()
                .map_or(AssignmentSource::Hash, |_| AssignmentSource::Import),
            variant: variant.unwrap_or_else(|| hashed().key.clone()),
            assigned_at: assign.at,
            experiment_version: experiment.version,
            layer: None,
            attributes: assign.attributes.clone(),
        };
        let stored = self
            .world
            .store
            .assign_first(&assignment, experiment.shards);
        stored.await.unwrap();
        self.assigned
            .insert((assign.user, assign.experiment), assign.at);
    }

    /// Stores the user's groups in holdouts, as the functions that assign users do before they store the assignment in an
    /// experiment. Whether one of them keeps the user out.
    async fn is_held_out(&mut self, assign: &Assign) -> bool {
        let holdouts = &self.experiment(assign.experiment).allocation.holdouts;
        let is_listed = |versions: &[Experiment]| holdouts.contains(&versions[0].id);
        let places = self.experiments.iter().enumerate();
        let places = places.filter(|(_, versions)| is_listed(versions));
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        for place in places {
            let holdout = self.experiment(place).clone();
            if !running_holdouts::is_active(&holdout, assign.at) {
                continue;
            }
            let user = &self.users[assign.user];
            let (variant, is_held_out) = running_holdouts::group(&holdout, user, assign.at);
            let assignment = Assignment {
                user_id: user.clone(),
                experiment_id: holdout.id.clone(),
                source: AssignmentSource::Hash,
                variant: variant.clone(),
                assigned_at: assign.at,
                experiment_version: holdout.version,
                layer: None,
                attributes: Attributes::new(),
            };
            let stored = self.world.store.assign_first(&assignment, holdout.shards);
            stored.await.unwrap();
            self.assigned
                .entry((assign.user, place))
                .or_insert(assign.at);
            if is_held_out {
                return true;
            }
        }
        false
    }

    /// Stores an event as the function that records events does, with the definitions and assignments that it knows.
    async fn track(&mut self, track: &Track) {
        let event = Event {
            id: EventId::parse(&format!("e#{}", track.id)).unwrap(),
            user_id: self.users[track.user].clone(),
            event_type: track.event_type.clone(),
            value: track.value,
            properties: track.properties.clone(),
            timestamp: Some(track.at),
            counted_at: track.at,
        };
        let store = &self.world.store;
        // As the function does, except that it leaves out a place where the put itself looks.
        let known = self.experiments.iter().enumerate().filter(|(place, _)| {
            self.assigned.contains_key(&(track.user, *place)) && !track.knows_no_assignments
        });
        let places = known.map(|(_, versions)| Some(versions[0].id.clone()));
        let places = places
            .chain([None])
            .map(|place| (event.user_id.clone(), event.id.clone(), place));
        let earlier = store.earlier_events(places).await.unwrap();
        let earlier = earlier.into_values().next();
        let received_at = track.at.plus_micros(1_000_000);
        let (event, received_at) = match &earlier {
            Some(earlier) => (earlier.event.clone(), earlier.received_at),
            None => (event, received_at),
        };
        let mut destinations = Vec::new();
        for (place, versions) in self.experiments.iter().enumerate() {
            let age = usize::from(track.knows_old_definitions) + 1;
            let definition = &versions[versions.len().saturating_sub(age)];
            let assigned = self.assigned.get(&(track.user, place));
            let assigned = assigned.filter(|_| !track.knows_no_assignments);
            if assigned.is_some_and(|assigned| definition.counts(*assigned, event.counted_at)) {
                destinations.push(Some((&definition.id, definition.shards)));
            }
        }
        if destinations.is_empty() && earlier.is_none() {
            destinations.push(None);
        }
        for destination in destinations {
            let stored = store.record_first(&event, destination, received_at);
            stored.await.unwrap();
        }
    }

    async fn erase(&mut self, erase: &Erase) {
        let user = &self.users[erase.user];
        let process = self.world.process(Pressure::default(), 0);
        process.network.restart(erase.crash);
        if process.erase(user).await.is_none() {
            self.world.figures.crashes.fetch_add(1, Relaxed);
            if erase.asked_again {
                process.erase(user).await.unwrap();
            }
        }
        self.erased = true;
    }

    async fn change(&mut self, change: &Change) {
        let before = self.experiment(change.experiment).clone();
        let store = &self.world.store;
        let mut asked = domain::change::Change::default();
        match &change.edit {
            Edit::Repair => {
                let asked_for = store.ask_for_sums(&before).await.unwrap();
                assert!(asked_for.is_some());
                return;
            }
            Edit::End(end) => asked.schedule.ends_at = Some(*end),
            Edit::Release => {
                let variant = before.allocation.variants.control().key.clone();
                asked.allocation.release = Some(Some(variant));
            }
            Edit::Ramp(ramp) => asked.allocation.ramp = Some(ramp.clone()),
            Edit::Override(user) => {
                let variant = before.allocation.variants.control().key.clone();
                asked.allocation.overrides = Some(vec![Override {
                    variant,
                    users: [user.clone()].into(),
                    condition: None,
                }]);
            }
            Edit::Stop => asked.status = Some(Status::Stopped),
            Edit::Shares(variants) => asked.allocation.variants = Some(variants.clone()),
            Edit::Metrics(metrics) => asked.analysis.metrics = Some(metrics.clone()),
            Edit::Exclude(excluded) => {
                asked.exclusion = Some(Some(Exclusion {
                    condition: None,
                    results: excluded.clone(),
                }));
            }
            Edit::Dimensions(dimensions) => asked.analysis.dimensions = Some(dimensions.clone()),
        }
        // Invalid changes are refused, such as another end of a stopped experiment.
        if let Ok(after) = asked.apply(&before, change.at) {
            let placement = Placement::unchanged(after.clone());
            let catalog = store.catalog_with(false).await.unwrap();
            let author = super::crowd::AUTHOR;
            let changed = store.change_experiment(&before, &placement, "", author, catalog);
            assert_eq!(changed.await.unwrap(), ChangeOutcome::Changed);
            self.experiments[change.experiment].push(after);
        }
    }
}

fn holdout(percent: f64, serial: impl ToString) -> Allocation {
    let holdout = Holdout {
        percent,
        layer: None,
    };
    Allocation::of_holdout(holdout, serial.to_string()).unwrap()
}
