//! Each name has one label in a generation, although workers register names concurrently and crash.
//!
//! A *registry* has room for one name. A *worker* counts a record of its user under the record's own name if the name is
//! registered, else under the common label of all others:
//!
//! 1. Read the registry.
//! 2. If the name is missing and there is room, store the registry with it, on the condition that it has not changed
//!    since it was read. If it has, start again.
//! 3. Write the label.
//!
//! Two workers have different names, and a third has the name of the first. A worker crashes at any step and starts
//! again. The tests without a [`Safeguard`] expect a counterexample.

#![expect(clippy::print_stdout, reason = "the tests print the number of states")]

use stateright::{Checker, Model, Property};

/// The name of each worker's record.
const NAMES: [u8; 3] = [1, 2, 1];
/// Crashes in all, so that the search ends.
const CRASHES: u8 = 2;
const ONE_LABEL: &str = "records of one name have one label";
const REGISTERED: &str = "a label of its own is registered";

/// What keeps labels unambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Safeguard {
    /// The registry is stored only if it has not changed since it was read.
    ConditionalStore,
    /// A worker whose registry was not stored reads it again.
    StartAgain,
    /// The registry is stored before anything is counted under the new label.
    StoreFirst,
}

/// A label of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Label {
    Own,
    Others,
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Read,
    Store { seen: Option<u8> },
    Write { label: Label, store: bool },
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    registry: Option<u8>,
    labels: [Option<Label>; NAMES.len()],
    steps: [Step; NAMES.len()],
    crashes: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Step(usize),
    Crash(usize),
}

/// The model without some safeguards.
struct Registering {
    without: &'static [Safeguard],
}

impl Registering {
    fn has(&self, safeguard: Safeguard) -> bool {
        !self.without.contains(&safeguard)
    }

    fn read(&self, state: &State, name: u8) -> Step {
        let label = |label| Step::Write {
            label,
            store: false,
        };
        match state.registry {
            Some(known) if known == name => label(Label::Own),
            Some(_) => label(Label::Others),
            None if self.has(Safeguard::StoreFirst) => Step::Store {
                seen: state.registry,
            },
            None => Step::Write {
                label: Label::Own,
                store: true,
            },
        }
    }

    fn step(&self, state: &mut State, worker: usize) {
        let name = NAMES[worker];
        state.steps[worker] = match state.steps[worker] {
            Step::Read => self.read(state, name),
            Step::Store { seen } => {
                let unchanged = state.registry == seen;
                if unchanged || !self.has(Safeguard::ConditionalStore) {
                    state.registry = Some(name);
                }
                if unchanged || !self.has(Safeguard::StartAgain) {
                    Step::Write {
                        label: Label::Own,
                        store: false,
                    }
                } else {
                    Step::Read
                }
            }
            Step::Write { label, store } => {
                state.labels[worker] = Some(label);
                if store {
                    Step::Store {
                        seen: state.registry,
                    }
                } else {
                    Step::Done
                }
            }
            Step::Done => Step::Done,
        };
    }
}

impl Model for Registering {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            registry: None,
            labels: [None; NAMES.len()],
            steps: [Step::Read; NAMES.len()],
            crashes: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (worker, step) in state.steps.iter().enumerate() {
            if *step != Step::Done {
                actions.push(Action::Step(worker));
                if state.crashes < CRASHES {
                    actions.push(Action::Crash(worker));
                }
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Step(worker) => self.step(&mut state, worker),
            Action::Crash(worker) => {
                state.steps[worker] = Step::Read;
                state.crashes += 1;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_LABEL, |_, state: &State| {
                let labels = NAMES.iter().zip(&state.labels);
                let of_name = |name: u8| {
                    let mut labels = labels
                        .clone()
                        .filter_map(move |(of, label)| label.filter(|_| *of == name));
                    let first = labels.next();
                    labels.all(|label| Some(label) == first)
                };
                NAMES.into_iter().all(of_name)
            }),
            Property::always(REGISTERED, |_, state: &State| {
                let mut labels = NAMES.iter().zip(&state.labels);
                labels.all(|(name, label)| {
                    *label != Some(Label::Own) || state.registry == Some(*name)
                })
            }),
            Property::sometimes("all are done, under both labels", |_, state: &State| {
                state.steps.iter().all(|step| *step == Step::Done)
                    && state.labels.contains(&Some(Label::Own))
                    && state.labels.contains(&Some(Label::Others))
            }),
        ]
    }
}

#[test]
fn every_name_has_one_label() {
    let checker = Registering { without: &[] }.checker().spawn_dfs().join();
    println!("{} states", checker.unique_state_count());
    assert!(checker.is_done());
    checker.assert_properties();
}

fn fails(without: &'static [Safeguard], property: &'static str) {
    let checker = Registering { without }.checker().spawn_bfs().join();
    checker.assert_any_discovery(property);
}

#[test]
fn without_the_condition_a_name_loses_its_place() {
    fails(
        &[Safeguard::ConditionalStore, Safeguard::StartAgain],
        REGISTERED,
    );
}

#[test]
fn without_a_new_start_a_name_is_counted_that_has_no_place() {
    fails(&[Safeguard::StartAgain], REGISTERED);
}

#[test]
fn without_storing_first_a_name_may_be_counted_under_two_labels() {
    fails(&[Safeguard::StoreFirst], REGISTERED);
}
