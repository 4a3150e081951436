//! Sample ratio mismatch: with the sequential test, at most 1% of experiments with the correct split
//! raise an alarm.

use std::io::{self, Write};

use stats::{self, SequentialSplit};

use crate::EXPERIMENTS;
use crate::draw::Draw;
use crate::table::Table;

/// The p-value up to which the alarm is raised.
const ALARM: f64 = 0.01;
const LOOKS: u32 = 500;
/// Units assigned between two looks.
const UNITS: u64 = 20;

pub(crate) fn false_alarms<W: Write>(table: &mut Table<W>) -> io::Result<()> {
    let name = "a correct split raises an alarm in at most 1%";
    for (seed, weights) in [(300, [0.5, 0.5]), (301, [0.9, 0.1])] {
        let experiment = format!(
            "{:.0} : {:.0}, 500 looks",
            100.0 * weights[0],
            100.0 * weights[1]
        );
        let (sequential, chi_squared) = alarms(seed, weights, weights[1])?;
        table.line(name, &experiment, sequential, 0.0..=1.0)?;
        table.remark("(chi-square at the same looks)", &experiment, chi_squared)?;
    }
    let (found, _) = alarms(302, [0.5, 0.5], 0.47)?;
    table.line(
        "a wrong split is detected",
        "47% instead of 50%, 10,000 users",
        found,
        95.0..=100.0,
    )
}

/// Per cent of experiments in which the sequential test and the chi-square test raise an alarm, if the
/// second arm gets the share `truth`.
fn alarms(seed: u64, weights: [f64; 2], truth: f64) -> io::Result<(f64, f64)> {
    let test = SequentialSplit::new(&weights, SequentialSplit::DEFAULT_CONCENTRATION)
        .map_err(io::Error::other)?;
    let mut draw = Draw::new(seed);
    let (mut sequential, mut chi_squared) = (0_u32, 0_u32);
    for _ in 0..EXPERIMENTS {
        let (mut n, mut second) = (0, 0);
        let (mut by_sequence, mut by_chi_squared) = (false, false);
        for _ in 0..LOOKS {
            n += UNITS;
            second += draw.binomial(UNITS, truth);
            let counts = [n - second, second];
            by_sequence |= test
                .evidence(&counts)
                .is_ok_and(|e| e.p_value.value() <= ALARM);
            // The simple formula of Pearson's statistic selects the looks that need the whole test.
            let expected = n as f64 * weights[1];
            let z2 = (second as f64 - expected).powi(2) / (expected * weights[0]);
            by_chi_squared |= z2 > 6.0
                && stats::split_test(&counts, &weights).is_ok_and(|t| t.p_value.value() <= ALARM);
        }
        sequential += u32::from(by_sequence);
        chi_squared += u32::from(by_chi_squared);
    }
    let percent = |count: u32| 100.0 * f64::from(count) / f64::from(EXPERIMENTS);
    Ok((percent(sequential), percent(chi_squared)))
}
