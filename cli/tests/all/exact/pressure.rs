//! Throttling, conflicts and killed aggregators at the same time. They delay the aggregates, but every record is counted once.

use super::check::same;
use super::crowd::{self, RecordKind, UserRecord};
use super::draw::Draw;
use super::history::{DAY, HOUR};
use super::network::{Crash, Pressure};
use super::world::{Process, World};
use aws_lambda_events::dynamodb::EventRecord;
use domain::aggregate_items::{AggregateItems, AggregateLayout, AggregateSpec};
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::time::Timestamp;
use shared::store::aggregates::AggregateSections;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Shards of each of the two streams. Each shard has an aggregator.
const SHARDS: usize = 2;
const BATCH: usize = 100;
const PRESSURE: Pressure = Pressure {
    throttled: 20,
    conflicts: 10,
};
/// Percentage of invocations that are killed.
const KILLED: u32 = 15;
const EVENTS_EACH: usize = 8;

/// Users with several events each, in the order of time.
fn user_records(users: usize) -> Vec<UserRecord> {
    let start = Timestamp::from_micros(20_370 * DAY);
    let mut all = Vec::new();
    for user in 0..users {
        let at = start.plus_micros(i64::try_from(user).unwrap() * HOUR / 10);
        let kind = RecordKind::Assigned;
        all.push(UserRecord { user, at, kind });
        for place in 0..EVENTS_EACH {
            let hours = i64::try_from(place * 7 + 1).unwrap();
            all.push(UserRecord {
                user,
                at: at.plus_micros(hours * HOUR),
                kind: RecordKind::Bought(place),
            });
        }
    }
    all.sort_by_key(|user_record| user_record.at);
    all
}

/// Handles a shard batch by batch until it ends. `killed` is the percentage of killed invocations.
async fn consume(aggregator: &Process, world: &World, mut shard: Shard, seed: u64, killed: u32) {
    let mut draw = Draw::new(seed);
    let mut batch = Vec::new();
    while !batch.is_empty() || shard.recv_many(&mut batch, BATCH).await > 0 {
        let crash = Crash::After(u64::try_from(draw.within(1..=300)).unwrap());
        let crash = draw.chance(killed).then_some(crash);
        aggregator.network.restart(crash);
        world.figures.invocations.fetch_add(1, Relaxed);
        match aggregator.aggregate(batch.clone()).await {
            None => drop(world.figures.crashes.fetch_add(1, Relaxed)),
            Some(Err(_)) => {}
            Some(Ok(answer)) => {
                let failed = answer.batch_item_failures.first();
                let failed = failed.map(|failure| &failure.item_identifier);
                let place = batch
                    .iter()
                    .position(|record| Some(&record.change.sequence_number) == failed);
                drop(batch.drain(..place.unwrap_or(batch.len())));
            }
        }
    }
}

type Shard = UnboundedReceiver<EventRecord>;

/// How long the aggregators need after the last record was stored.
async fn catch_up_time(
    world: &World,
    id: &str,
    users: usize,
    pressure: Pressure,
    killed: u32,
) -> Duration {
    let start = Timestamp::from_micros(20_370 * DAY - HOUR);
    let asked = crowd::Setup {
        metrics: 3,
        capped: true,
        dimensions: 1,
    };
    let experiment = crowd::experiment(world, id, start, asked).await;
    let (inlets, shards): (Vec<_>, Vec<_>) = (0..2 * SHARDS).map(|_| unbounded_channel()).unzip();
    let aggregators: Vec<Process> = (0..shards.len() as u64)
        .map(|seed| world.process(pressure, seed))
        .collect();
    let consuming = shards.into_iter().zip(&aggregators).zip(100_u64..);
    let consuming = consuming
        .map(|((shard, aggregator), seed)| consume(aggregator, world, shard, seed, killed));
    let writing = async {
        for part in user_records(users).chunks(BATCH) {
            let records = crowd::write(world, &experiment, part).await;
            for (record, user_record) in records.into_iter().zip(part) {
                let stream = usize::from(matches!(user_record.kind, RecordKind::Bought(_)));
                let shard = stream * SHARDS + user_record.user % SHARDS;
                inlets[shard].send(record).unwrap();
            }
        }
        drop(inlets);
        Instant::now()
    };
    let (_, written) = futures::join!(futures::future::join_all(consuming), writing);
    let catch_up_time = written.elapsed();
    every_record_is_counted_once(world, &experiment).await;
    catch_up_time
}

pub(super) async fn every_record_is_counted_once(world: &World, experiment: &Experiment) {
    let filter = RecordFilter {
        pre_exposure: true,
        ..RecordFilter::default()
    };
    let aggregates = world
        .store
        .aggregates_from_records(experiment, &filter)
        .await
        .unwrap();
    let generations = world.store.generations(&experiment.id).await.unwrap();
    let number = generations.current.unwrap().number;
    let found = world
        .store
        .aggregate_items(&experiment.id, number, AggregateSections::ALL, false);
    let found = found.await.unwrap();
    let layout = AggregateLayout::new(&AggregateSpec::of(experiment), &found.registry);
    let expected = AggregateItems::from_aggregates(&aggregates, &layout);
    assert!(!expected.is_empty());
    same("the records", &expected, &found.aggregate_items).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_conflicts_and_kills_delay_the_aggregates_and_do_not_change_them() {
    let world = World::start().await;
    catch_up_time(&world, "pressed", 40, PRESSURE, KILLED).await;
    assert!(world.figures.refused.load(Relaxed) > 100);
}

#[expect(clippy::print_stdout, reason = "output of `scripts/pressure`")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: scripts/pressure"]
async fn how_long_the_aggregates_take_to_catch_up_under_pressure() {
    let users = std::env::var("ASSAY_PRESSURE_USERS").unwrap_or("500".to_owned());
    let users: usize = users.parse().unwrap();
    let world = World::start().await;
    let calm = catch_up_time(&world, "calm", users, Pressure::default(), 0).await;
    let pressed = catch_up_time(&world, "pressed", users, PRESSURE, KILLED).await;
    let records = users * (EVENTS_EACH + 1);
    println!(
        "{records} records of {users} users, {} aggregators on two streams",
        2 * SHARDS
    );
    println!(
        "{}% of calls throttled, {}% of transactions in conflict, {KILLED}% of invocations killed",
        PRESSURE.throttled, PRESSURE.conflicts
    );
    println!(
        "caught up {pressed:.1?} after the last record was stored; without pressure {calm:.1?}"
    );
    println!("{}", world.figures);
    println!("every record is counted once: the aggregates equal the records");
}
