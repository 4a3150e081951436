//! Measures the cost of results. With aggregates it does not grow with the data; with raw records it does.

use super::crowd::{self, RecordKind, UserRecord};
use super::history::{DAY, HOUR};
use super::network::Pressure;
use super::stored;
use super::world::{Process, World};
use domain::aggregates::{day_of, start_of};
use domain::change::{Change, ScheduleChange};
use domain::placement::Placement;
use domain::time::Timestamp;
use serde_json::Value;
use shared::app::App;
use shared::store::Store;
use shared::store::experiments::ChangeOutcome;
use shared::store::usage::Reading;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const DAYS: usize = 30;
const EVENTS_EACH: usize = 10;
const BATCH: usize = 500;
/// Number of calls per data source; the table contains the median time. Raw records take up to half a minute per call. Each
/// round calls all sizes, so that other load on the machine affects all sizes equally.
const ROUNDS: [(&str, usize); 2] = [("aggregates", 15), ("raw", 3)];
/// Hours of the events after the assignment. They are equal for all users, so every size has the same days and hours.
const AFTER_HOURS: [i64; EVENTS_EACH] = [1, 2, 20, 23, 30, 50, 75, 100, 150, 200];
/// Maximum growth of the read units. Larger numbers have more digits: about one byte per factor of a hundred.
const MORE_DIGITS: f64 = 1.1;

/// Users of both variants on every day. All records of a user follow each other, so that each user is refreshed only once or
/// twice. The order of the records does not change the aggregates.
fn month(events: usize, start: Timestamp) -> Vec<UserRecord> {
    let last = DAY * i64::try_from(DAYS).unwrap() - 1;
    let mut all = Vec::new();
    for user in 0..events / EVENTS_EACH {
        let day = i64::try_from(user / 2 % DAYS).unwrap();
        let arrival =
            day * DAY + 8 * HOUR + i64::try_from(user * 6_007 % 3_600).unwrap() * 1_000_000;
        all.push(UserRecord {
            user,
            at: start.plus_micros(arrival.min(last)),
            kind: RecordKind::Assigned,
        });
        for (place, hours) in AFTER_HOURS.into_iter().enumerate() {
            all.push(UserRecord {
                user,
                at: start.plus_micros((arrival + hours * HOUR).min(last)),
                kind: RecordKind::Bought(place),
            });
        }
    }
    all
}

/// Stores and aggregates all records.
async fn fill(world: &World, aggregator: &Process, id: &str, start: Timestamp, events: usize) {
    let three = crowd::Setup {
        metrics: 3,
        capped: false,
        dimensions: 0,
    };
    let experiment = crowd::experiment(world, id, start, three).await;
    let mut all = Vec::new();
    for part in month(events, start).chunks(BATCH) {
        let records = crowd::write(world, &experiment, part).await;
        aggregator
            .aggregate(records.clone())
            .await
            .unwrap()
            .unwrap();
        all.extend(records);
    }
    // Aggregates have several write shards, and each write chooses one at random. With little data some write shards have no
    // items. So the events are removed from the aggregates and added again until all write shards have items.
    let rounds = match events {
        0..5_000 => 24,
        5_000..50_000 => 3,
        _ => 0,
    };
    let mut before = experiment;
    for round in 0..2 * rounds {
        let change = Change {
            schedule: ScheduleChange {
                ends_at: Some((round % 2 == 0).then(|| start.plus_micros(1))),
                ..ScheduleChange::default()
            },
            ..Change::default()
        };
        let after = change.apply(&before, before.updated_at.plus_micros(1));
        let after = after.unwrap();
        let placement = Placement::unchanged(after.clone());
        let store = &world.store;
        let catalog = store.catalog_with(false).await.unwrap();
        let changed = store.change_experiment(&before, &placement, "", crowd::AUTHOR, catalog);
        assert_eq!(changed.await.unwrap(), ChangeOutcome::Changed);
        for batch in all.chunks(BATCH) {
            aggregator.aggregate(batch.to_vec()).await.unwrap().unwrap();
        }
        before = after;
    }
    // In a month, all but the records of the last minute are behind the checkpoints.
    stored::advance_checkpoints(&world.store, &before).await;
}

struct Asked {
    used: Reading,
    bytes: usize,
    took: Duration,
    body: Value,
}

/// Calls the real function with an event of API Gateway.
async fn ask(app: &App, id: &str, query: &[(&str, &str)]) -> Asked {
    let recorded = include_str!("../../../../events/get-results/summary.json");
    let recorded = recorded.replace("reported", id);
    let mut request: Value = serde_json::from_str(&recorded).unwrap();
    request["queryStringParameters"] = query.iter().copied().collect::<Value>();
    request["multiValueQueryStringParameters"] = query
        .iter()
        .map(|(name, value)| (*name, vec![*value]))
        .collect::<Value>();
    let request = lambda_http::request::from_str(&request.to_string()).unwrap();
    let before = app.store().usage().reading();
    let started = Instant::now();
    let answer = get_results::handle(app.clone(), request).await;
    let took = started.elapsed();
    let body = answer
        .unwrap_or_else(|problem| panic!("{problem:?}"))
        .into_body();
    Asked {
        used: app.store().usage().reading() - before,
        bytes: body.len(),
        took,
        body: serde_json::from_slice(&body).unwrap(),
    }
}

/// The response without its time and data source.
fn said(mut body: Value) -> Value {
    let fields = body.as_object_mut().unwrap();
    for name in ["as_of", "source", "freshness"] {
        fields.remove(name);
    }
    body
}

fn id(events: usize) -> String {
    format!("events-{events}")
}

#[expect(clippy::print_stdout, reason = "output of `scripts/bench-results`")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: scripts/bench-results"]
async fn calls_units_bytes_and_time_of_results() {
    let sizes = std::env::var("ASSAY_BENCH_EVENTS").unwrap_or("1000,10000".to_owned());
    let sizes = sizes.split(',').map(|size| size.parse::<usize>().unwrap());
    let world = World::start().await;
    let today = start_of(day_of(shared::clock::now()));
    let start = today.plus_micros(-DAY * i64::try_from(DAYS).unwrap());
    let mut filled = Vec::new();
    for events in sizes {
        let started = Instant::now();
        let aggregator = world.process(Pressure::default(), 0);
        fill(&world, &aggregator, &id(events), start, events).await;
        eprintln!(
            "{events} events stored and counted in {:.0?}",
            started.elapsed()
        );
        let app = App::new(Store::clone(aggregator.app.store()), &world.config);
        filled.push((events, app));
    }
    // All measurements start after the last experiment is filled, so that all use the same engine state.
    println!("| source | view | events | calls | read units | bytes | median ms |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut answers = BTreeMap::new();
    for (source, rounds) in ROUNDS {
        for (view, series) in [("summary", "none"), ("analysis", "day")] {
            let query = [("view", view), ("series", series), ("source", source)];
            let mut asked: Vec<Vec<Asked>> = filled.iter().map(|_| Vec::new()).collect();
            for _ in 0..rounds {
                for ((events, app), asked) in filled.iter().zip(&mut asked) {
                    asked.push(ask(app, &id(*events), &query).await);
                }
            }
            let mut first: Option<Reading> = None;
            for ((events, _), mut asked) in filled.iter().zip(asked) {
                asked.sort_by_key(|asked| asked.took);
                let Asked {
                    used,
                    bytes,
                    took,
                    body,
                } = asked.swap_remove(rounds / 2);
                let (calls, read_units) = (used.calls, used.read_units);
                let median = took.as_secs_f64() * 1e3;
                println!(
                    "| {source} | {view} | {events} | {calls} | {read_units} | {bytes} | {median:.1} |"
                );
                if source == "aggregates" {
                    is_flat(*first.get_or_insert(used), used);
                }
                let said = said(body);
                let before = answers.entry((view, events)).or_insert(said.clone());
                assert_eq!(*before, said, "both sources give the same results");
            }
        }
    }
}

fn is_flat(first: Reading, now: Reading) {
    assert_eq!(first.calls, now.calls, "calls do not grow with the data");
    let more = now.read_units / first.read_units;
    assert!(more < MORE_DIGITS, "{more} times the read units");
}
