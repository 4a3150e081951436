//! The promise that earns trust: running sums equal the fold over the raw records, digit for digit, whatever happens
//! on the way.
//!
//! The real functions on a real engine, without the driver of the streams: the test hands them the records itself, in
//! any order, more than once, by two processes at the same time, and lets these die before and after any of their
//! calls to the database. A history follows from its seed, and a failure names the command that repeats it.
//!
//! | module | holds |
//! | --- | --- |
//! | `history`, `author` | what happens, and how it is drawn from a seed |
//! | `writer` | doing what users and experimenters do |
//! | `play` | doing all of it, with processes that die |
//! | `queue` | sums that are made again after a change |
//! | `check` | what must hold then |
//! | `network` | calls that fail when they are told to |
//! | `records` | what the streams would say |
//! | `fence` | counting by a definition that was changed meanwhile |
//! | `steps` | users who change more than one transaction takes |
//! | `world` | engine, tables, processes |
//! | `pressure` | a database that refuses, and writers that meet |
//! | `write_units`, `results_cost` | measurements, over the users of `crowd` |
//!
//! `scripts/exactness` runs many more histories than the ordinary tests do.

mod author;
mod check;
mod crowd;
mod draw;
mod fence;
mod figures;
mod history;
mod network;
mod play;
mod pressure;
mod queue;
mod records;
mod results_cost;
mod steps;
mod world;
mod write_units;
mod writer;

use futures::StreamExt;
use history::{History, Size};
use network::Crash;
use play::{Deaths, Victim, play};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use world::World;

/// Histories played at once: while one waits for the engine another computes.
const AT_ONCE: usize = 3;
/// How long histories are played if nothing else is said.
const USUAL_SECONDS: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_equal_the_raw_records_after_any_history() {
    let world = World::start().await;
    let started = Instant::now();
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let most = number("ASSAY_EXACT_HISTORIES");
    let seconds = number("ASSAY_EXACT_SECONDS").unwrap_or(USUAL_SECONDS);
    let in_time = |place: &u64| {
        most.map_or_else(
            || started.elapsed() < Duration::from_secs(seconds),
            |most| *place < most,
        )
    };
    let seeds: Box<dyn Iterator<Item = u64>> = match number("ASSAY_SEED") {
        Some(seed) => Box::new(std::iter::once(seed)),
        None => Box::new((0..).take_while(in_time)),
    };
    let world_ref = &world;
    let mut outcomes = futures::stream::iter(seeds)
        .map(|seed| async move {
            let history = History::draw(seed, Size::Any);
            (seed, play(world_ref, &history, Deaths::Drawn).await)
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_may_die_before_and_after_every_call_that_it_makes() {
    let world = World::start().await;
    let started = Instant::now();
    for seed in 0..2 {
        let history = History::draw(seed, Size::Small);
        dies_everywhere(&world, &history, Victim::Aggregator).await;
    }
    let histories = (0..).map(|seed| History::draw(seed, Size::Small));
    let mut backfilled = histories.filter(History::has_other_aggregates);
    dies_everywhere(&world, &backfilled.next().unwrap(), Victim::Backfiller).await;
    report(&world, started);
}

/// Plays a history again and again, with one death each, until no call is left at which one could die.
async fn dies_everywhere(world: &World, history: &History, victim: Victim) {
    let mut call = 1;
    let mut reached = true;
    while reached {
        for crash in [Crash::Before(call), Crash::After(call)] {
            let outcome = play(world, history, Deaths::At(victim, crash)).await;
            let seed = history.seed;
            reached =
                outcome.unwrap_or_else(|why| panic!("seed {seed}, {victim:?}, {crash:?}: {why}"));
        }
        call += 1;
    }
    assert!(call > 10, "a history of {call} calls says little");
}

#[expect(clippy::print_stdout, reason = "what `scripts/exactness` shows")]
fn report(world: &World, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{}; {seconds:.1} s", world.figures);
}
