//! Plays a history: writes what its users do, and hands the records to aggregators that die.

use super::check;
use super::draw::Draw;
use super::history::{Assign, Change, Deliver, Edit, History, Step, Track};
use super::network::{Crash, Pressure};
use super::records::Records;
use super::world::{Aggregator, World};
use lambda_runtime::{Context, LambdaEvent};
use shared::domain;
use shared::domain::assignment::{Assignment, Source};
use shared::domain::event::Event;
use shared::domain::experiment::{Experiment, NewExperiment, Status};
use shared::domain::ids::{EventId, ExperimentId, UserId};
use shared::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a batch may come back before something must be wrong.
const MOST_TRIES: usize = 40;

/// When the aggregators die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deaths {
    /// As the history says.
    Drawn,
    /// At one call of all, counted over the whole history.
    At(Crash),
}

/// What there is so far.
pub(crate) struct Play<'w> {
    pub(crate) world: &'w World,
    pub(crate) history: &'w History,
    pub(crate) users: Vec<UserId>,
    /// The versions of each experiment, oldest first.
    pub(crate) experiments: Vec<Vec<Experiment>>,
    assigned: BTreeMap<(usize, usize), Timestamp>,
    records: Records,
    /// Records that nobody was given so far.
    fresh: BTreeSet<usize>,
    aggregators: Vec<Aggregator>,
    deaths: Deaths,
}

/// Records that are handed over together.
struct Batch {
    records: Vec<usize>,
    tries: usize,
}

/// How an invocation ended.
enum End {
    Done,
    /// From this record on it has to be done again.
    From(usize),
    Died,
}

/// Plays it to its end. True if every death that was asked for has happened.
pub(crate) async fn play(world: &World, history: &History, deaths: Deaths) -> Result<bool, String> {
    let mut play = Play::begin(world, history, deaths).await;
    for step in &history.steps {
        play.step(step).await?;
    }
    play.finish().await?;
    world.figures.histories.fetch_add(1, Relaxed);
    Ok(!play.aggregators[0].network.outlived())
}

impl<'w> Play<'w> {
    async fn begin(world: &'w World, history: &'w History, deaths: Deaths) -> Self {
        let serial = world.next_serial();
        let user = |place| UserId::parse(&format!("u{serial}/{place}#é")).unwrap();
        let mut play = Self {
            world,
            history,
            users: (0..history.users).map(user).collect(),
            experiments: Vec::new(),
            assigned: BTreeMap::new(),
            records: Records::default(),
            fresh: BTreeSet::new(),
            aggregators: (0..2)
                .map(|place| world.aggregator(Pressure::default(), history.seed ^ place))
                .collect(),
            deaths,
        };
        if let Deaths::At(crash) = deaths {
            play.aggregators[0].network.restart(Some(crash));
        }
        for (place, definition) in history.experiments.iter().enumerate() {
            let new = NewExperiment {
                id: ExperimentId::parse(&format!("x{serial}-{place}")).unwrap(),
                name: "X".to_owned(),
                description: None,
                status: Status::Running,
                variants: definition.variants.clone(),
                traffic_percent: 100.0,
                segments: definition.segments.clone(),
                metrics: definition.metrics.clone(),
                plan: None,
                starts_at: None,
                ends_at: definition.ends_at,
                hash_seed: serial.to_string(),
                shards: definition.shards,
            };
            let experiment = new.create(definition.start);
            let created = world.store.create_experiment(&experiment, "", "a test");
            created.await.unwrap();
            play.experiments.push(vec![experiment]);
        }
        play
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Assign(assign) => self.assign(assign).await,
            Step::Track(track) => self.track(track).await,
            Step::Change(change) => self.change(change).await,
            Step::Deliver(deliver) => self.deliver(deliver).await?,
        }
        Ok(())
    }

    /// The newest definition.
    pub(crate) fn experiment(&self, place: usize) -> &Experiment {
        self.experiments[place].last().unwrap()
    }

    async fn assign(&mut self, assign: &Assign) {
        let experiment = self.experiment(assign.experiment).clone();
        let user = &self.users[assign.user];
        let hashed = || {
            let variants = &experiment.variants;
            variants.choose(&experiment.hash_seed, user, 100.0).unwrap()
        };
        let variant = assign.variant.clone();
        let assignment = Assignment {
            user_id: user.clone(),
            experiment_id: experiment.id.clone(),
            source: variant.as_ref().map_or(Source::Hash, |_| Source::Import),
            variant: variant.unwrap_or_else(|| hashed().key.clone()),
            assigned_at: assign.at,
            experiment_version: experiment.version,
            attributes: assign.attributes.clone(),
        };
        let stored = self
            .world
            .store
            .assign_first(&assignment, experiment.shards);
        stored.await.unwrap();
        self.assigned
            .insert((assign.user, assign.experiment), assign.at);
    }

    /// Stores an event as the function does that takes events, with what that function may know at the moment.
    async fn track(&mut self, track: &Track) {
        let event = Event {
            id: EventId::parse(&format!("e#{}", track.id)).unwrap(),
            user_id: self.users[track.user].clone(),
            event_type: track.event_type.clone(),
            value: track.value,
            properties: None,
            timestamp: Some(track.at),
            counted_at: track.at,
        };
        let mut destinations = Vec::new();
        for (place, versions) in self.experiments.iter().enumerate() {
            let age = usize::from(track.knows_old_definitions) + 1;
            let definition = &versions[versions.len().saturating_sub(age)];
            let assigned = self.assigned.get(&(track.user, place));
            let assigned = assigned.filter(|_| !track.knows_no_assignments);
            if assigned.is_some_and(|assigned| definition.counts(*assigned, track.at)) {
                destinations.push(Some((&definition.id, definition.shards)));
            }
        }
        if destinations.is_empty() {
            destinations.push(None);
        }
        let received_at = track.at.plus_micros(1_000_000);
        for destination in destinations {
            let store = &self.world.store;
            let stored = store.record_first(&event, destination, received_at);
            stored.await.unwrap();
        }
    }

    async fn change(&mut self, change: &Change) {
        let mut asked = domain::change::Change::default();
        match &change.edit {
            Edit::End(end) => asked.ends_at = Some(*end),
            Edit::Stop => asked.status = Some(Status::Stopped),
            Edit::Shares(variants) => asked.variants = Some(variants.clone()),
            Edit::Metrics(metrics) => asked.metrics = Some(metrics.clone()),
            Edit::Segments(segments) => asked.segments = Some(segments.clone()),
        }
        let before = self.experiment(change.experiment).clone();
        // What does not fit, such as another end for an experiment that was stopped, is refused to everybody.
        if let Ok(after) = asked.apply(&before, change.at) {
            let store = &self.world.store;
            let changed = store.change_experiment(&before, &after, "", "a test");
            assert!(changed.await.unwrap());
            self.experiments[change.experiment].push(after);
        }
    }

    async fn collect(&mut self) {
        let before = self.records.all.len();
        self.records.collect(self.world, &self.users).await;
        self.fresh.extend(before..self.records.all.len());
        let found = self.records.all.len() - before;
        let records = &self.world.figures.records;
        records.fetch_add(u64::try_from(found).unwrap(), Relaxed);
    }

    /// New records one to three times, and some of the old ones again, in any order.
    async fn deliver(&mut self, deliver: &Deliver) -> Result<(), String> {
        self.collect().await;
        let mut draw = Draw::new(deliver.seed);
        let mut chosen = Vec::new();
        for record in 0..self.records.all.len() {
            let times = if self.fresh.contains(&record) {
                draw.pick(&[1, 1, 2, 3])
            } else {
                usize::from(draw.chance(20))
            };
            chosen.extend(std::iter::repeat_n(record, times));
        }
        draw.shuffle(&mut chosen);
        let longest = draw.pick(&[1, 4, 12, 100]);
        let mut batches = VecDeque::new();
        while !chosen.is_empty() {
            let length = (1 + draw.below(longest)).min(chosen.len());
            let records = chosen.split_off(chosen.len() - length);
            batches.push_back(Batch { records, tries: 0 });
        }
        self.hand_over(batches, deliver, &mut draw).await
    }

    async fn hand_over(
        &mut self,
        mut batches: VecDeque<Batch>,
        deliver: &Deliver,
        draw: &mut Draw,
    ) -> Result<(), String> {
        while !batches.is_empty() {
            let at_once = deliver.aggregators.min(batches.len());
            let round: Vec<Batch> = batches.drain(..at_once).collect();
            for (batch, aggregator) in round.iter().zip(&self.aggregators) {
                if self.deaths == Deaths::Drawn {
                    let dies = batch.tries < 4 && draw.chance(deliver.crashes);
                    let call = u64::try_from(draw.within(1..=30)).unwrap();
                    let crash = draw.pick(&[Crash::Before(call), Crash::After(call)]);
                    aggregator.network.restart(dies.then_some(crash));
                }
            }
            let pairs = round.iter().zip(&self.aggregators);
            let invocations = pairs.map(|(batch, aggregator)| self.invoke(batch, aggregator));
            let ends = futures::future::join_all(invocations).await;
            let died = ends.iter().any(|end| matches!(end, End::Died));
            for (mut batch, end) in round.into_iter().zip(ends) {
                self.fresh.retain(|record| !batch.records.contains(record));
                match end {
                    End::Done => continue,
                    End::From(place) => drop(batch.records.drain(..place)),
                    End::Died => {}
                }
                batch.tries += 1;
                if batch.tries > MOST_TRIES {
                    return Err("a batch is never done".to_owned());
                }
                if draw.chance(50) {
                    batches.push_front(batch);
                } else {
                    batches.push_back(batch);
                }
            }
            if died {
                check::nothing_is_half_written(self).await?;
            }
        }
        Ok(())
    }

    async fn invoke(&self, batch: &Batch, aggregator: &Aggregator) -> End {
        let figures = &self.world.figures;
        figures.invocations.fetch_add(1, Relaxed);
        let again = batch.records.iter();
        let again = again.filter(|record| batch.tries > 0 || !self.fresh.contains(record));
        let again = u64::try_from(again.count()).unwrap();
        figures.redeliveries.fetch_add(again, Relaxed);

        let mut event = aggregate::Batch::default();
        let records = batch.records.iter();
        event.records = records
            .map(|place| self.records.all[*place].clone())
            .collect();
        let event = LambdaEvent::new(event, context(Duration::from_secs(120)));
        let ended = tokio::select! {
            biased;
            () = aggregator.network.died() => None,
            answer = aggregate::handle(aggregator.app.clone(), event) => Some(answer),
        };
        match ended {
            None => {
                figures.crashes.fetch_add(1, Relaxed);
                aggregator.network.restart(None);
                End::Died
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

    /// Hands over what nobody was given, what the aggregators store themselves included, until there is no more.
    async fn settle(&mut self, draw: &mut Draw) -> Result<(), String> {
        self.collect().await;
        while !self.fresh.is_empty() {
            let deliver = Deliver {
                seed: draw.seed(),
                aggregators: 1,
                crashes: 0,
            };
            self.deliver(&deliver).await?;
            self.collect().await;
        }
        Ok(())
    }

    async fn everything_again(&mut self, draw: &mut Draw) -> Result<(), String> {
        let mut records: Vec<usize> = (0..self.records.all.len()).collect();
        draw.shuffle(&mut records);
        let batches = [Batch { records, tries: 0 }];
        let deliver = Deliver {
            seed: 0,
            aggregators: 1,
            crashes: 0,
        };
        self.hand_over(batches.into(), &deliver, draw).await
    }

    async fn finish(&mut self) -> Result<(), String> {
        let mut draw = Draw::new(self.history.seed);
        self.settle(&mut draw).await?;
        if !self.history.changes() {
            check::sums_equal_the_records(self).await?;
        }
        // A changed definition may change what every user adds; looking at all of them again is what follows it.
        self.everything_again(&mut draw).await?;
        self.settle(&mut draw).await?;
        check::sums_equal_the_records(self).await?;
        let written = || {
            self.aggregators[0]
                .app
                .store()
                .usage()
                .reading()
                .write_units
        };
        let before = written();
        self.everything_again(&mut draw).await?;
        let more = self.aggregators[0]
            .app
            .store()
            .usage()
            .reading()
            .write_units
            - before;
        if more > 0.0 {
            return Err(format!("nothing was new, and {more} units were written"));
        }
        Ok(())
    }
}

/// What Lambda says of an invocation that may take so long.
pub(crate) fn context(time: Duration) -> Context {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut context = Context::default();
    context.deadline = u64::try_from((now + time).as_millis()).unwrap();
    context
}
