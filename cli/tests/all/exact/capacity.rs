//! How many records a second one experiment takes: the real aggregator with the limits of DynamoDB, in virtual time.
//!
//! Users are assigned and send an event a moment later. Their records arrive in two streams with several shards, as in a
//! table that takes so many writes. Each shard has an aggregator that receives batches as the template says. The model
//! measures how long a record waits until it is counted. A stream record is delivered at once, and the functions compute in
//! no time: only calls take time.

mod limits;

use super::crowd::{self, RecordKind, Setup, UserRecord};
use super::history::DAY;
use super::pressure::every_record_is_counted_once;
use super::world::{World, batch, notifier};
use assay::serve::BUILT_IN_TEMPLATE;
use aws_lambda_events::dynamodb::EventRecord;
use domain::experiment::Experiment;
use domain::time::Timestamp;
use limits::Limits;
use shared::app::App;
use shared::store::Store;
use shared::store::write_shards::WriteShards;
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

/// Shards of each stream: a partition of a table takes 1,000 writes a second, and each partition has a stream shard.
const STREAM_SHARDS: usize = 8;
/// Records of one batch, as in the template. A test compares both.
const BATCH: usize = 500;
/// How long an aggregator collects records that are fewer, as in the template.
const COLLECTED_FOR: Duration = Duration::from_secs(10);
/// The steps in which records arrive.
const STEPS_PER_SECOND: usize = 10;
/// Steps between a user's assignment and event.
const LATER: usize = 10;

/// New users and events a second, and for how long.
#[derive(Clone, Copy)]
struct Load {
    users_per_second: usize,
    seconds: usize,
}

/// What the model measured.
struct Measured {
    records: usize,
    /// From the first record to the end of counting.
    elapsed: Duration,
    /// From storing to counting, of all records in the order of length.
    lags: Vec<Duration>,
    transactions: u64,
    conflicts: u64,
    throttled: u64,
    write_units: f64,
    /// The number of write shards at the end.
    write_shards: u8,
}

impl Measured {
    fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.records).unwrap()) / self.elapsed.as_secs_f64()
    }

    fn longest_lag(&self) -> Duration {
        self.lags.last().copied().unwrap_or_default()
    }
}

type Arrivals = UnboundedReceiver<(EventRecord, Instant)>;

/// Receives the records of one shard until it ends. Returns how long each of them waited.
async fn consume(app: App, mut shard: Arrivals) -> Vec<Duration> {
    let (mut waiting, mut lags) = (Vec::<(EventRecord, Instant)>::new(), Vec::new());
    loop {
        let until = Instant::now() + COLLECTED_FOR;
        while waiting.len() < BATCH {
            let room = BATCH - waiting.len();
            match tokio::time::timeout_at(until, shard.recv_many(&mut waiting, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        if waiting.is_empty() {
            if shard.is_closed() {
                return lags;
            }
            continue;
        }
        let records = waiting.iter().map(|(record, _)| record.clone()).collect();
        let answer = aggregate::handle(app.clone(), notifier(), batch(records)).await;
        let counted = match &answer {
            Err(_) => 0,
            Ok(answer) => match answer.batch_item_failures.first() {
                None => waiting.len(),
                Some(failed) => waiting
                    .iter()
                    .position(|(record, _)| record.change.sequence_number == failed.item_identifier)
                    .unwrap_or(0),
            },
        };
        lags.extend(
            waiting
                .drain(..counted)
                .map(|(_, arrived)| arrived.elapsed()),
        );
    }
}

/// The records of one step: new users, and the events of those who were assigned a second ago.
fn arriving(load: Load, step: usize) -> Vec<UserRecord> {
    let start = Timestamp::from_micros(20_370 * DAY);
    let each = load.users_per_second / STEPS_PER_SECOND;
    let steps = load.seconds * STEPS_PER_SECOND;
    let users = |step: usize| step * each..(step + 1) * each;
    let at = |user: usize, later: i64| start.plus_micros(i64::try_from(user).unwrap() + later);
    let assigned = (step < steps).then(|| users(step)).into_iter().flatten();
    let assigned = assigned.map(|user| UserRecord {
        user,
        at: at(user, 0),
        kind: RecordKind::Assigned,
    });
    let bought = step.checked_sub(LATER).filter(|step| *step < steps);
    let bought = bought.into_iter().flat_map(users).map(|user| UserRecord {
        user,
        at: at(user, 1_000_000),
        kind: RecordKind::Bought(0),
    });
    assigned.chain(bought).collect()
}

/// Runs the load with this first number of write shards, which grows or stays.
async fn run(id: &str, load: Load, first: WriteShards, grows: bool) -> Measured {
    let mut world = World::start().await;
    let tables = world.config.tables.clone();
    let store = |sdk| Store::with_config(&sdk, tables.clone());
    world.store = store(world.sdk_with(Limits::none));
    let setup = Setup {
        metrics: 5,
        capped: false,
        dimensions: 0,
    };
    tokio::time::pause();
    let start = Timestamp::from_micros(20_370 * DAY - 1);
    let experiment = crowd::experiment(&world, id, start, setup).await;
    let limits = Limits::default();
    let apps: Vec<App> = (0..2 * STREAM_SHARDS)
        .map(|_| {
            let store = store(world.sdk_with(|http| limits.around(http)));
            App::new(store.with_write_shards(first, grows), &world.config)
        })
        .collect();
    let (inlets, shards): (Vec<_>, Vec<_>) =
        (0..2 * STREAM_SHARDS).map(|_| unbounded_channel()).unzip();
    let began = Instant::now();
    let consuming = shards
        .into_iter()
        .zip(&apps)
        .map(|(shard, app)| tokio::spawn(consume(app.clone(), shard)));
    let consuming: Vec<_> = consuming.collect();
    for step in 0..load.seconds * STEPS_PER_SECOND + LATER {
        let part = arriving(load, step);
        let records = crowd::write(&world, &experiment, &part).await;
        for (record, user_record) in records.into_iter().zip(&part) {
            let stream = usize::from(matches!(user_record.kind, RecordKind::Bought(_)));
            let shard = stream * STREAM_SHARDS + user_record.user % STREAM_SHARDS;
            inlets[shard].send((record, Instant::now())).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1) / u32::try_from(STEPS_PER_SECOND).unwrap()).await;
    }
    drop(inlets);
    let mut lags = Vec::new();
    for consumed in consuming {
        lags.extend(consumed.await.unwrap());
    }
    let elapsed = began.elapsed();
    lags.sort_unstable();
    world.store = world.store.with_write_shards(first, grows);
    every_record_is_counted_once(&world, &experiment).await;
    let write_units: f64 = apps
        .iter()
        .map(|app| app.store().usage().reading().write_units)
        .sum();
    Measured {
        records: lags.len(),
        elapsed,
        lags,
        transactions: limits.counts.transactions.load(Relaxed),
        conflicts: limits.counts.conflicts.load(Relaxed),
        throttled: limits.counts.throttled.load(Relaxed),
        write_units,
        write_shards: shards_of(&world, &experiment).await.unwrap_or(first).get(),
    }
}

/// The stored number of write shards; none if it has not grown.
async fn shards_of(world: &World, experiment: &Experiment) -> Option<WriteShards> {
    let generations = world.store.generations(&experiment.id).await.unwrap();
    let number = generations.current.unwrap().number;
    let sections = shared::store::aggregates::AggregateSections::ALL;
    let stored = world
        .store
        .aggregate_items(&experiment.id, number, sections, true);
    stored.await.unwrap().write_shards
}

#[test]
fn the_model_receives_batches_as_the_template_says() {
    let template: HashMap<String, serde_yaml_ng::Value> =
        serde_yaml_ng::from_str(BUILT_IN_TEMPLATE).unwrap();
    let resources = &template["Resources"];
    let events = &resources["AggregateFunction"]["Properties"]["Events"];
    for source in ["Assignments", "Events"] {
        let properties = &events[source]["Properties"];
        let batch = u64::try_from(BATCH).unwrap();
        assert_eq!(properties["BatchSize"].as_u64(), Some(batch), "{source}");
        assert_eq!(
            properties["ParallelizationFactor"].as_u64(),
            Some(1),
            "{source}"
        );
    }
    let seconds = &template["Parameters"]["CountingDelaySeconds"]["Default"];
    assert_eq!(seconds.as_u64(), Some(COLLECTED_FOR.as_secs()));
}

/// Whether the tables are on an engine of this process. The calls to another engine would take real time.
fn is_in_memory() -> bool {
    std::env::var_os("DYNAMODB_ENDPOINT").is_none()
}

#[tokio::test]
async fn aggregators_that_refuse_each_other_get_more_write_shards_and_count_every_record_once() {
    if !is_in_memory() {
        return;
    }
    let load = Load {
        users_per_second: 2_000,
        seconds: 1,
    };
    let measured = run("busy", load, WriteShards::new(1), true).await;
    assert_eq!(measured.records, 4_000);
    assert!(
        measured.longest_lag() < Duration::from_secs(25),
        "{:?}",
        measured.longest_lag()
    );
    assert!(measured.conflicts + measured.throttled > 0);
    assert!(measured.write_shards > 1);
}

#[expect(clippy::print_stdout, reason = "output of `scripts/capacity`")]
#[tokio::test]
#[ignore = "a measurement: scripts/capacity"]
async fn how_many_records_a_second_one_experiment_takes() {
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let load = Load {
        users_per_second: number("ASSAY_CAPACITY_USERS", 5_000),
        seconds: number("ASSAY_CAPACITY_SECONDS", 10),
    };
    println!(
        "{} new users and as many events a second for {} s; {STREAM_SHARDS} shards of each stream",
        load.users_per_second, load.seconds
    );
    println!(
        "| write shards | counted a second | median lag | longest lag | transactions | in conflict | throttled | write units per record |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (shards, grows) in [(1, false), (4, false), (16, false), (64, false), (4, true)] {
        let id = format!("load-{shards}-{grows}");
        let measured = run(&id, load, WriteShards::new(shards), grows).await;
        let name = match grows {
            false => shards.to_string(),
            true => format!("{shards}, grown to {}", measured.write_shards),
        };
        let records = f64::from(u32::try_from(measured.records).unwrap());
        println!(
            "| {name} | {:.0} | {:.1} s | {:.1} s | {} | {} | {} | {:.2} |",
            measured.per_second(),
            measured.lags[measured.lags.len() / 2].as_secs_f64(),
            measured.longest_lag().as_secs_f64(),
            measured.transactions,
            measured.conflicts,
            measured.throttled,
            measured.write_units / records,
        );
        tokio::time::resume();
    }
}
