//! Calibration of the statistics engine: simulated experiments with a known true effect check the
//! error rates, the coverage and the power.
//!
//! The program prints a Markdown table, and fails if a measured value is outside its bounds. Seeds are
//! fixed, so every run gives the same numbers. Where the distribution of a sum is known, the program
//! draws the sum between two looks instead of single users. It takes minutes on one core.

mod coverage;
mod draw;
mod fixed;
mod power;
mod rare;
mod sequential;
mod split;
mod table;

use std::io;
use std::process::ExitCode;

use table::Table;

/// Number of simulated experiments per line of the table.
const EXPERIMENTS: u32 = 20_000;

/// The parts of the table. Without arguments, the program makes all of them.
const PARTS: [&str; 6] = ["fixed", "sequential", "rare", "split", "coverage", "power"];

fn main() -> io::Result<ExitCode> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|part| !PARTS.contains(&part.as_str())) {
        let known = PARTS.join(", ");
        let text = format!("`{unknown}` is no part of the table; the parts are {known}");
        return Err(io::Error::other(text));
    }
    let makes = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);
    let mut table = Table::new(io::stdout())?;
    if makes("fixed") {
        fixed::false_positives(&mut table)?;
    }
    if makes("sequential") {
        sequential::false_positives(&mut table)?;
    }
    if makes("rare") {
        rare::false_positives(&mut table)?;
        rare::false_positives_of_means(&mut table)?;
        rare::time_to_alarm(&mut table)?;
    }
    if makes("split") {
        split::false_alarms(&mut table)?;
    }
    if makes("coverage") {
        coverage::interval_coverage(&mut table)?;
    }
    if makes("power") {
        power::planned_power(&mut table)?;
    }
    Ok(if table.all_hold() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
