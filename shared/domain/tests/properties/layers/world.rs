//! One layer with experiments, holdouts, and processes with cached definitions.

use super::steps::Step;
use domain::allocation::{Allocation, Variant, Variants};
use domain::analysis_definition::AnalysisDefinition;
use domain::assignment::{Assignment, AssignmentSource};
use domain::change::{AllocationChange, Change};
use domain::condition::NoSegments;
use domain::documentation::Documentation;
use domain::evaluation::{EvaluationInput, EvaluationReason, evaluate, restrict_traced};
use domain::evaluation_context::EvaluationContext;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::holdout::Holdout;
use domain::ids::{ExperimentId, LayerId, UserId, VariantKey};
use domain::layer::{Layer, LayerPercent, LayerShare};
use domain::limits::LAYER_RELEASE_SECONDS;
use domain::placement::{Needs, Placement, Surroundings, place};
use domain::running_holdouts::{self, RunningHoldouts};
use domain::schedule::Schedule;
use domain::stored_user::StoredUser;
use domain::time::Timestamp;
use serde_json::Map;
use std::collections::{BTreeMap, BTreeSet};

/// How long a process uses a definition.
const CACHE_SECONDS: i64 = 10;
/// How long a request takes at most.
const REQUEST_SECONDS: i64 = 29;
pub(crate) const PROCESSES: usize = 3;
pub(crate) const USERS: usize = 20;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn layer_id() -> LayerId {
    LayerId::parse("l").unwrap()
}

/// What keeps a user out of a second experiment of the layer, and held-out users out of all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Safeguards {
    /// Freed ranges are given away only when no process uses an old definition.
    pub(crate) delay: bool,
    /// Users with an assignment in the layer are not assigned in another experiment of it.
    pub(crate) history: bool,
    /// A definition lists the holdouts from its first start on.
    pub(crate) listed_at_start: bool,
}

pub(crate) const ALL: Safeguards = Safeguards {
    delay: true,
    history: true,
    listed_at_start: true,
};

/// Assignments that a request is about to store.
struct Pending {
    since: i64,
    assignments: Vec<Assignment>,
}

pub(crate) struct World {
    safeguards: Safeguards,
    second: i64,
    layer: Layer,
    holdouts: RunningHoldouts,
    experiments: Vec<Experiment>,
    started_holdouts: Vec<Experiment>,
    caches: Vec<BTreeMap<ExperimentId, (Experiment, i64)>>,
    pending: Vec<Pending>,
    stored: BTreeMap<(UserId, ExperimentId), Assignment>,
}

impl World {
    pub(crate) fn new(safeguards: Safeguards) -> Self {
        Self {
            safeguards,
            second: 1_000,
            layer: Layer::new(layer_id(), "seed".to_owned(), "L".to_owned(), None, at(0)),
            holdouts: RunningHoldouts::default(),
            experiments: Vec::new(),
            started_holdouts: Vec::new(),
            caches: vec![BTreeMap::new(); PROCESSES],
            pending: Vec::new(),
            stored: BTreeMap::new(),
        }
    }

    pub(crate) fn run(&mut self, step: Step) {
        match step {
            Step::Start { hundredths, clock } => {
                let variant = |key, percent| Variant {
                    key: VariantKey::parse(key).unwrap(),
                    percent,
                    name: None,
                };
                let variants = vec![variant("control", 50.0), variant("green", 50.0)];
                let number = self.experiments.len();
                let allocation = Allocation {
                    layer: Some(LayerShare::requested(layer_id(), percent(hundredths))),
                    ..Allocation::new(
                        Variants::new(variants).unwrap(),
                        100.0,
                        format!("seed{number}"),
                    )
                };
                let new = created(&format!("e{number}"), allocation, at(self.second + clock));
                if let Some(placed) = self.placed(None, new) {
                    let listed = placed.allocation.holdouts.len();
                    assert_eq!(listed, self.started_holdouts.len());
                    self.experiments.push(placed);
                }
            }
            Step::Resize {
                experiment,
                hundredths,
                clock,
            } => {
                let allocation = AllocationChange {
                    layer: Some(Some((layer_id(), percent(hundredths)))),
                    ..AllocationChange::default()
                };
                let change = Change {
                    allocation,
                    ..Change::default()
                };
                self.change(experiment, change, clock);
            }
            Step::Stop { experiment, clock } => {
                let change = Change {
                    status: Some(Status::Stopped),
                    ..Change::default()
                };
                self.change(experiment, change, clock);
            }
            Step::StartHoldout => {
                let number = self.started_holdouts.len();
                let holdout = Holdout {
                    percent: 20.0,
                    layer: None,
                };
                let allocation =
                    Allocation::of_holdout(holdout, format!("holdout{number}")).unwrap();
                let new = created(&format!("h{number}"), allocation, at(self.second));
                if let Some(placed) = self.placed(None, new) {
                    self.started_holdouts.push(placed);
                }
            }
            Step::Wait { seconds } => {
                let until = self.second + seconds;
                while let Some(oldest) = self.pending.first()
                    && oldest.since + REQUEST_SECONDS <= until
                {
                    self.second = self.second.max(oldest.since + REQUEST_SECONDS);
                    self.finish();
                }
                self.second = until;
            }
            Step::Begin {
                process,
                experiment,
                user,
            } => self.begin(process, experiment, user),
            Step::Finish => self.finish(),
        }
    }

    fn change(&mut self, experiment: usize, change: Change, clock: i64) {
        let Some(before) = self.recent(experiment).cloned() else {
            return;
        };
        if let Ok(after) = change.apply(&before, at(self.second + clock))
            && let Some(placed) = self.placed(Some(&before), after)
        {
            let mut all = self.experiments.iter_mut();
            *all.find(|each| each.id == before.id).unwrap() = placed;
        }
    }

    /// One of the last experiments.
    fn recent(&self, number: usize) -> Option<&Experiment> {
        self.experiments.iter().rev().nth(number)
    }

    /// Stores a version with its place.
    fn placed(&mut self, before: Option<&Experiment>, after: Experiment) -> Option<Experiment> {
        let needs = Needs::of(before, &after);
        let surroundings = Surroundings {
            layer: needs.layer.map(|_| self.layer.clone()),
            holdouts: self.holdouts.clone(),
        };
        let seconds = if self.safeguards.delay {
            2 * CACHE_SECONDS + LAYER_RELEASE_SECONDS
        } else {
            0
        };
        let free_from = after.updated_at.plus_micros(seconds * 1_000_000);
        let Placement {
            experiment,
            layer,
            holdouts,
            ..
        } = place(before, after, surroundings, free_from).ok()?;
        self.layer = layer.unwrap_or_else(|| self.layer.clone());
        self.holdouts = holdouts.unwrap_or_else(|| self.holdouts.clone());
        Some(experiment)
    }

    fn begin(&mut self, process: usize, experiment: usize, user: usize) {
        let Some(id) = self.recent(experiment).map(|each| each.id.clone()) else {
            return;
        };
        let definition = self.cached(process, &id);
        let listed = if self.safeguards.listed_at_start {
            definition.allocation.holdouts.clone()
        } else {
            let running = self.holdouts.holdouts.iter();
            running.map(|holdout| holdout.id.clone()).collect()
        };
        let holdouts: Vec<_> = listed.iter().map(|id| self.cached(process, id)).collect();
        let holdouts: Vec<&Experiment> = holdouts.iter().collect();
        let context = EvaluationContext::new(user_id(user), Map::new());
        let input = EvaluationInput {
            definition: &definition,
            holdouts: &holdouts,
            context: &context,
            now: at(self.second),
        };
        let key = (context.user_id.clone(), id);
        if self.stored.contains_key(&key)
            || evaluate(&input, &NoSegments).reason != EvaluationReason::Split
        {
            return;
        }
        let own = self
            .stored
            .values()
            .filter(|stored| stored.user_id == context.user_id);
        let own = own.filter(|_| self.safeguards.history).cloned().collect();
        let restricted = restrict_traced(&input, &StoredUser::new(own, false), &mut Vec::new());
        let mut assignments: Vec<_> = input
            .holdout_groups()
            .into_iter()
            .map(|(holdout, group)| assignment(&context.user_id, holdout, group, self.second))
            .collect();
        if restricted.is_none() {
            let variant = evaluate(&input, &NoSegments).variant;
            assignments.push(assignment(
                &context.user_id,
                &definition,
                variant,
                self.second,
            ));
        }
        self.pending.push(Pending {
            since: self.second,
            assignments,
        });
    }

    /// The definition that a process uses.
    fn cached(&mut self, process: usize, id: &ExperimentId) -> Experiment {
        if let Some((definition, since)) = self.caches[process].get(id)
            && self.second < since + CACHE_SECONDS
        {
            return definition.clone();
        }
        let mut all = self.experiments.iter().chain(&self.started_holdouts);
        let definition = all.find(|each| each.id == *id).unwrap().clone();
        let entry = (definition.clone(), self.second);
        self.caches[process].insert(id.clone(), entry);
        definition
    }

    fn finish(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        for assignment in self.pending.remove(0).assignments {
            let key = (assignment.user_id.clone(), assignment.experiment_id.clone());
            self.stored.entry(key).or_insert(assignment);
        }
    }

    /// A user who was ever assigned in two experiments of the layer, or in an experiment of a holdout that keeps the user
    /// out.
    pub(crate) fn fault(&self) -> Option<String> {
        let mut in_layer: BTreeMap<&UserId, BTreeSet<&ExperimentId>> = BTreeMap::new();
        for assignment in self.stored.values().filter(|each| each.layer.is_some()) {
            let own = in_layer.entry(&assignment.user_id).or_default();
            own.insert(&assignment.experiment_id);
            if own.len() > 1 {
                return Some(format!("{} is in {own:?}", assignment.user_id));
            }
            for holdout in &self.started_holdouts {
                let now = assignment.assigned_at;
                let held_out = running_holdouts::group(holdout, &assignment.user_id, now).1;
                if held_out && self.applies(holdout, &assignment.experiment_id) {
                    return Some(format!("{} is held out", assignment.user_id));
                }
                let key = (assignment.user_id.clone(), holdout.id.clone());
                if let Some(stored) = self.stored.get(&key)
                    && stored.variant.as_str() == Holdout::HELD_OUT
                    && !held_out
                {
                    return Some(format!("{} has another group", assignment.user_id));
                }
            }
        }
        None
    }

    /// Whether evaluations of an experiment apply a holdout.
    fn applies(&self, holdout: &Experiment, id: &ExperimentId) -> bool {
        let mut all = self.experiments.iter();
        let experiment = all.find(|each| each.id == *id).unwrap();
        experiment.allocation.holdouts.contains(&holdout.id) || !self.safeguards.listed_at_start
    }
}

fn percent(hundredths: u16) -> LayerPercent {
    LayerPercent::try_from(f64::from(hundredths) / 100.0).unwrap()
}

fn user_id(number: usize) -> UserId {
    UserId::parse(&format!("user-{number}")).unwrap()
}

fn created(id: &str, allocation: Allocation, now: Timestamp) -> Experiment {
    let new = NewExperiment {
        id: ExperimentId::parse(id).unwrap(),
        name: "E".to_owned(),
        description: None,
        status: Status::Running,
        allocation,
        exclusion: None,
        schedule: Schedule::default(),
        analysis: AnalysisDefinition::default(),
        documentation: Documentation::default(),
        shards: 1,
    };
    new.create(now)
}

fn assignment(
    user: &UserId,
    experiment: &Experiment,
    variant: &VariantKey,
    second: i64,
) -> Assignment {
    let layer = experiment.allocation.layer.as_ref();
    Assignment {
        user_id: user.clone(),
        experiment_id: experiment.id.clone(),
        variant: variant.clone(),
        assigned_at: at(second),
        source: AssignmentSource::Hash,
        experiment_version: experiment.version,
        layer: layer.map(|layer| layer.id.clone()),
        attributes: BTreeMap::new(),
    }
}
