//! What counting costs: write and read units for each event, from the put to the sums.

use super::crowd::{self, Asked, Fact, Happening};
use super::history::{DAY, HOUR};
use super::network::Pressure;
use super::world::World;
use aws_lambda_events::dynamodb::EventRecord;
use domain::time::Timestamp;
use shared::store::usage::Reading;

const USERS: usize = 1_000;
const EVENTS_EACH: usize = 10;
/// Records of a batch when the batch window is on and there is traffic.
const BATCH: usize = 500;
/// Dollars for a million units on demand, us-east-1.
const WRITE_PRICE: f64 = 0.625;
const READ_PRICE: f64 = 0.125;
/// More than that for an event, and counting is no longer cheap.
const TARGET: f64 = 5.0;

/// A day from eight to eight in the order of time: everybody comes within the first two hours, and then ten times.
fn day() -> Vec<Happening> {
    let start = 20_370 * DAY + 8 * HOUR;
    let at = |micros: usize| Timestamp::from_micros(start + i64::try_from(micros).unwrap());
    let hour = usize::try_from(HOUR).unwrap();
    let mut all = Vec::new();
    for user in 0..USERS {
        // A stride that is prime to the number of users spreads them without a pattern.
        let place = user * 619 % USERS;
        let arrival = 2 * hour * place / USERS;
        all.push(Happening {
            user,
            at: at(arrival),
            fact: Fact::Assigned,
        });
        for event in 0..EVENTS_EACH {
            let later = hour * event + hour * (user * 373 % USERS) / USERS;
            all.push(Happening {
                user,
                at: at(arrival + later + 1),
                fact: Fact::Bought(event),
            });
        }
    }
    all.sort_by_key(|happening| happening.at);
    all
}

struct Cost {
    put: Reading,
    counted: Reading,
}

/// The whole day, a batch of each stream as soon as it is full.
async fn measure(world: &World, asked: Asked) -> Cost {
    let day = day();
    let start = day[0].at.plus_micros(-HOUR);
    let Asked {
        metrics,
        cut,
        dimensions,
    } = asked;
    let id = format!("day-{metrics}-{cut}-{dimensions}");
    let experiment = crowd::experiment(world, &id, start, asked).await;
    let aggregator = world.process(Pressure::default(), 0);
    let mut waiting: [Vec<EventRecord>; 2] = Default::default();
    let mut put = Reading::default();
    for part in day.chunks(100) {
        let before = world.store.usage().reading();
        let records = crowd::write(world, &experiment, part).await;
        let used = world.store.usage().reading() - before;
        put.write_units += used.write_units;
        put.read_units += used.read_units;
        for (record, happening) in records.into_iter().zip(part) {
            let stream = usize::from(matches!(happening.fact, Fact::Bought(_)));
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

#[expect(clippy::print_stdout, reason = "what `scripts/write-units` shows")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: scripts/write-units"]
async fn write_units_for_each_event() {
    let world = World::start().await;
    let events = f64::from(u32::try_from(USERS * EVENTS_EACH).unwrap());
    println!(
        "{USERS} users with {EVENTS_EACH} events each within a day, batches of {BATCH}; units for each event"
    );
    println!(
        "| metrics | cut | dimensions | put | counting | writes together | reads | $ for a million events |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut dearest = 0.0_f64;
    for (metrics, cut, dimensions) in [
        (1, false, 0),
        (5, false, 0),
        (10, false, 0),
        (1, false, 2),
        (5, false, 2),
        (10, false, 2),
        (5, true, 0),
        (5, true, 2),
    ] {
        let asked = Asked {
            metrics,
            cut,
            dimensions,
        };
        let Cost { put, counted } = measure(&world, asked).await;
        let [put_writes, counting] = [put, counted].map(|used| used.write_units / events);
        let writes = put_writes + counting;
        let reads = (put.read_units + counted.read_units) / events;
        let price = writes * WRITE_PRICE + reads * READ_PRICE;
        println!(
            "| {metrics} | {cut} | {dimensions} | {put_writes:.2} | {counting:.2} | {writes:.2} | {reads:.2} | {price:.2} |"
        );
        if dimensions == 0 {
            dearest = dearest.max(writes);
        }
    }
    assert!(dearest < TARGET, "{dearest} write units for an event");
}
