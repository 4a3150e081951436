//! The protocol: the effect of each step of each worker.

use crate::model::Protocol;
use crate::safeguards::Safeguard;
use crate::stores::{
    Backfill, END, Erasure, Items, State, TOMBSTONE, USER_DATA, UserContribution, contribution,
};
use crate::workers::{Run, Step, Target, Worker};

/// The contribution of an erased user. It is written even if there is none.
const ERASED: Target = Target {
    applied: 0,
    erased: true,
    fences: true,
};

impl Protocol {
    /// The first step of a worker.
    pub(crate) fn first_step(&self, state: &State, worker: Worker) -> Step {
        match (worker, state.backfill) {
            (Worker::Erasure, _) if self.has(Safeguard::TombstoneFirst) => Step::PutTombstone,
            (Worker::Erasure, _) => Step::ListItems,
            (Worker::Backfill, Backfill::DeletingOld(old)) => Step::DeleteContributions(old),
            _ => Step::ReadHead,
        }
    }

    /// Executes the next step of the worker, which reads `items`. Returns its memory after the step, or
    /// `None` if it has finished.
    pub(crate) fn step(
        &self,
        state: &mut State,
        worker: Worker,
        mut run: Run,
        items: Items,
    ) -> Option<Run> {
        match run.step.clone() {
            Step::PutTombstone => {
                state.raw |= TOMBSTONE;
                let first = self.has(Safeguard::TombstoneFirst);
                run.step = if first {
                    Step::ListItems
                } else {
                    Step::ReadHead
                };
            }
            Step::ListItems => run.step = self.delete_listed(state.raw & USER_DATA),
            Step::DeleteListed(listed) => {
                run.step = self.delete_listed(delete_first(&mut state.raw, listed));
            }
            Step::ReadHead => self.read_head(state, worker, &mut run),
            Step::ReadContribution => {
                let held = state.contributions[run.generation()];
                self.after_contribution(worker, &mut run, held);
            }
            Step::ReadItems { held, unread, seen } => {
                let seen = seen | (state.raw | state.head.end()) & items;
                match unread & !items {
                    0 => self.after_items(worker, &mut run, held, seen),
                    unread => run.step = Step::ReadItems { held, unread, seen },
                }
            }
            Step::DeleteErasedItems { held, found } => match delete_first(&mut state.raw, found) {
                0 => self.prepare(worker, &mut run, held, ERASED),
                found => run.step = Step::DeleteErasedItems { held, found },
            },
            Step::ReadContributionLast(target) => {
                let held = state.contributions[run.generation()];
                self.commit_or_skip(worker, &mut run, held, target);
            }
            Step::Commit { held, target } => self.commit(state, worker, &mut run, held, target),
            Step::AddToAggregates(difference) => {
                state.aggregates[run.generation()] += difference;
                self.next_generation(worker, &mut run);
            }
            Step::ReadHeadAgain if run.head == Some(state.head) => run.step = Step::Finish,
            Step::ReadHeadAgain => run = Run::with_record(run.record),
            Step::Finish => return self.finish(state, worker, &run),
            Step::DeleteContributions(old) => {
                state.deleted |= 1 << old;
                state.contributions[usize::from(old)] = None;
                run.step = Step::DeleteAggregates(old);
            }
            Step::DeleteAggregates(old) => {
                state.aggregates[usize::from(old)] = 0;
                if state.backfill == Backfill::DeletingOld(old) {
                    state.backfill = Backfill::Idle;
                }
                return None;
            }
        }
        Some(run)
    }

    fn delete_listed(&self, listed: Items) -> Step {
        match listed {
            0 if self.has(Safeguard::TombstoneFirst) => Step::ReadHead,
            0 => Step::PutTombstone,
            listed => Step::DeleteListed(listed),
        }
    }

    fn read_head(&self, state: &State, worker: Worker, run: &mut Run) {
        let building = state.head.building.map_or(0, |new| 1 << new);
        run.todo = match worker {
            Worker::Backfill => building,
            _ if self.has(Safeguard::RefreshesBuilding(worker)) => {
                1 << state.head.current | building
            }
            _ => 1 << state.head.current,
        };
        let keeps = matches!(worker, Worker::DefinitionPass | Worker::Backfill)
            || self.rereads_head
            || !self.has(Safeguard::DefinitionAfterContribution);
        run.head = keeps.then_some(state.head);
        self.begin_generation(worker, run);
    }

    fn begin_generation(&self, worker: Worker, run: &mut Run) {
        run.step = match worker {
            // Another worker has finished the backfill.
            _ if run.todo == 0 => Step::Finish,
            Worker::Erasure => Step::ReadContribution,
            _ if self.has(Safeguard::ContributionFirst) => Step::ReadContribution,
            _ => self.read_items(None),
        };
    }

    fn read_items(&self, held: Option<UserContribution>) -> Step {
        let reads_definition = self.has(Safeguard::DefinitionAfterContribution);
        Step::ReadItems {
            held,
            unread: TOMBSTONE | USER_DATA | if reads_definition { END } else { 0 },
            seen: 0,
        }
    }

    fn after_contribution(&self, worker: Worker, run: &mut Run, held: Option<UserContribution>) {
        let applied = held.map_or(0, |contribution| contribution.applied);
        match worker {
            Worker::Erasure if held.is_some_and(|contribution| contribution.erased) => {
                self.next_generation(worker, run);
            }
            Worker::Erasure if held.is_none() && !self.has(Safeguard::ErasureFences) => {
                self.next_generation(worker, run);
            }
            Worker::Erasure => {
                let target = ERASED;
                run.step = Step::Commit { held, target };
            }
            Worker::Aggregator if !self.has(Safeguard::AllItems) => {
                let item = self.requests[usize::from(run.record)];
                let target = Target {
                    applied: applied + item.cast_signed(),
                    erased: false,
                    fences: false,
                };
                run.step = Step::Commit { held, target };
            }
            _ => run.step = self.read_items(held),
        }
    }

    fn after_items(
        &self,
        worker: Worker,
        run: &mut Run,
        held: Option<UserContribution>,
        seen: Items,
    ) {
        let found = seen & USER_DATA;
        let erased = seen & TOMBSTONE != 0 && self.has(Safeguard::ChecksTombstone(worker));
        if erased && found != 0 && self.has(Safeguard::DeletesErasedItems) {
            run.step = Step::DeleteErasedItems { held, found };
            return;
        }
        let end_in_head = match run.head {
            Some(head) if !self.has(Safeguard::DefinitionAfterContribution) => head.end(),
            _ => 0,
        };
        // A definition pass does not find users without items and without a contribution.
        let finds_user = worker == Worker::DefinitionPass && (found != 0 || held.is_some());
        let target = Target {
            applied: if erased {
                0
            } else {
                contribution(seen | end_in_head)
            },
            erased,
            fences: finds_user && self.has(Safeguard::DefinitionPassFences),
        };
        self.prepare(worker, run, held, target);
    }

    fn prepare(
        &self,
        worker: Worker,
        run: &mut Run,
        held: Option<UserContribution>,
        target: Target,
    ) {
        if self.has(Safeguard::ContributionFirst) {
            self.commit_or_skip(worker, run, held, target);
        } else {
            run.step = Step::ReadContributionLast(target);
        }
    }

    fn commit_or_skip(
        &self,
        worker: Worker,
        run: &mut Run,
        held: Option<UserContribution>,
        target: Target,
    ) {
        let stored = held.map_or((0, false), |contribution| {
            (contribution.applied, contribution.erased)
        });
        if stored == (target.applied, target.erased) && !target.fences {
            self.next_generation(worker, run);
        } else {
            run.step = Step::Commit { held, target };
        }
    }

    fn commit(
        &self,
        state: &mut State,
        worker: Worker,
        run: &mut Run,
        held: Option<UserContribution>,
        target: Target,
    ) {
        let revision = |contribution: Option<UserContribution>| {
            contribution.map_or(0, |contribution| contribution.revision)
        };
        let stored = &mut state.contributions[run.generation()];
        if revision(*stored) != revision(held) && self.has(Safeguard::ConditionalCommit) {
            return self.begin_generation(worker, run);
        }
        *stored = Some(UserContribution {
            revision: revision(held) + 1,
            applied: target.applied,
            erased: target.erased,
        });
        let difference = target.applied - held.map_or(0, |contribution| contribution.applied);
        if self.has(Safeguard::OneTransaction) {
            state.aggregates[run.generation()] += difference;
            self.next_generation(worker, run);
        } else {
            run.step = Step::AddToAggregates(difference);
        }
    }

    fn next_generation(&self, worker: Worker, run: &mut Run) {
        run.todo &= run.todo - 1;
        if run.todo == 0 && self.rereads_head {
            run.step = Step::ReadHeadAgain;
        } else {
            self.begin_generation(worker, run);
        }
    }

    fn finish(&self, state: &mut State, worker: Worker, run: &Run) -> Option<Run> {
        match (worker, run.head) {
            (Worker::Aggregator, _) => state.stream &= !(1 << run.record),
            (Worker::Erasure, _) => state.erasure = Erasure::Done,
            (Worker::DefinitionPass, Some(head))
                if self.has(Safeguard::DefinitionPassKeepsDefinition) =>
            {
                state.passed_definition = state.passed_definition.max(head.definition);
            }
            (Worker::DefinitionPass, _) => state.passed_definition = state.head.definition,
            (Worker::Backfill, Some(head)) => {
                let built = head.building.is_some() && head.building == state.head.building;
                if built || !self.has(Safeguard::SwitchOnce) {
                    let old = state.head.current;
                    state.head.current = state.head.building.take().unwrap_or(old);
                    state.backfill = Backfill::DeletingOld(old);
                    return Some(Run::at(Step::DeleteContributions(old)));
                }
            }
            (Worker::Backfill, None) => {}
        }
        None
    }
}

/// Deletes one of the items, and returns the items that remain.
fn delete_first(raw: &mut Items, items: Items) -> Items {
    let left = items & items.wrapping_sub(1);
    *raw &= !(items & !left);
    left
}
