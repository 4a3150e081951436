//! The steps of a history.

use super::world::{PROCESSES, USERS};
use proptest::prelude::*;

/// How far a clock is wrong at most.
const CLOCK_SECONDS: i64 = 30;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// An experiment in the layer starts.
    Start {
        hundredths: u16,
        clock: i64,
    },
    /// An experiment asks for another percentage.
    Resize {
        experiment: usize,
        hundredths: u16,
        clock: i64,
    },
    Stop {
        experiment: usize,
        clock: i64,
    },
    StartHoldout,
    Wait {
        seconds: i64,
    },
    /// A process evaluates a user and reads what is stored of the user.
    Begin {
        process: usize,
        experiment: usize,
        user: usize,
    },
    /// The oldest request that is under way stores its assignments.
    Finish,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let clock = || -CLOCK_SECONDS..=CLOCK_SECONDS;
    let hundredths = || prop_oneof![Just(10_000_u16), 1_u16..10_000];
    prop_oneof![
        2 => (hundredths(), clock()).prop_map(|(hundredths, clock)| Step::Start { hundredths, clock }),
        2 => (0_usize..4, hundredths(), clock())
            .prop_map(|(experiment, hundredths, clock)| Step::Resize { experiment, hundredths, clock }),
        2 => (0_usize..4, clock()).prop_map(|(experiment, clock)| Step::Stop { experiment, clock }),
        1 => Just(Step::StartHoldout),
        2 => prop_oneof![1_i64..12, 50_i64..150].prop_map(|seconds| Step::Wait { seconds }),
        8 => (0..PROCESSES, 0_usize..4, 0..USERS)
            .prop_map(|(process, experiment, user)| Step::Begin { process, experiment, user }),
        4 => Just(Step::Finish),
    ]
}
