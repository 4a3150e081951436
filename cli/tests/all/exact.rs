//! The aggregates always equal the aggregation of the raw records exactly, even after crashes and repeated deliveries.
//!
//! The tests run the real functions on a real engine, but without the stream consumers. They deliver the records themselves:
//! in any order, repeatedly, and from two processes at the same time. They kill processes before and after any call to the
//! database. A seed determines each history, and a failure prints the command that repeats it.
//!
//! | module | holds |
//! | --- | --- |
//! | `history`, `author` | the steps of a history, and how a seed determines them |
//! | `writer` | writes assignments, events, changes and erasures |
//! | `play` | plays a history and kills processes |
//! | `queue` | runs backfills after a change |
//! | `check` | compares the aggregates with the records |
//! | `stored` | compares the number of stored records with the records |
//! | `network` | a network that fails on request |
//! | `records` | builds stream records |
//! | `fence` | aggregation with a definition that changes at the same time |
//! | `held_up` | an import while the aggregator is held up |
//! | `index_lag` | a backfill on an index that is behind its table |
//! | `steps` | a user whose refresh needs several transactions |
//! | `refusal` | a user whose contributions the database refuses |
//! | `extremes` | users at every limit at once |
//! | `world` | engine, tables and processes |
//! | `capacity` | how many records a second one experiment takes, with the limits of DynamoDB in virtual time |
//! | `pressure` | throttling, conflicts and crashes at the same time |
//! | `write_units`, `results_cost` | measurements with the users of `crowd` |
//!
//! `scripts/exactness` runs many more histories than the usual tests.

mod author;
mod capacity;
mod check;
mod crowd;
mod draw;
mod extremes;
mod fence;
mod figures;
mod held_up;
mod history;
mod index_lag;
mod network;
mod play;
mod pressure;
mod queue;
mod records;
mod refusal;
mod results_cost;
mod steps;
mod stored;
mod world;
mod write_units;
mod writer;

use futures::StreamExt;
use history::{History, Size};
use network::Crash;
use play::{CrashTarget, Crashes, play};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use world::World;

/// Number of histories that are played at the same time. While one waits for the engine, another computes.
const AT_ONCE: usize = 3;
/// Threads with an engine each.
const THREADS: usize = 2;
/// Default duration of the test with random histories.
const USUAL_SECONDS: u64 = 6;

#[test]
fn aggregates_equal_the_raw_records_after_any_history() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    if let Some(seed) = number("ASSAY_SEED") {
        return play_all(std::iter::once(seed));
    }
    let started = Instant::now();
    let most = number("ASSAY_EXACT_HISTORIES");
    let begin = number("ASSAY_FIRST_SEED").map_or(0, |seed: u64| usize::try_from(seed).unwrap());
    let seconds = number("ASSAY_EXACT_SECONDS").unwrap_or(USUAL_SECONDS);
    let in_time = |seed: &u64| {
        most.map_or_else(
            || started.elapsed() < Duration::from_secs(seconds),
            |most| *seed < most,
        )
    };
    std::thread::scope(|threads| {
        for first in 0..THREADS {
            let seeds = (begin + first..).step_by(THREADS).map(|seed| seed as u64);
            threads.spawn(move || play_all(seeds.take_while(in_time)));
        }
    });
}

/// Plays histories one after another on an engine of their own, some of them at the same time.
fn play_all(seeds: impl Iterator<Item = u64>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let world = World::start().await;
        let started = Instant::now();
        let mut outcomes = futures::stream::iter(seeds)
            .map(|seed| {
                let world = &world;
                async move {
                    let history = History::draw(seed, Size::Any);
                    if std::env::var("ASSAY_PRINT").is_ok() {
                        eprintln!("{history:#?}");
                    }
                    (seed, play(world, &history, Crashes::Drawn).await)
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some((seed, outcome)) = outcomes.next().await {
            if let Err(why) = outcome {
                panic!("{why}\n\nto repeat: ASSAY_SEED={seed} cargo test --test all any_history");
            }
        }
        drop(outcomes);
        report(&world, started);
        assert!(world.figures.histories.load(Relaxed) > 0);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: scripts/check soak"]
async fn a_process_may_crash_before_and_after_every_call() {
    let world = World::start().await;
    let started = Instant::now();
    let histories = || (0..).map(|seed| History::draw(seed, Size::Small));
    let backfilled = histories().filter(History::has_other_aggregates);
    crash_at_calls_of(&world, histories(), 2, CrashTarget::Aggregator).await;
    crash_at_calls_of(&world, backfilled, 1, CrashTarget::Backfiller).await;
    report(&world, started);
}

/// Calls of a process in one history, from which on the history is worth the search: some are drawn with so few records
/// that there is little to interrupt.
const CALLS_WORTH_A_SEARCH: u64 = 10;
/// Histories that a search looks at to find enough of them.
const HISTORIES_LOOKED_AT: usize = 20;

/// Crashes at every call of histories, in order, until `wanted` of them had many calls.
async fn crash_at_calls_of(
    world: &World,
    histories: impl Iterator<Item = History>,
    wanted: usize,
    victim: CrashTarget,
) {
    let mut long = 0;
    for history in histories.take(HISTORIES_LOOKED_AT) {
        if crash_at_every_call(world, &history, victim).await > CALLS_WORTH_A_SEARCH {
            long += 1;
        }
        if long == wanted {
            return;
        }
    }
    panic!("{victim:?}: {long} of {HISTORIES_LOOKED_AT} histories had enough calls, not {wanted}");
}

/// Plays a history repeatedly with one crash each, until every call has been a crash point, or every n-th one where
/// `ASSAY_CRASH_STEP` is n. Answers the number of calls.
async fn crash_at_every_call(world: &World, history: &History, victim: CrashTarget) -> u64 {
    let step = std::env::var("ASSAY_CRASH_STEP").map_or(1, |step| step.parse().unwrap());
    let mut calls = 0;
    loop {
        for crash in [Crash::Before(calls + 1), Crash::After(calls + 1)] {
            let outcome = play(world, history, Crashes::At(victim, crash)).await;
            let seed = history.seed;
            let reached =
                outcome.unwrap_or_else(|why| panic!("seed {seed}, {victim:?}, {crash:?}: {why}"));
            if !reached {
                return calls;
            }
        }
        calls += step;
    }
}

#[expect(clippy::print_stdout, reason = "output of `scripts/exactness`")]
fn report(world: &World, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{}; {seconds:.1} s", world.figures);
}
