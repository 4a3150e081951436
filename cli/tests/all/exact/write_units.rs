//! Measures the cost of counting: write and read units per event, from the put to the aggregates.

use super::crowd::{self, RecordKind, Setup, UserRecord};
use super::history::{DAY, HOUR};
use super::network::Pressure;
use super::world::World;
use aws_lambda_events::dynamodb::EventRecord;
use domain::time::Timestamp;
use shared::store::usage::Reading;

const USERS: usize = 1_000;
const EVENTS_EACH: usize = 10;
/// Records per batch with a batching window and enough traffic.
const BATCH: usize = 500;
/// Dollars per million on-demand units in us-east-1.
const WRITE_PRICE: f64 = 0.625;
const READ_PRICE: f64 = 0.125;
/// Maximum write units per event.
const TARGET: f64 = 5.0;

/// A day of records in the order of time. All users are assigned in the first two hours, and each has ten events.
fn day() -> Vec<UserRecord> {
    let start = 20_370 * DAY + 8 * HOUR;
    let at = |micros: usize| Timestamp::from_micros(start + i64::try_from(micros).unwrap());
    let hour = usize::try_from(HOUR).unwrap();
    let mut all = Vec::new();
    for user in 0..USERS {
        // The stride has no common divisor with the number of users, so it spreads them without a pattern.
        let place = user * 619 % USERS;
        let arrival = 2 * hour * place / USERS;
        all.push(UserRecord {
            user,
            at: at(arrival),
            kind: RecordKind::Assigned,
        });
        for event in 0..EVENTS_EACH {
            let later = hour * event + hour * (user * 373 % USERS) / USERS;
            all.push(UserRecord {
                user,
                at: at(arrival + later + 1),
                kind: RecordKind::Bought(event),
            });
        }
    }
    all.sort_by_key(|user_record| user_record.at);
    all
}

struct Cost {
    put: Reading,
    counted: Reading,
}

/// Writes the whole day, and delivers a batch of each stream when it is full.
async fn measure(world: &World, setup: Setup) -> Cost {
    let day = day();
    let start = day[0].at.plus_micros(-HOUR);
    let Setup {
        metrics,
        capped,
        dimensions,
    } = setup;
    let id = format!("day-{metrics}-{capped}-{dimensions}");
    let experiment = crowd::experiment(world, &id, start, setup).await;
    let aggregator = world.process(Pressure::default(), 0);
    let mut waiting: [Vec<EventRecord>; 2] = Default::default();
    let mut put = Reading::default();
    for part in day.chunks(100) {
        let before = world.store.usage().reading();
        let records = crowd::write(world, &experiment, part).await;
        let used = world.store.usage().reading() - before;
        put.write_units += used.write_units;
        put.read_units += used.read_units;
        for (record, user_record) in records.into_iter().zip(part) {
            let stream = usize::from(matches!(user_record.kind, RecordKind::Bought(_)));
            waiting[stream].push(record);
            if waiting[stream].len() == BATCH {
                let batch = std::mem::take(&mut waiting[stream]);
                aggregator.aggregate(batch).await.unwrap().unwrap();
            }
        }
    }
    for batch in waiting.into_iter().filter(|batch| !batch.is_empty()) {
        aggregator.aggregate(batch).await.unwrap().unwrap();
    }
    Cost {
        put,
        counted: aggregator.usage(),
    }
}

#[expect(clippy::print_stdout, reason = "output of `scripts/write-units`")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: scripts/write-units"]
async fn write_units_for_each_event() {
    let world = World::start().await;
    let events = f64::from(u32::try_from(USERS * EVENTS_EACH).unwrap());
    println!(
        "{USERS} users with {EVENTS_EACH} events each within a day, batches of {BATCH}; units per event"
    );
    println!(
        "| metrics | capped | dimensions | put | counting | all writes | reads | $ per million events |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut dearest = 0.0_f64;
    for (metrics, capped, dimensions) in [
        (1, false, 0),
        (5, false, 0),
        (10, false, 0),
        (1, false, 2),
        (5, false, 2),
        (10, false, 2),
        (5, true, 0),
        (5, true, 2),
    ] {
        let setup = Setup {
            metrics,
            capped,
            dimensions,
        };
        let Cost { put, counted } = measure(&world, setup).await;
        let [put_writes, counting] = [put, counted].map(|used| used.write_units / events);
        let writes = put_writes + counting;
        let reads = (put.read_units + counted.read_units) / events;
        let price = writes * WRITE_PRICE + reads * READ_PRICE;
        println!(
            "| {metrics} | {capped} | {dimensions} | {put_writes:.2} | {counting:.2} | {writes:.2} | {reads:.2} | {price:.2} |"
        );
        if dimensions == 0 {
            dearest = dearest.max(writes);
        }
    }
    assert!(dearest < TARGET, "{dearest} write units per event");
}
