//! The stream of the experiments table, and the backfill processes that handle its records.

use super::draw::Draw;
use super::figures::Figures;
use super::network::Pressure;
use super::play::{MAX_ATTEMPTS, crash_point};
use super::records::{Item, changed, items_of};
use super::world::{Process, World};
use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::ExperimentId;
use shared::store::keys::experiments as key;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

/// The key of an item: its experiment and its name.
type Key = (String, String);

/// Records to handle, and the processes that handle them.
pub(crate) struct Queue {
    processes: Vec<Process>,
    /// The items at the last call of `collect`.
    known: BTreeMap<Key, Item>,
    records: Vec<EventRecord>,
    /// Records that have not been handled, and the number of attempts.
    unhandled: BTreeMap<usize, usize>,
    /// Retired generations.
    pub(crate) retired: BTreeSet<(ExperimentId, u64)>,
}

/// Records that are delivered at the same time, one to each process.
pub(crate) struct Round(Vec<usize>);

impl Queue {
    pub(crate) fn new(world: &World, seed: u64) -> Self {
        let process = |place: u64| world.process(Pressure::of_history(seed), seed ^ (place << 8));
        Self {
            processes: (1..=2).map(process).collect(),
            known: BTreeMap::new(),
            records: Vec::new(),
            unhandled: BTreeMap::new(),
            retired: BTreeSet::new(),
        }
    }

    pub(crate) fn process(&self) -> &Process {
        &self.processes[0]
    }

    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unhandled.is_empty()
    }

    /// Finds items that have changed since the last call. Each gives a record.
    pub(crate) async fn collect(
        &mut self,
        world: &World,
        experiments: impl Iterator<Item = &ExperimentId>,
    ) {
        let table = &world.config.tables.experiments;
        let mut now = BTreeMap::new();
        for id in experiments {
            for item in items_of(world, table, key::EXPERIMENT_ID, id.as_str()).await {
                let text = |name: &str| item[name].as_s().unwrap().clone();
                now.insert((text(key::EXPERIMENT_ID), text(key::RECORD)), item);
            }
        }
        let keys: BTreeSet<&Key> = now.keys().chain(self.known.keys()).collect();
        for item in keys {
            let (before, after) = (self.known.get(item), now.get(item));
            if before != after {
                let number = self.records.len();
                let names = [key::EXPERIMENT_ID, key::RECORD];
                self.records.push(changed(before, after, names, number));
                self.unhandled.insert(number, 0);
                world.figures.records.fetch_add(1, Relaxed);
            }
        }
        self.known = now;
    }

    /// Chooses at most `most` records in any order: usually unhandled ones, sometimes ones that were handled before. Both
    /// processes may get the same record.
    pub(crate) fn choose(&self, draw: &mut Draw, most: usize) -> Round {
        let unhandled: Vec<usize> = self.unhandled.keys().copied().collect();
        let mut round = Vec::new();
        for _ in 0..most.min(self.processes.len()) {
            if !self.records.is_empty() && draw.chance(15) {
                round.push(draw.below(self.records.len()));
            } else if !unhandled.is_empty() {
                round.push(draw.pick(&unhandled));
            }
        }
        Round(round)
    }

    /// Sets the crash points of the processes. `crashes` is a percentage.
    pub(crate) fn prepare(&self, round: &Round, draw: &mut Draw, crashes: u32) {
        for (record, process) in round.0.iter().zip(&self.processes) {
            let attempts = self.unhandled.get(record).copied().unwrap_or_default();
            process
                .network
                .restart(crash_point(draw, crashes, attempts));
        }
    }

    /// Delivers the records. Returns for each whether it was handled, or `None` if the process crashed.
    pub(crate) async fn hand_over(&self, round: &Round, figures: &Figures) -> Vec<Option<bool>> {
        let invocations = round.0.iter().zip(&self.processes);
        let invocations = invocations.map(|(record, process)| async move {
            figures.steps.fetch_add(1, Relaxed);
            let outcome = process.backfill(self.records[*record].clone()).await;
            if outcome.is_none() {
                figures.crashes.fetch_add(1, Relaxed);
            }
            outcome.map(|outcome| outcome.is_ok())
        });
        futures::future::join_all(invocations).await
    }

    /// Applies the outcomes. Returns true if a process crashed.
    pub(crate) fn note(&mut self, round: Round, outcomes: &[Option<bool>]) -> Result<bool, String> {
        for (record, outcome) in round.0.into_iter().zip(outcomes) {
            if *outcome == Some(true) {
                self.unhandled.remove(&record);
            } else if let Some(attempts) = self.unhandled.get_mut(&record) {
                *attempts += 1;
                if *attempts > MAX_ATTEMPTS {
                    return Err("a step of a backfill never completes".to_owned());
                }
            }
        }
        Ok(outcomes.contains(&None))
    }

    /// Delivers every record once more.
    pub(crate) fn everything_again(&mut self) {
        self.unhandled = (0..self.records.len()).map(|record| (record, 0)).collect();
    }

    /// Deletes the items of retired generations, as their expiry does.
    pub(crate) async fn expire(&mut self, world: &World) {
        for (id, name) in self.known.keys() {
            let Some(generation) = name.strip_prefix(key::RETIRED) else {
                continue;
            };
            let generation = generation.parse().unwrap();
            let experiment = ExperimentId::parse(id).unwrap();
            self.retired.insert((experiment, generation));
            let deletion = world
                .client
                .delete_item()
                .table_name(&world.config.tables.experiments)
                .key(key::EXPERIMENT_ID, AttributeValue::S(id.clone()))
                .key(key::RECORD, AttributeValue::S(name.clone()));
            deletion.send().await.unwrap();
        }
    }
}
