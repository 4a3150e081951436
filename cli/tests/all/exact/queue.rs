//! The stream of the experiments table, and the processes that make sums again as its records ask.

use super::draw::Draw;
use super::figures::Figures;
use super::network::Pressure;
use super::play::{MOST_TRIES, death};
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

/// What is to be done, and who does it.
pub(crate) struct Queue {
    processes: Vec<Process>,
    /// The items as they were when somebody last looked.
    known: BTreeMap<Key, Item>,
    records: Vec<EventRecord>,
    /// Records that were not dealt with so far, and how often that was tried.
    waiting: BTreeMap<usize, usize>,
    /// Generations whose time was over.
    pub(crate) retired: BTreeSet<(ExperimentId, u64)>,
}

/// Records that are handed over at the same moment, one to each process.
pub(crate) struct Round(Vec<usize>);

impl Queue {
    pub(crate) fn new(world: &World, seed: u64) -> Self {
        let process = |place: u64| world.process(Pressure::default(), seed ^ (place << 8));
        Self {
            processes: (1..=2).map(process).collect(),
            known: BTreeMap::new(),
            records: Vec::new(),
            waiting: BTreeMap::new(),
            retired: BTreeSet::new(),
        }
    }

    pub(crate) fn process(&self) -> &Process {
        &self.processes[0]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Looks for items that were changed since, each of which gives a record.
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
                self.waiting.insert(number, 0);
                world.figures.records.fetch_add(1, Relaxed);
            }
        }
        self.known = now;
    }

    /// One that waits, or now and then one that was dealt with long ago; at most so many, in any order. The same one
    /// may be handed to both.
    pub(crate) fn choose(&self, draw: &mut Draw, most: usize) -> Round {
        let waiting: Vec<usize> = self.waiting.keys().copied().collect();
        let mut round = Vec::new();
        for _ in 0..most.min(self.processes.len()) {
            if !self.records.is_empty() && draw.chance(15) {
                round.push(draw.below(self.records.len()));
            } else if !waiting.is_empty() {
                round.push(draw.pick(&waiting));
            }
        }
        Round(round)
    }

    /// Has processes die amid what they are given, so many of a hundred.
    pub(crate) fn prepare(&self, round: &Round, draw: &mut Draw, crashes: u32) {
        for (record, process) in round.0.iter().zip(&self.processes) {
            let tries = self.waiting.get(record).copied().unwrap_or_default();
            process.network.restart(death(draw, crashes, tries));
        }
    }

    /// Which of them were dealt with, and which ended in a death.
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

    /// Takes note of it. True if a process died.
    pub(crate) fn note(&mut self, round: Round, outcomes: &[Option<bool>]) -> Result<bool, String> {
        for (record, outcome) in round.0.into_iter().zip(outcomes) {
            if *outcome == Some(true) {
                self.waiting.remove(&record);
            } else if let Some(tries) = self.waiting.get_mut(&record) {
                *tries += 1;
                if *tries > MOST_TRIES {
                    return Err("a step of the work is never done".to_owned());
                }
            }
        }
        Ok(outcomes.contains(&None))
    }

    /// Every record comes once more.
    pub(crate) fn everything_again(&mut self) {
        self.waiting = (0..self.records.len()).map(|record| (record, 0)).collect();
    }

    /// Time passes: generations that were retired are deleted.
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
