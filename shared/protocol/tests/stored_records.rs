//! A checkpoint has the number of records that are stored and were stored before a time.
//!
//! Time passes in ticks. A *put* takes the time at which it begins as the time of storing, and ends within [`PUT`] ticks. The
//! index of the table shows a new record, and leaves out a deleted one, within [`LAG`] ticks. An *aggregator* advances the
//! checkpoint:
//!
//! 1. Read the checkpoint. It ends here if the time before which everything is settled is not later, or if the last erasure
//!    was after that time.
//! 2. Count the records of the index between the checkpoint and that time.
//! 3. Write the checkpoint, on the condition that it is as it was read.
//!
//! An *erasure* reads the checkpoint; then it deletes a record and writes the checkpoint without it in one transaction, on
//! the same condition. Two aggregators, two puts and two erasures run at the same time, and each may stop at any step and
//! begin again. The tests without a [`Safeguard`] expect a counterexample.

#![expect(clippy::print_stdout, reason = "the tests print the number of states")]

use stateright::{Checker, Model, Property};

/// The longest time of a put.
const PUT: u8 = 1;
/// The longest time until the index shows a change.
const LAG: u8 = 1;
/// When the clock stops.
const END: u8 = 5;
const RECORDS: usize = 2;
const AGGREGATORS: usize = 2;
const EXACT: &str =
    "the number is that of the records that were stored before the time of the checkpoint";

/// What keeps the number right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Safeguard {
    /// The checkpoint stays behind the longest put.
    WaitForPuts,
    /// The checkpoint stays behind the index.
    WaitForIndex,
    /// No checkpoint passes a recent erasure.
    WaitForErasures,
    /// The checkpoint is written on the condition that it is as it was read.
    Condition,
    /// An erasure writes the checkpoint in its transaction.
    Subtract,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    Absent,
    BeingPut {
        stored_at: u8,
    },
    /// Since when the record is in the table, and whether the index shows it.
    Stored {
        stored_at: u8,
        since: u8,
        shown: bool,
    },
    /// Since when it is deleted, and whether the index still shows it.
    Deleted {
        stored_at: u8,
        since: u8,
        shown: bool,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Checkpoint {
    /// Records before this time are counted.
    through: u8,
    records: u8,
    erased_at: Option<u8>,
    /// The number of its changes by erasures: two in one tick have different times.
    erasures: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Aggregator {
    Idle,
    Count {
        read: Checkpoint,
        until: u8,
    },
    Write {
        read: Checkpoint,
        until: u8,
        counted: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    records: [Record; RECORDS],
    checkpoint: Checkpoint,
    aggregators: [Aggregator; AGGREGATORS],
    /// The checkpoint that the erasure of each record has read.
    erasures: [Option<Checkpoint>; RECORDS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Tick,
    BeginPut(usize),
    EndPut(usize),
    Show(usize),
    Aggregate(usize),
    StopAggregator(usize),
    BeginErasure(usize),
    Erase(usize),
}

#[derive(Clone)]
struct Counting {
    without: &'static [Safeguard],
}

impl Counting {
    fn has(&self, safeguard: Safeguard) -> bool {
        !self.without.contains(&safeguard)
    }

    /// The time before which no put is under way that the index does not show.
    fn settled_before(&self, now: u8) -> u8 {
        let puts = if self.has(Safeguard::WaitForPuts) {
            PUT
        } else {
            0
        };
        let index = if self.has(Safeguard::WaitForIndex) {
            LAG
        } else {
            0
        };
        now.saturating_sub(puts + index)
    }

    fn aggregate(&self, state: &mut State, number: usize) {
        state.aggregators[number] = match state.aggregators[number] {
            Aggregator::Idle => {
                let (read, until) = (state.checkpoint, self.settled_before(state.now));
                let recent =
                    |erased_at: u8| erased_at >= until && self.has(Safeguard::WaitForErasures);
                if until <= read.through || read.erased_at.is_some_and(recent) {
                    Aggregator::Idle
                } else {
                    Aggregator::Count { read, until }
                }
            }
            Aggregator::Count { read, until } => {
                let is_counted = |record: &&Record| match record {
                    Record::Stored {
                        stored_at,
                        shown: true,
                        ..
                    }
                    | Record::Deleted {
                        stored_at,
                        shown: true,
                        ..
                    } => (read.through..until).contains(stored_at),
                    _ => false,
                };
                let counted = state.records.iter().filter(is_counted).count();
                Aggregator::Write {
                    read,
                    until,
                    counted: u8::try_from(counted).unwrap_or(u8::MAX),
                }
            }
            Aggregator::Write {
                read,
                until,
                counted,
            } => {
                if state.checkpoint == read || !self.has(Safeguard::Condition) {
                    state.checkpoint = Checkpoint {
                        through: until,
                        records: read.records + counted,
                        ..read
                    };
                }
                Aggregator::Idle
            }
        };
    }

    fn erase(&self, state: &mut State, number: usize, read: Checkpoint) {
        state.erasures[number] = None;
        let Record::Stored { stored_at, .. } = state.records[number] else {
            return;
        };
        if !self.has(Safeguard::Subtract) {
            state.records[number] = deleted(state.records[number], state.now);
            return;
        }
        if state.checkpoint != read && self.has(Safeguard::Condition) {
            return;
        }
        state.records[number] = deleted(state.records[number], state.now);
        let counted = u8::from(stored_at < read.through);
        state.checkpoint = Checkpoint {
            records: read.records.saturating_sub(counted),
            erased_at: Some(state.now),
            erasures: read.erasures + 1,
            ..read
        };
    }
}

fn deleted(record: Record, now: u8) -> Record {
    match record {
        Record::Stored {
            stored_at, shown, ..
        } => Record::Deleted {
            stored_at,
            since: now,
            shown,
        },
        other => other,
    }
}

/// Whether the clock may go on: nothing takes longer than its limit.
fn in_time(record: &Record, now: u8) -> bool {
    match record {
        Record::Absent => true,
        Record::BeingPut { stored_at } => now < stored_at + PUT,
        Record::Stored { since, shown, .. } => *shown || now < since + LAG,
        Record::Deleted { since, shown, .. } => !*shown || now < since + LAG,
    }
}

impl Model for Counting {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            records: [Record::Absent; RECORDS],
            checkpoint: Checkpoint::default(),
            aggregators: [Aggregator::Idle; AGGREGATORS],
            erasures: [None; RECORDS],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < END
            && state
                .records
                .iter()
                .all(|record| in_time(record, state.now))
        {
            actions.push(Action::Tick);
        }
        for (number, record) in state.records.iter().enumerate() {
            match record {
                Record::Absent => actions.push(Action::BeginPut(number)),
                Record::BeingPut { .. } => actions.push(Action::EndPut(number)),
                Record::Stored { shown, .. } => {
                    actions.extend((!shown).then_some(Action::Show(number)));
                    actions.push(match state.erasures[number] {
                        None => Action::BeginErasure(number),
                        Some(_) => Action::Erase(number),
                    });
                }
                Record::Deleted { shown, .. } => {
                    actions.extend(shown.then_some(Action::Show(number)));
                }
            }
        }
        for (number, aggregator) in state.aggregators.iter().enumerate() {
            actions.push(Action::Aggregate(number));
            if *aggregator != Aggregator::Idle {
                actions.push(Action::StopAggregator(number));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let now = state.now;
        match action {
            Action::Tick => state.now += 1,
            Action::BeginPut(number) => state.records[number] = Record::BeingPut { stored_at: now },
            Action::EndPut(number) => {
                if let Record::BeingPut { stored_at } = state.records[number] {
                    state.records[number] = Record::Stored {
                        stored_at,
                        since: now,
                        shown: false,
                    };
                }
            }
            Action::Show(number) => match &mut state.records[number] {
                Record::Stored { shown, .. } => *shown = true,
                Record::Deleted { shown, .. } => *shown = false,
                _ => {}
            },
            Action::Aggregate(number) => self.aggregate(&mut state, number),
            Action::StopAggregator(number) => state.aggregators[number] = Aggregator::Idle,
            Action::BeginErasure(number) => state.erasures[number] = Some(state.checkpoint),
            Action::Erase(number) => {
                if let Some(read) = state.erasures[number] {
                    self.erase(&mut state, number, read);
                }
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(EXACT, |_: &Self, state: &State| {
                let through = state.checkpoint.through;
                let is_before = |record: &&Record| match record {
                    Record::BeingPut { stored_at } | Record::Stored { stored_at, .. } => {
                        *stored_at < through
                    }
                    _ => false,
                };
                let before = state.records.iter().filter(is_before).count();
                before == usize::from(state.checkpoint.records)
            }),
            Property::sometimes("records are counted", |_: &Self, state: &State| {
                usize::from(state.checkpoint.records) == RECORDS
            }),
            Property::sometimes("a counted record is erased", |_: &Self, state: &State| {
                state.checkpoint.erased_at.is_some() && state.checkpoint.records == 1
            }),
        ]
    }
}

#[test]
fn a_checkpoint_has_the_number_of_the_records_before_its_time() {
    let checker = Counting { without: &[] }.checker().spawn_dfs().join();
    assert!(checker.is_done());
    checker.assert_properties();
    println!("{} states", checker.unique_state_count());
}

/// Asserts that the number is wrong without this safeguard.
fn fails(without: &'static [Safeguard]) {
    let checker = Counting { without }.checker().spawn_bfs().join();
    assert!(checker.discovery(EXACT).is_some());
}

#[test]
fn without_waiting_for_puts_a_late_one_is_missed() {
    fails(&[Safeguard::WaitForPuts]);
}

#[test]
fn without_waiting_for_the_index_a_new_record_is_missed() {
    fails(&[Safeguard::WaitForIndex]);
}

#[test]
fn without_waiting_for_erasures_a_deleted_record_is_counted() {
    fails(&[Safeguard::WaitForErasures]);
}

#[test]
fn without_a_condition_a_concurrent_change_is_lost() {
    fails(&[Safeguard::Condition]);
}

#[test]
fn without_subtracting_erased_records_stay_counted() {
    fails(&[Safeguard::Subtract]);
}
