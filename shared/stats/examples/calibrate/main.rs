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

fn main() -> io::Result<ExitCode> {
    let mut table = Table::new(io::stdout())?;
    fixed::false_positives(&mut table)?;
    sequential::false_positives(&mut table)?;
    rare::false_positives(&mut table)?;
    rare::false_positives_of_means(&mut table)?;
    rare::time_to_alarm(&mut table)?;
    split::false_alarms(&mut table)?;
    coverage::interval_coverage(&mut table)?;
    power::planned_power(&mut table)?;
    Ok(if table.all_hold() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
