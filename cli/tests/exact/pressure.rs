//! A database that refuses, writers that meet, and aggregators that are killed, all at once: it takes longer, and every
//! record is counted once.

use super::check::same;
use super::crowd::{self, Fact, Happening};
use super::draw::Draw;
use super::history::{DAY, HOUR};
use super::network::{Crash, Pressure};
use super::world::{Aggregator, World};
use aws_lambda_events::dynamodb::EventRecord;
use shared::domain::experiment::Experiment;
use shared::domain::fold::Lens;
use shared::domain::time::Timestamp;
use shared::domain::totals::{Spec, Totals};
use shared::store::statistics::Parts;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Shards of each of the two streams, and so aggregators of each.
const SHARDS: usize = 2;
const BATCH: usize = 100;
const PRESSURE: Pressure = Pressure {
    throttled: 20,
    conflicts: 10,
};
/// How many of a hundred invocations are killed.
const KILLED: u32 = 15;
const EVENTS_EACH: usize = 8;

fn happenings(users: usize) -> (Vec<Happening>, Vec<Happening>) {
    let start = Timestamp::from_micros(20_370 * DAY);
    let (mut assigned, mut bought) = (Vec::new(), Vec::new());
    for user in 0..users {
        let at = start.plus_micros(i64::try_from(user).unwrap() * 1_000_000);
        let fact = Fact::Assigned;
        assigned.push(Happening { user, at, fact });
        for place in 0..EVENTS_EACH {
            let hours = i64::try_from(place * 7 + 1).unwrap();
            bought.push(Happening {
                user,
                at: at.plus_micros(hours * HOUR),
                fact: Fact::Bought(place),
            });
        }
    }
    // Users among one another, as they come.
    bought.sort_by_key(|happening| happening.at);
    (assigned, bought)
}

/// Works through a shard, batch by batch, until all of it is done.
async fn consume(aggregator: &Aggregator, world: &World, records: &[EventRecord], seed: u64) {
    let mut draw = Draw::new(seed);
    let mut done = 0;
    while done < records.len() {
        let killed = draw.chance(KILLED);
        let crash = Crash::After(u64::try_from(draw.within(1..=300)).unwrap());
        aggregator.network.restart(killed.then_some(crash));
        let batch = &records[done..records.len().min(done + BATCH)];
        world.figures.invocations.fetch_add(1, Relaxed);
        match aggregator.invoke(batch.to_vec()).await {
            None => drop(world.figures.crashes.fetch_add(1, Relaxed)),
            Some(Err(_)) => {}
            Some(Ok(answer)) => {
                let failed = answer.batch_item_failures.first();
                let failed = failed.map(|failure| &failure.item_identifier);
                let place = batch
                    .iter()
                    .position(|record| Some(&record.change.sequence_number) == failed);
                done += place.unwrap_or(batch.len());
            }
        }
    }
}

struct Recovered {
    /// To work through everything without anything in the way.
    calm: Duration,
    /// The same under pressure.
    pressed: Duration,
}

async fn run(world: &World, users: usize) -> Recovered {
    let calm = one(world, "calm", users, Pressure::default(), 0).await;
    let pressed = one(world, "pressed", users, PRESSURE, 1).await;
    Recovered { calm, pressed }
}

/// Everything is stored while nobody counts, and then counted by all aggregators at once: how long that takes.
async fn one(world: &World, id: &str, users: usize, pressure: Pressure, kills: u64) -> Duration {
    let start = Timestamp::from_micros(20_370 * DAY - HOUR);
    let experiment = crowd::experiment(world, id, start, 3, 1).await;
    let (assigned, bought) = happenings(users);
    let mut shards: Vec<Vec<EventRecord>> = Vec::new();
    for stream in [assigned, bought] {
        let records = crowd::write(world, &experiment, &stream).await;
        let mut of_shard = vec![Vec::new(); SHARDS];
        for (record, happening) in records.into_iter().zip(stream) {
            of_shard[happening.user % SHARDS].push(record);
        }
        shards.extend(of_shard);
    }
    let started = Instant::now();
    let aggregators: Vec<Aggregator> = (0..shards.len() as u64)
        .map(|seed| world.aggregator(pressure, seed))
        .collect();
    let work = aggregators.iter().zip(&shards).zip(100_u64..);
    let work = work.map(|((aggregator, records), seed)| async move {
        if kills > 0 {
            consume(aggregator, world, records, seed).await;
        } else {
            for batch in records.chunks(BATCH) {
                aggregator.invoke(batch.to_vec()).await.unwrap().unwrap();
            }
        }
    });
    futures::future::join_all(work).await;
    let took = started.elapsed();
    everything_is_counted_once(world, &experiment).await;
    took
}

async fn everything_is_counted_once(world: &World, experiment: &Experiment) {
    let lens = Lens {
        past: true,
        ..Lens::default()
    };
    let tally = world.store.tally(experiment, &lens).await.unwrap();
    let expected = Totals::of_tally(&tally, &Spec::of(experiment));
    assert!(!expected.is_empty());
    let generations = world.store.generations(&experiment.id).await.unwrap();
    let number = generations.current.unwrap().number;
    let found = world.store.totals(&experiment.id, number, Parts::ALL);
    let found = found.await.unwrap().totals;
    same("the records", &expected, &found).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_conflicts_and_kills_delay_the_sums_and_do_not_change_them() {
    let world = World::start().await;
    run(&world, 40).await;
    let figures = &world.figures;
    assert!(figures.refused.load(Relaxed) > 100);
    assert!(figures.conflicts.load(Relaxed) > 0);
}

#[expect(clippy::print_stdout, reason = "what `scripts/pressure` shows")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: scripts/pressure"]
async fn how_long_the_sums_take_to_catch_up_under_pressure() {
    let users = std::env::var("ASSAY_PRESSURE_USERS").unwrap_or("500".to_owned());
    let users: usize = users.parse().unwrap();
    let world = World::start().await;
    let Recovered { calm, pressed } = run(&world, users).await;
    let records = users * (EVENTS_EACH + 1);
    println!(
        "{records} records of {users} users, {} aggregators on two streams",
        2 * SHARDS
    );
    println!(
        "{} % of calls throttled, {} % of transactions in conflict, {KILLED} % of invocations killed",
        PRESSURE.throttled, PRESSURE.conflicts
    );
    println!("lag recovered after {pressed:.1?}; without pressure after {calm:.1?}");
    println!("{}", world.figures);
    println!("everything is counted once: the sums equal the records");
}
