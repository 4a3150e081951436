//! An event id is one event, although it is sent twice with different times while its user is imported.
//!
//! The user is assigned in one experiment from the start. An *import* assigns the user in a second one, at a later time:
//!
//! 1. Store the assignment.
//! 2. List the records of the event.
//! 3. Copy the listed record to the second experiment, if that counts it.
//!
//! A *request* stores an event, once for each experiment that counts it, or once for none:
//!
//! 1. Read the user's assignments.
//! 2. Look for records of the event in all places that these assignments allow. If there is one, it replaces the event.
//! 3. Put the event in each place where it counts and is missing. A put never replaces a record.
//!
//! The second request, if there is one, is sent after the first has been answered. An *aggregator* receives each new record. It reads the
//! assignments and copies the record to each experiment that counts it. Every process crashes at any step and starts
//! again. The tests without a [`Safeguard`] expect a counterexample.

#![expect(clippy::print_stdout, reason = "the tests print the number of states")]

use stateright::{Checker, Model, Property};

/// When the user was assigned in each of the two experiments.
const ASSIGNED_AT: [u8; 2] = [1, 3];
/// Event times before, between and after the assignments.
const TIMES: [u8; 3] = [0, 2, 4];
/// Places of a record: one for each experiment, and the last one for none.
const PLACES: usize = 3;
const NONE: usize = 2;
/// Crashes in all, so that the search ends.
const CRASHES: u8 = 2;
const ONE_EVENT: &str = "every record has the content of the first one";
const COUNTED: &str = "in the end each experiment has the event if it counts it, and no other";

/// What keeps an event one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Safeguard {
    /// A request looks for earlier records of its event.
    Look,
    /// The import lists the events after it has stored the assignment.
    AssignFirst,
    /// The aggregator copies records to the other experiments of the user.
    Copy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Request {
    ReadAssignments,
    Look { assigned: [bool; 2] },
    Put { time: u8, places: [bool; PLACES] },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Import {
    Assign,
    List,
    Copy { time: Option<u8> },
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    assigned: [bool; 2],
    /// The time of the record in each place.
    records: [Option<u8>; PLACES],
    /// The places whose records were not yet delivered to the aggregator.
    stream: [bool; PLACES],
    requests: [Request; 2],
    import: Import,
    crashes: u8,
}

impl State {
    fn put(&mut self, place: usize, time: u8) {
        if self.records[place].is_none() {
            self.records[place] = Some(time);
            self.stream[place] = true;
        }
    }

    fn is_done(&self) -> bool {
        self.requests == [Request::Done; 2]
            && self.import == Import::Done
            && self.stream == [false; PLACES]
    }
}

fn counts(experiment: usize, time: u8) -> bool {
    ASSIGNED_AT[experiment] < time
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Request(usize),
    Import,
    Deliver(usize),
    CrashRequest(usize),
    CrashImport,
}

/// The model with the times of the requests, without some safeguards.
#[derive(Clone)]
struct Sending {
    first: u8,
    /// The time in the second request, if there is one.
    second: Option<u8>,
    without: &'static [Safeguard],
}

impl Sending {
    fn has(&self, safeguard: Safeguard) -> bool {
        !self.without.contains(&safeguard)
    }

    fn request(&self, state: &mut State, number: usize) {
        state.requests[number] = match state.requests[number] {
            Request::ReadAssignments => Request::Look {
                assigned: state.assigned,
            },
            Request::Look { assigned } => {
                let sent = [self.first, self.second.unwrap_or(self.first)];
                let allowed = |place: usize| place == NONE || assigned[place];
                let found = (0..PLACES)
                    .filter(|place| allowed(*place) && self.has(Safeguard::Look))
                    .find_map(|place| state.records[place]);
                let time = found.unwrap_or(sent[number]);
                let mut places = [false; PLACES];
                for experiment in 0..2 {
                    places[experiment] = assigned[experiment] && counts(experiment, time);
                }
                places[NONE] = places == [false; PLACES] && found.is_none();
                Request::Put { time, places }
            }
            Request::Put { time, mut places } => match places.iter().position(|open| *open) {
                Some(place) => {
                    state.put(place, time);
                    places[place] = false;
                    Request::Put { time, places }
                }
                None => Request::Done,
            },
            Request::Done => Request::Done,
        };
    }

    fn import(&self, state: &mut State) {
        let list = |state: &State| state.records.iter().flatten().next().copied();
        state.import = match state.import {
            Import::Assign if self.has(Safeguard::AssignFirst) => {
                state.assigned[1] = true;
                Import::List
            }
            Import::Assign => Import::Copy { time: list(state) },
            Import::List => Import::Copy { time: list(state) },
            Import::Copy { time } => {
                state.assigned[1] = true;
                if let Some(time) = time.filter(|time| counts(1, *time)) {
                    state.put(1, time);
                }
                Import::Done
            }
            Import::Done => Import::Done,
        };
    }

    fn deliver(&self, state: &mut State, place: usize) {
        state.stream[place] = false;
        let Some(time) = state.records[place] else {
            return;
        };
        for experiment in 0..2 {
            if place != experiment
                && state.assigned[experiment]
                && counts(experiment, time)
                && self.has(Safeguard::Copy)
            {
                state.put(experiment, time);
            }
        }
    }
}

impl Model for Sending {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            assigned: [true, false],
            records: [None; PLACES],
            stream: [false; PLACES],
            requests: match self.second {
                Some(_) => [Request::ReadAssignments; 2],
                None => [Request::ReadAssignments, Request::Done],
            },
            import: Import::Assign,
            crashes: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let open = state.requests.iter().position(|one| *one != Request::Done);
        actions.extend(open.map(Action::Request));
        if state.import != Import::Done {
            actions.push(Action::Import);
        }
        let delivered = (0..PLACES).filter(|place| state.stream[*place]);
        actions.extend(delivered.map(Action::Deliver));
        if state.crashes < CRASHES {
            actions.extend(open.map(Action::CrashRequest));
            if state.import != Import::Done {
                actions.push(Action::CrashImport);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Request(number) => self.request(&mut state, number),
            Action::Import => self.import(&mut state),
            Action::Deliver(place) => self.deliver(&mut state, place),
            Action::CrashRequest(number) => {
                state.requests[number] = Request::ReadAssignments;
                state.crashes += 1;
            }
            Action::CrashImport => {
                state.import = Import::Assign;
                state.crashes += 1;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_EVENT, |model: &Self, state: &State| {
                let mut records = state.records.iter().flatten();
                records.all(|time| *time == model.first)
            }),
            Property::always(COUNTED, |model: &Self, state: &State| {
                let right =
                    |place: usize| state.records[place].is_some() == counts(place, model.first);
                !state.is_done() || (right(0) && right(1))
            }),
            Property::sometimes("it ends", |_: &Self, state: &State| state.is_done()),
        ]
    }
}

/// Every combination of times, with one request and with two.
fn models(without: &'static [Safeguard]) -> impl Iterator<Item = Sending> {
    let seconds = [None].into_iter().chain(TIMES.map(Some));
    TIMES.into_iter().flat_map(move |first| {
        seconds.clone().map(move |second| Sending {
            first,
            second,
            without,
        })
    })
}

#[test]
fn an_event_id_is_one_event() {
    let mut states = 0;
    for model in models(&[]) {
        let checker = model.checker().spawn_dfs().join();
        assert!(checker.is_done());
        checker.assert_properties();
        states += checker.unique_state_count();
    }
    println!("{states} states");
}

/// Asserts that the property fails without this safeguard, for some times.
fn fails(without: &'static [Safeguard], property: &'static str) {
    let mut models = models(without);
    assert!(models.any(|model| {
        let checker = model.checker().spawn_bfs().join();
        checker.discovery(property).is_some()
    }));
}

#[test]
fn without_looking_a_repeat_with_another_time_is_another_event() {
    fails(&[Safeguard::Look], ONE_EVENT);
}

#[test]
fn without_the_assignment_first_an_import_misses_an_event() {
    fails(&[Safeguard::AssignFirst], COUNTED);
}

#[test]
fn without_copies_by_the_aggregator_an_event_during_an_import_is_missed() {
    fails(&[Safeguard::Copy], COUNTED);
}
