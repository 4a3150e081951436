//! Plays a history: writes its steps, delivers the records, and kills processes.

use super::check;
use super::draw::Draw;
use super::history::{Change, Deliver, Edit, Erase, History, Step};
use super::network::{Crash, Pressure};
use super::queue::Queue;
use super::records::Records;
use super::stored;
use super::world::{Process, World};
use super::writer::Writer;
use aws_lambda_events::dynamodb::EventRecord;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Maximum attempts of a batch or a record. More are an error.
pub(crate) const MAX_ATTEMPTS: usize = 40;
/// Number of attempts that may crash. Later attempts do not.
const ATTEMPTS_WITH_CRASHES: usize = 4;

/// Draws the crash point of an attempt. `crashes` is the percentage of attempts that crash.
pub(crate) fn crash_point(draw: &mut Draw, crashes: u32, attempts: usize) -> Option<Crash> {
    let crashes_now = attempts < ATTEMPTS_WITH_CRASHES && draw.chance(crashes);
    let call = u64::try_from(draw.within(1..=30)).unwrap();
    let crash = draw.pick(&[Crash::Before(call), Crash::After(call)]);
    crashes_now.then_some(crash)
}

/// When processes crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crashes {
    /// At the crash points of the history.
    Drawn,
    /// One process crashes at one call, counted over the whole history.
    At(CrashTarget, Crash),
}

/// Which process crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashTarget {
    /// The aggregator.
    Aggregator,
    /// The backfill process.
    Backfiller,
}

/// State of a played history.
pub(crate) struct Play<'w> {
    pub(crate) world: &'w World,
    pub(crate) history: &'w History,
    pub(crate) writer: Writer<'w>,
    records: Records,
    /// Records that have not been delivered.
    undelivered: BTreeSet<usize>,
    aggregators: Vec<Process>,
    pub(crate) queue: Queue,
    crashes: Crashes,
}

/// Records that are delivered together.
pub(crate) struct Batch {
    records: Vec<usize>,
    attempts: usize,
}

/// How an invocation ended.
pub(crate) enum End {
    Done,
    /// The records from this index on failed.
    From(usize),
    Crashed,
}

/// Plays a history to its end. Returns true if every requested crash has happened.
pub(crate) async fn play(
    world: &World,
    history: &History,
    crashes: Crashes,
) -> Result<bool, String> {
    let mut play = Play::begin(world, history, crashes).await;
    let mut draw = Draw::new(!history.seed);
    for step in &history.steps {
        play.step(step).await?;
        stored::sometimes_counted(&play, &mut draw).await?;
    }
    play.finish().await?;
    world.figures.histories.fetch_add(1, Relaxed);
    let outlived = |process: &Process| process.network.outlived();
    Ok(!outlived(&play.aggregators[0]) && !outlived(play.queue.process()))
}

impl<'w> Play<'w> {
    pub(crate) async fn begin(world: &'w World, history: &'w History, crashes: Crashes) -> Self {
        let aggregator =
            |place| world.process(Pressure::of_history(history.seed), history.seed ^ place);
        let play = Self {
            world,
            history,
            writer: Writer::begin(world, history).await,
            records: Records::default(),
            undelivered: BTreeSet::new(),
            aggregators: (0..2).map(aggregator).collect(),
            queue: Queue::new(world, history.seed),
            crashes,
        };
        play.refuse(history.refused);
        if let Crashes::At(target, crash) = crashes {
            let process = match target {
                CrashTarget::Aggregator => &play.aggregators[0],
                CrashTarget::Backfiller => play.queue.process(),
            };
            process.network.restart(Some(crash));
        }
        play
    }

    /// Lets the database refuse the contributions of a user, or of none any more.
    pub(crate) fn refuse(&self, user: Option<usize>) {
        let user = user.map(|user| &self.writer.users[user]);
        let processes = self.aggregators.iter().chain(self.queue.processes());
        for process in processes {
            process.network.refuse(user);
        }
    }

    /// All users but the refused one are counted. When the reason for the refusal is gone, a repair counts that one too.
    async fn end_the_refusal(&mut self, draw: &mut Draw) -> Result<(), String> {
        let Some(refused) = self.history.refused else {
            return Ok(());
        };
        check::the_other_users_are_counted(self, refused).await?;
        self.refuse(None);
        for experiment in 0..self.writer.experiments.len() {
            let repair = Change {
                experiment,
                at: self.writer.experiment(experiment).updated_at,
                edit: Edit::Repair,
            };
            self.write(&Step::Change(repair)).await;
        }
        // A repair finds users by their assignments. An erased user has none, so the erasure is repeated.
        let user = &self.writer.users[refused];
        if self.world.store.tombstone(user).await.unwrap().is_some() {
            let erase = Erase {
                user: refused,
                crash: None,
                asked_again: false,
            };
            self.write(&Step::Erase(erase)).await;
        }
        self.settle(draw).await
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Deliver(deliver) => self.deliver(deliver).await,
            other => {
                self.write(other).await;
                Ok(())
            }
        }
    }

    pub(crate) async fn write(&mut self, step: &Step) {
        self.writer.write(step).await;
        // The stream has a record of each change, even if another change follows immediately.
        if matches!(step, Step::Change(_)) {
            self.collect_work().await;
        }
    }

    /// Finds new items and builds their stream records.
    pub(crate) async fn collect(&mut self) {
        self.collect_work().await;
        let before = self.records.all.len();
        self.records.collect(self.world, &self.writer.users).await;
        self.undelivered.extend(before..self.records.all.len());
        let found = self.records.all.len() - before;
        let records = &self.world.figures.records;
        records.fetch_add(u64::try_from(found).unwrap(), Relaxed);
    }

    async fn collect_work(&mut self) {
        let experiments = self.writer.experiments.iter();
        let ids = experiments.map(|versions| &versions[0].id);
        self.queue.collect(self.world, ids).await;
    }

    /// Delivers new records one to three times and some old records again, in any order.
    async fn deliver(&mut self, deliver: &Deliver) -> Result<(), String> {
        self.collect().await;
        let mut draw = Draw::new(deliver.seed);
        let mut chosen = Vec::new();
        for record in 0..self.records.all.len() {
            let times = if self.undelivered.contains(&record) {
                draw.pick(&[1, 1, 1, 2, 3])
            } else {
                usize::from(draw.chance(20))
            };
            chosen.extend(std::iter::repeat_n(record, times));
        }
        draw.shuffle(&mut chosen);
        let longest = draw.pick(&[2, 10, 100, 100]);
        let mut batches = VecDeque::new();
        while !chosen.is_empty() {
            let length = (1 + draw.below(longest)).min(chosen.len());
            let records = chosen.split_off(chosen.len() - length);
            batches.push_back(Batch {
                records,
                attempts: 0,
            });
        }
        self.hand_over(batches, deliver, &mut draw).await
    }

    async fn hand_over(
        &mut self,
        mut batches: VecDeque<Batch>,
        deliver: &Deliver,
        draw: &mut Draw,
    ) -> Result<(), String> {
        let mut meanwhile = deliver.meanwhile.iter();
        while !batches.is_empty() {
            let at_once = deliver.aggregators.min(batches.len());
            let mut round: Vec<Batch> = batches.drain(..at_once).collect();
            // Records may be delivered again while the first aggregator still handles them.
            if round.len() < deliver.aggregators || deliver.aggregators > 1 && draw.chance(25) {
                batches.extend(round.drain(1..));
                let records = round[0].records.clone();
                round.resize_with(deliver.aggregators, || Batch {
                    records: records.clone(),
                    attempts: 1,
                });
            }
            for (batch, aggregator) in round.iter().zip(&self.aggregators) {
                if self.crashes == Crashes::Drawn {
                    let crash_point = crash_point(draw, deliver.crashes, batch.attempts);
                    aggregator.network.restart(crash_point);
                }
            }
            let work = self.queue.choose(draw, deliver.aggregators);
            if self.crashes == Crashes::Drawn {
                self.queue.prepare(&work, draw, deliver.crashes);
            }
            let pairs = round.iter().zip(&self.aggregators);
            let invocations = pairs.map(|(batch, aggregator)| self.invoke(batch, aggregator));
            let pause = Duration::from_micros(u64::try_from(draw.within(0..=9_000)).unwrap());
            let mut writer = self.writer.clone();
            let writing = async {
                if let Some(step) = meanwhile.next() {
                    tokio::time::sleep(pause).await;
                    writer.write(step).await;
                }
            };
            let invocations = futures::future::join_all(invocations);
            let working = self.queue.hand_over(&work, &self.world.figures);
            let (ends, (), worked) = futures::join!(invocations, writing, working);
            self.writer = writer;
            let crashed = self.queue.note(work, &worked)?
                || ends.iter().any(|end| matches!(end, End::Crashed));
            self.collect_work().await;
            for (mut batch, end) in round.into_iter().zip(ends) {
                self.undelivered
                    .retain(|record| !batch.records.contains(record));
                match end {
                    End::Done => continue,
                    End::From(place) => drop(batch.records.drain(..place)),
                    End::Crashed => {}
                }
                batch.attempts += 1;
                if batch.attempts > MAX_ATTEMPTS {
                    return Err("a batch never completes".to_owned());
                }
                if draw.chance(50) {
                    batches.push_front(batch);
                } else {
                    batches.push_back(batch);
                }
            }
            if crashed {
                check::aggregates_equal_the_contributions(self).await?;
            }
        }
        for step in meanwhile {
            self.write(step).await;
        }
        Ok(())
    }

    pub(crate) async fn invoke(&self, batch: &Batch, aggregator: &Process) -> End {
        let figures = &self.world.figures;
        figures.invocations.fetch_add(1, Relaxed);
        let again = batch.records.iter();
        let again = again.filter(|record| batch.attempts > 0 || !self.undelivered.contains(record));
        let again = u64::try_from(again.count()).unwrap();
        figures.redeliveries.fetch_add(again, Relaxed);

        let records = batch.records.iter();
        let records = records.map(|place| self.records.all[*place].clone());
        match aggregator.aggregate(records.collect()).await {
            None => {
                figures.crashes.fetch_add(1, Relaxed);
                End::Crashed
            }
            Some(Err(_)) => End::From(0),
            Some(Ok(answer)) => match answer.batch_item_failures.first() {
                None => End::Done,
                Some(failure) => {
                    let failed = |place: &usize| {
                        self.records.all[*place].change.sequence_number == failure.item_identifier
                    };
                    End::From(batch.records.iter().position(failed).unwrap_or(0))
                }
            },
        }
    }

    /// Delivers all records, including those that the functions write, until there are no more.
    pub(crate) async fn settle(&mut self, draw: &mut Draw) -> Result<(), String> {
        loop {
            self.collect().await;
            if !self.undelivered.is_empty() {
                let deliver = Deliver {
                    seed: draw.seed(),
                    aggregators: 1,
                    crashes: 0,
                    meanwhile: Vec::new(),
                };
                self.deliver(&deliver).await?;
            } else if !self.queue.is_empty() {
                let work = self.queue.choose(draw, 1);
                if self.crashes == Crashes::Drawn {
                    self.queue.prepare(&work, draw, 0);
                }
                let worked = self.queue.hand_over(&work, &self.world.figures).await;
                if self.queue.note(work, &worked)? {
                    check::aggregates_equal_the_contributions(self).await?;
                }
            } else {
                return Ok(());
            }
        }
    }

    /// Delivers all records, in an order of its own.
    pub(crate) async fn settle_all(&mut self) -> Result<(), String> {
        self.settle(&mut Draw::new(self.history.seed)).await
    }

    /// Delivers all records again, also those that were handled.
    pub(crate) async fn deliver_everything_again(&mut self) -> Result<(), String> {
        let mut draw = Draw::new(self.history.seed);
        self.everything_again(&mut draw).await?;
        self.settle(&mut draw).await
    }

    pub(crate) fn aggregator(&self, place: usize) -> &Process {
        &self.aggregators[place]
    }

    /// A batch of all records so far.
    pub(crate) fn everything(&self) -> Batch {
        Batch {
            records: (0..self.records.all.len()).collect(),
            attempts: 0,
        }
    }

    /// All records so far.
    pub(crate) fn records(&self) -> Vec<EventRecord> {
        self.records.all.clone()
    }

    async fn everything_again(&mut self, draw: &mut Draw) -> Result<(), String> {
        let mut all = self.everything();
        draw.shuffle(&mut all.records);
        let batches = [all];
        let deliver = Deliver {
            seed: 0,
            aggregators: 1,
            crashes: 0,
            meanwhile: Vec::new(),
        };
        self.hand_over(batches.into(), &deliver, draw).await
    }

    pub(crate) async fn finish(&mut self) -> Result<(), String> {
        let mut draw = Draw::new(self.history.seed);
        self.settle(&mut draw).await?;
        self.end_the_refusal(&mut draw).await?;
        check::aggregates_equal_the_records(self).await?;
        stored::stored_records_are_counted(self).await?;
        check::no_user_is_quarantined(self).await?;
        check::the_newest_generation_is_read(self).await?;

        self.queue.expire(self.world).await;
        self.settle(&mut draw).await?;
        check::retired_generations_are_deleted(self).await?;

        self.queue.everything_again();
        self.everything_again(&mut draw).await?;
        self.settle(&mut draw).await?;
        check::aggregates_equal_the_records(self).await?;
        // Once in a minute a batch may advance checkpoints; what is not counted once would be written each time.
        let mut more = f64::INFINITY;
        for _ in 0..3 {
            let before = self.written();
            self.everything_again(&mut draw).await?;
            more = self.written() - before;
            if more == 0.0 {
                break;
            }
        }
        if more > 0.0 {
            return Err(format!(
                "there was nothing new, but {more} units were written"
            ));
        }
        Ok(())
    }

    /// Write units of the first aggregator.
    fn written(&self) -> f64 {
        self.aggregators[0].usage().write_units
    }
}
