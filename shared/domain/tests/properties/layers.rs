//! Layers and holdouts over random histories: experiments are created, resized and stopped, while processes with
//! definitions from before a change assign users.

mod steps;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use steps::step;
use world::{ALL, Safeguards, World};

/// The first fault in random histories.
fn first_fault(safeguards: Safeguards, histories: u32) -> Option<String> {
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::with_cases(histories)
    };
    let steps = prop::collection::vec(step(), 20..150);
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, random).run(&steps, |steps| {
        let mut world = World::new(safeguards);
        for step in steps {
            world.run(step);
        }
        // Stored assignments stay, so a fault remains until the end.
        world
            .fault()
            .map_or(Ok(()), |fault| Err(TestCaseError::fail(fault)))
    });
    outcome.err().map(|error| error.to_string())
}

#[test]
fn no_user_is_ever_in_two_experiments_of_a_layer_or_held_out_of_an_own_experiment() {
    assert_eq!(first_fault(ALL, 1_000), None);
}

#[test]
fn freed_ranges_must_be_given_away_later() {
    let without = Safeguards {
        delay: false,
        ..ALL
    };
    assert!(first_fault(without, 3_000).unwrap().contains(" is in "));
}

#[test]
fn users_of_earlier_experiments_must_be_left_out() {
    let without = Safeguards {
        history: false,
        ..ALL
    };
    assert!(first_fault(without, 3_000).unwrap().contains(" is in "));
}

#[test]
fn the_holdouts_of_an_experiment_must_be_those_of_its_start() {
    let without = Safeguards {
        listed_at_start: false,
        ..ALL
    };
    assert!(first_fault(without, 3_000).unwrap().contains("is held out"));
}
