//! The model: the possible actions in each state, and the properties to check.

use stateright::{Model, Property};

use crate::safeguards::Safeguard;
use crate::stores::{
    Backfill, END, Erasure, Head, Items, State, USER_DATA, UserContribution, contribution,
};
use crate::workers::{Run, Step, Worker};

/// A configuration of the model: its initial state, its workers and its safeguards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    /// Items that are stored and aggregated in the initial state.
    pub(crate) initial_items: Items,
    /// The item that each request puts.
    pub(crate) requests: &'static [Items],
    /// The workers. Workers of the same kind must be adjacent.
    pub(crate) workers: &'static [Worker],
    pub(crate) backfills: u8,
    pub(crate) definition_changes: u8,
    /// Whether a worker reads the items one by one, in any order, and not all at once. It always reads
    /// the definition separately.
    pub(crate) reads_in_parts: bool,
    /// Whether a worker reads the head again after its writes, and starts again if the head has changed.
    pub(crate) rereads_head: bool,
    /// The safeguards that this configuration does not have.
    pub(crate) without: &'static [Safeguard],
}

/// A possible action. `worker` is an index in [`Protocol::workers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Put { request: usize },
    ChangeDefinition,
    Take { worker: usize, record: u8 },
    Start { worker: usize },
    Step { worker: usize },
    Read { worker: usize, items: Items },
    Crash { worker: usize },
}

impl Protocol {
    pub(crate) fn has(&self, safeguard: Safeguard) -> bool {
        !self.without.contains(&safeguard)
    }

    /// Describes an action for a counterexample. The state before the action has the worker's step.
    pub(crate) fn describe(&self, before: &State, action: &Action) -> String {
        let (Action::Step { worker } | Action::Read { worker, .. } | Action::Crash { worker }) =
            action
        else {
            return format!("{action:?}");
        };
        let step = before.runs[*worker].as_ref().map(|run| &run.step);
        format!("{action:?} of {:?}: {step:?}", self.workers[*worker])
    }

    fn erases(&self) -> bool {
        self.workers.contains(&Worker::Erasure)
    }

    fn is_idle(&self, state: &State) -> bool {
        state.is_idle(self.has(Safeguard::DefinitionPass))
    }

    /// Whether all requests, changes, backfills and erasures are complete.
    fn is_complete(&self, state: &State) -> bool {
        self.is_idle(state)
            && state.requests == 0
            && state.backfills_left == 0
            && state.head.definition == self.definition_changes
            && (state.erasure == Erasure::Done) == self.erases()
    }

    /// Adds the possible actions of an idle worker.
    fn add_idle_worker_actions(&self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        let due = match self.workers[worker] {
            Worker::Aggregator => {
                let records = bits(state.stream);
                return actions.extend(records.map(|record| Action::Take { worker, record }));
            }
            Worker::DefinitionPass => {
                state.passed_definition != state.head.definition
                    && self.has(Safeguard::DefinitionPass)
            }
            Worker::Backfill => state.backfill != Backfill::Idle || state.backfills_left > 0,
            Worker::Erasure => state.erasure != Erasure::Done,
        };
        if due {
            actions.push(Action::Start { worker });
        }
    }

    /// Adds the possible actions of a busy worker.
    fn add_busy_worker_actions(
        &self,
        state: &State,
        worker: usize,
        run: &Run,
        actions: &mut Vec<Action>,
    ) {
        match run.step {
            Step::ReadItems { unread, .. } if self.reads_in_parts => {
                let each = bits(unread).map(|bit| 1 << bit);
                actions.extend(each.map(|items| Action::Read { worker, items }));
            }
            Step::ReadItems { unread, .. } => {
                let parts = [unread & END, unread & !END].into_iter();
                let parts = parts.filter(|items| *items != 0);
                actions.extend(parts.map(|items| Action::Read { worker, items }));
            }
            Step::DeleteContributions(old)
                if self.has(Safeguard::DeletesGenerationLate)
                    && state.runs.iter().flatten().any(|run| run.may_write(old)) => {}
            _ => actions.push(Action::Step { worker }),
        }
        actions.push(Action::Crash { worker });
    }

    fn start(&self, state: &mut State, worker: usize) {
        match self.workers[worker] {
            Worker::Erasure => state.erasure = Erasure::Pending,
            Worker::Backfill if state.backfill == Backfill::Idle => {
                state.backfill = Backfill::Building;
                state.backfills_left -= 1;
                state.head.building = Some(state.head.current + 1);
            }
            _ => {}
        }
        state.runs[worker] = Some(Run::at(self.first_step(state, self.workers[worker])));
    }

    fn put(&self, state: &mut State, request: usize) {
        let item = self.requests[request];
        state.requests &= !(1 << request);
        if state.raw & item == 0 {
            state.raw |= item;
            state.stream |= 1 << request;
        }
    }

    fn take(&self, state: &mut State, worker: usize, record: u8) {
        state.runs[worker] = Some(Run::with_record(record));
        if !self.has(Safeguard::AcknowledgeLast) {
            state.stream &= !(1 << record);
        }
    }

    fn work(&self, state: &mut State, worker: usize, items: Items) {
        if let Some(run) = state.runs[worker].take() {
            state.runs[worker] = self.step(state, self.workers[worker], run, items);
        }
    }

    /// Merges equivalent states.
    fn normalize(&self, state: &mut State) {
        state.renumber();
        // Workers of the same kind are interchangeable.
        let mut rest = &mut state.runs[..self.workers.len()];
        for same_kind in self.workers.chunk_by(|a, b| a == b) {
            let (first, others) = rest.split_at_mut(same_kind.len());
            first.sort();
            rest = others;
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let applied = contribution(self.initial_items);
        let contribution = UserContribution {
            revision: 1,
            applied,
            erased: false,
        };
        let head = Head {
            current: 0,
            building: None,
            definition: 0,
        };
        vec![State {
            raw: self.initial_items,
            requests: (1 << self.requests.len()) - 1,
            stream: 0,
            head,
            contributions: [(applied != 0).then_some(contribution), None, None],
            aggregates: [applied, 0, 0],
            passed_definition: 0,
            erasure: Erasure::NotRequested,
            backfill: Backfill::Idle,
            backfills_left: self.backfills,
            deleted: 0,
            runs: [const { None }; 4],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(bits(state.requests).map(|bit| Action::Put {
            request: bit.into(),
        }));
        if state.head.definition < self.definition_changes {
            actions.push(Action::ChangeDefinition);
        }
        for (worker, run) in state.runs[..self.workers.len()].iter().enumerate() {
            match run {
                None => self.add_idle_worker_actions(state, worker, actions),
                Some(run) => self.add_busy_worker_actions(state, worker, run, actions),
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Put { request } => self.put(&mut state, request),
            Action::ChangeDefinition => state.head.definition += 1,
            Action::Take { worker, record } => self.take(&mut state, worker, record),
            Action::Start { worker } => self.start(&mut state, worker),
            Action::Step { worker } => self.work(&mut state, worker, 0),
            Action::Read { worker, items } => self.work(&mut state, worker, items),
            Action::Crash { worker } => state.runs[worker] = None,
        }
        self.normalize(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(CONSISTENT, |_, state: &State| {
                state.aggregates_match_contributions()
            }),
            Property::always(EXACT, |protocol: &Self, state: &State| {
                state.is_exact() || !protocol.is_idle(state)
            }),
            Property::always(ERASED, |protocol: &Self, state: &State| {
                let must_be_erased = state.erasure == Erasure::Done && protocol.is_idle(state);
                state.is_erased() || !must_be_erased
            }),
            Property::always(DELETED, |protocol: &Self, state: &State| {
                state.deleted_generations_are_empty() || !protocol.is_idle(state)
            }),
            Property::sometimes(LATE_COMMIT, |_, state: &State| state.has_late_commit()),
            Property::sometimes(COMPLETE, Self::is_complete),
        ];
        if !self.erases() {
            properties.push(Property::sometimes(
                ALL_ITEMS,
                |protocol: &Self, state: &State| {
                    protocol.is_complete(state) && state.raw == USER_DATA
                },
            ));
        } else if !self.requests.is_empty() {
            properties.push(Property::sometimes(
                PUT_AFTER_ERASURE,
                |_, state: &State| state.erasure == Erasure::Done && state.raw & USER_DATA != 0,
            ));
        }
        properties
    }
}

// These properties hold in every state.
pub(crate) const CONSISTENT: &str = "the aggregates equal the contributions";
pub(crate) const EXACT: &str = "without pending work, the aggregates are exact";
pub(crate) const ERASED: &str = "without pending work, no data of an erased user remain";
pub(crate) const DELETED: &str = "without pending work, a deleted generation is empty";

// These states must be reachable. Otherwise the search does not cover the conflicts.
const LATE_COMMIT: &str = "a worker commits after the contribution has changed";
const COMPLETE: &str = "all work is complete";
const PUT_AFTER_ERASURE: &str = "an item is put after the erasure";
const ALL_ITEMS: &str = "all items are stored and all work is complete";

/// The indices of the bits that are set.
fn bits(set: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |bit| set & 1 << bit != 0)
}
