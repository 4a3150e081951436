//! Who may act when, and what must hold.

use stateright::{Model, Property};

use crate::safeguards::Safeguard;
use crate::stores::{
    Backfill, END, Erasure, Head, Items, PERSONAL, State, UserContribution, contribution,
};
use crate::workers::{Run, Step, Worker};

/// A configuration: who takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    /// Items that are there, and counted, from the beginning.
    pub(crate) counted: Items,
    /// The item of each request.
    pub(crate) requests: &'static [Items],
    /// Workers that are alike stand together.
    pub(crate) workers: &'static [Worker],
    pub(crate) backfills: u8,
    pub(crate) definition_changes: u8,
    /// Items are read one by one, in any order. Otherwise all at once; the definition is always apart.
    pub(crate) torn_reads: bool,
    /// Whoever has written reads the head again and, if it has changed, does everything again.
    pub(crate) rereads: bool,
    pub(crate) without: &'static [Safeguard],
}

/// What happens next; `who` is a place in [`Protocol::workers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Put { request: usize },
    ChangeDefinition,
    Take { who: usize, record: u8 },
    Start { who: usize },
    Step { who: usize },
    Read { who: usize, items: Items },
    Crash { who: usize },
}

impl Protocol {
    pub(crate) fn has(&self, safeguard: Safeguard) -> bool {
        !self.without.contains(&safeguard)
    }

    /// An action in words; what a step does stands in the state before it.
    pub(crate) fn tell(&self, before: &State, action: &Action) -> String {
        let (Action::Step { who } | Action::Read { who, .. } | Action::Crash { who }) = action
        else {
            return format!("{action:?}");
        };
        let step = before.runs[*who].as_ref().map(|run| &run.step);
        format!("{action:?} of {:?}: {step:?}", self.workers[*who])
    }

    fn erases(&self) -> bool {
        self.workers.contains(&Worker::Erasure)
    }

    fn is_at_rest(&self, state: &State) -> bool {
        state.is_at_rest(self.has(Safeguard::Pass))
    }

    /// Everybody has had their turn.
    fn is_over(&self, state: &State) -> bool {
        self.is_at_rest(state)
            && state.requests == 0
            && state.backfills_left == 0
            && state.head.definition == self.definition_changes
            && (state.erasure == Erasure::Done) == self.erases()
    }

    /// What an idle worker may do.
    fn take_up(&self, state: &State, who: usize, actions: &mut Vec<Action>) {
        let due = match self.workers[who] {
            Worker::Aggregator => {
                let records = bits(state.stream);
                return actions.extend(records.map(|record| Action::Take { who, record }));
            }
            Worker::Pass => state.swept != state.head.definition && self.has(Safeguard::Pass),
            Worker::Backfill => state.backfill != Backfill::Idle || state.backfills_left > 0,
            Worker::Erasure => state.erasure != Erasure::Done,
        };
        if due {
            actions.push(Action::Start { who });
        }
    }

    /// What a worker may do that is at work.
    fn go_on(&self, state: &State, who: usize, run: &Run, actions: &mut Vec<Action>) {
        match run.step {
            Step::ReadItems { unread, .. } if self.torn_reads => {
                let each = bits(unread).map(|bit| 1 << bit);
                actions.extend(each.map(|items| Action::Read { who, items }));
            }
            Step::ReadItems { unread, .. } => {
                let parts = [unread & END, unread & !END].into_iter();
                let parts = parts.filter(|items| *items != 0);
                actions.extend(parts.map(|items| Action::Read { who, items }));
            }
            Step::DeleteContributions(old)
                if self.has(Safeguard::CleanLate)
                    && state.runs.iter().flatten().any(|run| run.may_write(old)) => {}
            _ => actions.push(Action::Step { who }),
        }
        actions.push(Action::Crash { who });
    }

    fn start(&self, state: &mut State, who: usize) {
        match self.workers[who] {
            Worker::Erasure => state.erasure = Erasure::Due,
            Worker::Backfill if state.backfill == Backfill::Idle => {
                state.backfill = Backfill::Building;
                state.backfills_left -= 1;
                state.head.building = Some(state.head.current + 1);
            }
            _ => {}
        }
        state.runs[who] = Some(Run::at(self.first_step(state, self.workers[who])));
    }

    fn put(&self, state: &mut State, request: usize) {
        let item = self.requests[request];
        state.requests &= !(1 << request);
        if state.raw & item == 0 {
            state.raw |= item;
            state.stream |= 1 << request;
        }
    }

    fn take(&self, state: &mut State, who: usize, record: u8) {
        state.runs[who] = Some(Run::with_record(record));
        if !self.has(Safeguard::AcknowledgeLast) {
            state.stream &= !(1 << record);
        }
    }

    fn work(&self, state: &mut State, who: usize, items: Items) {
        if let Some(run) = state.runs[who].take() {
            state.runs[who] = self.step(state, self.workers[who], run, items);
        }
    }

    /// States that differ in nothing that matters become one.
    fn normalize(&self, state: &mut State) {
        state.renumber();
        // Which of several like workers does what makes no difference.
        let mut rest = &mut state.runs[..self.workers.len()];
        for alike in self.workers.chunk_by(|a, b| a == b) {
            let (first, others) = rest.split_at_mut(alike.len());
            first.sort();
            rest = others;
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let applied = contribution(self.counted);
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
            raw: self.counted,
            requests: (1 << self.requests.len()) - 1,
            stream: 0,
            head,
            contributions: [(applied != 0).then_some(contribution), None, None],
            aggregate_items: [applied, 0, 0],
            swept: 0,
            erasure: Erasure::NotAsked,
            backfill: Backfill::Idle,
            backfills_left: self.backfills,
            cleaned: 0,
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
        for (who, run) in state.runs[..self.workers.len()].iter().enumerate() {
            match run {
                None => self.take_up(state, who, actions),
                Some(run) => self.go_on(state, who, run, actions),
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Put { request } => self.put(&mut state, request),
            Action::ChangeDefinition => state.head.definition += 1,
            Action::Take { who, record } => self.take(&mut state, who, record),
            Action::Start { who } => self.start(&mut state, who),
            Action::Step { who } => self.work(&mut state, who, 0),
            Action::Read { who, items } => self.work(&mut state, who, items),
            Action::Crash { who } => state.runs[who] = None,
        }
        self.normalize(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ADDS_UP, |_, state: &State| state.adds_up()),
            Property::always(EXACT, |protocol: &Self, state: &State| {
                state.is_exact() || !protocol.is_at_rest(state)
            }),
            Property::always(FORGOTTEN, |protocol: &Self, state: &State| {
                let over = state.erasure == Erasure::Done && protocol.is_at_rest(state);
                state.is_erased() || !over
            }),
            Property::always(CLEAN, |protocol: &Self, state: &State| {
                state.is_clean() || !protocol.is_at_rest(state)
            }),
            Property::sometimes(LATE_COMMIT, |_, state: &State| state.has_late_commit()),
            Property::sometimes(OVER, Self::is_over),
        ];
        if !self.erases() {
            properties.push(Property::sometimes(
                ALL_COUNTED,
                |protocol: &Self, state: &State| protocol.is_over(state) && state.raw == PERSONAL,
            ));
        } else if !self.requests.is_empty() {
            properties.push(Property::sometimes(AFTER_ERASURE, |_, state: &State| {
                state.erasure == Erasure::Done && state.raw & PERSONAL != 0
            }));
        }
        properties
    }
}

// What must hold always.
pub(crate) const ADDS_UP: &str = "the aggregate_items hold what is applied";
pub(crate) const EXACT: &str = "at rest, the aggregate_items are exact";
pub(crate) const FORGOTTEN: &str = "at rest, nothing is left of an erased user";
pub(crate) const CLEAN: &str = "at rest, a deleted generation is empty";

// What must happen somewhere, or the others would hold for want of trouble.
const LATE_COMMIT: &str = "a commit comes too late";
const OVER: &str = "everybody has had their turn";
const AFTER_ERASURE: &str = "an item is put after the erasure";
const ALL_COUNTED: &str = "all items are there to be counted";

/// The places of the bits that are set.
fn bits(set: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |bit| set & 1 << bit != 0)
}
